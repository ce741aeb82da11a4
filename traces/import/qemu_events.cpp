// traces/import/qemu_events.cpp - see qemu_events.h.
#include "traces/import/qemu_events.h"

#include <algorithm>

#include <fmt/format.h>

namespace dartboard::traces {

namespace {

using enum QemuEvent;

constexpr uint64_t kUserReset = 13;  // VFIO_USER_DEVICE_RESET, vfio-user protocol 0.9
constexpr uint64_t kUserReplyFlag = 0x1;
constexpr uint64_t kUserErrorFlag = 0x20;
constexpr uint64_t kIrqTrigger = 0x20;  // VFIO_IRQ_SET_ACTION_TRIGGER, linux/vfio.h
constexpr uint64_t kIrqEventFd = 0x4;   // VFIO_IRQ_SET_DATA_EVENTFD
constexpr unsigned kModelBar = 2;       // the registers of ati-vga

bool is_read(QemuEvent event) {
  switch (event) {
    case kVfioRegionRead:
    case kAppleMmioRead:
    case kAppleBarRead:
    case kModelRead:
    case kMemoryRead:
    case kVfioConfigRead:
    case kAppleConfigRead:
    case kPciConfigRead: return true;
    default: return false;
  }
}

/// Width of a register of the header (PCIe 6.0 s7.5.1); 1 elsewhere.
uint64_t register_width(uint64_t offset) {
  if (offset < 0x08 || offset == 0x0a || offset == 0x2c || offset == 0x2e) return 2;
  if ((offset >= 0x10 && offset < 0x2c) || offset == 0x30) return 4;
  return 1;
}
/// The smallest width from the register's up that holds `value`.
uint64_t assumed_width(uint64_t offset, uint64_t value) {
  uint64_t width = offset % register_width(offset) == 0 ? register_width(offset) : 1;
  while (width < 4 && value >> (8 * width) != 0) width *= 2;
  return width;
}

bool is_vfio_type(std::string_view type) {
  return type.find("vfio") != std::string_view::npos || type.find("apple") != std::string_view::npos;
}
bool is_config_data(std::string_view region) {
  return region == "pci-conf-data" || region == "pcie-mmcfg-mmio";
}

}  // namespace

QemuEvents::QemuEvents() = default;

std::string_view QemuEvents::why_text(Why why) {
  switch (why) {
    case kIsEvent:
    case kOwnReason:
    case kWhyCount: break;
    case kSameVfioAccess: return "the same access, seen by vfio_region_* or vfio_pci_*_config";
    case kSameAppleAccess: return "the same access, seen by apple_dext_* or apple_vfio_bar_*";
    case kSameAccess: return "the same access, seen by a line of another layer";
    case kSamePciConfig: return "an access to configuration space, which pci_cfg_* shows with its device";
    case kSelectsConfig: return "selects a register of configuration space; pci_cfg_* shows the access";
    case kSameMapping: return "the same mapping, seen by another line";
    case kSameSetup: return "the same set-up, seen by another line";
    case kNoFunction: return "no device is at that address: it reads as all ones";
    case kNoBar: return "not in a BAR of a PCI device that the log shows";
    case kNoBarAddress: return "a BAR whose address the log does not show";
    case kRegionIsNoBar: return "the expansion ROM or a legacy range, which the event model does not have";
    case kUnknownMapping: return "ends no mapping that the log shows";
    case kFailedMapping: return "it failed: nothing was mapped or unmapped";
    case kMasking: return "masks, unmasks or tests interrupts, which is no set-up";
    case kOtherMessage: return "the transport of vfio-user messages";
    case kShowsDevice: return "shows what the device is, not what it does";
    case kTooManyDevices: return "of a device beyond the first 256";
    case kTooManyMappings: return "more mappings at a time than an import keeps (262,144)";
  }
  return {};
}

void QemuEvents::take(const QemuLine& line, uint64_t time_ns, EventBatch* batch) {
  batch_ = batch;
  time_ns_ = time_ns;
  const Why why = decide(line);
  if (line.event != kMemoryWrite) config_write_seen_ = false;
  ++counts_[line.row][why];
}

QemuEvents::Why QemuEvents::decide(const QemuLine& line) {
  const bool read = is_read(line.event);
  switch (line.event) {
    case kNoEvent: return kOwnReason;
    case kVfioRegionRead:
    case kVfioRegionWrite:
    case kAppleMmioRead:
    case kAppleMmioWrite:
    case kAppleBarRead:
    case kAppleBarWrite: return region_access(line, read);
    case kModelRead:
    case kModelWrite: return model_access(line, read);
    case kMemoryRead:
    case kMemoryWrite: return memory_access(line, read);
    case kVfioConfigRead:
    case kVfioConfigWrite: return config_access(line, devices_.by_vfio_name(line.device), QemuLayer::kVfio, read);
    case kAppleConfigRead:
    case kAppleConfigWrite: return config_access(line, devices_.current_vfio(), QemuLayer::kApple, read);
    case kPciConfigRead:
    case kPciConfigWrite:
      if (line.device == "empty") return kNoFunction;
      return config_access(line, placed(line, read), QemuLayer::kPciConfig, read);
    case kListenerAdd:
    case kIommuMap:
    case kUserDmaMap: return map(line.address, line.address, line.size);
    case kListenerDel:
    case kIommuUnmap:
    case kUserDmaUnmap: return unmap(line.address, line.size);
    case kAppleDmaMap:
    case kAppleMapEntry: return apple_map(line);
    case kAppleDmaUnmap:
    case kAppleUnmapEntry: return apple_unmap(line);
    case kIntxInterrupt: return interrupt(devices_.by_vfio_name(line.device), IrqKind::kIntx, line.index);
    case kMsiInterrupt: return message_interrupt(devices_.by_vfio_name(line.device), line.index);
    case kAppleInterrupt: return message_interrupt(devices_.current_vfio(), line.index);
    case kIntxEnable: return irq_setup(devices_.by_vfio_name(line.device), IrqKind::kIntx, 0, 1, true);
    case kIntxDisable: return irq_setup(devices_.by_vfio_name(line.device), IrqKind::kIntx, 0, 0, false);
    case kMsiEnable: return irq_setup(devices_.by_vfio_name(line.device), IrqKind::kMsi, 0, line.size, true);
    case kMsiDisable: return irq_setup(devices_.by_vfio_name(line.device), IrqKind::kMsi, 0, 0, false);
    case kMsixEnable: return irq_setup(devices_.by_vfio_name(line.device), IrqKind::kMsix, 0, 0, true);
    case kMsixDisable: return irq_setup(devices_.by_vfio_name(line.device), IrqKind::kMsix, 0, 0, false);
    case kMsixVectorUse: return irq_setup(devices_.by_vfio_name(line.device), IrqKind::kMsix, line.index, 1, true);
    case kMsixVectorRelease: return irq_setup(devices_.by_vfio_name(line.device), IrqKind::kMsix, line.index, 1, false);
    case kUserSetIrqs: return set_irqs(line);
    case kReset: return reset(devices_.by_vfio_name(line.device), 0);
    case kUserReceivedHeader: {
      const int device = devices_.by_vfio_name(line.device);
      if (line.index != kUserReset || (line.value & kUserReplyFlag) == 0) return kOtherMessage;
      return reset(device, (line.value & kUserErrorFlag) != 0 ? 1 : 0);
    }
    case kRegionSetup:
    case kRegionMmap:
    case kUserRegionInfo:
    case kMsixSetup:
    case kBarMapped:
    case kBarUnmapped: return knowledge(line);
  }
  return kOwnReason;
}

namespace {

/// Layers that are told apart by the reader of a report.
bool is_apple(QemuLayer layer) {
  return layer == QemuLayer::kApple || layer == QemuLayer::kAppleBar;
}

}  // namespace

QemuEvents::Why QemuEvents::same_as(QemuLayer layer) {
  if (layer == QemuLayer::kVfio) return kSameVfioAccess;
  return is_apple(layer) ? kSameAppleAccess : kSameAccess;
}

bool QemuEvents::pairs(EventKind kind, int device, uint64_t offset, uint64_t value, QemuLayer layer) const {
  return held_.active && !held_.paired && held_.layer != layer && held_.ready.event.kind == kind &&
         held_.ready.event.device == device && held_.ready.event.address == offset && held_.ready.value == value;
}

QemuEvents::Why QemuEvents::bar_access(const QemuLine& line, int device, unsigned bar, uint64_t offset, QemuLayer layer,
                                       bool read) {
  if (device == QemuDevices::kNone) return kTooManyDevices;
  QemuDevice& d = devices_[device];
  const QemuLayer nearest = d.bar_layer[bar];
  const bool is_model = layer == QemuLayer::kModel;
  if (layer < nearest && !is_model) return same_as(nearest);
  const EventKind kind = read ? EventKind::kMmioRead : EventKind::kMmioWrite;
  Event& before = held_.ready.event;
  if (pairs(kind, device, offset, line.value, layer) && before.length == line.size &&
      (before.target == bar || is_model || held_.layer == QemuLayer::kModel)) {
    held_.paired = true;
    if (held_.layer == QemuLayer::kModel) {
      before.target = bar;
      --model_bars_assumed_;
      d.recovered.bar_access(bar, offset, line.size);
    } else if (!is_model && layer > nearest) {
      d.bar_layer[bar] = layer;
    }
    return same_as(held_.layer);
  }
  if (is_model) {
    ++model_bars_assumed_;
  } else {
    d.bar_layer[bar] = std::max(nearest, layer);
  }
  d.recovered.bar_access(bar, offset, line.size);
  hold(kind, device, bar, offset, line.size, line.value, layer);
  if (line.status != 0) {
    if (read) {
      held_.ready.reply.status = line.status;
    } else {
      ++failed_writes_;
    }
  }
  return kIsEvent;
}

QemuEvents::Why QemuEvents::region_access(const QemuLine& line, bool read) {
  if (line.index >= RecoveredDevice::kBars) return kRegionIsNoBar;
  const bool is_vfio = line.event == kVfioRegionRead || line.event == kVfioRegionWrite;
  const bool is_dext = line.event == kAppleMmioRead || line.event == kAppleMmioWrite;
  const QemuLayer layer = is_vfio ? QemuLayer::kVfio : is_dext ? QemuLayer::kApple : QemuLayer::kAppleBar;
  const int device = is_vfio ? devices_.by_vfio_name(line.device) : devices_.current_vfio();
  return bar_access(line, device, static_cast<unsigned>(line.index), line.address, layer, read);
}

QemuEvents::Why QemuEvents::model_access(const QemuLine& line, bool read) {
  return bar_access(line, devices_.by_type(line.device), kModelBar, line.address, QemuLayer::kModel, read);
}

QemuEvents::Why QemuEvents::memory_access(const QemuLine& line, bool read) {
  config_write_seen_ = false;
  if (line.name == "pci-conf-idx") return kSelectsConfig;
  if (is_config_data(line.name)) {
    if (!read) {
      config_write_seen_ = line.size <= 4;
      config_write_size_ = line.size;
      config_write_value_ = line.value;
    } else if (pairs(EventKind::kConfigRead, held_.ready.event.device, held_.ready.event.address, line.value,
                     QemuLayer::kMemory) &&
               held_.width_assumed && line.size <= 4 && held_.ready.event.address + line.size <= ConfigImage::kBytes) {
      held_.paired = true;
      held_.width_assumed = false;
      held_.ready.event.length = line.size;
      devices_[held_.ready.event.device].recovered.config_read_was_wider(
          held_.ready.event.address, static_cast<unsigned>(line.size), static_cast<uint32_t>(line.value));
      ++widths_shown_;
      --widths_assumed_;
    }
    return kSamePciConfig;
  }
  const QemuDevices::Place place = devices_.find(line.address, line.size);
  if (place.device == QemuDevices::kNone) {
    return line.name.find(" BAR ") != std::string_view::npos ? kNoBarAddress : kNoBar;
  }
  if (!is_qemu_access(place.offset, line.size, line.value)) return kNoBar;
  const bool is_qemus_own = devices_[place.device].is_vfio && (line.name == "msix-table" || line.name == "msix-pba");
  return bar_access(line, place.device, place.bar, place.offset, is_qemus_own ? QemuLayer::kVfio : QemuLayer::kMemory,
                    read);
}

int QemuEvents::placed(const QemuLine& line, bool may_pair) {
  int device = devices_.by_rid(line.rid);
  if (device != QemuDevices::kNone && (line.device.empty() || devices_[device].type == line.device)) return device;
  if (!is_vfio_type(line.device)) return devices_.add_rid(line.rid, line.device);
  const Event& before = held_.ready.event;
  if (may_pair && pairs(EventKind::kConfigRead, before.device, line.address, line.value, QemuLayer::kPciConfig) &&
      held_.layer == QemuLayer::kVfio && !devices_[before.device].has_rid) {
    devices_.link(before.device, line.rid, line.device);
    return before.device;
  }
  device = devices_.vfio_devices() == 0 ? devices_.current_vfio() : devices_.only_unplaced_vfio();
  if (device == QemuDevices::kNone) return devices_.add_rid(line.rid, line.device);
  devices_.link(device, line.rid, line.device);
  devices_[device].rid_assumed = true;
  return device;
}

QemuEvents::Why QemuEvents::config_access(const QemuLine& line, int device, QemuLayer layer, bool read) {
  if (device == QemuDevices::kNone) return kTooManyDevices;
  QemuDevice& d = devices_[device];
  const EventKind kind = read ? EventKind::kConfigRead : EventKind::kConfigWrite;
  const bool paired = pairs(kind, device, line.address, line.value, layer);
  if (paired && (layer == QemuLayer::kVfio || held_.layer == QemuLayer::kVfio)) d.rid_assumed = false;
  if (layer < d.config_layer) {
    if (paired) held_.paired = true;
    return same_as(d.config_layer);
  }
  if (paired) {
    held_.paired = true;
    d.config_layer = layer;
    if (held_.width_assumed && line.size != 0) {
      held_.width_assumed = false;
      held_.ready.event.length = line.size;
      ++widths_shown_;
      --widths_assumed_;
    }
    return same_as(held_.layer);
  }
  d.config_layer = layer;
  uint64_t size = line.size;
  bool assumed = false;
  if (size == 0) {
    assumed = read || !config_write_seen_ || config_write_value_ != line.value ||
              line.address + config_write_size_ > ConfigImage::kBytes;
    size = assumed ? assumed_width(line.address, line.value) : config_write_size_;
    ++(assumed ? widths_assumed_ : widths_shown_);
  }
  const uint64_t version = d.recovered.ranges_version();
  if (line.status != 0) {
    // Nothing was read or written.
  } else if (read) {
    d.recovered.config_read(line.address, static_cast<unsigned>(size), static_cast<uint32_t>(line.value));
  } else {
    d.recovered.config_write(line.address, static_cast<unsigned>(size), static_cast<uint32_t>(line.value));
  }
  if (d.recovered.ranges_version() != version) devices_.ranges_changed();
  hold(kind, device, 0, line.address, size, line.value, layer);
  held_.width_assumed = assumed;
  held_.ready.reply.status = line.status;
  return kIsEvent;
}

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

void QemuEvents::hold(EventKind kind, int device, unsigned target, uint64_t offset, uint64_t size, uint64_t value,
                      QemuLayer layer) {
  release();
  held_.active = true;
  held_.paired = false;
  held_.width_assumed = false;
  held_.layer = layer;
  held_.ready.value = value;
  held_.ready.reply = Reply{};
  Event& event = held_.ready.event;
  event = Event{};
  event.kind = kind;
  event.device = static_cast<uint16_t>(device);
  event.target = target;
  event.address = offset;
  event.length = size;
  event.time_ns = time_ns_;
  if (kind == EventKind::kConfigWrite) event.value = value;
  if (kind == EventKind::kConfigRead) held_.ready.reply.value0 = value;
}

void QemuEvents::release() {
  if (!held_.active) return;
  held_.active = false;
  append(held_.ready);
}

/// An event that no other line says more of.
void QemuEvents::emit(Ready ready) {
  release();
  ready.event.time_ns = time_ns_;
  append(ready);
}

void QemuEvents::append(const Ready& ready) {
  EventBatch& batch = *batch_;
  if (backlog_begin_ < backlog_.size() || batch.events.size() >= kBatchEvents) {
    backlog_.push_back(ready);
    return;
  }
  put(ready);
}

void QemuEvents::put(const Ready& ready) {
  EventBatch& batch = *batch_;
  Event& event = batch.events.emplace_back(ready.event);
  event.request = requests_;
  if (event.is_request()) ++requests_;
  const auto bytes = [&] {
    std::byte* const to = batch.arena.allocate(event.length);
    for (uint64_t i = 0; i < event.length; ++i) to[i] = static_cast<std::byte>(ready.value >> (8 * i));
    return Payload::of({to, event.length});
  };
  if (event.kind == EventKind::kMmioWrite) {
    event.data = bytes();
    return;  // posted
  }
  if (!event.is_request()) return;
  event.reply = static_cast<uint32_t>(batch.replies.size());
  Reply& reply = batch.replies.emplace_back(ready.reply);
  if (event.kind == EventKind::kMmioRead && reply.status == 0) reply.data = bytes();
}

bool QemuEvents::drain(EventBatch* batch) {
  batch_ = batch;
  while (backlog_begin_ < backlog_.size() && batch->events.size() < kBatchEvents) put(backlog_[backlog_begin_++]);
  if (backlog_begin_ < backlog_.size()) return false;
  backlog_.clear();
  backlog_begin_ = 0;
  return true;
}

bool QemuEvents::finish(EventBatch* batch) {
  batch_ = batch;
  release();
  return drain(batch);
}

void QemuEvents::describe(TraceInfo* info) const {
  std::vector<std::string> notes;
  info->devices = devices_.describe(&notes);
  const auto note = [&](std::string text) { notes.push_back(std::move(text)); };
  if (widths_assumed_ + widths_shown_ != 0) {
    note(
        fmt::format("pci_cfg_read and pci_cfg_write do not show how wide an access is: of {}, {} have the width of the "
                    "memory_region_ops line beside them, {} that of the register, or the next that holds the value.",
                    widths_assumed_ + widths_shown_, widths_shown_, widths_assumed_));
  }
  if (model_bars_assumed_ != 0) {
    note(
        fmt::format("ati_mm_read and ati_mm_write do not show by which BAR: {} are taken to be of BAR2, its registers.",
                    model_bars_assumed_));
  }
  if (dma_seen_) {
    note(
        "DMA mappings are shown with their IOVA; unless the line says otherwise the guest address is taken to be the "
        "same, which holds without a guest IOMMU. What was transferred is not in such a log.");
    if (devices_.vfio_devices() > 1) {
      note("DMA mappings are not shown per device: each is given to the device that was named last before it.");
    }
  } else {
    note("The log shows no DMA mappings, and never what was transferred.");
  }
  if (!irq_seen_) note("The log shows no interrupts.");
  if (irq_kinds_assumed_ != 0) {
    note(fmt::format("{} interrupts are taken to be MSI-X: the log does not show which kind was on.",
                     irq_kinds_assumed_));
  }
  if (failed_writes_ != 0) {
    note(fmt::format("{} writes to BARs failed on the recording machine; they are events like the others.",
                     failed_writes_));
  }
  for (size_t i = 0; i < devices_.size(); ++i) info->lossy |= devices_[static_cast<int>(i)].has_maps;
  info->notes = std::move(notes);
}

std::vector<RecordCount> QemuEvents::kinds() const {
  std::vector<RecordCount> out;
  const auto signatures = qemu_signatures();
  for (size_t row = 0; row < signatures.size(); ++row) {
    for (unsigned why = 0; why < kWhyCount; ++why) {
      if (counts_[row][why] == 0) continue;
      const std::string_view text = why == kOwnReason ? signatures[row].why : why_text(static_cast<Why>(why));
      out.push_back({std::string(signatures[row].name), counts_[row][why], std::string(text)});
    }
  }
  std::sort(out.begin(), out.end(), [](const RecordCount& a, const RecordCount& b) {
    return a.name != b.name ? a.name < b.name : a.why < b.why;
  });
  return out;
}

}  // namespace dartboard::traces
