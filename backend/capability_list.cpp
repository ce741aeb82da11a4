// backend/capability_list.cpp
#include "backend/capability_list.h"

#include <algorithm>
#include <bitset>

#include <fmt/format.h>

#include "base/types.h"

namespace dartboard::backend {

namespace {

using ByteSet = std::bitset<kConfigBytes>;

constexpr uint16_t kStandardHeaderBytes = 2;
constexpr uint16_t kExtendedHeaderBytes = 4;

Result<void> walk_standard(dext::Client& client, CapabilityLists* lists) {
  const auto status = client.config_read(kStatusOffset, 2);
  if (!status) return tl::unexpected(status.error());
  if ((*status & kStatusCapabilityList) == 0 || *status == 0xffff) return {};
  const auto first = client.config_read(kCapabilityPointerOffset, 1);
  if (!first) return tl::unexpected(first.error());

  ByteSet seen;
  uint16_t offset = *first & 0xfc;  // s7.5.1.1.11: the low two bits are reserved
  while (offset != 0) {
    if (offset < kHeaderBytes) {
      lists->notes.push_back(fmt::format("list cut: pointer {:#04x} lies inside the header", offset));
      return {};
    }
    if (seen[offset]) {
      lists->notes.push_back(fmt::format("list cut: it loops back to {:#04x}", offset));
      return {};
    }
    seen.set(offset);
    const auto header = client.config_read(offset, 4);
    if (!header) return tl::unexpected(header.error());
    const uint8_t id = *header & 0xff;
    if (*header == 0xffffffff || id == 0xff) {
      lists->notes.push_back(fmt::format("list cut: no capability at {:#04x}, it reads all-ones", offset));
      return {};
    }
    Capability capability;
    capability.offset = offset;
    capability.header = *header;
    capability.policy = capability_policy(id, static_cast<uint16_t>(*header >> 16));
    capability.hidden = capability.policy.hidden;
    if (capability.hidden) capability.note = fmt::format("hidden: {}", capability.policy.reason);
    lists->standard.push_back(std::move(capability));
    if (id == kCapExpress) lists->express = true;
    offset = (*header >> 8) & 0xfc;
  }
  return {};
}

Result<void> walk_extended(dext::Client& client, CapabilityLists* lists) {
  ByteSet seen;
  uint16_t offset = kConventionalConfigBytes;
  while (offset != 0) {
    if (offset < kConventionalConfigBytes) {
      lists->notes.push_back(fmt::format("extended list cut: pointer {:#05x} lies below 0x100", offset));
      return {};
    }
    if (seen[offset]) {
      lists->notes.push_back(fmt::format("extended list cut: it loops back to {:#05x}", offset));
      return {};
    }
    seen.set(offset);
    const auto header = client.config_read(offset, 4);
    if (!header) return tl::unexpected(header.error());
    if (*header == 0 && offset == kConventionalConfigBytes) return {};  // s7.6.3: no extended capabilities
    if (*header == 0xffffffff) {
      lists->notes.push_back(fmt::format("extended list cut: no capability at {:#05x}, it reads all-ones", offset));
      return {};
    }
    Capability capability;
    capability.offset = offset;
    capability.header = *header;
    capability.policy = extended_capability_policy(static_cast<uint16_t>(*header & 0xffff));
    capability.hidden = capability.policy.hidden;
    if (capability.hidden) capability.note = fmt::format("hidden: {}", capability.policy.reason);
    lists->extended.push_back(std::move(capability));
    offset = (*header >> 20) & 0xffc;
  }
  return {};
}

/// Length a capability claims for itself where policy does not fix it; 0: up to the next one.
Result<uint16_t> own_length(dext::Client& client, const Capability& capability, bool extended) {
  if (capability.policy.bytes != 0) return capability.policy.bytes;
  if (capability.policy.body == Body::kForwarded) {
    if (!extended) return static_cast<uint16_t>((capability.header >> 16) & 0xff);  // s7.9.4: byte 2
    const auto vsec = client.config_read(capability.offset + 4u, 4);                // s7.9.5: bits 31:20
    if (!vsec) return tl::unexpected(vsec.error());
    return static_cast<uint16_t>(*vsec >> 20);
  }
  if (capability.policy.body == Body::kResizableBar) {
    const auto control = client.config_read(capability.offset + 8u, 4);  // s7.8.6.3: bits 7:5, entries
    if (!control) return tl::unexpected(control.error());
    return static_cast<uint16_t>(4 + 8 * std::clamp<uint32_t>((*control >> 5) & 7, 1, 6));
  }
  return 0;
}

/// True if an earlier entry of the list with the same id is shown. A function has one of each that the host owns.
bool already_shown(const std::vector<Capability>& list, const Capability& capability) {
  for (const Capability& earlier : list) {
    if (&earlier == &capability) return false;
    if (earlier.policy.id == capability.policy.id && !earlier.hidden) return true;
  }
  return false;
}

/// Gives each capability its bytes: those the host owns first, then the others clipped to what is left.
Result<void> claim_bytes(dext::Client& client, std::vector<Capability>* list, uint16_t end, bool extended) {
  const uint16_t header_bytes = extended ? kExtendedHeaderBytes : kStandardHeaderBytes;
  std::vector<uint16_t> starts;
  for (const Capability& capability : *list) starts.push_back(capability.offset);
  std::sort(starts.begin(), starts.end());

  ByteSet owned;
  for (const bool host_owned : {true, false}) {
    for (Capability& capability : *list) {
      if (capability.policy.host_owned != host_owned) continue;
      if (host_owned && already_shown(*list, capability)) {
        capability.hidden = true;
        capability.note = "hidden: the second of its kind";
      }
      if (owned[capability.offset]) {
        capability.hidden = true;
        capability.bytes = 0;
        capability.note = "hidden: it lies inside another capability";
        continue;
      }
      const auto length = own_length(client, capability, extended);
      if (!length) return tl::unexpected(length.error());
      const auto next = std::upper_bound(starts.begin(), starts.end(), capability.offset);
      const uint16_t limit = next == starts.end() ? end : *next;
      uint16_t wanted = *length != 0 ? *length : static_cast<uint16_t>(limit - capability.offset);
      wanted = std::max(wanted, header_bytes);
      uint16_t bytes = 0;
      while (bytes < wanted && capability.offset + bytes < end && !owned[capability.offset + bytes]) {
        owned.set(capability.offset + bytes);
        ++bytes;
      }
      capability.bytes = bytes;
      // A register structure that does not fit cannot be virtualised as a whole, so the guest gets none of it.
      if (bytes < wanted && host_owned && !capability.hidden) {
        capability.hidden = true;
        capability.note = fmt::format("hidden: {} of its {} bytes fit", bytes, wanted);
      } else if (bytes < wanted) {
        capability.note += fmt::format("{}cut from {} to {} bytes", capability.note.empty() ? "" : "; ", wanted, bytes);
      }
    }
  }
  return {};
}

}  // namespace

const Capability* CapabilityLists::find(uint8_t id) const {
  for (const Capability& capability : standard) {
    if (!capability.hidden && capability.policy.id == id) return &capability;
  }
  return nullptr;
}

Result<CapabilityLists> walk_capabilities(dext::Client& client) {
  CapabilityLists lists;
  if (auto walked = walk_standard(client, &lists); !walked) return tl::unexpected(walked.error());
  if (auto claimed = claim_bytes(client, &lists.standard, kConventionalConfigBytes, false); !claimed) {
    return tl::unexpected(claimed.error());
  }
  if (!lists.express) return lists;
  if (auto walked = walk_extended(client, &lists); !walked) return tl::unexpected(walked.error());
  if (auto claimed = claim_bytes(client, &lists.extended, kConfigBytes, true); !claimed) {
    return tl::unexpected(claimed.error());
  }
  return lists;
}

}  // namespace dartboard::backend
