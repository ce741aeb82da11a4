-- gpu.lua - an AMD GPU as far as a driver's boot goes: PCI scan, IP discovery, firmware handshakes, copies by SDMA.
--
-- A driver finds the device, reads the size of the VRAM, finds the IP-discovery table at the end of the VRAM (AMD's
-- include/discovery.h as Linux has it), and from it the addresses of all blocks. Then it boots the firmware processor
-- (PSP), asks the power controller (SMU) for clocks and flushes translation caches: those registers answer at once.
-- Page tables in VRAM are walked, and the first SDMA queue runs copies, fences and polls. All other registers of BAR5
-- are plain memory. Nothing else is run: the compute queue can be set up and taken down, and does no work.
--
-- The sizes are those of the recorded session traces/sessions/amd-am-boot-copy: 'dartboard replay FILE --device gpu'
-- plays its driver against this script. The id is one that driver and GC 12.0.0 agree on.

local MIB = 1 << 20
local VRAM = 512 * MIB
local DOORBELL_BYTES = 8192
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
  local gc = pad(pad(string.pack("<I4I2I2I4I4I4I4I4I4I4", 1, 2, 1, 108, 2, 8, 2, 4, 8, 0), 56) ..
                 string.pack("<I4I4I4I4", 32, 16, 32, 64), 108)
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

-- The SMU: message, argument, response 1 (done). Asked how many steps a clock has (index 0xff) it says 2.
local function smu_message()
  if reg.SMU_ARGUMENT & 0xffff == 0xff then reg.SMU_ARGUMENT = 2 end
  reg.SMU_RESPONSE = 1
end

-- Where the GPU's virtual address `va` is: address, whether in system memory, bytes to the end of the page; or nil.
-- Three levels of directories and one of tables, 9 bits each, as the context's registers of the GC block say. An entry
-- has bit 0 valid, bit 1 system memory, bit 63 of a directory's entry "this is the page" (GC 12).
local function translate(va)
  local index = va - ((reg.GC_CONTEXT0_START_LOW | reg.GC_CONTEXT0_START_HIGH << 32) << 12)
  local entry = reg.GC_CONTEXT0_BASE_LOW | reg.GC_CONTEXT0_BASE_HIGH << 32
  if reg.GC_CONTEXT0_CNTL & 1 == 0 or index >> 48 ~= 0 then return nil end
  for shift = 39, 12, -9 do
    local at = (entry & 0xfffffffff000) + 8 * (index >> shift & 0x1ff)
    if entry & 3 ~= 1 or at + 8 > VRAM then return nil end           -- tables are in VRAM
    entry = string.unpack("<i8", dev.memory_read(0, at, 8))
    if shift == 12 or entry < 0 then
      local mask = (1 << shift) - 1
      if entry & 1 == 0 then return nil end
      return (entry & 0xfffffffff000 & ~mask) + (index & mask), entry & 2 ~= 0, mask + 1 - (index & mask)
    end
  end
end

local function gpu_read(va, bytes)
  local address, in_system, left = translate(va)
  if not address or bytes > left then return nil end
  if in_system then return (dev.dma_read(address, bytes)) end
  return address + bytes <= VRAM and dev.memory_read(0, address, bytes) or nil
end

local function gpu_write(va, data)
  local address, in_system, left = translate(va)
  if not address or #data > left then return false end
  if in_system then return (dev.dma_write(address, data)) end
  if address + #data > VRAM then return false end
  dev.memory_write(0, address, data)
  return true
end

-- The SDMA engine: pointers of the ring are bytes since the queue was set up. It works in slices, so that a large copy
-- does not hold the device, and stops for good when an address has no translation, as the hardware does on a fault.
local SLICE_PAGES, PAGE = 256, 4096
local sdma = { read = 0, write = 0, copied = 0, waits = false, dead = false }

local function sdma_ring_dwords(count)
  local base, bytes = (reg.SDMA_RB_BASE_LOW | reg.SDMA_RB_BASE_HIGH << 32) << 8, 4 << (reg.SDMA_RB_CNTL >> 1 & 0x1f)
  local dwords = {}
  for i = 1, count do
    local data = gpu_read(base + (sdma.read + 4 * (i - 1)) % bytes, 4)
    if not data then return nil end
    dwords[i] = string.unpack("<I4", data)
  end
  return dwords
end

