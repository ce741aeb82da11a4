// sim/macos/pci_nub.cpp - sessions, configuration and memory access, capabilities, power, termination.
#include "sim/macos/pci_nub.h"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

#include "model/capabilities.h"
#include "model/config_space.h"
#include "sim/macos/kernel.h"
#include "sim/macos/pci_config.h"
#include "sim/macos/root_context.h"

namespace dartboard::macos {

using io_return::Code;

PciNub::PciNub(Kernel& kernel, RootContext& root, Rid rid)
    : Service("pci", "IOPCIDevice"), kernel_(kernel), root_(root), port_(root.port), rid_(rid) {
  // One walk over each list now; drivers ask often and the lists do not change.
  pcie_ = macos::find_capability(port_, rid_, model::pcie::kId);
  msi_ = macos::find_capability(port_, rid_, model::msi::kId);
  msix_ = macos::find_capability(port_, rid_, model::msix::kId);
  pm_ = macos::find_capability(port_, rid_, model::pm::kId);
}

Rid PciNub::rid() const {
  return rid_;
}
RootContext& PciNub::root_context() const {
  return root_;
}
Kernel& PciNub::kernel() const {
  return kernel_;
}

bool PciNub::alive() const {
  return !terminated_ && !kernel_.panicked();
}
Code PciNub::dead_code() const {
  return kernel_.panicked() ? io_return::kNotResponding : io_return::kNoDevice;
}

uint32_t PciNub::cfg(uint64_t offset, unsigned width) const {
  if (root_.in_reset) return static_cast<uint32_t>(all_ones(width));
  return port_.config_read(rid_, offset, width);
}
void PciNub::cfg_write(uint64_t offset, unsigned width, uint32_t value) {
  if (!root_.in_reset) port_.config_write(rid_, offset, width, value);
}

void PciNub::set_memory(const std::vector<BarInfo>& memory) {
  assert(memory.size() <= kBarsMax);
  memory_ = memory;
  window_count_ = static_cast<uint32_t>(memory.size());
  for (size_t i = 0; i < memory.size(); ++i) {
    windows_[i] = {memory[i].bus_address == 0 ? 0 : model::kMmioBase + memory[i].bus_address, memory[i].size};
  }
}

// Sessions ------------------------------------------------------------------------------------------------------------

Code PciNub::open(uint64_t owner) {
  if (kernel_.panicked()) return io_return::kNotResponding;
  if (owner == 0 || owner == kNobody) return io_return::kBadArgument;
  if (terminated_) return io_return::kError;
  // IOService::handleOpen refuses whoever comes second, the opener included.
  if (owner_ != 0) return io_return::kNotOpen;
  owner_ = gate_owner_ = owner;
  ++sessions_;
  dart_events_.open();
  return io_return::kSuccess;
}

void PciNub::close(uint64_t owner) {
  if (owner == 0 || owner != owner_) return;
  // IOPCIDevice::handleClose: a dext that closes may have left DMA running.
  if (alive()) disable_device();
  owner_ = 0;
  gate_owner_ = kNobody;
  dart_events_.close();
}

bool PciNub::is_open_by(uint64_t owner) const {
  return owner != 0 && owner == owner_;
}

void PciNub::shut() {
  gate_owner_ = kNobody;
}

void PciNub::disable_device() {
  const uint32_t command = cfg(model::cfg::kCommand, 2);
  constexpr uint32_t kMask = model::cfg::kCommandBusMaster | model::cfg::kCommandMemory;
  if ((command & kMask) != 0) cfg_write(model::cfg::kCommand, 2, command & ~kMask);
}

// Configuration space -------------------------------------------------------------------------------------------------

uint32_t PciNub::config_read(uint64_t owner, uint64_t offset, unsigned width) {
  if (width != 1 && width != 2 && width != 4) return UINT32_MAX;
  if (owner != gate_owner_ || offset > model::kConfigBytes - width) return static_cast<uint32_t>(all_ones(width));
  return cfg(offset, width);
}

void PciNub::config_write(uint64_t owner, uint64_t offset, unsigned width, uint32_t data) {
  if (width != 1 && width != 2 && width != 4) return;
  if (owner != gate_owner_ || offset > model::kConfigBytes - width) return;
  cfg_write(offset, width, data);
}

Code PciNub::find_capability(uint32_t id, uint64_t search_offset, uint64_t* found) {
  *found = 0;
  if (!alive()) return dead_code();
  if (search_offset >= model::kConfigBytes || root_.in_reset) return io_return::kNotFound;
  // Extended capabilities have negative ids (IOPCIDevice.h: kIOPCIExpressErrorReporting is -0x01).
  const int32_t signed_id = static_cast<int32_t>(id);
  if (signed_id < 0) {
    if (signed_id >= -0xffff) {
      *found = find_extended_capability(port_, rid_, static_cast<uint16_t>(-signed_id), search_offset);
    }
  } else if (id <= 0xff) {
    *found = macos::find_capability(port_, rid_, static_cast<uint8_t>(id), search_offset);
  }
  return *found != 0 ? io_return::kSuccess : io_return::kNotFound;
}

// Device memory -------------------------------------------------------------------------------------------------------

const std::vector<BarInfo>& PciNub::memory() const {
  return memory_;
}

const BarInfo* PciNub::bar_by_number(unsigned bar) const {
  const auto it = std::find_if(memory_.begin(), memory_.end(), [bar](const BarInfo& b) { return b.bar == bar; });
  return it == memory_.end() ? nullptr : &*it;
}

Code PciNub::bar_info(unsigned bar, BarInfo* info) const {
  if (kernel_.panicked()) return io_return::kNotResponding;
  if (bar > kRomBar) return io_return::kBadArgument;
  const BarInfo* const found = bar_by_number(bar);
  if (found == nullptr) return io_return::kNotFound;
  *info = *found;
  return io_return::kSuccess;
}

Code PciNub::copy_device_memory(uint64_t owner, uint64_t memory_index, Ref<MemoryObject>* memory) {
  if (kernel_.panicked()) return io_return::kNotResponding;
  if (!is_open_by(owner) || terminated_) return io_return::kNotOpen;
  if (memory_index >= kBarsMax) return io_return::kBadArgument;
  if (memory_index >= memory_.size() || memory_[memory_index].bus_address == 0) return io_return::kUnsupported;
  Ref<MemoryObject>& object = memory_objects_[memory_index];
  if (!object) object = MemoryObject::device(*this, static_cast<uint8_t>(memory_index), memory_[memory_index].size);
  *memory = object;
  return io_return::kSuccess;
}

unsigned PciNub::root_index() const { return root_.index; }

Code PciNub::refuse_access() const {
  return kernel_.panicked() ? io_return::kNotResponding : io_return::kNotOpen;
}

Code PciNub::memory_read(uint64_t owner, unsigned memory_index, uint64_t offset, unsigned width, uint64_t* data) {
  if (owner != gate_owner_) [[unlikely]]
    return refuse_access();
  if (memory_index >= window_count_ || width > 8 || ((0x116u >> width) & 1) == 0) [[unlikely]] {
    return io_return::kBadArgument;
  }
  const Window& window = windows_[memory_index];
  if (!in_range(offset, width, window.bytes)) [[unlikely]]
    return io_return::kOverrun;
  if ((offset & (width - 1)) != 0) [[unlikely]]
    return io_return::kNotAligned;
  if (window.cpu_address == 0) [[unlikely]]
    return io_return::kUnsupported;
  *data = port_.read(window.cpu_address + offset, width);
  return io_return::kSuccess;
}

/// A register write that takes the host down. The key is the memory index and the offset.
bool PciNub::strike_write(unsigned memory_index, uint64_t offset) {
  if (!model::fault(model::FaultKind::kAppleMmioWriteReboots, uint64_t{memory_index} << 56 | offset)) return false;
  kernel_.panic(PanicCause::kMmioWrite,
                fmt::format("the host restarted at a register write: memory index {}, offset {:#x}", memory_index, offset));
  return true;
}

Code PciNub::memory_write(uint64_t owner, unsigned memory_index, uint64_t offset, unsigned width, uint64_t data) {
  if (owner != gate_owner_) [[unlikely]]
    return refuse_access();
  if (memory_index >= window_count_ || width > 8 || ((0x116u >> width) & 1) == 0) [[unlikely]] {
    return io_return::kBadArgument;
  }
  const Window& window = windows_[memory_index];
  if (!in_range(offset, width, window.bytes)) [[unlikely]]
    return io_return::kOverrun;
  if ((offset & (width - 1)) != 0) [[unlikely]]
    return io_return::kNotAligned;
  if (window.cpu_address == 0) [[unlikely]]
    return io_return::kUnsupported;
  if (model::faults_installed() && strike_write(memory_index, offset)) [[unlikely]]
    return io_return::kNotResponding;
  port_.write(window.cpu_address + offset, width, data);
  return io_return::kSuccess;
}

model::DirectMemory PciNub::direct_memory(unsigned memory_index) {
  if (!alive() || root_.in_reset || memory_index >= memory_.size()) return {};
  const BarInfo& bar = memory_[memory_index];
  if (bar.bus_address == 0) return {};
  return root_.model.direct_memory(bar.bus_address, bar.size);
}

// Link and power ------------------------------------------------------------------------------------------------------

Code PciNub::link_speed(uint32_t* speed) {
  *speed = 1;  // kIOPCILinkSpeed_2_5_GTs, what GetLinkSpeed returns when it knows no better
  if (!alive()) return dead_code();
  if (root_.bridge_pcie == 0) return io_return::kUnsupported;
  const uint32_t status = port_.config_read(Rid(), root_.bridge_pcie + model::pcie::kLinkStatus, 2);
  if ((status & 0xf) != 0) *speed = status & 0xf;
  return io_return::kSuccess;
}

Code PciNub::set_link_speed(uint32_t speed, bool retrain) {
  if (!alive()) return dead_code();
  if (speed < 1 || speed > 5) return io_return::kBadArgument;
  if (root_.bridge_pcie == 0) return io_return::kUnsupported;
  constexpr uint64_t kLinkControl2 = 0x30;  // target link speed in bits 3:0 (PCIe 6.0 s7.5.3.19)
  const uint32_t supported = port_.config_read(Rid(), root_.bridge_pcie + model::pcie::kLinkCapabilities, 4) & 0xf;
  if (supported != 0 && speed > supported) return io_return::kUnsupported;
  const uint32_t control2 = port_.config_read(Rid(), root_.bridge_pcie + kLinkControl2, 2);
  port_.config_write(Rid(), root_.bridge_pcie + kLinkControl2, 2, (control2 & ~0xfu) | speed);
  if (retrain) {
    const uint64_t at = root_.bridge_pcie + model::pcie::kLinkControl;
    port_.config_write(Rid(), at, 2, port_.config_read(Rid(), at, 2) | model::bridge::kRetrainLink);
  }
  return io_return::kSuccess;
}

Code PciNub::set_aspm(uint32_t control) {
  if (!alive()) return dead_code();
  if (pcie_ == 0) return io_return::kUnsupported;
  const uint64_t at = pcie_ + model::pcie::kLinkControl;
  cfg_write(at, 2, (cfg(at, 2) & ~0x3u) | (control & 0x3));
  return io_return::kSuccess;
}

bool PciNub::has_power_management(uint64_t state) {
  if (!alive() || pm_ == 0) return false;
  // `state` 0 asks for any support; else PMC bits: kPCIPMCPMESupportFromD3Cold 0x8000 and friends, D1 0x200, D2 0x400.
  return state == 0 || (cfg(pm_ + 2, 2) & state) != 0;
}

Code PciNub::enable_power_management(uint64_t state) {
  if (!alive()) return dead_code();
  if (pm_ == 0) return io_return::kUnsupported;
  // IOPCIDevice::enablePCIPowerManagement takes the PMCSR power state to enter when the device is stopped; the
  // simulated Mac does not sleep, so there is nothing to enter it at.
  return state <= UINT32_MAX ? io_return::kSuccess : io_return::kBadArgument;
}

// Life ----------------------------------------------------------------------------------------------------------------

void PciNub::terminate() {
  if (terminated_) return;
  const Ref<PciNub> keep(this);
  shut();
  Service::terminate();  // clients first: their Stop still finds the nub, but no device
  if (!kernel_.panicked()) {
    if (!root_.in_reset) disable_device();  // whoever had it open did not close it, or the device is gone: then lost
    if (messages_enabled_ != 0) set_messages_enabled(false);
  }
  release_vectors();
  owner_ = 0;
  dart_events_.terminate();
  memory_objects_.fill(nullptr);
}

void PciNub::property_read(std::string_view key) {
  if (key == kDartErrorDataKey) dart_events_.read();
}

bool PciNub::conforms_to(std::string_view class_name) const {
  return RegistryEntry::conforms_to(class_name);
}

void PciNub::inspect(InspectNode& node) const {
  node.child("rid", fmt::format("{:02x}:{:02x}.{}", rid_.bus(), rid_.device(), rid_.function()));
  node.child("state", terminated_ ? "terminated" : registered_ ? "registered" : "attached");
  node.child("open", owner_ == 0 ? "no" : "yes", fmt::format("{} sessions", sessions_));
  dart_events_.inspect(node.child("dart-events"));
  InspectNode& memory = node.child("memory", {}, "IODeviceMemory");
  for (const BarInfo& bar : memory_) {
    memory.child(bar.bar == kRomBar ? "ROM" : fmt::format("BAR{}", bar.bar),
                 fmt::format("{:#x} + {:#x}", bar.bus_address, bar.size),
                 fmt::format("memory index {}, type {:#x}", bar.memory_index, static_cast<unsigned>(bar.type)));
  }
  InspectNode& interrupts = node.child("interrupts",
                                       interrupt_type_ == kInterruptMsiX  ? "MSI-X"
                                       : interrupt_type_ == kInterruptMsi ? "MSI"
                                                                          : "not configured",
                                       fmt::format("{} vectors from {}", vectors_.size(), vector_first_));
  for (size_t i = 0; i < vectors_.size(); ++i) {
    if (vectors_[i].handler != nullptr) interrupts.child(fmt::format("index-{}", i), "handler");
  }
}

}  // namespace dartboard::macos
