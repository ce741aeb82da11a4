// backend/config_virtualisation.cpp - the rules at work: guest accesses and their hooks.
//
// How the rules are made from table and device is in config_rules.cpp.
#include "backend/config_virtualisation.h"

#include <algorithm>

#include <fmt/format.h>

#include "backend/call_error.h"
#include "base/types.h"

namespace dartboard::backend {

namespace {

constexpr uint32_t kInitiateFlr = 0x8000;  // Device Control bit 15 (s7.5.3.4)
constexpr uint32_t kDevCapFlr = 1u << 28;  // Device Capabilities bit 28 (s7.5.3.3)
constexpr uint32_t kPowerStateMask = 0x3;  // PMCSR bits 1:0 (s7.5.2.2)
constexpr uint32_t kPowerStateD3hot = 0x3;
constexpr uint32_t kMsixFunctionMask = 0x4000;  // MSI-X Message Control bit 14 (s7.7.2.2)

constexpr uint32_t all_ones(unsigned width) {
  return width == 4 ? 0xffffffffu : (1u << (8 * width)) - 1;
}

/// Width of the next naturally aligned piece, at most 4.
constexpr unsigned piece_width(uint64_t offset, uint64_t remaining) {
  for (unsigned width : {4u, 2u}) {
    if (offset % width == 0 && remaining >= width) return width;
  }
  return 1;
}

Error past_end(uint64_t offset, uint64_t length) {
  return Error{
      ErrorName::kOutOfRange, io_return::kSuccess,
      fmt::format("configuration space: {} bytes at {:#x} end past its {} bytes", length, offset, kConfigBytes)};
}

}  // namespace

uint32_t ConfigVirtualisation::shadow_at(uint16_t offset, unsigned width) const {
  uint32_t value = 0;
  for (unsigned i = 0; i < width; ++i) value |= uint32_t{rules_[offset + i].shadow} << (8 * i);
  return value;
}

void ConfigVirtualisation::set_shadow(uint16_t offset, unsigned width, uint32_t value) {
  for (unsigned i = 0; i < width; ++i) rules_[offset + i].shadow = static_cast<uint8_t>(value >> (8 * i));
}

bool ConfigVirtualisation::asleep() const {
  return power_offset_ != 0 && (rules_[power_offset_].shadow & kPowerStateMask) != 0;
}

Result<void> ConfigVirtualisation::read(uint64_t offset, std::span<std::byte> data) {
  if (!in_range(offset, data.size(), kConfigBytes)) return tl::unexpected(past_end(offset, data.size()));
  for (size_t done = 0; done < data.size();) {
    const auto at = static_cast<uint16_t>(offset + done);
    const unsigned width = piece_width(at, data.size() - done);
    const auto value = read_piece(at, width);
    if (!value) {
      std::fill(data.begin() + static_cast<std::ptrdiff_t>(done), data.end(), std::byte{0xff});
      return tl::unexpected(value.error());
    }
    for (unsigned i = 0; i < width; ++i) data[done + i] = static_cast<std::byte>(*value >> (8 * i));
    done += width;
  }
  return {};
}

Result<void> ConfigVirtualisation::write(uint64_t offset, std::span<const std::byte> data) {
  if (!in_range(offset, data.size(), kConfigBytes)) return tl::unexpected(past_end(offset, data.size()));
  for (size_t done = 0; done < data.size();) {
    const auto at = static_cast<uint16_t>(offset + done);
    const unsigned width = piece_width(at, data.size() - done);
    uint32_t value = 0;
    for (unsigned i = 0; i < width; ++i) value |= static_cast<uint32_t>(data[done + i]) << (8 * i);
    if (auto written = write_piece(at, width, value); !written) return written;
    done += width;
  }
  return {};
}

std::optional<uint8_t> ConfigVirtualisation::view(uint16_t offset, std::optional<uint8_t> device) const {
  if (offset >= kConfigBytes || absent(offset)) return std::nullopt;
  const ByteRule& rule = rules_[offset];
  if (rule.shadowed != 0xff && !device) return std::nullopt;
  return static_cast<uint8_t>((device.value_or(0) & ~rule.shadowed) | (rule.shadow & rule.shadowed));
}

Result<uint32_t> ConfigVirtualisation::read_piece(uint16_t offset, unsigned width) {
  if (absent(offset)) return all_ones(width);
  uint32_t shadowed = 0;
  for (unsigned i = 0; i < width; ++i) {
    const ByteRule& rule = rules_[offset + i];
    shadowed |= uint32_t{rule.shadowed} << (8 * i);
    if (rule.row != 0 && rows_[rule.row - 1u].row.hook == Hook::kMsiPending) {
      set_shadow(rows_[rule.row - 1u].offset, 4, events_.msi_pending());
    }
  }
  const uint32_t shadow = shadow_at(offset, width);
  if (shadowed == all_ones(width)) return shadow;
  const auto device = client_.config_read(offset, width);
  if (!device) return tl::unexpected(because("configuration read", device.error()));
  return (*device & ~shadowed) | (shadow & shadowed);
}

Result<void> ConfigVirtualisation::write_piece(uint16_t offset, unsigned width, uint32_t value) {
  if (absent(offset)) return {};
  // The device first: if it cannot be reached, the guest's view has not changed either.
  if (auto forwarded = forward(offset, width, value); !forwarded) return forwarded;

  std::array<uint16_t, 4> touched{};
  std::array<uint32_t, 4> before{};
  unsigned touched_count = 0;
  for (unsigned i = 0; i < width; ++i) {
    const uint16_t row = rules_[offset + i].row;
    if (row == 0 || (touched_count != 0 && touched[touched_count - 1] == row)) continue;
    touched[touched_count] = row;
    before[touched_count++] = shadow_at(rows_[row - 1u].offset, rows_[row - 1u].row.width);
  }
  for (unsigned i = 0; i < width; ++i) {
    ByteRule& rule = rules_[offset + i];
    const auto byte = static_cast<uint8_t>(value >> (8 * i));
    rule.shadow = static_cast<uint8_t>((rule.shadow & ~rule.writable) | (byte & rule.writable));
  }
  for (unsigned t = 0; t < touched_count; ++t) {
    const PlacedRow placed = rows_[touched[t] - 1u];
    if (placed.row.hook == Hook::kNone) continue;
    // What of this piece falls on the row, in the row's own bit positions.
    uint32_t written = 0, written_mask = 0;
    for (unsigned i = 0; i < width; ++i) {
      if (rules_[offset + i].row != touched[t]) continue;
      const unsigned shift = 8u * static_cast<unsigned>(offset + i - placed.offset);
      written |= ((value >> (8 * i)) & 0xff) << shift;
      written_mask |= 0xffu << shift;
    }
    if (auto ran = run_hook(placed, written, written_mask, before[t]); !ran) return ran;
  }
  return {};
}

Result<void> ConfigVirtualisation::forward(uint16_t offset, unsigned width, uint32_t value) {
  for (unsigned i = 0; i < width;) {
    if (rules_[offset + i].forwarded == 0) {
      ++i;
      continue;
    }
    // The widest aligned run of bytes that all have something to forward: neighbours are not touched.
    unsigned run = piece_width(offset + i, width - i);
    const auto all_forward = [&](unsigned count) {
      for (unsigned k = 0; k < count; ++k) {
        if (rules_[offset + i + k].forwarded == 0) return false;
      }
      return true;
    };
    while (run > 1 && !all_forward(run)) run /= 2;

    uint32_t mask = 0, w1c = 0;
    for (unsigned k = 0; k < run; ++k) {
      mask |= uint32_t{rules_[offset + i + k].forwarded} << (8 * k);
      w1c |= uint32_t{rules_[offset + i + k].w1c} << (8 * k);
    }
    const auto at = static_cast<uint16_t>(offset + i);
    uint32_t out = (value >> (8 * i)) & mask;
    if (at == kCommandOffset && asleep()) out &= ~uint32_t{kCommandBusMaster};
    if (mask != all_ones(run)) {
      const auto current = client_.config_read(at, run);
      if (!current) return tl::unexpected(because("configuration write", current.error()));
      // A function in reset or gone reads all-ones; merging that would write ones into bits nobody chose.
      if (*current != all_ones(run)) {
        out |= *current & ~mask & ~w1c;
        if (auto written = client_.config_write(at, run, out); !written) {
          return tl::unexpected(because("configuration write", written.error()));
        }
      }
    } else if (auto written = client_.config_write(at, run, out); !written) {
      return tl::unexpected(because("configuration write", written.error()));
    }
    i += run;
  }
  return {};
}

Result<void> ConfigVirtualisation::run_hook(const PlacedRow& placed, uint32_t written, uint32_t written_mask,
                                            uint32_t before) {
  const uint16_t at = placed.offset;
  const uint32_t now = shadow_at(at, placed.row.width);
  switch (placed.row.hook) {
    case Hook::kNone:
    case Hook::kMsiPending: return {};
    case Hook::kCommand:
      if (((now ^ before) & kCommandIntxDisable) != 0) events_.intx_disable_changed((now & kCommandIntxDisable) != 0);
      return {};
    case Hook::kBar: {
      const unsigned bar = (at - kBar0Offset) / 4u;
      uint32_t type = 0;
      for (unsigned i = 0; i < 4; ++i) type |= uint32_t{rules_[at + i].reset_shadow} << (8 * i);
      set_shadow(at, 4, (now & bar_mask_[bar]) | type);
      return {};
    }
    case Hook::kPowerState: return power_state_changed(placed, before);
    case Hook::kDeviceControl: {
      if ((written & written_mask & kInitiateFlr) == 0) return {};
      const auto capabilities = client_.config_read(at - 4u, 4);
      if (!capabilities) return tl::unexpected(because("guest function-level reset", capabilities.error()));
      if ((*capabilities & kDevCapFlr) == 0) return {};  // s7.5.3.4: the bit does nothing without the capability
      return events_.function_reset();
    }
    case Hook::kAfControl: {
      if ((written & 1) == 0) return {};
      const auto capabilities = client_.config_read(at - 1u, 1);
      if (!capabilities) return tl::unexpected(because("guest function-level reset", capabilities.error()));
      if ((*capabilities & 0x2) == 0) return {};
      return events_.function_reset();
    }
    case Hook::kMsiMask: events_.msi_mask_changed(now); return {};
    case Hook::kMsixControl:
      if (((now ^ before) & kMsixFunctionMask) != 0) {
        events_.msix_function_mask_changed((now & kMsixFunctionMask) != 0);
      }
      return {};
  }
  return {};
}

Result<void> ConfigVirtualisation::power_state_changed(const PlacedRow& placed, uint32_t before) {
  const uint32_t now = shadow_at(placed.offset, placed.row.width);
  const uint32_t state = now & kPowerStateMask;
  if (state != 0 && state != kPowerStateD3hot) {  // s7.5.2.2: a write of an unsupported state is discarded
    set_shadow(placed.offset, placed.row.width, before);
    return {};
  }
  if (state == (before & kPowerStateMask)) return {};
  const uint32_t command = shadow_at(kCommandOffset, 2);
  if ((command & kCommandBusMaster) == 0) return {};
  // s5.3.1.4: a function in D3hot issues no requests. Ours is really in D0, so bus master stands in.
  auto set = change_device_command(kCommandBusMaster, state == 0 ? kCommandBusMaster : 0u);
  if (!set) set_shadow(placed.offset, placed.row.width, before);
  return set;
}

void ConfigVirtualisation::reset() {
  for (ByteRule& rule : rules_) rule.shadow = rule.reset_shadow;
}

Result<void> ConfigVirtualisation::quiesce_device() {
  return change_device_command(kCommandBusMaster, 0);
}

Result<void> ConfigVirtualisation::park_device() {
  return change_device_command(kCommandBusMaster, kCommandMemory);
}

Result<void> ConfigVirtualisation::change_device_command(uint32_t clear, uint32_t set) {
  const auto current = client_.config_read(kCommandOffset, 2);
  if (!current) return tl::unexpected(because("reading Command", current.error()));
  if (*current == 0xffff) return {};
  const uint32_t wanted = (*current & ~clear) | set;
  if (wanted == *current) return {};
  if (auto written = client_.config_write(kCommandOffset, 1, wanted & 0xff); !written) {
    return tl::unexpected(because("writing Command", written.error()));
  }
  return {};
}

uint32_t ConfigVirtualisation::msi_vectors() const {
  const Capability* msi = lists_.find(kCapMsi);
  if (msi == nullptr) return 0;
  return 1u << std::min<uint32_t>((msi->header >> 17) & 7, 5);  // s7.7.1.2 Multiple Message Capable
}

}  // namespace dartboard::backend
