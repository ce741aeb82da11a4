// model/msi.h - the MSI doorbell of a root complex: a 4-byte memory write whose data is the vector.
//
// Recognised before the DART, so the doorbell's page can never be an IOVA. 32 vectors a root complex (Apple device
// trees: #msi-vectors 32). Which address and how many vectors is in the port's registers.
#pragma once

#include <array>
#include <cstdint>

#include "base/inspect.h"
#include "model/observer.h"
#include "model/port_registers.h"

namespace dartboard::model {

class PlatformSink;

class MsiController {
 public:
  MsiController(unsigned root, PortRegisters& port) : root_(root), port_(port) {}
  void configure(Observer* observer, PlatformSink* sink);

  /// True if this memory write is an MSI, whatever its data.
  bool claims(uint64_t address, uint64_t length) const { return length == 4 && port_.is_doorbell(address); }
  /// Delivers the interrupt. Data that is no enabled vector is ignored, counted and shown in the port's INTSTAT.
  void deliver(uint32_t data);

  uint64_t delivered(uint32_t vector) const { return vector < delivered_.size() ? delivered_[vector] : 0; }
  uint64_t delivered() const { return total_; }
  uint64_t bad_data() const { return bad_data_; }

  void reset();
  void inspect(InspectNode& node) const;

 private:
  unsigned root_;
  PortRegisters& port_;
  Observer* observer_ = nullptr;
  PlatformSink* sink_ = nullptr;
  std::array<uint64_t, port_reg::kMsiVectors> delivered_{};
  uint64_t total_ = 0;
  uint64_t bad_data_ = 0;
};

}  // namespace dartboard::model
