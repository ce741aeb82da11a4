// traces/import/recovered_device.cpp - see recovered_device.h. Register offsets: PCIe 6.0 s7.5.1.
#include "traces/import/recovered_device.h"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "base/types.h"

namespace dartboard::traces {

namespace {

constexpr uint64_t kCommand = 0x04;
constexpr uint64_t kBarsBegin = 0x10, kBarsEnd = 0x28;
constexpr uint64_t kCapabilityPointer = 0x34;
constexpr uint8_t kMsixCapability = 0x11;
constexpr uint32_t kAllOnes = UINT32_MAX;
constexpr uint64_t kBarBytesMin = 16;
constexpr uint64_t kMsixEntryBytes = 16;

/// The low bits of a BAR that say what it is, not where.
constexpr uint32_t flag_bits(uint32_t value) {
  return (value & 1) != 0 ? 0x3 : 0xf;
}

}  // namespace

void RecoveredDevice::config_read(uint64_t offset, unsigned length, uint32_t value) {
  if (offset == kCommand && length >= 2) command_ = static_cast<uint16_t>(value);
  if (offset >= kBarsBegin && offset < kBarsEnd && offset % 4 == 0 && length == 4) {
    Bar& bar = bars_[(offset - kBarsBegin) / 4];
    if (bar.all_ones_written) {
      if (bar.sizing_mask != value) ++ranges_version_;
      bar.sizing_mask = value;
      // The mask is no address: what is learnt of the register is only what never changes in it.
      if (!config_.known(offset)) config_.learn(offset, 4, value & flag_bits(value));
      return;
    }
    if (bar.base != value) ++ranges_version_;
    bar.base = value;
  }
  config_.learn(offset, length, value);
}

void RecoveredDevice::config_write(uint64_t offset, unsigned length, uint32_t value) {
  if (offset == kCommand && length >= 2) command_ = static_cast<uint16_t>(value);
  if (offset >= kBarsBegin && offset < kBarsEnd && offset % 4 == 0 && length == 4) {
    Bar& bar = bars_[(offset - kBarsBegin) / 4];
    bar.all_ones_written = value == kAllOnes;
    if (!bar.all_ones_written && bar.base != value) {
      bar.base = value;
      ++ranges_version_;
    }
  }
}

void RecoveredDevice::bar_size(unsigned bar, uint64_t size) {
  bars_[bar].told = size;
  ++ranges_version_;
}
void RecoveredDevice::bar_mapped(unsigned bar, uint64_t address, uint64_t size) {
  Bar& b = bars_[bar];
  b.mapped_address = address;
  b.mapped_size = std::max(b.mapped_size, size);
  b.mapped = true;
  ++ranges_version_;
}
void RecoveredDevice::bar_unmapped(unsigned bar) {
  bars_[bar].mapped = false;
  ++ranges_version_;
}
void RecoveredDevice::msix_table(unsigned bar, uint64_t offset, uint32_t entries) {
  told_msix_ = {entries, bar, 0, offset, 0};
}

bool RecoveredDevice::is_64bit(unsigned bar) const {
  // s7.5.1.2.1: bit 0 clear is memory, bits 2:1 10b is 64 bits. The register after it is its upper half.
  const uint64_t at = bar_register(bar);
  if (bar + 1 >= kBars || !config_.known(at)) return false;
  if (bar > 0 && is_64bit(bar - 1)) return false;
  return (config_.at(at) & 0x7) == 0x4;
}

std::optional<uint64_t> RecoveredDevice::sized(unsigned bar) const {
  const Bar& b = bars_[bar];
  if (!b.sizing_mask) return std::nullopt;
  const uint32_t low = *b.sizing_mask & ~flag_bits(*b.sizing_mask);
  uint64_t mask = low;
  if ((*b.sizing_mask & 1) != 0) {
    if (low == 0) return 0;
    mask |= low <= 0xffff ? ~uint64_t{0xffff} : ~uint64_t{UINT32_MAX};  // I/O space may have 16 bits
  } else if (is_64bit(bar)) {
    // Whoever sizes only the lower half knows that the BAR has less than 4 GiB.
    mask |= uint64_t{bars_[bar + 1].sizing_mask.value_or(kAllOnes)} << 32;
  } else {
    if (low == 0) return 0;
    mask |= ~uint64_t{UINT32_MAX};
  }
  if (mask == 0) return 0;
  return uint64_t{1} << std::countr_zero(mask);
}

RecoveredDevice::Size RecoveredDevice::size(unsigned bar) const {
  const Bar& b = bars_[bar];
  if (is_upper_half(bar)) return {};
  uint64_t bytes = 0;
  if (b.told) {
    bytes = *b.told;
  } else if (const auto by_sizing = sized(bar)) {
    bytes = *by_sizing;
  } else {
    bytes = b.mapped_size;
  }
  if (bytes == 0 && !b.accessed) return {};
  const bool assumed = bytes == 0 || b.highest_end > bytes;
  bytes = std::max({bytes, b.highest_end, kBarBytesMin});
  return {bytes > uint64_t{1} << 63 ? uint64_t{1} << 63 : std::bit_ceil(bytes), assumed};
}

RecoveredDevice::Range RecoveredDevice::range(unsigned bar) const {
  const Bar& b = bars_[bar];
  if (b.mapped) return {b.mapped_address, b.mapped_size};
  if (is_upper_half(bar)) return {};
  uint64_t address = b.base & ~flag_bits(b.base);
  if (is_64bit(bar)) address |= uint64_t{bars_[bar + 1].base} << 32;
  const uint64_t bytes = b.told ? *b.told : sized(bar).value_or(b.mapped_size);
  if (address == 0 || bytes == 0 || bytes - 1 > UINT64_MAX - address) return {};
  return {address, bytes};
}

DeviceDescription RecoveredDevice::describe(std::string name, std::vector<std::string>* notes) const {
  DeviceDescription d;
  d.name = std::move(name);
  d.config = config_;
  if (config_.known(0x00, 4)) {
    d.vendor_id = static_cast<uint16_t>(config_.value(0x00, 2));
    d.device_id = static_cast<uint16_t>(config_.value(0x02, 2));
  } else {
    d.vendor_id = static_cast<uint16_t>(config_.value(0x00, 2));
    d.device_id = static_cast<uint16_t>(config_.value(0x02, 2));
    notes->push_back("vendor and device id are not, or not both, shown; what is missing is 0");
  }
  d.revision_id = config_.at(0x08);
  if (config_.known(0x0a, 2)) {
    d.class_code = config_.value(0x0a, 2) << 8 | config_.at(0x09);
    if (!config_.known(0x09)) notes->push_back("the programming interface (class code, lowest byte) is not shown: 0");
  }
  d.subsystem_vendor_id = static_cast<uint16_t>(config_.value(0x2c, 2));
  d.subsystem_id = static_cast<uint16_t>(config_.value(0x2e, 2));
  describe_bars(&d, notes);
  describe_msix(&d, notes);
  if (decoded_without_command_) {
    d.memory_decode_gated_by_command = false;
    notes->push_back("BARs answered although the recording does not show that memory decoding was enabled");
  }
  return d;
}

void RecoveredDevice::describe_bars(DeviceDescription* d, std::vector<std::string>* notes) const {
  bool upper_half_taken = false;
  for (unsigned i = 0; i < kBars; ++i) {
    const Bar& b = bars_[i];
    const Size bytes = upper_half_taken ? Size{} : size(i);
    if (bytes.bytes == 0) {
      upper_half_taken = false;
      continue;
    }
    BarDescription bar;
    bar.kind = BarKind::kRegisters;  // memory without side effects cannot be told from a log
    bar.size = bytes.bytes;
    const uint64_t at = bar_register(i);
    const bool flags_known = config_.known(at);
    bar.is_64bit = is_64bit(i);
    bar.prefetchable = flags_known && !is_io(i) && (config_.at(at) & 0x8) != 0;
    if (is_io(i)) notes->push_back(fmt::format("BAR{} is in I/O space; it is described as if it were memory", i));
    if (!bar.is_64bit && bytes.bytes > 2 * kGiB && i + 1 < kBars && size(i + 1).bytes == 0) {
      bar.is_64bit = true;
      notes->push_back(fmt::format("BAR{} is taken to be a 64-bit BAR, as it is larger than 2 GiB", i));
    } else if (!flags_known) {
      notes->push_back(fmt::format("BAR{}: whether it is a 64-bit or a prefetchable BAR is not shown: neither", i));
    }
    if (bytes.assumed) {
      notes->push_back(
          fmt::format("BAR{}: its size is not shown; 0x{:x} bytes is the smallest power of two that holds "
                      "the highest access, which ends at 0x{:x}",
                      i, bytes.bytes, b.highest_end));
    }
    upper_half_taken = bar.is_64bit;
    d->bars[i] = bar;
  }
}

void RecoveredDevice::describe_msix(DeviceDescription* d, std::vector<std::string>* notes) const {
  // s7.7.2: control, table and PBA stand at 2, 4 and 8 of the capability.
  uint64_t at = config_.at(kCapabilityPointer) & ~uint64_t{3};
  for (unsigned steps = 0; at >= 0x40 && steps < 48 && config_.known(at, 2); ++steps) {
    if (config_.at(at) == kMsixCapability && config_.known(at + 2, 2) && config_.known(at + 4, 8)) {
      const uint32_t table = config_.value(at + 4, 4), pba = config_.value(at + 8, 4);
      if ((table & 7) < kBars && (pba & 7) < kBars) {
        d->msix = {(config_.value(at + 2, 2) & 0x7ff) + 1, table & 7, pba & 7, table & ~7u, pba & ~7u};
        return;
      }
    }
    at = config_.at(at + 1) & ~uint64_t{3};
  }
  if (told_msix_.entries == 0) return;
  d->msix = told_msix_;
  d->msix.pba_bar = told_msix_.table_bar;
  d->msix.pba_offset = told_msix_.table_offset + told_msix_.entries * kMsixEntryBytes;
  const BarDescription& bar = d->bars[told_msix_.table_bar];
  const uint64_t pba_bytes = (told_msix_.entries + 63) / 64 * 8;
  if (d->msix.pba_offset + pba_bytes > bar.size && told_msix_.table_offset >= pba_bytes) d->msix.pba_offset = 0;
  notes->push_back(fmt::format("where the MSI-X pending bits lie is not shown; BAR{} at 0x{:x} is assumed",
                               d->msix.pba_bar, d->msix.pba_offset));
}

}  // namespace dartboard::traces
