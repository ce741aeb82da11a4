-- nvme.lua - a working NVMe controller: one namespace over `storage`, admin queue, I/O queues, PRP lists, MSI-X.
--
-- Section numbers are those of NVM Express Base Specification 1.4. What is not here (namespaces management, SGLs, CMB,
-- security, the NVM commands beyond Read, Write and Flush) is answered as the standard says: with a status.

local LBA, PAGE, QUEUES, ENTRIES, MDTS_PAGES = 512, 4096, 8, 256, 32     -- CAP.MQES + 1; 128 KiB per command
local blocks = storage and storage.size // LBA or 0
-- Status codes (s4.6.1): generic in the low byte, command specific with 0x100.
local OK, BAD_OPCODE, BAD_FIELD, TRANSFER_ERROR, INTERNAL, BAD_NAMESPACE = 0x00, 0x01, 0x02, 0x04, 0x06, 0x0b
local BAD_PRP, LBA_RANGE, BAD_QUEUE_DELETION = 0x13, 0x80, 0x10c
local BAD_CQ, BAD_QID, BAD_QSIZE, BAD_EVENT, BAD_VECTOR, BAD_LOG = 0x100, 0x101, 0x102, 0x105, 0x108, 0x109
local sqs, cqs = {}, {}                                     -- by queue id; the tables are the queues' state
local events = 0                                            -- Asynchronous Event Requests held
local features = { [0x01] = 0, [0x02] = 0, [0x04] = 0x157, [0x06] = 0, [0x07] = (QUEUES - 1) << 16 | (QUEUES - 1) }

