-- hostile.lua - a device that attacks its host: what a DART, a dext and a backend must survive.
--
-- Each attack is a register; writing it attacks. RESULT tells how it ended: 0 it went through, 1 UR, 2 CA, 3 other.
--   00 ID           RO  "EVIL"
--   04 RESULT       RO
--   08 TARGET       RW  64 bit: the address of the DMA attacks
--   10 LENGTH       RW  bytes of the DMA attacks, at most 64 KiB
--   14 DMA_WRITE    WO  writes LENGTH bytes of the value to TARGET, mapped or not
--   18 DMA_READ     WO  reads LENGTH bytes at TARGET; LOOT is the first dword
--   1c LOOT         RO
--   20 FORGE_MSI    WO  writes the value to the MSI doorbell, whatever vectors were enabled
--   24 PEER         WO  DMA to an address inside its own BAR (offset): a request that comes back
--   28 LIE          RW  1: configuration reads tell a different device each time
--   2c LOOP         RW  1: the capability list is a circle
--   30 STORM        WO  raises vector 0 that many times (at most 1000)
--   34 SILENCE      WO  stops answering until a reset
--   38 CRASH        WO  fails: a script error, after which everything is answered UR
--
-- BAR2 is giant: 1 TiB, more than most hosts have room for.

local DOORBELL = 0xfffff000                 -- where the root complexes of the M1 and later take messages
local reads = 0

local RESULTS = { ["unsupported-request"] = 1, ["completer-abort"] = 2 }

-- dev.dma_* give nil and the name of the outcome when they fail.
local function result(good, outcome)
  reg.RESULT = good and 0 or RESULTS[outcome] or 3
  return good
end

local function length() return math.max(1, math.min(reg.LENGTH, 0x10000)) end

-- The address of BAR0 as its own configuration space has it.
local function own_bar() return dev.config_peek(0x10) & ~0xf end

local function config_read(offset, width, value)
  if reg.LIE == 1 and offset == 0 then
    reads = reads + 1
    return value ~ (reads << 16)            -- another device id at each read: whoever reads twice can be fooled
  end
  if reg.LOOP == 1 then
    -- The pointer in the second byte of every capability leads to the first one.
    local first = dev.config_peek(0x34, 1)
    if width == 1 and offset >= 0x41 and offset % 4 == 1 and dev.config_peek(offset - 1, 1) ~= 0 then return first end
    if width >= 2 and offset >= 0x40 and offset < 0x100 and offset % 4 == 0 then return value & ~0xff00 | first << 8 end
  end
  return value
end

device {
  name = "hostile",
  vendor = 0x1b36, device = 0x00ee, class = 0xff0000, interrupt_pin = 1,
  capabilities = { msi = 1, msix = { vectors = 4, bar = 4, table = 0, pba = 0x800 } },
  bars = {
    [0] = bar {
      size = 0x1000,
      registers = {
        register { "ID", 0x00, reset = 0x4c495645 },
        register { "RESULT", 0x04 },
        register { "TARGET", 0x08, width = 8, access = "rw" },
        register { "LENGTH", 0x10, access = "rw", reset = 64 },
        register { "DMA_WRITE", 0x14, access = "wo", on_write = function(value)
          result(dev.dma_write(reg.TARGET, string.char(value & 0xff):rep(length())))
        end },
        register { "DMA_READ", 0x18, access = "wo", on_write = function()
          local data, outcome = dev.dma_read(reg.TARGET, length())
          if result(data, outcome) and #data >= 4 then reg.LOOT = string.unpack("<I4", data) end
        end },
        register { "LOOT", 0x1c },
        register { "FORGE_MSI", 0x20, access = "wo", on_write = function(value)
          result(dev.dma_write(DOORBELL, string.pack("<I4", value)))
        end },
        register { "PEER", 0x24, access = "wo", on_write = function(offset)
          result(dev.dma_write(own_bar() + offset, "\255\255\255\255"))
        end },
        register { "LIE", 0x28, rw = 1 },
        register { "LOOP", 0x2c, rw = 1 },
        register { "STORM", 0x30, access = "wo", on_write = function(count)
          for _ = 1, math.min(count, 1000) do dev.raise(0) end
        end },
        register { "SILENCE", 0x34, access = "wo", on_write = function() dev.stop_responding() end },
        register { "CRASH", 0x38, access = "wo", on_write = function() error("as asked") end },
      },
    },
    [2] = bar { size = 1 << 40, bits = 64, prefetchable = true },
    [4] = bar { size = 0x1000, holds = "msix" },
  },
  on_config_read = config_read,
}
