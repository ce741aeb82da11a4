// backend/config_rules.cpp - makes one rule a byte from the table and the device, and shows them.
#include <algorithm>

#include <fmt/format.h>

#include "backend/call_error.h"
#include "backend/config_virtualisation.h"
#include "base/types.h"

namespace dartboard::backend {

Result<void> ConfigVirtualisation::open() {
  const auto header_type = client_.config_read(kHeaderTypeOffset, 1);
  if (!header_type) return tl::unexpected(because("reading the header type", header_type.error()));
  if (*header_type == 0xff) {
    return fail(ErrorName::kDeviceGone,
                "the device does not answer: its configuration space reads all-ones; check cable, power and link, or "
                "attach it again");
  }
  if ((*header_type & 0x7f) != 0) {
    return fail(ErrorName::kNotSupported,
                fmt::format("the function has header type {}, a bridge; only endpoints (type 0) can be passed through",
                            *header_type & 0x7f));
  }
  auto lists = walk_capabilities(client_);
  if (!lists) return tl::unexpected(because("reading the capability lists", lists.error()));
  lists_ = std::move(*lists);

  for (const Row& row : header_policy()) {
    if (auto placed = place(row, 0); !placed) return placed;
  }
  // Registers of the function's own, unless the list was cut: then what lies there is not known, so read-only.
  if (lists_.notes.empty()) {
    for (uint16_t at = kHeaderBytes; at < kConventionalConfigBytes; ++at) rules_[at].forwarded = 0xff;
  }
  for (const bool extended : {false, true}) {
    for (const Capability& capability : extended ? lists_.extended : lists_.standard) {
      for (uint16_t i = 0; i < capability.bytes; ++i) rules_[capability.offset + i] = ByteRule{};
    }
    for (const Capability& capability : extended ? lists_.extended : lists_.standard) {
      if (capability.hidden) {
        hide(capability);
      } else if (auto placed = place_capability(capability, extended); !placed) {
        return placed;
      }
    }
  }
  if (auto read = read_msix_layout(); !read) return read;
  link_lists();
  device_has_pin_ = rules_[kInterruptPinOffset].reset_shadow >= 1 && rules_[kInterruptPinOffset].reset_shadow <= 4;
  if (!device_has_pin_) preset(kInterruptPinOffset, 1, 0);
  return {};
}

Result<void> ConfigVirtualisation::place(const Row& row, uint16_t base) {
  const auto at = static_cast<uint16_t>(base + row.offset);
  uint32_t value = row.initial;
  if (row.device_bits != 0) {
    const auto device = client_.config_read(at, row.width);
    if (!device) return tl::unexpected(because(fmt::format("reading {}", row.field), device.error()));
    value |= *device & row.device_bits;
  }
  rows_.push_back({row, at});
  for (unsigned i = 0; i < row.width; ++i) {
    ByteRule& rule = rules_[at + i];
    rule.shadowed = static_cast<uint8_t>(row.shadowed >> (8 * i));
    rule.writable = static_cast<uint8_t>(row.writable >> (8 * i));
    rule.forwarded = static_cast<uint8_t>(row.forwarded >> (8 * i));
    rule.w1c = static_cast<uint8_t>(row.w1c >> (8 * i));
    rule.row = static_cast<uint16_t>(rows_.size());
  }
  preset(at, row.width, value);
  return {};
}

Result<void> ConfigVirtualisation::place_capability(const Capability& capability, bool extended) {
  if (capability.policy.body == Body::kForwarded) {
    // The list header and the length that says what is forwarded stay read-only.
    for (uint16_t i = extended ? 8 : 3; i < capability.bytes; ++i) rules_[capability.offset + i].forwarded = 0xff;
  }
  for (const Row& row : capability.policy.rows) {
    if (row.offset + row.width > capability.bytes) continue;
    if (auto placed = place(row, capability.offset); !placed) return placed;
    if (row.hook == Hook::kPowerState) power_offset_ = static_cast<uint16_t>(capability.offset + row.offset);
  }
  if (capability.policy.body == Body::kResizableBar) return place_resizable_bar(capability);
  return {};
}

Result<void> ConfigVirtualisation::place_resizable_bar(const Capability& capability) {
  // s7.8.6: pairs of capability (supported sizes, 31:4) and control (BAR 2:0, size 13:8). One size is supported: the
  // one it has.
  for (uint16_t entry = 4; entry + 8 <= capability.bytes; entry = static_cast<uint16_t>(entry + 8)) {
    const auto at = static_cast<uint16_t>(capability.offset + entry);
    const auto control = client_.config_read(at + 4u, 4);
    if (!control) return tl::unexpected(because("reading the Resizable BAR capability", control.error()));
    const uint32_t size = (*control >> 8) & 0x3f;
    const Row sizes{.offset = entry,
                    .width = 4,
                    .shadowed = 0xffffffff,
                    .initial = size < 28 ? 1u << (size + 4) : 0,
                    .field = "Resizable BAR Capability",
                    .reason = "the current size only",
                    .source = "s7.8.6.2"};
    const Row current{.offset = static_cast<uint16_t>(entry + 4),
                      .width = 4,
                      .shadowed = 0xffffffff,
                      .initial = *control & 0x00003fe7,
                      .field = "Resizable BAR Control",
                      .reason = "macOS assigned the window: size is fixed",
                      .source = "s7.8.6.3"};
    if (auto placed = place(sizes, capability.offset); !placed) return placed;
    if (auto placed = place(current, capability.offset); !placed) return placed;
  }
  return {};
}

Result<void> ConfigVirtualisation::read_msix_layout() {
  for (const Capability& capability : lists_.standard) {
    if (capability.policy.id != kCapMsix || capability.offset + 12 > kConventionalConfigBytes) continue;
    const auto table = client_.config_read(capability.offset + 4u, 4);
    if (!table) return tl::unexpected(because("reading the MSI-X capability", table.error()));
    const auto pba = client_.config_read(capability.offset + 8u, 4);
    if (!pba) return tl::unexpected(because("reading the MSI-X capability", pba.error()));
    msix_ = MsixLayout{((capability.header >> 16) & 0x7ff) + 1, *table & 7, *pba & 7, *table & ~7u, *pba & ~7u};
    return {};
  }
  return {};
}

void ConfigVirtualisation::hide(const Capability& capability) {
  for (uint16_t i = 0; i < capability.bytes; ++i) {
    rules_[capability.offset + i] = ByteRule{};
    rules_[capability.offset + i].shadowed = 0xff;
  }
}

void ConfigVirtualisation::link_lists() {
  std::vector<const Capability*> shown;
  for (const Capability& capability : lists_.standard) {
    if (!capability.hidden) shown.push_back(&capability);
  }
  preset(kCapabilityPointerOffset, 1, shown.empty() ? 0 : shown.front()->offset);
  preset(kStatusOffset, 1, shown.empty() ? 0 : kStatusCapabilityList);
  for (size_t i = 0; i < shown.size(); ++i) {
    const uint32_t next = i + 1 < shown.size() ? shown[i + 1]->offset : 0;
    for (unsigned k = 0; k < 2; ++k) rules_[shown[i]->offset + k].shadowed = 0xff;
    preset(shown[i]->offset, 2, (shown[i]->header & 0xff) | (next << 8));
  }

  shown.clear();
  for (const Capability& capability : lists_.extended) {
    if (!capability.hidden) shown.push_back(&capability);
  }
  // The extended list starts at 0x100 by definition (s7.6.3). If what is there is hidden, a header with id and version
  // 0 stands in and carries the link.
  const bool stand_in = !shown.empty() && shown.front()->offset != kConventionalConfigBytes;
  if (stand_in) {
    for (unsigned k = 0; k < 4; ++k) rules_[kConventionalConfigBytes + k].shadowed = 0xff;
    preset(kConventionalConfigBytes, 4, uint32_t{shown.front()->offset} << 20);
  }
  for (size_t i = 0; i < shown.size(); ++i) {
    const uint32_t next = i + 1 < shown.size() ? shown[i + 1]->offset : 0;
    for (unsigned k = 0; k < 4; ++k) rules_[shown[i]->offset + k].shadowed = 0xff;
    preset(shown[i]->offset, 4, (shown[i]->header & 0x000fffff) | (next << 20));
  }
}

void ConfigVirtualisation::preset(uint16_t offset, unsigned width, uint32_t value) {
  for (unsigned i = 0; i < width; ++i) {
    rules_[offset + i].reset_shadow = rules_[offset + i].shadow = static_cast<uint8_t>(value >> (8 * i));
  }
}

void ConfigVirtualisation::set_bar(unsigned bar, const dext::BarInfo& info) {
  const auto at = static_cast<uint16_t>(kBar0Offset + 4 * bar);
  const auto type = static_cast<uint32_t>(info.type);
  const bool wide = (type & 0x6) == 0x4;
  const uint64_t mask = ~(info.size - 1);
  bar_mask_[bar] = static_cast<uint32_t>(mask) & ~0xfu;
  preset(at, 4, type);
  if (wide && bar + 1 < bar_mask_.size()) bar_mask_[bar + 1] = static_cast<uint32_t>(mask >> 32);
}

void ConfigVirtualisation::set_vectors(uint32_t vectors) {
  if (vectors == 0) {
    preset(kInterruptPinOffset, 1, 0);
    device_has_pin_ = false;
  }
  if (const Capability* msi = lists_.find(kCapMsi)) {
    uint32_t capable = 0;  // log2 of the vectors, s7.7.1.2
    while (capable < 5 && (2u << capable) <= std::min(msi_vectors(), vectors)) ++capable;
    const auto at = static_cast<uint16_t>(msi->offset + 2);
    preset(at, 2, (shadow_at(at, 2) & ~0x000eu) | (capable << 1));
  }
  if (const Capability* capability = lists_.find(kCapMsix)) {
    const auto at = static_cast<uint16_t>(capability->offset + 2);
    const uint32_t entries = (shadow_at(at, 2) & 0x7ff) + 1;
    preset(at, 2, std::clamp<uint32_t>(vectors, 1, entries) - 1);
  }
}

void ConfigVirtualisation::hide_capability(uint8_t id, const std::string& note) {
  for (Capability& capability : lists_.standard) {
    if (capability.hidden || capability.policy.id != id) continue;
    capability.hidden = true;
    capability.note = "hidden: " + note;
    hide(capability);
  }
  link_lists();
}

ConfigByte ConfigVirtualisation::byte(uint64_t offset) const {
  if (offset >= kConfigBytes) return {};
  const ByteRule& rule = rules_[offset];
  ConfigByte out{rule.shadowed, rule.writable, rule.forwarded, {}, {}};
  if (absent(offset)) {
    out.shadowed = 0xff;
    out.field = "Extended configuration space";
    out.reason = "the function is not PCI Express";
    return out;
  }
  if (rule.row != 0) {
    out.field = rows_[rule.row - 1u].row.field;
    out.reason = rows_[rule.row - 1u].row.reason;
    return out;
  }
  for (const bool extended : {false, true}) {
    for (const Capability& capability : extended ? lists_.extended : lists_.standard) {
      if (offset < capability.offset || offset >= uint64_t{capability.offset} + capability.bytes) continue;
      out.field = capability.policy.name;
      out.reason = capability.hidden && !capability.note.empty() ? capability.note : capability.policy.reason;
      return out;
    }
  }
  return out;
}

void ConfigVirtualisation::inspect(InspectNode& node) const {
  const auto show_row = [this](InspectNode& parent, const PlacedRow& placed) {
    const Row& row = placed.row;
    InspectNode& field =
        parent.child(row.field, fmt::format("{:#0{}x}", shadow_at(placed.offset, row.width), 2 + 2 * row.width),
                     fmt::format("{} ({})", row.reason, row.source));
    const unsigned digits = 2 + 2 * row.width;
    field.child("offset", fmt::format("{:#05x}", placed.offset));
    field.child("shadowed", fmt::format("{:#0{}x}", row.shadowed, digits), "the guest reads our value");
    field.child("writable", fmt::format("{:#0{}x}", row.writable, digits), "the guest's writes change our value");
    field.child("forwarded", fmt::format("{:#0{}x}", row.forwarded, digits), "the guest's writes reach the device");
  };
  InspectNode& header = node.child("header");
  for (const PlacedRow& placed : rows_) {
    if (placed.offset < kHeaderBytes) show_row(header, placed);
  }
  for (const std::string& note : lists_.notes) node.child("note", note);
  for (const bool extended : {false, true}) {
    for (const Capability& capability : extended ? lists_.extended : lists_.standard) {
      InspectNode& child = node.child(fmt::format("{:#05x} {}", capability.offset, capability.policy.name),
                                      fmt::format("id {:#04x}, {} bytes, {}", capability.policy.id, capability.bytes,
                                                  capability.hidden ? "hidden" : "shown"),
                                      capability.note.empty()
                                          ? fmt::format("{} ({})", capability.policy.reason, capability.policy.source)
                                          : capability.note);
      if (capability.hidden) continue;
      for (const PlacedRow& placed : rows_) {
        if (placed.offset >= capability.offset && placed.offset < capability.offset + capability.bytes) {
          show_row(child, placed);
        }
      }
    }
  }
}

}  // namespace dartboard::backend
