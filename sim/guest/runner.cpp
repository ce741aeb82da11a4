// sim/guest/runner.cpp - the steps of a workload, and the bookkeeping of what each byte must be.
#include "sim/guest/runner.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "sim/guest/pattern.h"

namespace dartboard::guest {
namespace {

constexpr size_t kLostKept = 10;

}  // namespace

std::string sentence(const LostByte& lost) {
  const std::string place = fmt::format("step {}, byte {:#x} of buffer {}", lost.step, lost.offset, lost.buffer);
  switch (lost.seen) {
    case LostByte::Seen::kByDevice:
      return fmt::format("{}: the device read {:#04x} at device address {:#x}; the CPU had put {:#04x} there", place,
                         lost.got, lost.iova.value, lost.expected);
    case LostByte::Seen::kByCpu:
      return fmt::format("{}: the CPU sees {:#04x} at guest address {:#x}; expected {:#04x}", place, lost.got,
                         lost.gpa.value, lost.expected);
    case LostByte::Seen::kInFreePage: break;
  }
  return fmt::format("step {}: {:#04x} at guest address {:#x}, in a free page; somebody wrote where nothing was mapped",
                     lost.step, lost.got, lost.gpa.value);
}

Runner::Runner(Ram& ram, DmaOps& ops, DmaEngine& engine, uint64_t seed, uint64_t run_pages)
    : ram_(ram), api_(ops), engine_(engine), run_pages_(std::max<uint64_t>(1, run_pages)) {
  tape_.start_seeded(seed);
  tape_.set_recording(false);
}

void Runner::lose(const LostByte& lost) {
  ++result_.lost;
  if (result_.first_lost.size() < kLostKept) result_.first_lost.push_back(lost);
}

void Runner::refuse(const Error& e) {
  ++result_.refused;
  const std::string name(to_string(e.name));
  const auto [at, added] = refusal_index_.emplace(name, result_.refusals.size());
  if (added) result_.refusals.push_back({name, 0, e.sentence});
  ++result_.refusals[at->second].count;
  if (e.name == ErrorName::kHostPanic) result_.stopped = e;
}

void Runner::error(const Error& e) {
  ++result_.errors;
  if (result_.first_error.empty()) result_.first_error = e.sentence;
  if (e.name == ErrorName::kHostPanic) result_.stopped = e;
}

template <class F>
void Runner::over_extents(const Buffer& buffer, uint64_t offset, uint64_t bytes, F&& f) const {
  auto extent = std::upper_bound(buffer.extents.begin(), buffer.extents.end(), offset,
                                 [](uint64_t at, const Extent& e) { return at < e.offset; });
  if (extent != buffer.extents.begin()) --extent;
  for (; extent != buffer.extents.end() && bytes != 0; ++extent) {
    const uint64_t skip = offset - extent->offset;
    const uint64_t count = std::min(bytes, extent->bytes - skip);
    f(*extent, skip, offset, count);
    offset += count;
    bytes -= count;
  }
}

void Runner::write_memory(Buffer& buffer, uint64_t offset, std::span<const std::byte> data) {
  over_extents(buffer, offset, data.size(), [&](const Extent& extent, uint64_t skip, uint64_t at, uint64_t count) {
    std::memcpy(extent.memory + skip, data.data() + (at - offset), count);
  });
}

/// The CPU looks at [offset, offset+bytes), but not at what the device wrote and still owns.
void Runner::check_memory(uint32_t id, uint64_t offset, uint64_t bytes) {
  Buffer& buffer = buffers_[id];
  if (buffer.spoiled) return;
  uint64_t at = offset;
  const uint64_t end = offset + bytes;
  while (at < end) {
    uint64_t next = end, resume = end;
    for (const uint32_t other : mapped_by_buffer_[id]) {
      for (const Write& write : mappings_[other].pending) {
        if (write.offset + write.bytes <= at || write.offset >= next) continue;
        next = std::max(write.offset, at);
        resume = write.offset + write.bytes;
      }
    }
    over_extents(buffer, at, next - at, [&](const Extent& extent, uint64_t skip, uint64_t from, uint64_t count) {
      const std::span got(extent.memory + skip, count);
      const std::span expected(buffer.expected.data() + from, count);
      if (std::memcmp(got.data(), expected.data(), count) == 0) return;
      const uint64_t wrong = first_difference(got, expected);
      lose({LostByte::Seen::kByCpu,
            result_.steps,
            id,
            from + wrong,
            extent.gpa + (skip + wrong),
            {},
            std::to_integer<uint8_t>(expected[wrong]),
            std::to_integer<uint8_t>(got[wrong])});
      std::memcpy(extent.memory + skip, expected.data(), count);  // told once
    });
    at = std::max(resume, next);
  }
}

/// What the device wrote in [offset, offset+bytes) of the buffer is the CPU's now.
void Runner::apply(Mapping& mapping, uint64_t offset, uint64_t bytes) {
  Buffer& buffer = buffers_[mapping.buffer];
  std::vector<Write> left;
  for (const Write& write : mapping.pending) {
    const uint64_t from = std::max(write.offset, offset), to = std::min(write.offset + write.bytes, offset + bytes);
    if (from < to) {
      fill_pattern(std::span(buffer.expected).subspan(from, to - from), write.seed,
                   write.position + (from - write.offset));
    }
    if (write.offset < offset || write.offset + write.bytes > offset + bytes) left.push_back(write);
  }
  mapping.pending = std::move(left);
}

bool Runner::allocate(const Step& step) {
  Buffer& buffer = buffers_[step.buffer];
  const uint64_t whole = round_up(step.bytes, kPageBytes);
  buffer = {};
  buffer.bytes = step.bytes;
  const auto add = [&](Gpa gpa, uint64_t bytes) {
    if (!buffer.extents.empty() && buffer.extents.back().gpa + buffer.extents.back().bytes == gpa) {
      buffer.extents.back().bytes += bytes;
    } else {
      const uint64_t offset = buffer.extents.empty() ? 0 : buffer.extents.back().offset + buffer.extents.back().bytes;
      buffer.extents.push_back({gpa, offset, bytes, ram_.at(gpa, bytes)});
    }
  };
  Result<Gpa> got = step.scattered ? fail(ErrorName::kNotFound, "") : ram_.allocate(whole);
  if (got) {
    add(*got, whole);
  } else {
    // A long run that is not there comes in pages too.
    for (uint64_t done = 0, pages = step.scattered ? run_pages_ : 1; done < whole;) {
      pages = std::min(pages, (whole - done) / kPageBytes);
      got = ram_.allocate_scattered(tape_, pages);
      if (!got && pages > 1) {
        pages = 1;
        continue;
      }
      if (!got) {
        release(buffer);
        refuse(got.error());
        return false;
      }
      add(*got, pages * kPageBytes);
      done += pages * kPageBytes;
    }
  }
  buffer.live = true;
  buffer.expected.assign(whole, std::byte{0});
  return true;
}

void Runner::release(Buffer& buffer) {
  if (!buffer.coherent) {
    for (const Extent& extent : buffer.extents) ram_.release(extent.gpa, extent.bytes);
  }
  buffer = {};
}

bool Runner::cpu_write(const Step& step) {
  Buffer& buffer = buffers_[step.buffer];
  if (!buffer.live) return false;
  const std::span bytes = std::span(buffer.expected).subspan(step.offset, step.bytes);
  fill_pattern(bytes, step.seed, 0);
  write_memory(buffer, step.offset, bytes);
  return true;
}

bool Runner::cpu_read(const Step& step) {
  if (!buffers_[step.buffer].live) return false;
  check_memory(step.buffer, step.offset, step.bytes);
  return true;
}

std::vector<SgEntry> Runner::entries(const Buffer& buffer, const Step& step) const {
  std::vector<SgEntry> list;
  const uint64_t most = step.splits ? std::max(api_.max_mapping_size(), kPageBytes) : UINT64_MAX;
  over_extents(buffer, step.offset, step.bytes, [&](const Extent& extent, uint64_t skip, uint64_t, uint64_t count) {
    while (count != 0) {
      const uint64_t bytes = std::min(count, most);
      list.push_back({extent.gpa + skip, bytes, {}});
      skip += bytes;
      count -= bytes;
    }
  });
  return list;
}

bool Runner::map(const Step& step) {
  const Buffer& buffer = buffers_[step.buffer];
  if (!buffer.live) return false;
  std::vector<SgEntry> list = entries(buffer, step);
  const bool as_list = list.size() > 1;
  if (as_list) {
    if (auto mapped = api_.map_sg(list, step.direction, step.context); !mapped) {
      refuse(mapped.error());
      return true;
    }
  } else {
    // Both entry points of the API are used: page and offset for what is aligned, single for the rest.
    const uint64_t page = list[0].gpa.value / kPageBytes, in_page = list[0].gpa.value % kPageBytes;
    const auto mapped = in_page == 0 ? api_.map_page(page, 0, list[0].bytes, step.direction, step.context)
                                     : api_.map_single(list[0].gpa, list[0].bytes, step.direction, step.context);
    if (!mapped) {
      refuse(mapped.error());
      return true;
    }
    list[0].iova = *mapped;
  }
  ++result_.maps;
  result_.pieces += list.size();
  Mapping& mapping = mappings_[step.mapping];
  mapping = {};
  mapping.live = true;
  mapping.buffer = step.buffer;
  mapping.offset = step.offset;
  mapping.bytes = step.bytes;
  mapping.direction = step.direction;
  mapping.list = as_list;
  mapping.pieces = std::move(list);
  mapped_by_buffer_[step.buffer].push_back(step.mapping);
  return true;
}

bool Runner::unmap(uint32_t id) {
  Mapping& mapping = mappings_[id];
  if (!mapping.live) return false;
  auto unmapped = mapping.list ? api_.unmap_sg(mapping.pieces, mapping.direction)
                               : api_.unmap(mapping.pieces[0].iova, mapping.pieces[0].bytes, mapping.direction);
  if (!unmapped) error(unmapped.error());
  apply(mapping, mapping.offset, mapping.bytes);
  mapping.live = false;
  auto& siblings = mapped_by_buffer_[mapping.buffer];
  siblings.erase(std::find(siblings.begin(), siblings.end(), id));
  // To the edges of its pages: what lies beside a buffer is nobody's to change.
  const Buffer& buffer = buffers_[mapping.buffer];
  const uint64_t from = round_down(mapping.offset, kPageBytes);
  const uint64_t to = std::min(round_up(mapping.offset + mapping.bytes, kPageBytes), buffer.expected.size());
  check_memory(mapping.buffer, from, to - from);
  return true;
}

bool Runner::sync(const Step& step, bool for_cpu) {
  Mapping& mapping = mappings_[step.mapping];
  if (!mapping.live) return false;
  uint64_t at = 0;  // of the piece, in the mapping
  for (const SgEntry& piece : mapping.pieces) {
    const uint64_t from = std::max(at, step.offset), to = std::min(at + piece.bytes, step.offset + step.bytes);
    if (from < to) {
      auto synced = for_cpu ? api_.sync_for_cpu(piece.iova, piece.bytes, from - at, to - from, mapping.direction)
                            : api_.sync_for_device(piece.iova, piece.bytes, from - at, to - from, mapping.direction);
      if (!synced) error(synced.error());
    }
    at += piece.bytes;
  }
  if (for_cpu) {
    apply(mapping, mapping.offset + step.offset, step.bytes);
    check_memory(mapping.buffer, mapping.offset + step.offset, step.bytes);
  }
  return true;
}

bool Runner::transfer(const Step& step, bool device_writes) {
  Mapping& mapping = mappings_[step.mapping];
  if (!mapping.live) return false;
  Buffer& buffer = buffers_[mapping.buffer];
  staging_.resize(std::max<size_t>(staging_.size(), step.bytes));
  if (device_writes) fill_pattern(std::span(staging_).first(step.bytes), step.seed, 0);
  uint64_t at = 0;
  for (const SgEntry& piece : mapping.pieces) {
    const uint64_t from = std::max(at, step.offset), to = std::min(at + piece.bytes, step.offset + step.bytes);
    const Iova iova = piece.iova + (from - at);
    at += piece.bytes;
    if (from >= to) continue;
    const std::span data = std::span(staging_).subspan(from - step.offset, to - from);
    ++result_.transfers;
    const auto moved = device_writes ? engine_.device_writes(iova, data) : engine_.device_reads(iova, data);
    if (!moved) {
      ++result_.transfers_failed;
      if (result_.first_failed_transfer.empty()) result_.first_failed_transfer = moved.error().sentence;
      if (moved.error().name == ErrorName::kHostPanic) result_.stopped = moved.error();
      if (device_writes) buffer.spoiled = true;
      return true;
    }
    if (device_writes) {
      result_.bytes_from_device += data.size();
      continue;
    }
    result_.bytes_to_device += data.size();
    const uint64_t offset = mapping.offset + from;
    std::span<const std::byte> expected = std::span(buffer.expected).subspan(offset, data.size());
    if (!mapping.pending.empty()) {  // the device sees its own writes at once
      own_view_.assign(expected.begin(), expected.end());
      for (const Write& write : mapping.pending) {
        const uint64_t first = std::max(write.offset, offset),
                       last = std::min(write.offset + write.bytes, offset + data.size());
        if (first >= last) continue;
        fill_pattern(std::span(own_view_).subspan(first - offset, last - first), write.seed,
                     write.position + (first - write.offset));
      }
      expected = own_view_;
    }
    if (buffer.spoiled || std::memcmp(data.data(), expected.data(), data.size()) == 0) continue;
    const uint64_t wrong = first_difference(data, expected);
    lose({LostByte::Seen::kByDevice,
          result_.steps,
          mapping.buffer,
          offset + wrong,
          {},
          iova + wrong,
          std::to_integer<uint8_t>(expected[wrong]),
          std::to_integer<uint8_t>(data[wrong])});
  }
  if (device_writes) {
    mapping.pending.push_back({mapping.offset + step.offset, step.bytes, step.seed, 0});
    if (buffer.coherent) apply(mapping, 0, mapping.bytes);
  }
  return true;
}

bool Runner::coherent(const Step& step) {
  const auto got = api_.alloc_coherent(step.bytes, step.context);
  if (!got) {
    refuse(got.error());
    return true;
  }
  Buffer& buffer = buffers_[step.buffer];
  buffer = {};
  buffer.live = buffer.coherent = true;
  buffer.bytes = step.bytes;
  buffer.extents = {{got->gpa, 0, step.bytes, got->cpu}};
  buffer.expected.assign(step.bytes, std::byte{0});
  Mapping& mapping = mappings_[step.mapping];
  mapping = {};
  mapping.live = true;
  mapping.buffer = step.buffer;
  mapping.bytes = step.bytes;
  mapping.pieces = {{got->gpa, step.bytes, got->iova}};
  mapping.coherent = *got;
  check_memory(step.buffer, 0, step.bytes);
  return true;
}

bool Runner::free_coherent(uint32_t id) {
  Mapping& mapping = mappings_[id];
  if (!mapping.live) return false;
  check_memory(mapping.buffer, 0, mapping.bytes);
  if (auto freed = api_.free_coherent(mapping.coherent); !freed) error(freed.error());
  mapping.live = false;
  buffers_[mapping.buffer] = {};
  return true;
}

bool Runner::step(const Step& s) {
  switch (s.kind) {
    case StepKind::kAllocate: return allocate(s);
    case StepKind::kRelease: {
      Buffer& buffer = buffers_[s.buffer];
      if (!buffer.live) return false;
      check_memory(s.buffer, 0, buffer.expected.size());
      release(buffer);
      return true;
    }
    case StepKind::kCpuWrite: return cpu_write(s);
    case StepKind::kCpuRead: return cpu_read(s);
    case StepKind::kMap: return map(s);
    case StepKind::kUnmap: return unmap(s.mapping);
    case StepKind::kSyncForCpu: return sync(s, true);
    case StepKind::kSyncForDevice: return sync(s, false);
    case StepKind::kDeviceRead: return transfer(s, false);
    case StepKind::kDeviceWrite: return transfer(s, true);
    case StepKind::kCoherent: return coherent(s);
    case StepKind::kFreeCoherent: return free_coherent(s.mapping);
  }
  return false;
}

RunResult Runner::run(const Workload& workload, const std::function<void(uint64_t)>& after_step) {
  result_ = {};
  refusal_index_.clear();
  buffers_.assign(workload.buffers, {});
  mappings_.assign(workload.mappings, {});
  mapped_by_buffer_.assign(workload.buffers, {});
  if (auto mask = api_.set_mask(workload.mask_bits); !mask) error(mask.error());
  for (const Step& one : workload.steps) {
    if (!step(one)) ++result_.skipped;
    ++result_.steps;
    if (after_step) after_step(result_.steps);
    if (result_.stopped) return std::move(result_);  // the host is gone: nothing can be closed
  }
  for (uint32_t id = 0; id < mappings_.size(); ++id) {
    if (!mappings_[id].live) continue;
    if (buffers_[mappings_[id].buffer].coherent)
      free_coherent(id);
    else
      unmap(id);
  }
  for (uint32_t id = 0; id < buffers_.size(); ++id) {
    if (!buffers_[id].live) continue;
    check_memory(id, 0, buffers_[id].expected.size());
    release(buffers_[id]);
  }
  result_.leaked = api_.live_mappings() + api_.live_coherent();
  if (const auto& stray = ram_.stray())
    lose({LostByte::Seen::kInFreePage, result_.steps, 0, 0, stray->gpa, {}, stray->expected, stray->got});
  return std::move(result_);
}

}  // namespace dartboard::guest
