// conformance/bench.h - a bench for one device: a root complex with nothing above it, driven packet by packet.
//
// No operating system, driver or dext: what a rule writes is what the function sees. The root port is set up with wide
// windows, the DART maps a small piece of memory for the device, and everything the device sends is in sent().
// SystemC elaborates once, so there is one bench in a process; make it before simulated time first passes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/types.h"
#include "conformance/target.h"
#include "model/capabilities.h"
#include "model/device.h"
#include "model/observer.h"
#include "model/tlp.h"

namespace dartboard::conformance {

class Stimulus;

struct Reply {
  model::Outcome outcome = model::Outcome::kPending;
  uint64_t value = 0;
  bool ok() const { return outcome == model::Outcome::kSuccess; }
};

/// A BAR as it was sized and placed.
struct PlacedBar : BarShape {
  uint64_t address = 0;
  bool placed = false;         ///< false: absent, I/O, or no window is large enough
};

class Bench final : public Target {
 public:
  static Bench& instance();
  ~Bench() override;

  /// Puts a device into the slot (not owned; null: takes it out). `stimulus`, which may be null, makes the device act.
  void plug(model::PcieDevice* device, Stimulus* stimulus);
  /// Power-on; then buses, BARs and Command set up as firmware does: memory and bus master on, everything else off.
  void start();
  /// The set-up alone, as after a reset. BARs are sized anew.
  void enumerate();
  Stimulus* stimulus() { return stimulus_; }

  // Target
  uint32_t config(uint32_t offset, unsigned bytes) override;
  std::array<BarShape, kBars> bars() override;

  // Configuration requests ------------------------------------------------------------------------------------------
  Reply read(uint32_t offset, unsigned bytes = 4, unsigned function = 0);
  model::Outcome write(uint32_t offset, uint32_t value, unsigned bytes = 4, uint8_t byte_enables = 0xff,
                       unsigned function = 0);
  uint16_t config16(uint32_t offset) { return static_cast<uint16_t>(config(offset, 2)); }
  uint32_t config32(uint32_t offset) { return config(offset, 4); }
  void set_command(uint16_t bits) { write(model::cfg::kCommand, bits, 2); }
  /// A type 1 request: to a bus behind the function.
  Reply read_type1(uint32_t offset);
  /// A read at the root port itself.
  uint32_t root_config(uint32_t offset, unsigned bytes);
  void root_write(uint32_t offset, uint32_t value, unsigned bytes);
  /// Gives the device's bus another number. Configuration requests go there from now on.
  void renumber(uint8_t bus);
  uint8_t bus() const { return bus_; }
  uint32_t capability(uint8_t id) { return standard_capabilities(*this).find(id); }
  uint32_t extended(uint16_t id) { return extended_capabilities(*this).find(id); }

  // Memory requests -------------------------------------------------------------------------------------------------
  const std::array<PlacedBar, kBars>& placed() const { return placed_; }
  /// The first BAR that is placed, or null.
  const PlacedBar* first_bar() const;
  Reply load(uint64_t address, unsigned bytes = 4);
  model::Outcome store(uint64_t address, uint64_t value, unsigned bytes = 4);
  /// A read of `bytes` with no byte enabled.
  Reply load_nothing(uint64_t address, unsigned bytes = 4);
  /// An address in the window that no BAR claims.
  uint64_t unclaimed() const;

  // What the device does ---------------------------------------------------------------------------------------------
  /// Requests of the device since start() or forget().
  std::span<const model::TlpEvent> sent() const;
  void forget();
  /// Memory writes to `address` among them.
  std::vector<model::TlpEvent> messages(uint64_t address) const;
  /// Whether INTx line `pin` (0 = INTA) is asserted at the root port.
  bool intx(unsigned pin) const;
  /// Memory of the host that the device may use, and where the device sees it (below 256 MiB).
  std::span<std::byte> memory();
  static constexpr uint64_t kMemoryAddress = 0x80'0000;
  /// Where interrupt messages go unless a rule wants otherwise.
  static constexpr uint64_t kDoorbell = 0xffff'f000;

  // Time and resets -------------------------------------------------------------------------------------------------
  void pass_ns(uint64_t ns);
  void hot_reset();
  void link_down();
  void link_up();
  /// Initiate Function Level Reset. False: the function has none.
  bool function_reset();
  /// D0 (0) or D3hot (3), with the 10 ms that the change may take. False: no power management.
  bool set_power_state(unsigned state);
  /// Reads Vendor ID until it is not answered RRS any more, at most a second. The last reply.
  Reply wait_ready();

 private:
  Bench();
  struct Impl;
  void place_bars();
  PlacedBar size_bar(unsigned index);
  Reply request(uint64_t address, uint64_t value, unsigned bytes, bool writing, uint32_t byte_enables);

  std::unique_ptr<Impl> impl_;
  Stimulus* stimulus_ = nullptr;
  std::array<PlacedBar, kBars> placed_;
  uint64_t next32_ = 0;
  uint64_t next64_ = 0;
  uint8_t bus_ = 1;
};

}  // namespace dartboard::conformance