-- Host memory behind a command (s4.3), an array of {address, length}, or nil. PRP1 may start inside a page; PRP2 is the
-- second page or a list of pages, whose last entry points to the next page of the list if there is more.
local function prp_ranges(prp1, prp2, length)
  local first = math.min(length, PAGE - prp1 % PAGE)
  local ranges, left = { { prp1, first } }, length - first
  if left == 0 then return ranges end
  if left <= PAGE then
    ranges[2] = { prp2, left }
    return prp2 % PAGE == 0 and ranges or nil
  end
  local list = prp2
  while left > 0 do
    local slots = (PAGE - list % PAGE) // 8
    local entries = list % 8 == 0 and dev.dma_read(list, math.min(slots, (left + PAGE - 1) // PAGE) * 8)
    if not entries then return nil end
    for i = 1, #entries // 8 do
      local page = string.unpack("<i8", entries, i * 8 - 7)
      if page % PAGE ~= 0 then return nil end
      if i == slots and left > PAGE then list = page break end     -- a pointer to the next list page
      ranges[#ranges + 1] = { page, math.min(left, PAGE) }
      left = left - math.min(left, PAGE)
    end
  end
  return ranges
end

-- Moves `data` to the host memory of a command, or `length` bytes from it.
local function transfer(cmd, length, data)
  local ranges, parts, at = prp_ranges(cmd.prp1, cmd.prp2, length), {}, 1
  if not ranges then return BAD_PRP end
  for i, r in ipairs(ranges) do
    parts[i] = data and dev.dma_write(r[1], data:sub(at, at + r[2] - 1)) or not data and dev.dma_read(r[1], r[2])
    if not parts[i] then return TRANSFER_ERROR end
    at = at + r[2]
  end
  return OK, not data and table.concat(parts)
end
local function to_host(cmd, data) return transfer(cmd, #data, data) end
local function pad(data, size) return data .. ("\0"):rep(size - #data) end

local function identify(cmd)                                 -- s5.15
  local cns = cmd.cdw10 & 0xff
  if cns == 0 then                                           -- namespace: size, capacity, use, one format of 2^9 bytes
    if cmd.nsid ~= 1 then return BAD_NAMESPACE end
    local sizes = pad(string.pack("<I8I8I8", blocks, blocks, blocks), 128)
    return to_host(cmd, pad(sizes .. string.pack("<I4", 9 << 16), PAGE))
  elseif cns == 1 then                                       -- controller
    local id = string.pack("<I2I2", 0x1b36, 0x1af4) .. ("%-20s%-40s%-8s"):format("0001", "Dartboard NVMe", "1")
    id = pad(id, 77) .. string.pack("<BI2I4", 5, 1, 0x10400)               -- MDTS 2^5 pages, CNTLID, VER
    id = pad(id, 512) .. string.pack("<BBI2I4", 0x66, 0x44, 0, 1)          -- SQES, CQES, MAXCMD, NN
    return to_host(cmd, pad(pad(id, 525) .. "\1", PAGE))                   -- VWC: there is a cache to flush
  end                                                        -- 2: active namespaces above cmd.nsid
  return cns == 2 and to_host(cmd, pad(string.pack("<I4", cmd.nsid < 1 and 1 or 0), PAGE)) or BAD_FIELD
end

-- Create I/O Completion or Submission Queue (s5.3, s5.4): physically contiguous only (CAP.CQR).
local function create_queue(cmd, queues)
  local id, size, high = cmd.cdw10 & 0xffff, (cmd.cdw10 >> 16) + 1, cmd.cdw11 >> 16
  if id == 0 or id > QUEUES or queues[id] then return BAD_QID end
  if size < 2 or size > ENTRIES then return BAD_QSIZE end
  if cmd.cdw11 & 1 == 0 or cmd.prp1 % PAGE ~= 0 then return BAD_FIELD end
  local queue = { base = cmd.prp1, size = size, head = 0, tail = 0 }
  if queues == cqs then
    if high > QUEUES then return BAD_VECTOR end
    queue.phase, queue.vector, queue.irq = 1, high, cmd.cdw11 & 2 ~= 0
  else
    if high == 0 or not cqs[high] then return BAD_CQ end
    queue.cq = high
  end
  queues[id] = queue
  return OK
end
local function delete_queue(cmd, queues)                     -- s5.5, s5.6
  local id = cmd.cdw10 & 0xffff
  if id == 0 or not queues[id] then return BAD_QID end
  for _, sq in pairs(queues == cqs and sqs or {}) do
    if sq.cq == id then return BAD_QUEUE_DELETION end
  end
  queues[id] = nil
  return OK
end
local admin = {
  [0x00] = function(cmd) return delete_queue(cmd, sqs) end, [0x01] = function(cmd) return create_queue(cmd, sqs) end,
  [0x02] = function(cmd)                                     -- Get Log Page: error, SMART, firmware; all quiet
    local page, bytes = cmd.cdw10 & 0xff, ((cmd.cdw10 >> 16) + 1) * 4
    if page < 1 or page > 3 then return BAD_LOG end
    return bytes <= PAGE and to_host(cmd, ("\0"):rep(bytes)) or BAD_FIELD
  end,
  [0x04] = function(cmd) return delete_queue(cmd, cqs) end, [0x05] = function(cmd) return create_queue(cmd, cqs) end,
  [0x06] = identify,
  [0x08] = function() return OK, 1 end,                      -- Abort: bit 0 set, nothing was aborted
  [0x09] = function(cmd)                                     -- Set Features
    local id = cmd.cdw10 & 0xff
    if features[id] and id ~= 0x07 then features[id] = cmd.cdw11 end         -- the number of queues is what it is
    return features[id] and OK or BAD_FIELD, features[id]
  end,
  [0x0a] = function(cmd)                                     -- Get Features
    return features[cmd.cdw10 & 0xff] and OK or BAD_FIELD, features[cmd.cdw10 & 0xff]
  end,
  [0x0c] = function()                                        -- Asynchronous Event Request: held, nothing ever happens
    events = events + 1
    return events > 4 and BAD_EVENT or nil
  end,
}

local function io(cmd)                                       -- s6
  if cmd.nsid ~= 1 then return BAD_NAMESPACE end
  if cmd.opcode == 0x00 then return (not storage or storage.flush()) and OK or INTERNAL end
  if cmd.opcode ~= 0x01 and cmd.opcode ~= 0x02 then return BAD_OPCODE end
  local lba, count = cmd.cdw10 | cmd.cdw11 << 32, (cmd.cdw12 & 0xffff) + 1
  if count * LBA > MDTS_PAGES * PAGE then return BAD_FIELD end
  if lba < 0 or lba >= blocks or count > blocks - lba then return LBA_RANGE end
  if cmd.opcode == 0x02 then
    local data = storage.read(lba * LBA, count * LBA)
    return data and to_host(cmd, data) or INTERNAL
  end
  local status, data = transfer(cmd, count * LBA)
  return status == OK and not storage.write(lba * LBA, data) and INTERNAL or status
end

local function fatal() reg.CSTS = reg.CSTS | 2 end           -- CSTS.CFS: only a controller reset helps
-- Posts a completion and interrupts (s4.6).
local function complete(sq_id, cmd, status, result)
  if not status then return end                              -- held
  local sq, cq = sqs[sq_id], cqs[sqs[sq_id].cq]
  local entry = string.pack("<I4I4I2I2I2I2", result or 0, 0, sq.head, sq_id, cmd.id, status << 1 | cq.phase)
  if not dev.dma_write(cq.base + cq.tail * 16, entry) then fatal() end
  cq.tail = cq.tail + 1
  if cq.tail == cq.size then cq.tail, cq.phase = 0, cq.phase ~ 1 end
  if cq.irq then dev.raise(cq.vector) end
end

local function process(sq_id)
  local sq = sqs[sq_id]
  while sq.head ~= sq.tail and reg.CSTS & 3 == 1 do
    local cq, cmd = cqs[sq.cq], {}
    if (cq.tail + 1) % cq.size == cq.head then return end    -- full: goes on when the host moves its head
    local bytes = dev.dma_read(sq.base + sq.head * 64, 64)
    if not bytes then return fatal() end
    cmd.opcode, cmd.flags, cmd.id, cmd.nsid, cmd.prp1, cmd.prp2, cmd.cdw10, cmd.cdw11, cmd.cdw12 =
      string.unpack("<BBI2I4xxxxxxxxxxxxxxxxi8i8I4I4I4", bytes)
    sq.head = (sq.head + 1) % sq.size
    complete(sq_id, cmd, (sq_id ~= 0 and io or admin[cmd.opcode] or function() return BAD_OPCODE end)(cmd))
  end
end

local function doorbell(offset, value)                       -- s3.1.16: tail of SQ y at 2y, head of CQ y at 2y + 1
  local index, value = (offset - 0x1000) // 4, value & 0xffff
  local queue = (index % 2 == 0 and sqs or cqs)[index // 2]
  if not queue or value >= queue.size then return end        -- an invalid doorbell write is ignored
  if index % 2 == 0 then
    queue.tail = value
    return process(index // 2)
  end
  queue.head = value
  if value == queue.tail then dev.intx(false) end            -- without MSI-X the interrupt is a level
  for id = 0, QUEUES do if sqs[id] and sqs[id].cq == index // 2 then process(id) end end
end

local function write_cc(value, old)                          -- s3.1.5: enable, disable, shutdown
  if value & 1 == 1 and old & 1 == 0 then
    local asq, acq = (reg.AQA & 0xfff) + 1, (reg.AQA >> 16 & 0xfff) + 1
    cqs[0] = { base = reg.ACQ, size = acq, head = 0, tail = 0, phase = 1, vector = 0, irq = true }
    sqs[0] = { base = reg.ASQ, size = asq, head = 0, tail = 0, cq = 0 }
    reg.CSTS = (value >> 7 & 0xf) == 0 and asq > 1 and acq > 1 and 1 or 2       -- 4 KiB pages only, else fatal
  elseif value & 1 == 0 and old & 1 == 1 then sqs, cqs, events, reg.CSTS = {}, {}, 0, 0 end
  if value >> 14 & 3 ~= 0 then reg.CSTS = reg.CSTS & ~0xc | 0x8 end               -- SHST: shutdown complete
end

device {
  name = "nvme", vendor = 0x1b36, device = 0x0010, subsystem_vendor = 0x1af4, subsystem = 0x1100, class = 0x010802,
  interrupt_pin = 1, serial = 0x1,
  capabilities = { msix = { vectors = QUEUES + 1, bar = 0, table = 0x2000, pba = 0x3000 } },
  bars = { [0] = bar { size = 0x4000, bits = 64,
    registers = {
      register { "CAP", 0x00, width = 8, reset = (ENTRIES - 1) | 1 << 16 | 20 << 24 | 1 << 37 },   -- MQES, CQR, TO, NVM
      register { "VS", 0x08, reset = 0x10400 }, register { "INTMS", 0x0c }, register { "INTMC", 0x10 },
      register { "CC", 0x14, rw = 0xfffff1, on_write = function(_, old) write_cc(reg.CC, old) end },
      register { "CSTS", 0x1c, fields = { { "RDY", 0 }, { "CFS", 1 }, { "SHST", 3, 2 } } },
      register { "AQA", 0x24, rw = 0x0fff0fff },
      register { "ASQ", 0x28, width = 8, rw = ~0xfff }, register { "ACQ", 0x30, width = 8, rw = ~0xfff },
    },
    ranges = { range { "DOORBELLS", 0x1000, size = (QUEUES + 1) * 8, on_write = doorbell } } } },
}
