// model/device.h - what can be plugged into a slot: the contract between the fabric and an endpoint.
//
// A slot is a SystemC module and is there for the whole process; a device is a plain object, because Thunderbolt
// devices come and go while SystemC's module hierarchy is fixed at elaboration. A device still speaks TLM-2.0: the slot
// forwards b_transport to it, and it reaches upstream through the slot's initiator socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <tlm>

#include "base/inspect.h"
#include "base/types.h"
#include "model/error_report.h"
#include "model/observer.h"
#include "model/timeline.h"
#include "model/tlp.h"
#include "model/tlp_header.h"

namespace dartboard::model {

/// What a plugged device may use of its surroundings. Implemented by the slot.
class Upstream {
 public:
  /// Sends a request towards the root complex (DMA, MSI). On return the Tlp is complete; never blocks.
  virtual void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) = 0;
  virtual Timeline& timeline() = 0;
  /// Drives one of the four INTx lines (0 = INTA). Level: stays until driven low.
  virtual void set_intx(unsigned pin, bool asserted) = 0;
  virtual bool link_up() const = 0;
  /// Sends an error message (ERR_COR, ERR_NONFATAL, ERR_FATAL) up to the root port.
  virtual void send_error(ErrorMessage message, Rid source) { (void)message, (void)source; }

 protected:
  ~Upstream() = default;
};

/// A range of device memory that may be read and written by pointer.
struct DirectMemory {
  std::byte* base = nullptr;   ///< null: the range must be reached by TLPs
  uint64_t length = 0;
  explicit operator bool() const { return base != nullptr; }
};

/// A PCIe function that can sit in a slot.
class PcieDevice {
 public:
  virtual ~PcieDevice() = default;

  /// The name `dartboard inspect` shows ("test endpoint").
  virtual std::string_view kind() const = 0;

  /// Plugged in (non-null) or pulled out (null). Called with the link down; power-on reset follows.
  virtual void attach(Upstream* upstream) = 0;

  /// A request from the root complex: configuration type 0, memory or I/O. Must complete the payload.
  /// Memory addresses are bus addresses: the device decodes its own BARs.
  virtual void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) = 0;

  /// The short way in for a memory request with all bytes enabled, which is nearly all there is: the answer is the
  /// outcome, and for a read `data`. kPending: the device does not take this one so; send it as a payload.
  virtual Outcome memory_request(TlpKind kind, uint64_t address, std::byte* data, uint32_t length) {
    (void)kind, (void)address, (void)data, (void)length;
    return Outcome::kPending;
  }

  /// Applies a reset; the effect per field is the reset matrix of the device's declarations.
  virtual void reset(ResetKind kind) = 0;

  /// The memory behind `length` bytes at `offset` of BAR `bar` (the lower index of a 64-bit pair), if it is memory
  /// without side effects. Independent of Command: the host bridge gates it.
  virtual DirectMemory direct_memory(unsigned bar, uint64_t offset, uint64_t length) = 0;

  virtual void inspect(InspectNode& node) const = 0;

  /// `request` was answered with `outcome`, by memory_request() or by a fault in the device's name: the function
  /// records what the specification asks of a completer. b_transport() has done so itself.
  virtual void record_failure(const RequestInfo& request, Outcome outcome) { (void)request, (void)outcome; }
  /// The function found `error` on the link (a completion nobody waits for, a bad packet).
  virtual void record_link_error(PcieError error, const TlpHeader& header) { (void)error, (void)header; }
};

}  // namespace dartboard::model
