// traces/import/mmiotrace_devices.cpp - see mmiotrace_devices.h.
#include "traces/import/mmiotrace_devices.h"

#include <utility>

#include <fmt/format.h>

#include "traces/import/assumed_bar.h"

namespace dartboard::traces {

namespace {

constexpr size_t kNotesMax = 64;

}  // namespace

bool MmiotraceDevices::list(MmiotraceListing listing) {
  if (listed_.size() == kListedMax) return false;
  Listed listed;
  listed.line = std::move(listing);
  for (unsigned slot = 0; slot < MmiotraceListing::kSlots; ++slot) add_slot(slot, &listed);
  listed_.push_back(std::move(listed));
  return true;
}

void MmiotraceDevices::end() {
  if (info_.devices.empty()) {
    // Nobody's lines came: the first that is listed, so that the trace has a device.
    if (listed_.empty()) {
      info_.devices.emplace_back();
    } else {
      device_of(0);
    }
  }
  if (listed_.size() > 1) {
    note(fmt::format("The file lists {} devices; those with accesses or maps are kept.", listed_.size()));
  }
}

void MmiotraceDevices::note(std::string sentence) {
  if (info_.notes.size() < kNotesMax) info_.notes.push_back(std::move(sentence));
}

void MmiotraceDevices::add_slot(unsigned slot, Listed* listed) {
  const MmiotraceListing& line = listed->line;
  const uint64_t start = line.starts[slot], length = line.lengths[slot];
  if (length == 0 || start == 0) return;
  if (slot != kRomSlot && (start & MmiotraceListing::kFlagIo) != 0) return;  // ports are not traced
  const uint64_t address = start & ~MmiotraceListing::kFlagBits;
  const std::string who = fmt::format("{:02x}:{:02x}.{}", line.bus, line.devfn >> 3, line.devfn & 7);
  if (length > bar_bytes_max(slot)) {
    return note(fmt::format("BAR {} of {} has {} bytes, more than a device of the simulation can have: left out.", slot,
                            who, length));
  }
  if (!add_range(address, {length, listed_.size(), slot})) {
    return note(fmt::format("BAR {} of {} overlaps one that is listed before: left out.", slot, who));
  }
  if (slot == kRomSlot) return;
  BarDescription& bar = listed->bars[slot];
  bar = bar_that_holds(length, slot);
  if (is_power_of_two(length) && length >= 16) {
    bar.size = length;  // BARs may be smaller than a page
  } else {
    note(
        fmt::format("BAR {} of {} has {} bytes, which is no power of two: taken for {}.", slot, who, length, bar.size));
  }
  bar.is_64bit = bar.is_64bit || ((start & MmiotraceListing::kFlag64Bit) != 0 && slot < 5);
  bar.prefetchable = (start & MmiotraceListing::kFlagPrefetchable) != 0;
  // Its upper half is no BAR of its own.
  if (slot > 0 && listed->bars[slot - 1].kind != BarKind::kAbsent && listed->bars[slot - 1].is_64bit) {
    bar = {};
    ranges_.erase(address);
    last_ = ranges_.end();
    note(fmt::format("BAR {} of {} is the upper half of the one before: left out.", slot, who));
  }
}

bool MmiotraceDevices::add_range(uint64_t start, Range range) {
  const auto after = ranges_.lower_bound(start);
  if (after != ranges_.end() && after->first - start < range.size) return false;
  if (after != ranges_.begin()) {
    const auto before = std::prev(after);
    if (start - before->first < before->second.size) return false;
  }
  ranges_.emplace(start, range);
  return true;
}

bool MmiotraceDevices::make_bar(uint64_t address, uint64_t length) {
  if (nobodys_bars_ == kRomSlot || length > bar_bytes_max(nobodys_bars_)) return false;
  if (!add_range(address, {length, kNobody, nobodys_bars_})) return false;
  if (!nobody_) {
    nobody_ = static_cast<uint16_t>(info_.devices.size());
    info_.devices.emplace_back();
    info_.devices.back().description.name = "mapped memory without a PCIDEV line";
  }
  info_.devices[*nobody_].description.bars[nobodys_bars_] = bar_that_holds(length, nobodys_bars_);
  // A 64-bit BAR needs the next one too.
  const bool is_64bit = info_.devices[*nobody_].description.bars[nobodys_bars_].is_64bit;
  note(fmt::format("No PCIDEV line has the {} bytes mapped at 0x{:x}: taken for BAR{} of a device without identity.",
                   length, address, nobodys_bars_));
  nobodys_bars_ += is_64bit ? 2 : 1;
  return true;
}

uint16_t MmiotraceDevices::describe(Listed* listed) {
  const MmiotraceListing& line = listed->line;
  listed->device = static_cast<uint16_t>(info_.devices.size());
  TraceDevice device;
  device.address = fmt::format("0000:{:02x}:{:02x}.{}", line.bus, line.devfn >> 3, line.devfn & 7);
  device.description.name = line.driver.empty() ? device.address : fmt::format("{} ({})", device.address, line.driver);
  device.description.vendor_id = line.vendor_id;
  device.description.device_id = line.device_id;
  ConfigImage& config = device.description.config;
  config.learn(0, 2, line.vendor_id);
  config.learn(2, 2, line.device_id);
  for (unsigned i = 0; i < kRomSlot; ++i) {
    const BarDescription& bar = device.description.bars[i] = listed->bars[i];
    if (bar.kind == BarKind::kAbsent) continue;
    config.learn(0x10 + 4 * i, 4, static_cast<uint32_t>(line.starts[i]));
    if (bar.is_64bit) config.learn(0x14 + 4 * i, 4, static_cast<uint32_t>(line.starts[i] >> 32));
  }
  // The format does not show the command register: the driver was at work when recording began.
  device.description.memory_decode_gated_by_command = false;
  info_.devices.push_back(std::move(device));
  return *listed->device;
}

}  // namespace dartboard::traces
