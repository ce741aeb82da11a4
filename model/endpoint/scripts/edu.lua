-- edu.lua - QEMU's educational device (hw/misc/edu.c, docs/specs/edu): the one to read first.
--
-- A script declares its device with one call of device{}: what it is, what its BARs hold, and which functions react to
-- what. Registers that are only data (identification) are served without entering Lua; the others have a function.
-- Inside a function `reg.NAME` is the register's value, `dev` is what the device can do: DMA, interrupts, timers.

local ALL_ONES = 0xffffffff
local FACT_IRQ, DMA_IRQ = 0x1, 0x100                  -- bits this device puts into the interrupt status itself
local COMPUTING, IRQ_WHEN_DONE = 0x01, 0x80           -- bits of STATUS
local RUN, TO_HOST, IRQ_AFTER_DMA = 0x1, 0x2, 0x4     -- bits of the DMA command
local BUFFER, BUFFER_BYTES = 0x40000, 4096            -- the device's own memory, in its own address space
local DMA_MASK = (1 << 28) - 1                        -- the device drives 28 address bits
local FACTORIAL_NS, DMA_NS = 10000, 100000000         -- QEMU: a thread's pace, and a timer of 100 ms

local buffer = ("\0"):rep(BUFFER_BYTES)
local dma = { [0x80] = 0, [0x88] = 0, [0x90] = 0, [0x98] = 0 }   -- source, destination, count, command

local function raise(bits)
  reg.IRQ_STATUS = reg.IRQ_STATUS | bits
  if reg.IRQ_STATUS ~= 0 then dev.raise(0) end        -- MSI if it is enabled, else the INTx level
end

local function acknowledge(bits)
  reg.IRQ_STATUS = reg.IRQ_STATUS & ~bits
  if reg.IRQ_STATUS == 0 then dev.intx(false) end
end

-- 32-bit arithmetic that wraps. From 34 on every factorial is 0 modulo 2^32, so the loop may stop there.
local function factorial(n)
  local result = 1
  while n > 0 and result ~= 0 do
    result = (result * n) & ALL_ONES
    n = n - 1
  end
  return result
end

local function start_factorial(n, old)
  if reg.STATUS & COMPUTING ~= 0 then
    reg.FACTORIAL = old                               -- busy: the write is lost
    return
  end
  reg.STATUS = reg.STATUS | COMPUTING
  dev.after(FACTORIAL_NS, function()
    reg.FACTORIAL = factorial(n)
    reg.STATUS = reg.STATUS & ~COMPUTING
    if reg.STATUS & IRQ_WHEN_DONE ~= 0 then raise(FACT_IRQ) end
  end)
end

-- Outside the buffer QEMU only logs (and corrupts itself); here the transfer does not happen.
local function in_buffer(address, count)
  return address >= BUFFER and count >= 1 and count <= BUFFER_BYTES and address + count <= BUFFER + BUFFER_BYTES
end

local function finish_dma()
  local source, destination, count, command = dma[0x80], dma[0x88], dma[0x90], dma[0x98]
  if command & TO_HOST == 0 then
    if in_buffer(destination, count) then
      local data = dev.dma_read(source & DMA_MASK, count)     -- nil and an outcome if it failed
      local at = destination - BUFFER
      if data then buffer = buffer:sub(1, at) .. data .. buffer:sub(at + count + 1) end
    end
  elseif in_buffer(source, count) then
    local at = source - BUFFER
    dev.dma_write(destination & DMA_MASK, buffer:sub(at + 1, at + count))
  end
  dma[0x98] = command & ~RUN
  if command & IRQ_AFTER_DMA ~= 0 then raise(DMA_IRQ) end
end

-- The DMA registers take 4 or 8 bytes; a 4-byte write clears the upper half, as in QEMU.
local function read_dma(offset, width)
  return width >= 4 and dma[offset] or -1             -- -1: all ones
end

local function write_dma(offset, value, width)
  if width < 4 or not dma[offset] then return end
  if dma[0x98] & RUN ~= 0 then return end             -- busy: nothing can be changed
  if offset == 0x98 then
    if value & RUN == 0 then return end
    dev.after(DMA_NS, finish_dma)
  end
  dma[offset] = value
end

device {
  name = "edu",
  vendor = 0x1234, device = 0x11e8, revision = 0x10, class = 0x00ff00, interrupt_pin = 1,
  subsystem_vendor = 0x1af4, subsystem = 0x1100,      -- what QEMU gives to a device that has none
  capabilities = { msi = 1, power_management = false, pcie = false },   -- a conventional PCI function
  bars = {
    [0] = bar {
      size = 1 << 20, undeclared = "ones",
      registers = {
        register { "ID", 0x00, reset = 0x010000ed },
        register { "LIVENESS", 0x04, access = "rw", on_write = function(value) reg.LIVENESS = ~value end },
        register { "FACTORIAL", 0x08, access = "rw", on_write = start_factorial },
        register { "STATUS", 0x20, fields = { { "COMPUTING", 0 }, { "IRQ_WHEN_DONE", 7, access = "rw" } } },
        register { "IRQ_STATUS", 0x24 },
        register { "IRQ_RAISE", 0x60, access = "wo", reset = ALL_ONES, on_write = raise },
        register { "IRQ_ACKNOWLEDGE", 0x64, access = "wo", reset = ALL_ONES, on_write = acknowledge },
      },
      ranges = { range { "DMA", 0x80, size = 0x20, on_read = read_dma, on_write = write_dma } },
    },
  },
}
