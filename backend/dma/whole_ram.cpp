// backend/dma/whole_ram.cpp - see whole_ram.h.
#include "backend/dma/whole_ram.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "backend/dma/request.h"

namespace dartboard::backend::dma {

Result<void> WholeRam::start() {
  if (!chunks_.empty()) return fail(ErrorName::kBusy, fmt::format("{}: guest RAM is mapped already", name()));
  if (memory_.ranges().empty()) return fail(ErrorName::kBadArgument, fmt::format("{}: the guest has no RAM", name()));
  if (auto host = check_host(); !host) return counted(std::move(host));
  for (const RamRange& range : memory_.ranges()) {
    for (uint64_t done = 0; done < range.bytes;) {
      const RamRange chunk{range.gpa + done, std::min(range.bytes - done, chunk_bytes_max_), range.base + done};
      const auto mapped = map_chunk(chunk);
      if (!mapped) {
        ++counters_.refusals;
        (void)unmap_all();
        reached_.clear();  // no guest has run
        return tl::unexpected(mapped.error());
      }
      ++counters_.host_maps;
      chunks_.push_back({chunk.gpa, chunk.bytes, mapped->iova});
      done += chunk.bytes;
    }
  }
  reached_ = chunks_;
  return {};
}

Result<void> WholeRam::unmap_all() {
  Result<void> first;
  std::vector<Chunk> stuck;  // the mapper still has them: stop() tries again
  for (const Chunk& chunk : chunks_) {
    auto unmapped = unmap_twice(mapper_, chunk.gpa.value);
    if (unmapped) {
      ++counters_.host_unmaps;
    } else {
      stuck.push_back(chunk);
      if (first) first = std::move(unmapped);
    }
  }
  chunks_ = std::move(stuck);
  return first;
}

Result<void> WholeRam::stop() {
  // A device that is not quiet would fault on the next access, and on a Mac that is a panic: nothing is taken away.
  if (auto quiet = chunks_.empty() ? Result<void>{} : quiesce_twice(mapper_); !quiet) return quiet;
  Result<void> gone = unmap_all();
  live_.clear();
  for (const auto& [gpa, bytes] : coherent_) pages_.release(Gpa(gpa), round_up(bytes, kGuestPageBytes));
  coherent_.clear();
  return gone;
}

Result<void> WholeRam::guest_reset() {
  if (!chunks_.empty()) {  // RAM stays mapped: a rebooted guest has the same
    if (auto quiet = quiesce_twice(mapper_); !quiet) return quiet;
  }
  live_.clear();
  for (const auto& [gpa, bytes] : coherent_) pages_.release(Gpa(gpa), round_up(bytes, kGuestPageBytes));
  coherent_.clear();
  return {};
}

Result<Iova> WholeRam::device_address(Gpa gpa, uint64_t bytes) const {
  auto next = std::upper_bound(chunks_.begin(), chunks_.end(), gpa, [](Gpa g, const Chunk& c) { return g < c.gpa; });
  if (next == chunks_.begin()) return fail(ErrorName::kBusy, fmt::format("{}: no RAM is mapped; start first", name()));
  const Chunk* chunk = &*std::prev(next);
  if (gpa - chunk->gpa >= chunk->bytes)
    return fail(ErrorName::kBusy,
                fmt::format("{}: guest address {:#x} is RAM that was added after the start", name(), gpa.value));
  const Iova iova = chunk->iova + (gpa - chunk->gpa);
  uint64_t left = chunk->bytes - (gpa - chunk->gpa);
  while (left < bytes) {  // chunks may follow each other for the device too
    if (next == chunks_.end() || next->gpa != chunk->gpa + chunk->bytes || next->iova != chunk->iova + chunk->bytes) {
      return fail(ErrorName::kNotSupported,
                  fmt::format("{}: {:#x} bytes at guest address {:#x} lie in two chunks of RAM that are not neighbours "
                              "for the device; map them in two parts, split at {:#x}",
                              name(), bytes, gpa.value, gpa.value + left));
    }
    chunk = &*next++;
    left += chunk->bytes;
  }
  return iova;
}

Result<Mapped> WholeRam::map(const MapRequest& request) {
  if (const auto valid = check_request(memory_, request); !valid) {
    ++counters_.refusals;
    return tl::unexpected(valid.error());
  }
  const auto iova = device_address(request.gpa, request.bytes);
  if (!iova) {
    ++counters_.refusals;
    return tl::unexpected(iova.error());
  }
  if (auto reach = check_reach(limits_, *iova, request.bytes); !reach) {
    ++counters_.refusals;
    return tl::unexpected(reach.error());
  }
  const Mapped mapped{*iova, request};
  live_.add(mapped);
  ++counters_.maps;
  ++counters_.hits;
  return mapped;
}

Result<void> WholeRam::unmap(const Mapped& mapped) {
  if (!live_.remove(mapped)) {
    ++counters_.refusals;
    return refuse_unknown(mapped);
  }
  ++counters_.unmaps;
  return {};
}

Result<void> WholeRam::sync_for_cpu(const Mapped& mapped, uint64_t offset, uint64_t bytes) {
  if (!live_.has(mapped)) return refuse_unknown(mapped);
  return check_sync(mapped, offset, bytes);  // the bus is coherent and the memory is the guest's own
}
Result<void> WholeRam::sync_for_device(const Mapped& mapped, uint64_t offset, uint64_t bytes) {
  return sync_for_cpu(mapped, offset, bytes);
}

Result<Coherent> WholeRam::allocate_coherent(uint64_t bytes, Context) {
  if (bytes == 0 || bytes > memory_.bytes()) {
    ++counters_.refusals;
    return fail(ErrorName::kBadArgument,
                fmt::format("coherent memory of {:#x} bytes: expected 1 to {:#x}", bytes, memory_.bytes()));
  }
  const uint64_t whole = round_up(bytes, kGuestPageBytes);
  const auto gpa = pages_.allocate(whole);
  if (!gpa) {
    ++counters_.refusals;
    return tl::unexpected(gpa.error());
  }
  auto iova = device_address(*gpa, whole);
  std::byte* const base = memory_.at(*gpa, whole);
  Result<void> reach = iova ? check_reach(limits_, *iova, whole) : Result<void>(tl::unexpected(iova.error()));
  if (base == nullptr)
    reach = fail(ErrorName::kInternal,
                 fmt::format("{}: the guest's allocator gave {:#x}, which is not RAM", name(), gpa->value));
  if (!reach) {
    ++counters_.refusals;
    pages_.release(*gpa, whole);
    return tl::unexpected(reach.error());
  }
  std::memset(base, 0, whole);
  coherent_.emplace(gpa->value, bytes);
  ++counters_.coherent_allocations;
  return Coherent{*gpa, *iova, bytes};
}

Result<void> WholeRam::free_coherent(const Coherent& coherent) {
  const auto found = coherent_.find(coherent.gpa.value);
  if (found == coherent_.end() || found->second != coherent.bytes) {
    ++counters_.refusals;
    return fail(ErrorName::kNotFound, fmt::format("no coherent memory of {:#x} bytes is at guest address {:#x}",
                                                  coherent.bytes, coherent.gpa.value));
  }
  coherent_.erase(found);
  pages_.release(coherent.gpa, round_up(coherent.bytes, kGuestPageBytes));
  return {};
}

uint64_t WholeRam::mapping_bytes_max() const {
  uint64_t least = UINT64_MAX;
  for (const Chunk& chunk : chunks_) least = std::min(least, chunk.bytes);
  return least;
}

Result<void> WholeRam::dirty(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<uint64_t> bitmap) {
  if (auto valid = check_bitmap(from, bytes, page_bytes, bitmap); !valid) return valid;
  for (const Chunk& chunk : reached_) mark_dirty(from, bytes, page_bytes, bitmap, chunk.gpa, chunk.bytes);
  reached_ = chunks_;
  return {};
}

void WholeRam::inspect(InspectNode& node) const {
  node.value = std::string(name());
  for (const Chunk& chunk : chunks_) {
    node.child(fmt::format("guest RAM {:#x}+{:#x}", chunk.gpa.value, chunk.bytes),
               fmt::format("{:#x}", chunk.iova.value), "device address");
  }
  node.child("live mappings", fmt::format("{}", live_.live()));
  node.child("coherent", fmt::format("{}", coherent_.size()));
}

}  // namespace dartboard::backend::dma
