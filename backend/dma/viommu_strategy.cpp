// backend/dma/viommu_strategy.cpp - see viommu_strategy.h.
#include "backend/dma/viommu_strategy.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "backend/dma/request.h"

namespace dartboard::backend::dma {
namespace {

constexpr size_t kWrittenMax = 1 << 16;  // before neighbours are put together

uint64_t in_page(Gpa gpa) {
  return gpa.value & (kGuestPageBytes - 1);
}

}  // namespace

ViommuStrategy::ViommuStrategy(const GuestMemory& memory, Mapper& mapper, GuestPages& pages, const DeviceLimits& limits,
                               Iova aperture, uint64_t aperture_bytes)
    : memory_(memory),
      mapper_(mapper),
      pages_(pages),
      limits_(limits),
      aperture_(round_up(aperture.value, kGuestPageBytes)),
      aperture_bytes_(round_down(aperture_bytes, kGuestPageBytes)) {}

Result<void> ViommuStrategy::start() {
  if (!free_.empty() || !entries_.empty()) return fail(ErrorName::kBusy, "viommu: it is started already");
  if (aperture_bytes_ == 0) return fail(ErrorName::kBadArgument, "viommu: an aperture has at least one page");
  free_.emplace(aperture_.value, aperture_bytes_);
  return {};
}

Result<void> ViommuStrategy::stop() {
  // A device that is not quiet would fault on the next access: nothing is taken away.
  if (auto quiet = entries_.empty() ? Result<void>{} : quiesce_twice(mapper_); !quiet) return quiet;
  Result<void> first;
  for (auto next = entries_.begin(); next != entries_.end();) {
    auto gone = forget(next++);
    if (!gone && first) first = std::move(gone);  // the others go all the same
  }
  if (entries_.empty()) free_.clear();
  return first;
}

Result<void> ViommuStrategy::guest_reset() {
  const bool started = !free_.empty() || !entries_.empty();
  Result<void> stopped = stop();
  if (started && free_.empty() && entries_.empty()) free_.emplace(aperture_.value, aperture_bytes_);
  return stopped;
}

/// From the top, as Linux's IOMMU layer does (drivers/iommu/iova.c).
std::optional<uint64_t> ViommuStrategy::take_iova(uint64_t bytes) {
  for (auto extent = free_.rbegin(); extent != free_.rend(); ++extent) {
    const uint64_t base = extent->first, size = extent->second;
    if (size < bytes || base > limits_.address_max) continue;
    uint64_t end = base + size;
    if (limits_.address_max != UINT64_MAX)
      end = std::min(end, round_down(limits_.address_max, kGuestPageBytes) + kGuestPageBytes);
    if (end - base < bytes) continue;
    const uint64_t at = end - bytes;
    free_.erase(base);
    if (at != base) free_.emplace(base, at - base);
    if (end != base + size) free_.emplace(end, base + size - end);
    return at;
  }
  return std::nullopt;
}

void ViommuStrategy::give_iova(uint64_t iova, uint64_t bytes) {
  auto next = free_.lower_bound(iova);
  if (next != free_.end() && next->first == iova + bytes) {
    bytes += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto last = std::prev(next);
    if (last->first + last->second == iova) {
      last->second += bytes;
      return;
    }
  }
  free_.emplace(iova, bytes);
}

Result<Iova> ViommuStrategy::program(const MapRequest& request, bool coherent) {
  auto base = check_request(memory_, request);
  if (!base) return tl::unexpected(base.error());
  const uint64_t skew = in_page(request.gpa);
  Entry entry{request, 0, next_key_, coherent};
  if (request.bytes > aperture_bytes_)
    return fail(ErrorName::kBadArgument,
                fmt::format("viommu: {:#x} bytes are more than the aperture's {:#x}", request.bytes, aperture_bytes_));
  entry.pages_bytes = round_up(skew + request.bytes, kGuestPageBytes);
  // The guest's half: a free address, pages programmed for it.
  const auto chosen = take_iova(entry.pages_bytes);
  if (!chosen) {
    return fail(ErrorName::kBusy,
                fmt::format("viommu: no {:#x} bytes in a row are free in the aperture {:#x}+{:#x} below "
                            "the device's mask {:#x}",
                            entry.pages_bytes, aperture_.value, aperture_bytes_, limits_.address_max));
  }
  // The host's half: the pages become reachable, where the mapper lets them.
  std::byte* const pages = memory_.at(request.gpa - skew, entry.pages_bytes) != nullptr ? *base - skew : *base;
  const uint64_t size = pages == *base ? request.bytes : entry.pages_bytes;
  const uint64_t wanted = pages == *base ? *chosen + skew : *chosen;
  const auto host =
      mapper_.places() ? mapper_.map_at(entry.key, pages, size, Iova(wanted)) : mapper_.map(entry.key, pages, size);
  if (!host) {
    give_iova(*chosen, entry.pages_bytes);
    return tl::unexpected(host.error());
  }
  ++next_key_;
  ++counters_.host_maps;
  if (host->iova.value != wanted) {
    ++misplaced_;
    if (!first_misplaced_) first_misplaced_ = Misplaced{Iova(wanted), host->iova};
  }
  entries_.emplace(*chosen, entry);
  return Iova(*chosen + skew);
}

void ViommuStrategy::note_written(const Entry& entry) {
  if (!device_writes(entry.request.direction)) return;
  written_.push_back({entry.request.gpa, entry.request.bytes});
  if (written_.size() < kWrittenMax) return;
  std::sort(written_.begin(), written_.end(), [](const Range& a, const Range& b) { return a.gpa < b.gpa; });
  size_t kept = 0;
  for (size_t i = 1; i < written_.size(); ++i) {
    Range& last = written_[kept];
    if (written_[i].gpa - last.gpa <= last.bytes) {
      last.bytes = std::max(last.bytes, written_[i].gpa - last.gpa + written_[i].bytes);
    } else {
      written_[++kept] = written_[i];
    }
  }
  written_.resize(kept + 1);
}

Result<void> ViommuStrategy::forget(std::map<uint64_t, Entry>::iterator at) {
  auto unmapped = unmap_twice(mapper_, at->second.key);
  if (!unmapped) {
    at->second.stuck = true;
    return unmapped;
  }
  const Entry entry = at->second;
  ++counters_.host_unmaps;
  note_written(entry);
  give_iova(at->first, entry.pages_bytes);
  entries_.erase(at);
  if (entry.coherent) pages_.release(entry.request.gpa, entry.pages_bytes);
  return {};
}

std::map<uint64_t, ViommuStrategy::Entry>::iterator ViommuStrategy::find(const Mapped& mapped) {
  const auto found = entries_.find(mapped.iova.value - in_page(mapped.request.gpa));
  if (found == entries_.end() || found->second.coherent || found->second.stuck) return entries_.end();
  const MapRequest& live = found->second.request;
  const bool same = live.gpa == mapped.request.gpa && live.bytes == mapped.request.bytes &&
                    live.direction == mapped.request.direction;
  return same ? found : entries_.end();
}

Result<Mapped> ViommuStrategy::map(const MapRequest& request) {
  kick();
  const auto iova = program(request, false);
  if (!iova) {
    ++counters_.refusals;
    return tl::unexpected(iova.error());
  }
  ++counters_.maps;
  return Mapped{*iova, request};
}

Result<void> ViommuStrategy::unmap(const Mapped& mapped) {
  return unmap_many(std::span(&mapped, 1));
}

Result<std::vector<Mapped>> ViommuStrategy::map_many(std::span<const MapRequest> requests) {
  if (requests.empty()) return std::vector<Mapped>{};
  kick();
  std::vector<Mapped> done;
  done.reserve(requests.size());
  for (const MapRequest& request : requests) {
    const auto iova = program(request, false);
    if (!iova) {
      ++counters_.refusals;
      for (const Mapped& one : done) (void)forget(find(one));
      counters_.maps -= done.size();
      return tl::unexpected(iova.error());
    }
    ++counters_.maps;
    done.push_back({*iova, request});
  }
  return done;
}

Result<void> ViommuStrategy::unmap_many(std::span<const Mapped> mapped) {
  if (mapped.empty()) return {};
  kick();
  Result<void> first;
  for (const Mapped& one : mapped) {
    const auto found = find(one);
    Result<void> gone;
    if (found == entries_.end()) {
      ++counters_.refusals;
      gone = refuse_unknown(one);
    } else {
      gone = forget(found);
      ++counters_.unmaps;
    }
    if (!gone && first) first = std::move(gone);  // the others go all the same
  }
  return first;
}

Result<void> ViommuStrategy::sync_for_cpu(const Mapped& mapped, uint64_t offset, uint64_t bytes) {
  if (find(mapped) == entries_.end()) return refuse_unknown(mapped);
  return check_sync(mapped, offset, bytes);  // the bus is coherent and the memory is the guest's own
}
Result<void> ViommuStrategy::sync_for_device(const Mapped& mapped, uint64_t offset, uint64_t bytes) {
  return sync_for_cpu(mapped, offset, bytes);
}

Result<Coherent> ViommuStrategy::allocate_coherent(uint64_t bytes, Context context) {
  const auto refused = [&](const Error& error) {
    ++counters_.refusals;
    return tl::unexpected(error);
  };
  if (bytes == 0 || bytes > memory_.bytes()) {
    return refused({ErrorName::kBadArgument, io_return::kSuccess,
                    fmt::format("coherent memory of {:#x} bytes: expected 1 to {:#x}", bytes, memory_.bytes())});
  }
  const uint64_t whole = round_up(bytes, kGuestPageBytes);
  const auto gpa = pages_.allocate(whole);
  if (!gpa) return refused(gpa.error());
  std::byte* const base = memory_.at(*gpa, whole);
  if (base != nullptr) std::memset(base, 0, whole);
  kick();
  const auto iova = program({*gpa, bytes, Direction::kBidirectional, context}, true);
  if (!iova) {
    pages_.release(*gpa, whole);
    return refused(iova.error());
  }
  ++counters_.coherent_allocations;
  return Coherent{*gpa, *iova, bytes};
}

Result<void> ViommuStrategy::free_coherent(const Coherent& coherent) {
  const auto found = entries_.find(coherent.iova.value);
  if (found == entries_.end() || !found->second.coherent || found->second.stuck ||
      found->second.request.gpa != coherent.gpa || found->second.request.bytes != coherent.bytes) {
    ++counters_.refusals;
    return fail(ErrorName::kNotFound, fmt::format("no coherent memory of {:#x} bytes is at guest address {:#x}",
                                                  coherent.bytes, coherent.gpa.value));
  }
  kick();
  return forget(found);
}

Result<void> ViommuStrategy::dirty(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<uint64_t> bitmap) {
  if (auto valid = check_bitmap(from, bytes, page_bytes, bitmap); !valid) return valid;
  for (const auto& [iova, entry] : entries_) {
    if (device_writes(entry.request.direction)) {
      mark_dirty(from, bytes, page_bytes, bitmap, entry.request.gpa, entry.request.bytes);
    }
  }
  for (const Range& range : written_) mark_dirty(from, bytes, page_bytes, bitmap, range.gpa, range.bytes);
  written_.clear();
  return {};
}

void ViommuStrategy::inspect(InspectNode& node) const {
  node.value = "viommu";
  node.child("aperture", fmt::format("{:#x}+{:#x}", aperture_.value, aperture_bytes_));
  node.child("live", fmt::format("{}", entries_.size()));
  InspectNode& wrong =
      node.child("misplaced", fmt::format("{}", misplaced_), "mappings whose device address is not the guest's");
  if (first_misplaced_) {
    wrong.child("guest", fmt::format("{:#x}", first_misplaced_->guest.value), "what the device emits");
    wrong.child("host", fmt::format("{:#x}", first_misplaced_->host.value), "what the host's mapper assigned");
  }
}

}  // namespace dartboard::backend::dma
