// traces/import/qemu_events.h - lines of QEMU to events: one event per access, however many layers of QEMU show it.
//
// The layers, and the rule. An access of the guest can be seen as a memory region's (memory_region_ops_*), a device
// model's (ati_mm_*) or pci_cfg_*'s, the fork's (apple_vfio_bar_*, apple_dext_*) and vfio's (vfio_region_*,
// vfio_pci_*_config), in this order from the guest down to the device. Per BAR, and for configuration space, the layer
// nearest to the device that was seen so far makes the events; lines of the others are counted as the same access. The
// first time a nearer layer appears, its line is the same access as the event before it if device, kind, offset and
// value agree; from then on it is the one. Device models' lines are always paired in this way, as they do not say which
// of their BARs was used. MSI-X tables of vfio devices are QEMU's own: only memory_region_ops_* shows them.
//
// pci_cfg_* has no width. It is taken from the memory_region_ops line beside it; without one, it is that of the
// register (PCIe 6.0 s7.5.1) if the value fits, else the next that holds the value; noted.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "traces/event_stream.h"
#include "traces/import/qemu_devices.h"
#include "traces/import/qemu_line.h"
#include "traces/trace_info.h"

namespace dartboard::traces {

class QemuEvents {
 public:
  /// Live mappings at most (vfio's own limit is 65,535 by default); more are counted and make no event.
  static constexpr size_t kMappingsMax = size_t{1} << 18;

  QemuEvents();

  /// One line: its event, if it makes one, is appended to `batch` then or by the next call.
  void take(const QemuLine& line, uint64_t time_ns, EventBatch* batch);
  /// Appends what is held back, at most until the batch is full; true when nothing is left.
  bool drain(EventBatch* batch);
  /// Nothing follows: like drain().
  bool finish(EventBatch* batch);

  /// Devices and notes as far as they are known; the other members are left alone.
  void describe(TraceInfo* info) const;
  uint64_t requests() const { return requests_; }
  /// Every kind of line that was taken.
  std::vector<RecordCount> kinds() const;

 private:
  enum Why : uint8_t {
    kIsEvent,
    kOwnReason,  // the signature's
    kSameVfioAccess,
    kSameAppleAccess,
    kSameAccess,
    kSamePciConfig,
    kSelectsConfig,
    kSameMapping,
    kSameSetup,
    kNoFunction,
    kNoBar,
    kNoBarAddress,
    kRegionIsNoBar,
    kUnknownMapping,
    kFailedMapping,
    kMasking,
    kOtherMessage,
    kShowsDevice,
    kTooManyDevices,
    kTooManyMappings,
    kWhyCount,
  };
  static std::string_view why_text(Why why);

  // An event that is done, but for the bytes of an access.
  struct Ready {
    Event event;
    Reply reply;
    uint64_t value = 0;  // read or written
  };
  // An event that is not out yet, because the next line may say more of it.
  struct Held {
    Ready ready;
    bool active = false;
    bool paired = false;  // another layer's line was the same
    bool width_assumed = false;
    QemuLayer layer = QemuLayer::kNone;
  };
  struct Mapping {
    uint64_t size = 0;
    uint64_t guest_address = 0;
    uint32_t handle = 0;
    uint16_t device = 0;
  };

  Why bar_access(const QemuLine& line, int device, unsigned bar, uint64_t offset, QemuLayer layer, bool read);
  Why region_access(const QemuLine& line, bool read);
  Why memory_access(const QemuLine& line, bool read);
  Why model_access(const QemuLine& line, bool read);
  Why config_access(const QemuLine& line, int device, QemuLayer layer, bool read);
  Why map(uint64_t iova, uint64_t guest_address, uint64_t size);
  Why unmap(uint64_t iova, uint64_t size);
  std::map<uint64_t, Mapping>::iterator unmap_one(std::map<uint64_t, Mapping>::iterator mapping);
  Why apple_map(const QemuLine& line);
  Why apple_unmap(const QemuLine& line);
  Why interrupt(int device, IrqKind kind, uint64_t vector);
  Why message_interrupt(int device, uint64_t vector);
  Why irq_setup(int device, IrqKind kind, uint64_t first, uint64_t count, bool on);
  Why set_irqs(const QemuLine& line);
  Why reset(int device, uint64_t status);
  static Why same_as(QemuLayer layer);
  Why knowledge(const QemuLine& line);
  Why decide(const QemuLine& line);

  int placed(const QemuLine& line, bool may_pair);
  bool pairs(EventKind kind, int device, uint64_t offset, uint64_t value, QemuLayer layer) const;
  void hold(EventKind kind, int device, unsigned target, uint64_t offset, uint64_t size, uint64_t value,
            QemuLayer layer);
  void release();
  void emit(Ready ready);
  void append(const Ready& ready);
  void put(const Ready& ready);

  QemuDevices devices_;
  EventBatch* batch_ = nullptr;  // during a call
  uint64_t time_ns_ = 0;
  uint64_t requests_ = 0;
  Held held_;
  std::vector<Ready> backlog_;  // what did not fit into the batch
  size_t backlog_begin_ = 0;
  std::map<uint64_t, Mapping> mappings_;        // by IOVA
  std::map<uint64_t, uint64_t> iova_of_guest_;  // of the fork's mappings, whose unmaps name guest addresses
  uint64_t last_unmapped_iova_ = 0, last_unmapped_size_ = 0;
  uint32_t next_handle_ = 0;
  // The last memory_region_ops line that went to configuration space: the width of the pci_cfg_write behind it.
  bool config_write_seen_ = false;
  uint64_t config_write_value_ = 0;
  uint64_t config_write_size_ = 0;
  std::array<std::array<uint64_t, kWhyCount>, 256> counts_{};

  uint64_t widths_assumed_ = 0, widths_shown_ = 0;
  uint64_t model_bars_assumed_ = 0;
  uint64_t failed_writes_ = 0;
  uint64_t unmap_ids_assumed_ = 0;
  uint64_t irq_kinds_assumed_ = 0;
  bool dma_seen_ = false, irq_seen_ = false;
};

}  // namespace dartboard::traces
