// sim/macos/dart_events.h - DART faults as a dext hears of them: IOPCIFamily's IOMMU events of one device.
//
// Rules: IOPCIFamily-726.0.5, IOPCIDevice.cpp handleIOMMUEvent, handleClose, getProperty, SetProperties_Impl. The words
// of each event are appended to the property "pci-dart-error-data" until somebody asks for that property by name; the
// first event after that starts it anew. "pci-get-dart-error" waits for events that nobody has read. Only an open
// device collects events.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/inspect.h"
#include "base/io_return.h"
#include "base/types.h"
#include "sim/macos/registry.h"

namespace dartboard::macos {

inline constexpr std::string_view kDartErrorDataKey = "pci-dart-error-data";

/// What the DART's driver knows when it has read and acknowledged the error registers.
struct DartEvent {
  uint32_t error = 0;  ///< ERROR in the variant's format, FLAG included
  uint64_t address = 0;
  Sid sid;
  bool is_write = false;
};

/// IOPCIEvent's data: five 32-bit words. How AppleT8110DART fills them is not public. Assumed: ERROR, address low and
/// high, stream, 1 for a write. In the property each word is little endian.
inline constexpr size_t kDartEventWords = 5;
inline constexpr size_t kDartEventBytes = 4 * kDartEventWords;
std::array<uint32_t, kDartEventWords> words_of(const DartEvent& event);

class DartEvents {
 public:
  /// On a Mac the property grows until it is read. Here it is bounded, and what no longer fits is counted.
  static constexpr size_t kUnreadMax = 256;

  /// `properties`: the device's.
  explicit DartEvents(PropertyDictionary& properties) : properties_(properties) {}

  void open() { enabled_ = true; }
  /// Whoever waits gets kNotOpen. What was collected stays.
  void close();
  /// The device is gone: whoever still waits gets kAborted (assumed: on a Mac its process is being ended).
  void terminate();

  /// An event arrives: appended, and everybody who waits is woken. False: ignored, as the device is not open, or
  /// dropped.
  bool add(const DartEvent& event);
  /// Somebody asked for kDartErrorDataKey by name.
  void read() { unread_ = 0; }

  /// There are events that nobody has read: a wait ends at once.
  bool pending() const { return unread_ != 0; }
  /// Calls `wake` once, when an event arrives or the device is closed or gone. It must not call back.
  void wait(std::function<void()> wake) { waiting_.push_back(std::move(wake)); }
  /// What a wait that just ended answers.
  io_return::Code result() const;

  void inspect(InspectNode& node) const;

 private:
  void wake_all();

  PropertyDictionary& properties_;
  std::vector<std::function<void()>> waiting_;
  bool enabled_ = false;
  bool terminated_ = false;
  size_t unread_ = 0;
  uint64_t events_ = 0;
  uint64_t dropped_ = 0;
  uint64_t ignored_ = 0;
  DartEvent last_;
};

}  // namespace dartboard::macos
