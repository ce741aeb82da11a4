// conformance/stimulus.h - how to make a device act: raise an interrupt, use host memory.
//
// PCIe says what an interrupt looks like on the bus, not which register causes one. For the devices that are known here
// (by vendor and device id) the rules about interrupts and DMA can be tried; for others they are skipped, with that as
// the reason.
#pragma once

#include <cstdint>
#include <memory>

namespace dartboard::conformance {

class Bench;

class Stimulus {
 public:
  virtual ~Stimulus() = default;
  /// After power-on and set-up: queues, enables and the like.
  virtual void prepare(Bench& bench) { (void)bench; }
  /// How many vectors interrupt() can choose from.
  virtual uint32_t vectors() const { return 1; }
  /// Makes the device want interrupt `vector` (below vectors()). Memory decoding must be on.
  virtual void interrupt(Bench& bench, uint32_t vector) = 0;
  /// Takes back the INTx condition that interrupt() left.
  virtual void acknowledge(Bench& bench) = 0;
  /// Makes the device write to Bench::memory().
  virtual void write_memory(Bench& bench) = 0;
};

/// The stimulus of a known device, or null.
std::unique_ptr<Stimulus> make_stimulus(uint16_t vendor_id, uint16_t device_id);

}  // namespace dartboard::conformance
