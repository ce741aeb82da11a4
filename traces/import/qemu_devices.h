// traces/import/qemu_devices.h - the devices of a QEMU log: who is meant by a name of vfio, by an address on the
// guest's bus, by an address in its memory.
//
// vfio calls a device by its address on the host or by the path of its socket; pci_cfg_* and pci_update_mappings_* by
// its type and its address on the guest's bus. That both are one device is concluded from an access that both show
// (qemu_events.h), or, with a single vfio device, assumed and noted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "traces/event.h"
#include "traces/import/recovered_device.h"
#include "traces/trace_info.h"

namespace dartboard::traces {

/// The layers of QEMU that show an access, from the guest's side down to the device's.
enum class QemuLayer : uint8_t { kNone, kMemory, kModel, kPciConfig, kAppleBar, kApple, kVfio };

struct QemuDevice {
  RecoveredDevice recovered;
  std::string key;   ///< vfio's name, or the path in it; empty: not named by vfio
  std::string type;  ///< of pci_cfg_*; empty: not seen there
  uint16_t rid = 0;  ///< on the guest's bus
  bool has_rid = false;
  bool is_vfio = false;
  bool is_user = false;  ///< a vfio-user device
  bool rid_assumed = false;
  bool has_maps = false;  ///< a BAR was mapped into the guest: its accesses are not in the log
  QemuLayer bar_layer[RecoveredDevice::kBars] = {};  ///< the lowest layer seen
  QemuLayer config_layer = QemuLayer::kNone;
  struct Irq {
    bool on = false;
    std::vector<bool> vectors;  ///< those that are on, by number
  };
  Irq irqs[5];  ///< by IrqKind
};

class QemuDevices {
 public:
  static constexpr size_t kDevicesMax = 256;
  static constexpr int kNone = -1;

  size_t size() const { return devices_.size(); }
  QemuDevice& operator[](int index) { return devices_[static_cast<size_t>(index)]; }
  const QemuDevice& operator[](int index) const { return devices_[static_cast<size_t>(index)]; }

  /// The device that vfio calls `name`, new if need be; kNone when there are too many.
  int by_vfio_name(std::string_view name);
  /// The vfio device that lines without a name mean: the last one that was named, else one that will be.
  int current_vfio();
  /// The device at `rid`, or kNone.
  int by_rid(uint16_t rid);
  /// A new device at `rid`, or one of that type that no line has placed yet.
  int add_rid(uint16_t rid, std::string_view type);
  /// The device of a type whose lines do not say more; new if need be.
  int by_type(std::string_view type);
  void link(int device, uint16_t rid, std::string_view type);
  /// The only vfio device there is, if it has no place on the guest's bus yet; kNone.
  int only_unplaced_vfio() const;
  size_t vfio_devices() const { return vfio_devices_; }

  struct Place {
    int device = kNone;
    unsigned bar = 0;
    uint64_t offset = 0;
  };
  /// Whose BAR has [address, address + size).
  Place find(uint64_t address, uint64_t size);
  /// A BAR changed its place.
  void ranges_changed() { ranges_stale_ = true; }

  /// The devices as a trace has them. Sentences about what is assumed are appended to `notes`.
  std::vector<TraceDevice> describe(std::vector<std::string>* notes) const;

 private:
  struct Range {
    uint64_t begin = 0, last = 0;
    int device = kNone;
    unsigned bar = 0;
  };
  int add();
  void find_ranges();
  std::string label(const QemuDevice& device) const;

  std::vector<QemuDevice> devices_;
  std::vector<int> rids_;  // by address on the guest's bus; empty until one is seen
  std::vector<Range> ranges_;
  bool ranges_stale_ = false;
  size_t last_range_ = 0;
  size_t vfio_devices_ = 0;
  int current_vfio_ = kNone;
  int unnamed_vfio_ = kNone;  // a vfio device that no line has named yet
  std::string last_name_;     // of by_vfio_name, and whom it means
  int last_named_ = kNone;
};

/// "00:01.0"
std::string to_bus_address(uint16_t rid);

}  // namespace dartboard::traces
