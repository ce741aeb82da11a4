// traces/tools/diff_item.cpp - see diff_item.h.
#include "traces/tools/diff_item.h"

#include <algorithm>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/types.h"
#include "traces/tools/access.h"

namespace dartboard::traces {

namespace {

constexpr uint64_t kAddressMask = (uint64_t{1} << 48) - 1;
constexpr uint64_t kPageSizes[] = {4 * kKiB, 16 * kKiB, 64 * kKiB, 2 * kMiB};
constexpr size_t kFillsMax = 256;
constexpr uint64_t kRelativeSeed = 0x7265626173650001;

template <size_t N>
uint64_t hash_of(const uint64_t (&words)[N], uint64_t seed = 0) {
  return XXH3_64bits_withSeed(words, sizeof words, seed);
}

bool is_memory(EventKind kind) {
  switch (kind) {
    case EventKind::kDmaMap:
    case EventKind::kDmaUnmap:
    case EventKind::kHostRead:
    case EventKind::kHostWrite:
    case EventKind::kDeviceDmaRead:
    case EventKind::kDeviceDmaWrite: return true;
    default: return false;
  }
}

}  // namespace

void AddressBook::unmap(uint16_t device, uint32_t handle) {
  const auto found = live_.find({device, handle});
  if (found == live_.end()) return;
  for (const uint64_t start : found->second.starts) {
    const auto extent = extents_.find(start);
    if (extent != extents_.end() && extent->second.mapping == found->second.id) extents_.erase(extent);
  }
  live_.erase(found);
}

void AddressBook::see(const Event& event, const Reply* reply) {
  if (event.kind == EventKind::kDmaUnmap) unmap(event.device, event.target);
  if (event.kind != EventKind::kDmaMap || (reply != nullptr && reply->status != 0)) return;
  unmap(event.device, event.target);  // a handle that is given again
  const uint64_t before = of_size_.size() < kExtentsMax ? of_size_[{event.device, event.length}]++ : 0;
  Mapping mapping{hash_of({event.device, event.length, before}), {}};
  const auto add = [&](uint64_t address, uint64_t bytes, uint64_t offset) {
    if (extents_.size() >= kExtentsMax) {
      complete_ = false;
      return;
    }
    extents_[address] = {bytes, mapping.id, offset};
    mapping.starts.push_back(address);
  };
  const Payload* const pages = reply == nullptr ? nullptr : &reply->data;
  if (pages == nullptr || pages->length < 8) {
    if (reply != nullptr) add(reply->value0, event.length, 0);
  } else if (pages->is_whole()) {
    const uint64_t count = pages->length / 8;
    const auto* const page_bytes = std::find_if(std::begin(kPageSizes), std::end(kPageSizes), [&](uint64_t size) {
      return event.length / size + (event.length % size != 0) == count;
    });
    if (page_bytes == std::end(kPageSizes)) {
      complete_ = false;
    } else {
      uint64_t start = pages->le64(0), bytes = *page_bytes, offset = 0;
      for (uint64_t i = 1; i < count; ++i) {
        const uint64_t page = pages->le64(8 * i);
        if (page != start + bytes) {
          add(start, bytes, offset);
          start = page;
          offset = i * *page_bytes;
          bytes = 0;
        }
        bytes += *page_bytes;
      }
      add(start, bytes, offset);
    }
  }
  live_.insert_or_assign({event.device, event.target}, std::move(mapping));
}

std::optional<uint64_t> AddressBook::place_of(uint64_t word) const {
  const uint64_t address = word & kAddressMask;
  const auto after = extents_.upper_bound(address);
  if (after == extents_.begin()) return std::nullopt;
  const auto& [start, extent] = *std::prev(after);
  if (address - start >= extent.bytes) return std::nullopt;
  return hash_of({extent.mapping, extent.offset + (address - start), word & ~kAddressMask}, kRelativeSeed);
}

std::optional<uint64_t> AddressBook::mapping_of(uint16_t device, uint32_t handle) const {
  const auto found = live_.find({device, handle});
  return found == live_.end() ? std::nullopt : std::optional(found->second.id);
}

/// XXH3-64 of the bytes, whether they are there, are a fill, or only their hash was kept.
uint64_t DiffItemMaker::payload_hash(const Payload& data) {
  if (data.form == PayloadForm::kHash) return Payload{data.bytes, 8}.le64(0);
  if (data.form == PayloadForm::kOmitted) return 0;
  if (!data.is_fill()) return XXH3_64bits(data.bytes, data.length);
  const std::pair key(data.length, data.fill);
  if (const auto found = fills_.find(key); found != fills_.end()) return found->second;
  const std::vector<std::byte> block(std::min<uint64_t>(data.length, 64 * kKiB), data.fill);
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (uint64_t left = data.length; left != 0;) {
    const uint64_t count = std::min<uint64_t>(left, block.size());
    XXH3_64bits_update(&state, block.data(), count);
    left -= count;
  }
  const uint64_t hash = XXH3_64bits_digest(&state);
  if (fills_.size() >= kFillsMax) fills_.clear();
  fills_.emplace(key, hash);
  return hash;
}

uint64_t DiffItemMaker::relative_payload_hash(const Payload& data) {
  const uint64_t recorded = payload_hash(data);
  if (!data.is_whole() || data.is_fill() || data.length % 8 != 0) return recorded;
  bool any = false;
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (uint64_t offset = 0; offset < data.length; offset += 8) {
    uint64_t word = data.le64(offset);
    const auto place = book_.place_of(word);
    any = any || place.has_value();
    word = place.value_or(word);
    XXH3_64bits_update(&state, &word, sizeof word);
  }
  return any ? XXH3_64bits_digest(&state) : recorded;
}

bool DiffItemMaker::is_ignored(const Named& named) const {
  if (options_.ignore_values.empty() || !named) return false;
  const std::string name = named.text();
  return std::any_of(options_.ignore_values.begin(), options_.ignore_values.end(),
                     [&](const std::string& glob) { return name_fits(glob, named, name); });
}

DiffItem DiffItemMaker::make(uint64_t number, const Event& event, const Reply* reply) {
  if (!first_time_ns_) first_time_ns_ = event.time_ns;
  DiffItem item;
  item.number = number;
  item.event = event;
  item.event.data = Payload();
  item.event.reply = kNoReply;
  item.value = value_of(event, reply);
  item.failed = reply != nullptr && reply->status != 0;
  item.named = tracker_.see(event, reply);

  const uint64_t time = options_.times ? event.time_ns - *first_time_ns_ : 0;
  const uint64_t kind =
      static_cast<uint64_t>(event.kind) | static_cast<uint64_t>(event.source) << 8 | uint64_t{event.device} << 16;
  uint64_t target = event.target, address = event.address, extra = event.value;
  if (options_.rebase && event.kind != EventKind::kDmaMap && is_memory(event.kind)) {
    target = book_.mapping_of(event.device, event.target).value_or(target);
    if (event.kind == EventKind::kDeviceDmaRead || event.kind == EventKind::kDeviceDmaWrite) address = 0;
  }
  if (options_.rebase) book_.see(event, reply);
  if (event.kind == EventKind::kDmaMap) {
    // Which handle and which addresses it got is what came of it.
    target = 0;
    if (options_.rebase) address = 0;
  }
  item.shape = hash_of({kind, target, address, event.length});
  if (is_ignored(item.named)) return item;

  // A posted write and a write that was answered with success are the same.
  const uint64_t status = reply == nullptr ? 0 : reply->status;
  const Payload* const data = payload_of(event, reply);
  if (data != nullptr) {
    const uint64_t hash = payload_hash(*data);
    item.any_payload = data->form == PayloadForm::kOmitted;
    item.outcome = item.relative = hash_of({status, hash, extra, time});
    if (!options_.rebase || item.any_payload) return item;
    uint64_t relative = hash;
    if (data->length > 8) {
      relative = relative_payload_hash(*data);
    } else if (item.value && data->length >= 4) {
      relative = book_.place_of(*item.value).value_or(hash);
    }
    item.relative = hash_of({status, relative, extra, time});
    return item;
  }
  // The pages of a mapping, the ids of a probe: policies may leave these out too.
  item.any_payload = event.data.form == PayloadForm::kOmitted ||
                     (reply != nullptr && reply->data.form == PayloadForm::kOmitted);
  uint64_t results = 0, given = 0;
  if (reply != nullptr) {
    const bool has_results =
        event.kind == EventKind::kConfigRead || event.kind == EventKind::kMapBar || event.kind == EventKind::kProbe;
    if (has_results) results = hash_of({reply->value0, reply->value1, payload_hash(reply->data)});
    if (event.kind == EventKind::kDmaMap) {
      results = hash_of({reply->data.length});
      given = hash_of({event.target, reply->value0, payload_hash(reply->data)});
    }
  }
  const uint64_t own = payload_hash(event.data);  // kProbe and kMark
  item.outcome = hash_of({status, results, extra, time, own, options_.rebase ? 0 : given});
  item.relative = item.outcome;
  return item;
}

}  // namespace dartboard::traces
