// traces/import/qemu_events.cpp - which line makes which event, accesses in their layers, batches (see qemu_events.h).
// What is not an access is in qemu_events_dma_irq.cpp, what is told at the end in qemu_events_report.cpp.
#include "traces/import/qemu_events.h"

#include <algorithm>

namespace dartboard::traces {

namespace {

using enum QemuEvent;

constexpr uint64_t kUserReset = 13;  // VFIO_USER_DEVICE_RESET, vfio-user protocol 0.9
constexpr uint64_t kUserReplyFlag = 0x1;
constexpr uint64_t kUserErrorFlag = 0x20;
constexpr unsigned kModelBar = 2;  // the registers of ati-vga

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

}  // namespace dartboard::traces
