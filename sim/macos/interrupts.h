// sim/macos/interrupts.h - the message vectors of one root complex: who has which, and delivery.
//
// Apple gives a root complex 32 vectors for all its devices (device trees: #msi-vectors 32); the message data is the
// vector. Delivery runs inside the device's transaction, so all it does is look up and post.
#pragma once

#include <array>
#include <cstdint>

#include "base/inspect.h"

namespace dartboard::macos {

class PciNub;

class VectorPool {
 public:
  static constexpr uint32_t kVectorsMax = 32;
  static constexpr uint32_t kNone = UINT32_MAX;

  /// All free; `count` at most kVectorsMax.
  void reset(uint32_t count);
  /// First of `count` consecutive vectors for `nub`, its interrupt indexes 0..count-1; kNone if there are not as many.
  /// `aligned`: at a multiple of `count` (a power of two): MSI counts in the low bits of the data.
  uint32_t allocate(PciNub& nub, uint32_t count, bool aligned);
  void release(uint32_t first, uint32_t count);
  /// Hands a vector to its owner. False: nobody has it (counted).
  bool deliver(uint32_t vector);

  uint32_t count() const { return count_; }
  uint32_t free() const;
  void inspect(InspectNode& node) const;

 private:
  struct Route {
    PciNub* nub = nullptr;
    uint32_t index = 0;
    uint64_t delivered = 0;
  };
  std::array<Route, kVectorsMax> routes_;
  uint32_t count_ = 0;
  uint64_t spurious_ = 0;
};

}  // namespace dartboard::macos
