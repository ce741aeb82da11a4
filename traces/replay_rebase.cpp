// traces/replay_rebase.cpp - see replay_rebase.h.
#include "traces/replay_rebase.h"

#include <algorithm>
#include <cstring>

namespace dartboard::traces {

namespace {

constexpr uint64_t kPageAddressMask = 0x0000'ffff'ffff'f000;
constexpr uint64_t kTouchedMax = uint64_t{1} << 20;  // places remembered for reads

uint64_t le(std::span<const std::byte> bytes, size_t at, unsigned count) {
  uint64_t value = 0;
  for (unsigned i = count; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(bytes[at + i]);
  return value;
}
void put_le(std::span<std::byte> bytes, size_t at, unsigned count, uint64_t value) {
  for (unsigned i = 0; i < count; ++i) bytes[at + i] = static_cast<std::byte>(value >> (8 * i));
}

/// The 4 bytes that a request writes, if it writes 4.
std::optional<uint32_t> word_of(const Event& event) {
  if (event.length != 4) return std::nullopt;
  if (event.kind == EventKind::kConfigWrite) return static_cast<uint32_t>(event.value);
  if ((event.kind != EventKind::kMmioWrite && event.kind != EventKind::kHostWrite) || !event.data.is_whole()) {
    return std::nullopt;
  }
  uint32_t value = 0;
  for (unsigned i = 4; i-- > 0;) value = value << 8 | std::to_integer<uint32_t>(event.data.at(i));
  return value;
}

EventKind write_of(EventKind read) {
  switch (read) {
    case EventKind::kHostRead: return EventKind::kHostWrite;
    case EventKind::kConfigRead: return EventKind::kConfigWrite;
    default: return EventKind::kMmioWrite;
  }
}

}  // namespace

std::string_view to_string(AddressForm form) {
  switch (form) {
    case AddressForm::kAddress: return "address";
    case AddressForm::kPage: return "page";
    case AddressForm::kPair: return "pair";
    case AddressForm::kPacket: return "packet";
    case AddressForm::kUnaligned: return "unaligned";
    case AddressForm::kHalf: return "half";
  }
  return "address";
}

void Rebaser::handed_out(uint32_t handle, std::span<const uint64_t> recorded, std::span<const uint64_t> here) {
  for (size_t i = 0; i < recorded.size();) {
    size_t count = 1;
    while (i + count < recorded.size() && recorded[i + count] == recorded[i] + count * kPageBytes &&
           here[i + count] == here[i] + count * kPageBytes) {
      ++count;
    }
    const uint64_t bytes = count * kPageBytes;
    ranges_[recorded[i]] = {bytes, here[i], handle};
    least_ = std::min(least_, recorded[i]);
    most_ = std::max(most_, recorded[i] + bytes);
    ++report_.ranges;
    i += count;
  }
}

void Rebaser::given_back(uint32_t handle) {
  std::erase_if(ranges_, [&](const auto& range) { return range.second.handle == handle; });
}

const Rebaser::Range* Rebaser::find(uint64_t recorded, uint64_t* start) const {
  if (recorded < least_ || recorded >= most_) return nullptr;
  auto found = ranges_.upper_bound(recorded);
  if (found == ranges_.begin()) return nullptr;
  --found;
  if (recorded - found->first >= found->second.bytes) return nullptr;
  *start = found->first;
  return &found->second;
}

std::optional<std::pair<uint64_t, uint64_t>> Rebaser::place_of(uint64_t recorded) const {
  uint64_t start = 0;
  const Range* const range = find(recorded, &start);
  if (range == nullptr) return std::nullopt;
  return std::pair{range->here + (recorded - start), range->bytes - (recorded - start)};
}

bool Rebaser::pair_with(const Event& event, const Event& other, uint32_t value, uint32_t* out) const {
  if (other.kind != event.kind || other.target != event.target) return false;
  const auto partner = word_of(other);
  if (!partner) return false;
  const bool is_low = other.address == event.address + 4;
  if (!is_low && other.address + 4 != event.address) return false;
  const uint64_t address = is_low ? uint64_t{*partner} << 32 | value : uint64_t{value} << 32 | *partner;
  if (address % 4 != 0) return false;
  const auto place = place_of(address);
  if (!place) return false;
  *out = static_cast<uint32_t>(is_low ? place->first : place->first >> 32);
  return true;
}

void Rebaser::touch(const Event& event, uint64_t at, uint8_t bytes, uint64_t old_value, uint64_t new_value,
                    AddressForm form) {
  ++report_.places[static_cast<unsigned>(form)];
  if (report_.first.size() < kRebasedPlacesKept) {
    report_.first.push_back({event.request, event.kind, event.target, at, old_value, new_value, form});
  }
  auto& space = touched_[{event.kind, event.target}];
  if (space.size() < kTouchedMax) space[at] = {old_value, new_value, bytes};
}

void Rebaser::only_report(const Event& event, uint64_t at, uint64_t value, uint64_t would_be, AddressForm form) {
  ++report_.places[static_cast<unsigned>(form)];
  if (report_.first_reported.size() < kRebasedPlacesKept) {
    report_.first_reported.push_back({event.request, event.kind, event.target, at, value, would_be, form});
  }
}

void Rebaser::overwritten(const Event& event, uint64_t length) {
  const auto space = touched_.find({event.kind, event.target});
  if (space == touched_.end()) return;
  auto from = space->second.lower_bound(event.address < 7 ? 0 : event.address - 7);
  while (from != space->second.end() && from->first < event.address + length) {
    from = from->first + from->second.bytes > event.address ? space->second.erase(from) : std::next(from);
  }
}

uint64_t Rebaser::rewrite(const Event& event, const Event* previous, const Event* next, std::span<std::byte> bytes) {
  overwritten(event, bytes.size());
  if (ranges_.empty()) return 0;
  uint64_t changed = 0;
  if (bytes.size() == 4) {
    const auto value = static_cast<uint32_t>(le(bytes, 0, 4));
    uint32_t out = 0;
    if (event.address % 4 == 0 && ((previous != nullptr && pair_with(event, *previous, value, &out)) ||
                                   (next != nullptr && pair_with(event, *next, value, &out)))) {
      put_le(bytes, 0, 4, out);
      touch(event, event.address, 4, value, out, AddressForm::kPair);
      return 1;
    }
    for (const unsigned shift : {0u, 8u, 12u}) {
      const auto place = place_of(uint64_t{value} << shift);
      if (!place) continue;
      only_report(event, event.address, value, place->first >> shift, AddressForm::kHalf);
      break;
    }
    return 0;
  }
  // Words are aligned by where they land, not by where the write begins.
  uint64_t at = (4 - event.address % 4) % 4;
  for (; at + 8 <= bytes.size(); at += 4) {
    const uint64_t word = le(bytes, at, 8);
    const bool aligned = (event.address + at) % 8 == 0;
    if (word % 4 == 0) {
      if (const auto place = place_of(word)) {
        if (!aligned && event.kind != EventKind::kHostWrite) {
          only_report(event, event.address + at, word, place->first, AddressForm::kUnaligned);
          continue;
        }
        put_le(bytes, at, 8, place->first);
        touch(event, event.address + at, 8, word, place->first, aligned ? AddressForm::kAddress : AddressForm::kPacket);
        ++changed;
        at += 4;  // both halves are used up
        continue;
      }
    }
    if (!aligned || (word & 1) == 0) continue;
    const auto place = place_of(word & kPageAddressMask);
    if (!place) continue;
    const uint64_t entry = (word & ~kPageAddressMask) | (place->first & kPageAddressMask);
    put_le(bytes, at, 8, entry);
    touch(event, event.address + at, 8, word, entry, AddressForm::kPage);
    ++changed;
    at += 4;
  }
  return changed;
}

bool Rebaser::rebase_read(EventKind kind, uint32_t target, uint64_t offset, std::span<std::byte> expected) {
  const auto space = touched_.find({write_of(kind), target});
  if (space == touched_.end()) return false;
  bool changed = false;
  for (auto at = space->second.lower_bound(offset < 7 ? 0 : offset - 7);
       at != space->second.end() && at->first < offset + expected.size(); ++at) {
    const Touched& word = at->second;
    for (unsigned i = 0; i < word.bytes; ++i) {
      const uint64_t byte = at->first + i;
      if (byte < offset || byte >= offset + expected.size()) continue;
      // The device may have written there since: then the recorded byte is its own.
      if (expected[byte - offset] != static_cast<std::byte>(word.old_value >> (8 * i))) continue;
      expected[byte - offset] = static_cast<std::byte>(word.new_value >> (8 * i));
      changed = true;
    }
  }
  if (changed) ++report_.reads_rebased;
  return changed;
}

}  // namespace dartboard::traces
