// traces/import/qemu_events_dma_irq.cpp - DMA mappings, interrupts, resets, and lines that show what a device is (see
// qemu_events.h).
#include "traces/import/qemu_events.h"

namespace dartboard::traces {

namespace {

using enum QemuEvent;

constexpr uint64_t kIrqTrigger = 0x20;  // VFIO_IRQ_SET_ACTION_TRIGGER, linux/vfio.h
constexpr uint64_t kIrqEventFd = 0x4;   // VFIO_IRQ_SET_DATA_EVENTFD

}  // namespace

QemuEvents::Why QemuEvents::map(uint64_t iova, uint64_t guest_address, uint64_t size) {
  const auto old = mappings_.find(iova);
  if (old != mappings_.end() && old->second.size == size) return kSameMapping;
  if (mappings_.size() >= kMappingsMax) return kTooManyMappings;
  const int device = devices_.current_vfio();
  if (device == QemuDevices::kNone) return kTooManyDevices;
  last_unmapped_size_ = 0;
  dma_seen_ = true;
  const uint32_t handle = next_handle_++;
  mappings_.insert_or_assign(iova, Mapping{size, guest_address, handle, static_cast<uint16_t>(device)});
  Ready ready;
  ready.event.kind = EventKind::kDmaMap;
  ready.event.target = handle;
  ready.event.address = guest_address;
  ready.event.length = size;
  ready.event.value = 1;
  ready.event.device = static_cast<uint16_t>(device);
  ready.reply.value0 = iova;
  ready.reply.value1 = handle;
  emit(ready);
  return kIsEvent;
}

std::map<uint64_t, QemuEvents::Mapping>::iterator QemuEvents::unmap_one(std::map<uint64_t, Mapping>::iterator at) {
  const Mapping& mapping = at->second;
  Ready ready;
  ready.event.kind = EventKind::kDmaUnmap;
  ready.event.target = mapping.handle;
  ready.event.length = mapping.size;
  ready.event.device = mapping.device;
  emit(ready);
  const auto guest = iova_of_guest_.find(mapping.guest_address);
  if (guest != iova_of_guest_.end() && guest->second == at->first) iova_of_guest_.erase(guest);
  return mappings_.erase(at);
}

QemuEvents::Why QemuEvents::unmap(uint64_t iova, uint64_t size) {
  const uint64_t last = iova + (size - 1);
  bool any = false;
  for (auto at = mappings_.lower_bound(iova);
       at != mappings_.end() && at->first <= last && at->second.size - 1 <= last - at->first;) {
    at = unmap_one(at);
    any = true;
  }
  if (!any) return iova == last_unmapped_iova_ && size == last_unmapped_size_ ? kSameMapping : kUnknownMapping;
  last_unmapped_iova_ = iova;
  last_unmapped_size_ = size;
  return kIsEvent;
}

QemuEvents::Why QemuEvents::apple_map(const QemuLine& line) {
  if (line.status != 0 || line.size - 1 > UINT64_MAX - line.value) return kFailedMapping;
  const Why why = map(line.value, line.address, line.size);
  if (why == kIsEvent) iova_of_guest_[line.address] = line.value;
  return why;
}

QemuEvents::Why QemuEvents::apple_unmap(const QemuLine& line) {
  if (line.status != 0) return kFailedMapping;
  const bool by_guest = line.event == kAppleDmaUnmap;
  const uint64_t key = by_guest ? line.address : line.value;
  auto at = mappings_.end();
  if (const auto guest = iova_of_guest_.find(key); guest != iova_of_guest_.end()) at = mappings_.find(guest->second);
  if (at == mappings_.end()) at = mappings_.find(key);
  if (at == mappings_.end()) return kUnknownMapping;
  unmap_one(at);
  if (!by_guest) ++unmap_ids_assumed_;
  return kIsEvent;
}

QemuEvents::Why QemuEvents::interrupt(int device, IrqKind kind, uint64_t vector) {
  if (device == QemuDevices::kNone) return kTooManyDevices;
  irq_seen_ = true;
  Ready ready;
  ready.event.kind = EventKind::kInterrupt;
  ready.event.source = Source::kDevice;
  ready.event.target = static_cast<uint32_t>(kind);
  ready.event.value = vector;
  ready.event.device = static_cast<uint16_t>(device);
  emit(ready);
  return kIsEvent;
}

QemuEvents::Why QemuEvents::message_interrupt(int device, uint64_t vector) {
  if (device == QemuDevices::kNone) return kTooManyDevices;
  const auto& irqs = devices_[device].irqs;
  const bool msi = irqs[static_cast<size_t>(IrqKind::kMsi)].on;
  if (!msi && !irqs[static_cast<size_t>(IrqKind::kMsix)].on) ++irq_kinds_assumed_;
  return interrupt(device, msi ? IrqKind::kMsi : IrqKind::kMsix, vector);
}

/// No `count`: MSI-X as such is on, or everything is off.
QemuEvents::Why QemuEvents::irq_setup(int device, IrqKind kind, uint64_t first, uint64_t count, bool on) {
  if (device == QemuDevices::kNone) return kTooManyDevices;
  QemuDevice::Irq& irq = devices_[device].irqs[static_cast<size_t>(kind)];
  bool changed = count == 0 && irq.on != on;
  if (!on && count == 0) {
    first = 0;
    count = irq.vectors.size();
    irq.vectors.clear();
  } else {
    if (irq.vectors.size() < first + count) irq.vectors.resize(first + count);
    for (uint64_t i = first; i < first + count; ++i) {
      changed = changed || irq.vectors[i] != on;
      irq.vectors[i] = on;
    }
  }
  if (!changed) return kSameSetup;
  if (on || count == 0 || irq.vectors.empty()) irq.on = on;
  Ready ready;
  ready.event.kind = EventKind::kIrqSetup;
  ready.event.target = static_cast<uint32_t>(kind);
  ready.event.address = first;
  ready.event.length = count;
  ready.event.value = on ? 1 : 0;
  ready.event.device = static_cast<uint16_t>(device);
  emit(ready);
  return kIsEvent;
}

QemuEvents::Why QemuEvents::set_irqs(const QemuLine& line) {
  if (line.index > static_cast<uint64_t>(IrqKind::kRequest) || (line.value & kIrqTrigger) == 0) return kMasking;
  const auto kind = static_cast<IrqKind>(line.index);
  const int device = devices_.current_vfio();
  if (line.size == 0) return irq_setup(device, kind, 0, 0, false);
  if ((line.value & kIrqEventFd) == 0) return kMasking;
  return irq_setup(device, kind, line.address, line.size, true);
}

QemuEvents::Why QemuEvents::reset(int device, uint64_t status) {
  if (device == QemuDevices::kNone) return kTooManyDevices;
  devices_[device].recovered.reset();
  Ready ready;
  ready.event.kind = EventKind::kReset;
  ready.event.device = static_cast<uint16_t>(device);
  ready.reply.status = status;
  emit(ready);
  return kIsEvent;
}

QemuEvents::Why QemuEvents::knowledge(const QemuLine& line) {
  const bool is_bar = line.index < RecoveredDevice::kBars;
  const auto bar = static_cast<unsigned>(line.index);
  int device = QemuDevices::kNone;
  switch (line.event) {
    case kRegionSetup:
    case kMsixSetup: device = devices_.by_vfio_name(line.device); break;
    case kRegionMmap: device = devices_.by_vfio_name(line.name.substr(0, line.name.rfind(" BAR "))); break;
    case kUserRegionInfo: device = devices_.current_vfio(); break;
    default: device = placed(line, false); break;
  }
  if (device == QemuDevices::kNone) return kTooManyDevices;
  RecoveredDevice& recovered = devices_[device].recovered;
  switch (line.event) {
    case kRegionMmap: devices_[device].has_maps = true; break;
    case kMsixSetup: recovered.msix_table(bar, line.address, static_cast<uint32_t>(line.size)); break;
    case kRegionSetup:
      if (is_bar && line.size <= kQemuBarBytesMax) recovered.bar_size(bar, line.size);
      break;
    case kUserRegionInfo:  // without a name: only what is not known already
      if (is_bar && line.size <= kQemuBarBytesMax && !recovered.has_bar_size(bar)) recovered.bar_size(bar, line.size);
      break;
    case kBarMapped:
      if (is_bar && line.size <= kQemuBarBytesMax) recovered.bar_mapped(bar, line.address, line.size);
      break;
    default:
      if (is_bar) recovered.bar_unmapped(bar);
      break;
  }
  devices_.ranges_changed();
  return kShowsDevice;
}

}  // namespace dartboard::traces
