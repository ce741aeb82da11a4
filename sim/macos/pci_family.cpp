// sim/macos/pci_family.cpp - enumeration: what IOPCIConfigurator and IOPCIBridge do for one port with one device.
#include "sim/macos/pci_family.h"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "model/fault.h"
#include "model/capabilities.h"
#include "model/config_space.h"
#include "model/root_port.h"
#include "model/timeline.h"
#include "sim/macos/kernel.h"
#include "sim/macos/pci_config.h"
#include "sim/macos/root_context.h"
#include "sim/profile.h"

namespace dartboard::macos {
namespace {

constexpr uint8_t kDeviceBus = 1;
constexpr uint64_t kPollNs = 1 * kNsPerMs;
constexpr uint64_t kProbeReadyMaxNs = 1 * kNsPerS;  // PCIe 6.0 s6.6.1: a device answers within 1 s
constexpr uint64_t kDrainMaxNs = 100 * kNsPerMs;    // IOPCIBridge.cpp: DART_WAIT_TIME_MS, "arbitrary"
constexpr uint64_t kDrainPollNs = 10 * kNsPerMs;
constexpr uint32_t kDisplayClass = 0x03;
constexpr uint32_t kRomMask = 0xffff'f800;

Property number(uint64_t value, unsigned bits = 64) {
  return {PropertyNumber{value, bits}};
}
Property data32(uint32_t value) {
  return {PropertyData{static_cast<uint8_t>(value), static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value >> 16),
                       static_cast<uint8_t>(value >> 24)}};
}

/// A BAR as probing found it.
struct FoundBar {
  uint8_t bar;
  BarType type;
  BarRequest request;
};

uint32_t size_register(CpuPort& port, Rid rid, uint64_t offset, uint32_t ones) {
  port.config_write(rid, offset, 4, ones);
  return port.config_read(rid, offset, 4);
}

/// Writes all-ones to each BAR and reads back which bits stick (PCIe 6.0 s7.5.1.2.1). Decoding is off meanwhile.
std::vector<FoundBar> size_bars(CpuPort& port, Rid rid, bool with_rom) {
  std::vector<FoundBar> found;
  for (uint8_t bar = 0; bar < 6; ++bar) {
    const uint64_t offset = model::cfg::kBar0 + 4ull * bar;
    const uint32_t low = size_register(port, rid, offset, UINT32_MAX);
    if (low == 0) continue;
    FoundBar entry{bar, static_cast<BarType>(low & 0xf), {}};
    if ((low & 1) != 0) {
      entry.type = BarType::kIo;
      // A 16-bit I/O BAR leaves its upper half 0.
      entry.request.size = uint64_t{1} << std::countr_zero(low & ~0x3u);
      port.config_write(rid, offset, 4, 0);
    } else {
      uint64_t mask = low & ~0xfu;
      const bool wide = (low & 0x6) == 0x4 && bar < 5;
      if (wide) {
        mask |= uint64_t{size_register(port, rid, offset + 4, UINT32_MAX)} << 32;
        port.config_write(rid, offset + 4, 4, 0);
        ++bar;
      }
      port.config_write(rid, offset, 4, 0);
      if (mask == 0) continue;
      entry.type = static_cast<BarType>((wide ? 0x4 : 0x0) | (low & 0x8));
      entry.request.size = uint64_t{1} << std::countr_zero(mask);
    }
    found.push_back(entry);
  }
  if (with_rom) {
    const uint32_t rom = size_register(port, rid, model::cfg::kRomBar, kRomMask) & kRomMask;
    port.config_write(rid, model::cfg::kRomBar, 4, 0);
    if (rom != 0) found.push_back({kRomBar, BarType::kM32, {uint64_t{1} << std::countr_zero(rom)}});
  }
  return found;
}

/// Which BARs may live in the prefetchable window: the others must stay in the 32-bit one (type 1 header has no 64-bit
/// non-prefetchable window).
bool fits_prefetch(const FoundBar& bar, const sim::PortProfile& profile) {
  if (bar.type == BarType::kM64Prefetchable) return true;
  return bar.type == BarType::kM32Prefetchable && profile.pref_base + profile.pref_bytes <= uint64_t{1} << 32;
}

void place_all(std::vector<FoundBar>& bars, const sim::PortProfile& profile) {
  std::vector<BarRequest*> prefetch, rest;
  for (FoundBar& bar : bars) {
    if (bar.type == BarType::kIo) continue;  // no I/O space on Apple silicon
    (fits_prefetch(bar, profile) ? prefetch : rest).push_back(&bar.request);
  }
  place_bars(profile.pref_base, profile.pref_bytes, prefetch);
  place_bars(profile.mmio32_base, profile.mmio32_bytes, rest);
}

std::vector<BarInfo> assign_bars(RootContext& root, Rid rid, bool with_rom) {
  std::vector<FoundBar> found = size_bars(root.port, rid, with_rom);
  // A device that was attached when the Mac started may be left without addresses until it is plugged in again.
  if (!model::fault(model::FaultKind::kAppleBarsUnassigned, root.index)) place_all(found, *root.profile);
  std::vector<BarInfo> memory;
  for (const FoundBar& bar : found) {
    // What found no place is not in IODeviceMemory: GetBARInfo answers NotFound (seen in the field, quirk 11).
    if (bar.type != BarType::kIo && !bar.request.placed) continue;
    memory.push_back({static_cast<uint8_t>(memory.size()), bar.request.size, bar.type, bar.request.address, bar.bar});
    if (bar.type == BarType::kIo) continue;
    const uint64_t offset = bar.bar == kRomBar ? uint64_t{model::cfg::kRomBar} : model::cfg::kBar0 + 4ull * bar.bar;
    root.port.config_write(rid, offset, 4, static_cast<uint32_t>(bar.request.address));
    if (bar.type == BarType::kM64 || bar.type == BarType::kM64Prefetchable) {
      root.port.config_write(rid, offset + 4, 4, static_cast<uint32_t>(bar.request.address >> 32));
    }
  }
  return memory;
}

void program_windows(CpuPort& port, const sim::PortProfile& profile) {
  const Rid bridge;
  const auto window16 = [](uint64_t address) { return static_cast<uint32_t>(address >> 16) & 0xfff0; };
  port.config_write(bridge, model::bridge::kPrimaryBus, 4, uint32_t{kDeviceBus} << 8 | uint32_t{kDeviceBus} << 16);
  if (profile.mmio32_bytes != 0) {
    port.config_write(bridge, model::bridge::kMemoryBase, 4,
                      window16(profile.mmio32_base) | window16(profile.mmio32_base + profile.mmio32_bytes - 1) << 16);
  } else {
    port.config_write(bridge, model::bridge::kMemoryBase, 4, 0x0000'fff0);  // base above limit: closed
  }
  const uint64_t first = profile.pref_base, last = profile.pref_base + profile.pref_bytes - 1;
  const bool open = profile.pref_bytes != 0;
  port.config_write(bridge, model::bridge::kPrefetchBase, 4,
                    open ? window16(first) | window16(last) << 16 : 0x0000'fff0);
  port.config_write(bridge, model::bridge::kPrefetchBaseUpper, 4, open ? static_cast<uint32_t>(first >> 32) : 0);
  port.config_write(bridge, model::bridge::kPrefetchLimitUpper, 4, open ? static_cast<uint32_t>(last >> 32) : 0);
  port.config_write(bridge, model::cfg::kCommand, 2, model::cfg::kCommandMemory | model::cfg::kCommandBusMaster);
}

Property device_memory_property(const std::vector<BarInfo>& memory) {
  PropertyArray entries;
  for (const BarInfo& bar : memory) {
    PropertyDictionary range;
    range.emplace("address", number(bar.bus_address));
    range.emplace("length", number(bar.size));
    entries.push_back({PropertyArray{{std::move(range)}}});
  }
  return {std::move(entries)};
}

void set_properties(PciNub& nub, RootContext& root, uint32_t id, uint32_t class_revision) {
  PropertyDictionary& p = nub.properties();
  const Rid rid = nub.rid();
  const uint16_t vendor = static_cast<uint16_t>(id), device = static_cast<uint16_t>(id >> 16);
  const uint32_t subsystem = root.port.config_read(rid, model::cfg::kSubsystemVendorId, 4);
  std::string name = fmt::format("pci{:x},{:x}", vendor, device);
  p.emplace("vendor-id", data32(vendor));
  p.emplace("device-id", data32(device));
  p.emplace("class-code", data32(class_revision >> 8));
  p.emplace("revision-id", data32(class_revision & 0xff));
  p.emplace("subsystem-vendor-id", data32(subsystem & 0xffff));
  p.emplace("subsystem-id", data32(subsystem >> 16));
  p.emplace("pcidebug", Property{fmt::format("{}:{}:{}", rid.bus(), rid.device(), rid.function())});
  p.emplace("IOName", Property{name});
  p.emplace("IOPCITunnelled", Property{root.profile->tunnelled});
  p.emplace("IOPCIResourced", Property{true});
  p.emplace("IODeviceMemory", device_memory_property(nub.memory()));
  const MapperConfig& mapper = root.profile->mapper;
  p.emplace("IOPCIDeviceMapperPageSize", number(mapper.page_bytes));
  p.emplace("IOPCIDeviceMemoryMapBase", number(mapper.window_base.value / mapper.page_bytes));
  p.emplace("IOPCIDeviceMemoryMapSize", number(mapper.window_bytes / mapper.page_bytes));
  if (const uint64_t pcie = find_capability(root.port, rid, model::pcie::kId); pcie != 0) {
    p.emplace("IOPCIExpressLinkStatus", number(root.port.config_read(rid, pcie + model::pcie::kLinkStatus, 2), 16));
    p.emplace("IOPCIExpressLinkCapabilities",
              number(root.port.config_read(rid, pcie + model::pcie::kLinkCapabilities, 4), 32));
  }
  nub.set_name(std::move(name));
  nub.set_location("0");
}

bool answers(uint32_t id) {
  return id != 0 && id != UINT32_MAX && (id & 0xffff) != 0xffff && (id & 0xffff) != 1;
}

}  // namespace

void place_bars(uint64_t window_base, uint64_t window_bytes, std::vector<BarRequest*>& bars) {
  std::stable_sort(bars.begin(), bars.end(),
                   [](const BarRequest* a, const BarRequest* b) { return a->size > b->size; });
  for (BarRequest* bar : bars) {
    uint64_t at = round_up(window_base, bar->size);
    for (bool moved = true; moved;) {
      moved = false;
      for (const BarRequest* other : bars) {
        if (other->placed && at < other->address + other->size && other->address < at + bar->size) {
          at = round_up(other->address + other->size, bar->size);
          moved = true;
        }
      }
    }
    // Address 0 is what an unassigned BAR holds.
    if (at != 0 && at >= window_base && in_range(at - window_base, bar->size, window_bytes)) {
      bar->address = at;
      bar->placed = true;
    }
  }
}

void bring_up_root(Kernel& kernel, RootContext& root, RegistryEntry& platform) {
  const sim::PortProfile& profile = *root.profile;
  Registry& registry = kernel.registry();
  root.host_bridge = make_object<Service>(fmt::format("apciec{}", root.index), "IOPCIHostBridge");
  registry.add(root.host_bridge, platform);
  root.bridge = make_object<Service>(profile.name, "IOPCIDevice");
  root.bridge->set_location("0");
  root.bridge->properties().emplace("class-code", data32(0x06'0400));
  root.bridge->properties().emplace("pcidebug", Property{fmt::format("0:0:0({0}:{0})", kDeviceBus)});
  root.bridge->properties().emplace("IOName", Property{profile.name});
  registry.add(root.bridge, *root.host_bridge);
  root.bridge_driver = make_object<Service>("IOPP", "IOPCI2PCIBridge");
  registry.add(root.bridge_driver, *root.bridge);

  root.in_reset = false;
  root.descriptors_leaked = 0;
  root.vectors.reset(profile.msi_vectors);
  root.dart.power_on(profile.root.dart);
  root.mapper.configure(profile.mapper);
  program_windows(root.port, profile);
  root.bridge_pcie = find_capability(root.port, Rid(), model::pcie::kId);
}

void take_down_root(RootContext& root) {
  root.mapper.reset();
  root.dart.power_off();
  root.vectors.reset(0);
  if (root.host_bridge) root.host_bridge->terminate();
  root.bridge_driver.reset();
  root.bridge.reset();
  root.host_bridge.reset();
}

bool wait_link_up(RootContext& root, uint64_t limit_ns) {
  if (root.bridge_pcie == 0) return true;  // nothing to ask
  for (uint64_t waited = 0;; waited += kPollNs) {
    const uint32_t status = root.port.config_read(Rid(), root.bridge_pcie + model::bridge::kLinkStatus, 2);
    if ((status & model::bridge::kDataLinkActive) != 0) return true;
    if (waited >= limit_ns) return false;
    root.kernel.timeline().advance(kPollNs);
  }
}

Ref<PciNub> probe_slot(Kernel& kernel, RootContext& root) {
  const Rid rid(kDeviceBus, 0, 0);
  uint32_t id = 0;
  for (uint64_t waited = 0;; waited += kPollNs) {
    if (!wait_link_up(root, 0)) return nullptr;   // an empty slot
    id = root.port.config_read(rid, model::cfg::kVendorId, 4);
    if (answers(id)) break;
    // A retry status, or all-ones where the root port does not show it: not ready yet.
    if (waited >= kProbeReadyMaxNs) return nullptr;
    kernel.timeline().advance(kPollNs);
  }
  // The first write is where a function learns its bus number (PCIe 6.0 s2.2.9.1). Nothing decodes while BARs are
  // sized.
  root.port.config_write(rid, model::cfg::kCommand, 2, 0);
  const uint32_t class_revision = root.port.config_read(rid, model::cfg::kRevisionId, 4);
  const bool type0 = (root.port.config_read(rid, model::cfg::kHeaderType, 1) & 0x7f) == 0;

  Ref<PciNub> nub = make_object<PciNub>(kernel, root, rid);
  // The ROM is only looked for on displays (IOPCIConfigurator).
  if (type0) nub->set_memory(assign_bars(root, rid, class_revision >> 24 == kDisplayClass));
  set_properties(*nub, root, id, class_revision);
  kernel.registry().add(nub, *root.bridge_driver);
  root.model.map_stream(rid, kDeviceSid);
  if (!root.dart.attach(kDeviceSid)) kernel.panic(PanicCause::kMapperRequire, "no memory for the DART's root table");
  root.nub = nub;
  return nub;
}

void withdraw_nub(Kernel& kernel, RootContext& root) {
  if (!root.nub) return;
  const Ref<PciNub> nub = root.nub;
  nub->terminate();
  root.nub.reset();
  for (uint64_t waited = 0; root.mapper.stats().mappings != 0 && waited < kDrainMaxNs; waited += kDrainPollNs) {
    kernel.executor().run_until_idle();
    if (root.mapper.stats().mappings == 0) break;
    kernel.timeline().advance(kDrainPollNs);
  }
  root.mapper.revoke_all();  // whoever still holds a mapping holds nothing now
  root.dart.detach(kDeviceSid);
  root.model.unmap_stream(nub->rid());
}

}  // namespace dartboard::macos
