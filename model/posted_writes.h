// model/posted_writes.h - posted writes that are still on their way to the device.
//
// Normally a write has arrived when it returns. On the machine it has not: writes to one BAR stay in order, but a write
// to a write-combining BAR may arrive after a later one to a register BAR, until a read pushes it (PCIe 6.0 s2.4.1;
// seen in the field as a doorbell that overtakes its data). This queue holds writes back to show that. It is bounded;
// the one that does not fit pushes the others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace dartboard::model {

class PostedWrites {
 public:
  static constexpr unsigned kEntriesMax = 64;
  static constexpr uint32_t kBytesMax = 64;  ///< of one write: a write-combining buffer

  struct Write {
    uint64_t address = 0;
    uint32_t length = 0;
    bool prefetchable = false;  ///< went through the prefetchable window
    std::array<std::byte, kBytesMax> data{};
  };

  bool empty() const { return count_ == 0; }
  unsigned count() const { return count_; }
  /// Whether a write of this window waits: a later one to the same window must not pass it.
  bool holds(bool prefetchable) const;
  /// Room for a write of `length` bytes.
  bool takes(uint32_t length) const { return count_ < kEntriesMax && length <= kBytesMax; }
  void hold(uint64_t address, const std::byte* data, uint32_t length, bool prefetchable);
  /// The oldest write, taken out. The queue is not empty.
  Write take();
  /// What the link loses when it goes down.
  void drop() { first_ = count_ = 0; }

 private:
  std::array<Write, kEntriesMax> writes_;
  unsigned first_ = 0;
  unsigned count_ = 0;
};

}  // namespace dartboard::model