-- Packets by opcode: their dwords and what they do. true: done; "wait": not yet; "slice": more to copy; nil: a fault.
local PACKETS = {
  [0] = { 1, function() return true end },                              -- NOP
  [1] = { 7, function(p)                                                -- COPY LINEAR: bytes - 1, .., source, target
    local source, target, bytes = p[4] | p[5] << 32, p[6] | p[7] << 32, (p[2] & 0x3fffffff) + 1
    for _ = 1, SLICE_PAGES do
      local from, to = source + sdma.copied, target + sdma.copied
      local count = math.min(bytes - sdma.copied, PAGE - from % PAGE, PAGE - to % PAGE)
      local data = gpu_read(from, count)
      if not data or not gpu_write(to, data) then return nil end
      sdma.copied = sdma.copied + count
      if sdma.copied == bytes then return true end
    end
    return "slice"
  end },
  [5] = { 4, function(p) return gpu_write(p[2] | p[3] << 32, string.pack("<I4", p[4])) or nil end },   -- FENCE
  [8] = { 6, function(p)                                                -- POLL MEMORY: address, value, mask
    local data, func = gpu_read(p[2] | p[3] << 32, 4), p[1] >> 28 & 7
    if not data then return nil end
    local value, wanted = string.unpack("<I4", data) & p[5], p[4]
    local holds = { [0] = true, value < wanted, value <= wanted, value == wanted, value ~= wanted, value >= wanted,
                    value > wanted }
    return holds[func] and true or "wait"
  end },
}

local function sdma_run()
  sdma.waits = false
  while sdma.read ~= sdma.write and not sdma.dead and reg.SDMA_RB_CNTL & 1 == 1 do
    local head = sdma_ring_dwords(1)
    local packet = head and PACKETS[head[1] & 0xff]
    local dwords = packet and sdma_ring_dwords(packet[1])
    local done = dwords and packet[2](dwords)
    if not done then
      sdma.dead = true
      dev.log(string.format("SDMA stops at 0x%x of its ring: %s", sdma.read,
                            packet and "no translation" or head and "no such packet" or "the ring has no translation"))
    elseif done == true then
      sdma.read, sdma.copied = sdma.read + 4 * packet[1], 0
      gpu_write(reg.SDMA_RPTR_ADDR_LOW | reg.SDMA_RPTR_ADDR_HIGH << 32, string.pack("<i8", sdma.read))
    else
      sdma.waits = true
      dev.after(1000, sdma_run)
      return
    end
  end
end

-- A doorbell of 8 bytes is the ring's write pointer, if the queue listens there.
local function doorbell(offset, value, width)
  local enabled = reg.SDMA_DOORBELL & 1 << 28 ~= 0 and offset == reg.SDMA_DOORBELL_OFFSET & 0xffffffc
  if width ~= 8 or not enabled or value % 4 ~= 0 or math.ult(4 << (reg.SDMA_RB_CNTL >> 1 & 0x1f), value - sdma.read) then
    return
  end
  sdma.write = value
  if not sdma.waits then sdma_run() end
end

device {
  name = "gpu",
  vendor = 0x1002, device = 0x7590, subsystem_vendor = 0x1002, subsystem = 0x0e3a, revision = 0xc0, class = 0x030000,
  interrupt_pin = 1, serial = 0x10027550,
  capabilities = { msi = 1 },
  bars = {
    [0] = bar { size = VRAM, bits = 64, prefetchable = true, holds = "memory" },
    [2] = bar { size = DOORBELL_BYTES, bits = 64,
                ranges = { range { "DOORBELLS", 0, size = DOORBELL_BYTES, on_write = doorbell } } },
    [5] = bar {
      size = 2 * MIB, undeclared = "ram",
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
        register { "SDMA_RB_CNTL", 0x4b80, access = "rw" },
        register { "SDMA_RB_BASE_LOW", 0x4b84, access = "rw" },
        register { "SDMA_RB_BASE_HIGH", 0x4b88, access = "rw" },
        register { "SDMA_RPTR_ADDR_LOW", 0x4b9c, access = "rw" },
        register { "SDMA_RPTR_ADDR_HIGH", 0x4ba0, access = "rw" },
        register { "SDMA_DOORBELL", 0x4bbc, access = "rw" },
        register { "SDMA_DOORBELL_OFFSET", 0x4bc4, access = "rw" },
        register { "CP_STAT", 0x8680 },                                                  -- idle
        register { "GC_CONTEXT0_CNTL", 0xa210, access = "rw" },
        register { "GC_INVALIDATE_ACK", 0xa328, reset = 1 },                             -- translation caches: at once
        register { "GC_CONTEXT0_BASE_LOW", 0xa3bc, access = "rw" },
        register { "GC_CONTEXT0_BASE_HIGH", 0xa3c0, access = "rw" },
        register { "GC_CONTEXT0_START_LOW", 0xa43c, access = "rw" },
        register { "GC_CONTEXT0_START_HIGH", 0xa440, access = "rw" },
        register { "CP_HQD_ACTIVE", 0xc82c, access = "rw" },
        register { "CP_HQD_DEQUEUE_REQUEST", 0xc884, access = "rw",                      -- the queue is idle: at once
                   on_write = function(value) if value & 7 ~= 0 then reg.CP_HQD_ACTIVE = 0 end end },
        register { "RLC_SAFE_MODE", 0x2a600, access = "rw",                              -- entered and left at once
                   on_write = function() reg.RLC_SAFE_MODE = 0 end },
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
