-- gpu.lua - an AMD GPU as far as a driver's PCI scan and IP discovery go, with the handshakes of its boot.
--
-- A driver finds the device, reads the size of the VRAM, finds the IP-discovery table at the end of the VRAM (AMD's
-- include/discovery.h as Linux has it), and from it the addresses of all blocks. Then it boots the firmware processor
-- (PSP), asks the power controller (SMU) for clocks and flushes translation caches: those registers answer at once.
-- All other registers of BAR5 are plain memory. There is no ring interpreter: no work is run.

local MIB = 1 << 20
local VRAM = 256 * MIB
local TABLE_BYTES = 10240

local READY = 1 << 31

-- Indirect registers: a byte address in the SMN space goes to an index register, the value is in the data register
-- after it. The space is sparse, so it is a table of what was written; a driver uses few, and no more are kept.
local smn, smn_count, SMN_MAX = {}, 0, 4096

local function smn_write(address, value)
  if not smn[address] then
    if smn_count == SMN_MAX then return end
    smn_count = smn_count + 1
  end
  smn[address] = value
end

-- Every block with hardware id, version and the base addresses (in dwords) that its register offsets are relative to.
local BLOCKS = {
  { id = 11, version = { 12, 0, 0 }, bases = { 0x1260, 0xa000, 0x1c000, 0x2402c00 } },           -- GC
  { id = 42, version = { 7, 0, 0 }, bases = { 0x1260, 0xa000, 0x1c000, 0x2402c00 } },            -- SDMA
  { id = 34, version = { 4, 1, 0 }, bases = { 0x1a000, 0x2408800 } },                            -- MMHUB
  { id = 108, version = { 6, 3, 1 }, bases = { 0x0, 0x14, 0xd20, 0x10400, 0x241b000, 0x4040000 } },   -- NBIF
  { id = 255, version = { 14, 0, 2 }, bases = { 0x16000, 0xdc0000, 0xe00000, 0xe40000, 0x243fc00 } }, -- MP0 (PSP)
  { id = 1, version = { 14, 0, 2 }, bases = { 0x16000, 0xdc0000, 0xe00000, 0xe40000, 0x243fc00 } },   -- MP1 (SMU)
  { id = 41, version = { 7, 0, 0 }, bases = { 0xf20, 0x240a400 } },                              -- HDP
  { id = 40, version = { 7, 0, 0 }, bases = { 0x10a0, 0x240a000 } },                             -- OSSSYS
}

local HEADER, DIE, GC_INFO = 0x3c, 0x8c, 0x210   -- where the parts lie in the table
local BASES = 10                                 -- address slots of each block: all alike keeps it simple

