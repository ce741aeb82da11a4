// backend/dma/companion_batch.cpp - the entries of a batch: which registrations they need, and what becomes of them.
#include <algorithm>

#include <fmt/format.h>

#include "backend/dma/companion_device.h"
#include "base/format.h"

namespace dartboard::backend::dma {

using namespace companion;

namespace {

constexpr uint64_t kPrivateKey = uint64_t{1} << 63;  // above any guest address that has RAM

}  // namespace

Status CompanionDevice::run_map(uint32_t count) {
  const MapRequestLayout& request = options_.layout->map_request;
  const MapResponseLayout& response = options_.layout->map_response;
  wanted_.assign(count, {});
  order_.clear();
  for (uint32_t i = 0; i < count; ++i) {
    Wanted& wanted = wanted_[i];
    const std::byte* record = requests_.data() + uint64_t{i} * request.bytes;
    wanted.gpa = Gpa(get(record, request.gpa));
    wanted.bytes = get(record, request.length);
    if (admit(wanted)) order_.push_back(i);
  }
  const auto by_address = [&](uint32_t a, uint32_t b) { return wanted_[a].gpa < wanted_[b].gpa; };
  if (options_.merge && !std::is_sorted(order_.begin(), order_.end(), by_address)) {
    std::stable_sort(order_.begin(), order_.end(), by_address);
  }
  for (size_t first = 0; first < order_.size();) {
    const size_t length = run_length(std::span(order_).subspan(first));
    map_run(std::span(order_).subspan(first, length));
    first += length;
  }
  bool all = true;
  for (uint32_t i = 0; i < count; ++i) {
    const Wanted& wanted = wanted_[i];
    std::byte* record = responses_.data() + uint64_t{i} * response.bytes;
    put(record, response.id, wanted.gpa.value);
    put(record, response.status, static_cast<uint64_t>(wanted.status));
    if (wanted.status == Status::kOk) {
      ++stats_.maps;
      put(record, response.iova, wanted.iova.value);
      put(record, response.length, wanted.bytes);
    } else {
      ++stats_.entries_refused;
      all = false;
    }
  }
  return all ? Status::kOk : Status::kIoError;
}

/// Whether the entry could be mapped at all; finds its memory.
bool CompanionDevice::admit(Wanted& wanted) {
  const uint64_t gpa = wanted.gpa.value;
  if (wanted.bytes == 0 || wanted.bytes > options_.region_bytes_max || wanted.bytes - 1 > UINT64_MAX - gpa) {
    refuse(
        ErrorName::kBadArgument,
        compiled_text(FMT_COMPILE("companion: mapping {:#x} bytes at guest address {:#x}: expected 1 to {:#x} that do "
                                  "not wrap"),
                      wanted.bytes, gpa, options_.region_bytes_max));
    return false;
  }
  wanted.base = bus_.memory(wanted.gpa, wanted.bytes);
  if (wanted.base == nullptr) {
    refuse(
        ErrorName::kBadArgument,
        compiled_text(FMT_COMPILE("companion: mapping {:#x} bytes at guest address {:#x}: they are not in one piece of "
                                  "guest RAM"),
                      wanted.bytes, gpa));
  }
  return wanted.base != nullptr;
}

/// How many of the entries, from the first on, can be one registration: neighbours for the guest and in this process.
size_t CompanionDevice::run_length(std::span<const uint32_t> order) {
  if (!options_.merge) return 1;
  size_t length = 1;
  uint64_t bytes = wanted_[order[0]].bytes;
  const uint64_t room = live_max() > ids_.size() ? live_max() - ids_.size() : 0;
  while (length < order.size() && length < room) {
    const Wanted& last = wanted_[order[length - 1]];
    const Wanted& next = wanted_[order[length]];
    if (next.gpa != last.gpa + last.bytes || next.base != last.base + last.bytes ||
        next.bytes > options_.region_bytes_max - bytes || ids_.find(next.gpa.value) != nullptr) {
      break;
    }
    bytes += next.bytes;
    ++length;
  }
  return length;
}

void CompanionDevice::map_run(std::span<const uint32_t> run) {
  if (ids_.find(wanted_[run[0]].gpa.value) != nullptr) {
    refuse(ErrorName::kBusy,
           compiled_text(FMT_COMPILE("companion: guest address {:#x} is mapped already; unmap it first"),
                         wanted_[run[0]].gpa.value));
    // Only the first can be live: the others were looked at when the run was measured.
    run = run.subspan(1);
    if (run.empty()) return;
  }
  if (map_region(run, run.size() == 1)) return;
  if (run.size() == 1) return;
  // Together they do not fit; some of them alone may.
  for (size_t i = 0; i < run.size(); ++i) map_region(run.subspan(i, 1), true);
}

bool CompanionDevice::map_region(std::span<const uint32_t> run, bool last_try) {
  Wanted& first = wanted_[run.front()];
  if (ids_.size() >= live_max()) {
    refuse(ErrorName::kBudgetMappings,
           compiled_text(FMT_COMPILE("companion: {} entries are live, which is what it keeps; unmap something"),
                         ids_.size()));
    return false;
  }
  const Wanted& last = wanted_[run.back()];
  const uint64_t bytes = (last.gpa - first.gpa) + last.bytes;
  const uint64_t key = free_key(first.gpa);
  const auto mapped = mapper_.map(key, first.base, bytes);
  if (!mapped) {
    if (last_try) refuse(mapped.error());
    return false;
  }
  ++stats_.host_maps;
  stats_.merged += run.size() - 1;
  uint32_t region = static_cast<uint32_t>(regions_.size());
  if (free_regions_.empty()) {
    regions_.emplace_back();
  } else {
    region = free_regions_.back();
    free_regions_.pop_back();
  }
  regions_[region] = {key, static_cast<uint32_t>(run.size()), true};
  keys_.insert(key, region);
  for (const uint32_t i : run) {
    Wanted& wanted = wanted_[i];
    wanted.iova = mapped->iova + (wanted.gpa - first.gpa);
    wanted.status = Status::kOk;
    ids_.insert(wanted.gpa.value, region);
  }
  return true;
}

/// The guest address, as everybody expects it, unless a registration still has it whose first entry is gone.
uint64_t CompanionDevice::free_key(Gpa gpa) {
  const uint64_t* holder = keys_.find(gpa.value);
  if (holder == nullptr) return gpa.value;
  const auto region = static_cast<uint32_t>(*holder);
  if (regions_[region].entries == 0 && retire(region)) return gpa.value;
  do {
    ++private_key_;
  } while (keys_.find(kPrivateKey | private_key_) != nullptr);
  return kPrivateKey | private_key_;
}

Status CompanionDevice::run_unmap(uint32_t count) {
  const UnmapRequestLayout& request = options_.layout->unmap_request;
  const UnmapResponseLayout& response = options_.layout->unmap_response;
  bool all = true;
  for (uint32_t i = 0; i < count; ++i) {
    // The size is not looked at: an id is all of a mapping.
    const uint64_t id = get(requests_.data() + uint64_t{i} * request.bytes, request.id);
    const bool done = drop(id);
    ++(done ? stats_.unmaps : stats_.entries_refused);
    all = all && done;
    std::byte* record = responses_.data() + uint64_t{i} * response.bytes;
    put(record, response.id, id);
    put(record, response.status, static_cast<uint64_t>(done ? Status::kOk : Status::kIoError));
  }
  return all ? Status::kOk : Status::kIoError;
}

/// Ends an entry, and its registration with the last. False: there is none, or the mapper refuses to let go.
bool CompanionDevice::drop(uint64_t id) {
  if (const uint64_t* of_id = ids_.find(id)) {
    const auto region = static_cast<uint32_t>(*of_id);
    ids_.erase(id);
    return --regions_[region].entries != 0 || retire(region);
  }
  // Again, after the mapper refused.
  if (const uint64_t* of_key = keys_.find(id); of_key != nullptr && regions_[*of_key].entries == 0) {
    return retire(static_cast<uint32_t>(*of_key));
  }
  refuse(ErrorName::kNotFound, compiled_text(FMT_COMPILE("companion: unmapping {:#x}: nothing is mapped there"), id));
  return false;
}

bool CompanionDevice::retire(uint32_t index) {
  Region& region = regions_[index];
  const auto unmapped = mapper_.unmap(region.key);
  // What is not there, or went with the device, is unmapped.
  if (!unmapped && unmapped.error().name != ErrorName::kNotFound && unmapped.error().name != ErrorName::kDeviceGone) {
    refuse(unmapped.error());
    return false;
  }
  ++stats_.host_unmaps;
  keys_.erase(region.key);
  region = {};
  free_regions_.push_back(index);
  return true;
}

/// The guest will never learn what this batch mapped.
Status CompanionDevice::give_back(Command type) {
  if (type == Command::kMap) {
    for (Wanted& wanted : wanted_) {
      if (wanted.status != Status::kOk) continue;
      (void)drop(wanted.gpa.value);
      wanted.status = Status::kIoError;
      ++stats_.given_back;
    }
  }
  return Status::kIoError;
}

Result<void> CompanionDevice::release_all() {
  Result<void> first;
  ids_.clear();
  for (uint32_t i = 0; i < regions_.size(); ++i) {
    if (!regions_[i].live) continue;
    regions_[i].entries = 0;
    refusal_.reset();
    if (!retire(i) && !retire(i) && first) first = tl::unexpected(*refusal_);  // the others go all the same
  }
  return first;
}

}  // namespace dartboard::backend::dma