local function pad(data, size) return data .. ("\0"):rep(size - #data) end

local function checksum(data)
  local sum = 0
  for i = 1, #data do sum = (sum + data:byte(i)) & 0xffff end
  return sum
end

-- binary_header, ip_discovery_header, die_header, one ip entry a block, gc_info.
local function discovery_table()
  local ips = string.pack("<I2I2", 0, #BLOCKS)
  for _, block in ipairs(BLOCKS) do
    ips = ips .. string.pack("<I2BBBBBB", block.id, 0, BASES, block.version[1], block.version[2], block.version[3], 0)
    for i = 1, BASES do ips = ips .. string.pack("<I4", block.bases[i] or 0) end
  end
  -- Signature "IPDS", version 4, bytes, id, one die (number 0 at DIE).
  local ip_bytes = DIE - HEADER + #ips
  local header = pad(string.pack("<I4I2I2I4I2I2I2", 0x53445049, 4, ip_bytes, 0, 1, 0, DIE), DIE - HEADER)
  local ip_part = header .. ips
  -- Table id, version 2.1, bytes; 1 shader engine, 2 work group processors, 4 render backends and so on.
  local gc = pad(string.pack("<I4I2I2I4I4I4I4I4I4I4", 1, 2, 1, 108, 2, 8, 2, 4, 8, 0), 108)
  -- The list of tables: offset, checksum, bytes; discovery first, GC second.
  local tables = string.pack("<I2I2I2I2", HEADER, checksum(ip_part), #ip_part, 0) ..
                 string.pack("<I2I2I2I2", GC_INFO, checksum(gc), #gc, 0)
  local body = pad(tables, HEADER - 12) .. ip_part
  body = pad(body, GC_INFO - 12) .. gc
  body = pad(body, TABLE_BYTES - 12)
  local rest = string.pack("<I2", TABLE_BYTES)
  return string.pack("<I4I2I2I2", 0x28211407, 1, 0, checksum(rest .. body)) .. rest .. body
end

-- Power-on clears the VRAM; the card's firmware writes the table before the host looks.
local function on_reset()
  dev.memory_write(0, VRAM - 64 * 1024, discovery_table())
end

-- MM_INDEX with bit 31, and MM_INDEX_HI above it, is an address in the VRAM; MM_DATA is the dword there. The first
-- thing Linux reads the discovery table with, as it needs no large BAR.
local function vram_address()
  local address = (reg.MM_INDEX & 0x7fffffff) | reg.MM_INDEX_HI << 31
  return reg.MM_INDEX & 1 << 31 ~= 0 and address % 4 == 0 and address < VRAM and address
end

local function mm_data_read()
  local address = vram_address()
  return address and string.unpack("<I4", dev.memory_read(0, address, 4)) or 0
end

local function mm_data_write(value)
  local address = vram_address()
  if address then dev.memory_write(0, address, string.pack("<I4", value)) end
end

-- The PSP takes commands by mailbox; bit 31 says that it is ready for the next. Loading the last stage starts it.
local function psp_command(value)
  if value == 0x20000 then reg.PSP_SIGN_OF_LIFE = 1 end
  reg.PSP_MAILBOX = READY
end

-- A new write pointer, in dwords, of the PSP ring in VRAM. Each frame of 64 bytes (psp_gfx_rb_frame) has a command
-- buffer, a fence address and the value to write there; the status of the answer is 864 bytes into the buffer.
local function psp_ring(pointer, old)
  local ring, bytes = reg.PSP_RING_LOW | reg.PSP_RING_HIGH << 32, reg.PSP_RING_BYTES
  local at = old * 4
  for _ = 1, 64 do                                -- more at once is nonsense
    if at == pointer * 4 or bytes < 64 or at + 64 > bytes or ring + bytes > VRAM then return end
    local command, _, fence, value = string.unpack("<i8I4i8I4", dev.memory_read(0, ring + at, 64))
    if command >= 0 and command < VRAM - 868 then dev.memory_write(0, command + 864, "\0\0\0\0") end
    if fence >= 0 and fence < VRAM - 4 then dev.memory_write(0, fence, string.pack("<I4", value)) end
    at = (at + 64) % bytes
  end
end

-- The SMU: message, argument, response 1 (done). Asked for a count it says 2.
local function smu_message()
  reg.SMU_ARGUMENT = 2
  reg.SMU_RESPONSE = 1
end

device {
  name = "gpu",
  vendor = 0x1002, device = 0x7550, subsystem_vendor = 0x1002, subsystem = 0x0e3a, revision = 0xc0, class = 0x030000,
  interrupt_pin = 1, serial = 0x10027550,
  capabilities = { msi = 1 },
  bars = {
    [0] = bar { size = VRAM, bits = 64, prefetchable = true, holds = "memory" },
    [2] = bar { size = 2 * MIB, bits = 64, prefetchable = true, holds = "memory" },      -- doorbells: nobody listens
    [5] = bar {
      size = 512 * 1024, undeclared = "ram",
      registers = {
        register { "MM_INDEX", 0x00, access = "rw" },
        register { "MM_DATA", 0x04, access = "wo", on_read = mm_data_read, on_write = mm_data_write },
        register { "MM_INDEX_HI", 0x18, access = "rw" },
        register { "PCIE_INDEX2", 0x38, access = "rw" },
        register { "PCIE_DATA2", 0x3c, access = "wo", on_read = function() return smn[reg.PCIE_INDEX2] or 0 end,
                   on_write = function(value) smn_write(reg.PCIE_INDEX2, value) end },
        register { "RSMU_INDEX", 0x50, access = "rw" },
        register { "RSMU_DATA", 0x54, access = "wo", on_read = function() return smn[reg.RSMU_INDEX] or 0 end,
                   on_write = function(value) smn_write(reg.RSMU_INDEX, value) end },
        register { "CONFIG_MEMSIZE", 0x378c, reset = VRAM // MIB },                      -- in MiB
        register { "CP_STAT", 0x8680 },                                                  -- idle
        register { "GC_INVALIDATE_ACK", 0xa328, reset = 1 },                             -- translation caches: at once
        register { "SCRATCH_REG7", 0x3011c, access = "rw" },
        register { "PSP_MAILBOX", 0x5818c, access = "rw", reset = READY, on_write = psp_command },
        register { "PSP_RING_COMMAND", 0x58200, access = "wo", reset = READY },
        register { "PSP_RING_POINTER", 0x5820c, access = "rw", on_write = psp_ring },
        register { "PSP_RING_LOW", 0x58214, access = "rw" },
        register { "PSP_RING_HIGH", 0x58218, access = "rw" },
        register { "PSP_RING_BYTES", 0x5821c, access = "rw" },
        register { "PSP_SIGN_OF_LIFE", 0x58244 },
        register { "SMU_MESSAGE", 0x58a08, access = "rw", on_write = smu_message },
        register { "SMU_ARGUMENT", 0x58a48, access = "rw" },
        register { "SMU_RESPONSE", 0x58a68, access = "rw", reset = 1 },
        register { "FB_TOP", 0x69554, reset = VRAM // (16 * MIB) },
        register { "MMHUB_INVALIDATE_ACK", 0x69618, reset = 1 },
        register { "MMHUB_INVALIDATE_SEM", 0x696a8, reset = 1 },
      },
    },
  },
  on_reset = on_reset,
}
