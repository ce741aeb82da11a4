// model/root_complex.h - one Apple root complex: host bridge, root port, link, slot, RID-to-SID table, DART, MSI.
//
// Apple gives every Thunderbolt port a root complex of its own with one port and one DART, so bus
// numbers repeat from port to port. Everything on the CPU side is one target socket with an address map:
//   kEcamBase + (bus<<20 | device<<15 | function<<12 | offset)   configuration space, ECAM layout
//   kPortBase + r, kDartBase + r                                 register files of the port and of the DART
//   kMmioBase + a                                                memory request to bus address a, if a window claims it
// Configuration requests are 1, 2 or 4 bytes inside a dword; register files take up to 8 bytes. A read that fails is
// all-ones, as on the machine, and its TLM response and Outcome say why.
//
// Time: a CPU access that leaves the chip moves the timeline by its configured latency before it reaches the device, so
// what falls due on the way has happened. A device's own request (DMA) adds its link time to the `delay` argument
// instead: the device is on the stack and must not be re-entered by its own timers.
//
// Upstream, in this order: link up; Bus Master Enable and windows of the root port; inbound address bits; MSI doorbell;
// RID to SID; DART.
// The model is built once per process and given its numbers by configure(); it is never re-elaborated.
#pragma once

#include <cstdint>

#include <systemc>
#include <tlm>

#include "base/inspect.h"
#include "base/types.h"
#include "model/dart.h"
#include "model/device.h"
#include "model/host_memory.h"
#include "model/link.h"
#include "model/msi.h"
#include "model/observer.h"
#include "model/port_registers.h"
#include "model/posted_writes.h"
#include "model/root_port.h"
#include "model/timeline.h"

namespace dartboard::model {

inline constexpr uint64_t kEcamBase = 0;
inline constexpr uint64_t kEcamBytes = 256 * kMiB;
inline constexpr uint64_t kPortBase = 0x1000'0000;
inline constexpr uint64_t kDartBase = 0x1010'0000;
inline constexpr uint64_t kMmioBase = 0x1'0000'0000'0000;   ///< bit 48: CPU address of MMIO = this + bus address

/// What a profile decides about a root complex. Validated by sim/profile before it comes here.
struct RootComplexConfig {
  DartConfig dart = {};
  unsigned inbound_address_bits = 64;   ///< an inbound address at or above 1<<bits raises REQADDR_GT32
  uint32_t max_payload_bytes = 128;     ///< Max_Payload_Size of the path
  uint64_t cfg_latency_ns = 0;          ///< time one configuration request takes
  uint64_t mmio_read_latency_ns = 0;
  uint64_t mmio_write_latency_ns = 0;
  uint64_t dma_ns_per_kib = 0;          ///< link time of DMA, per KiB
  unsigned rid_to_sid_entries = 16;     ///< RID2SID table (t602x: 16); at most 64
  uint64_t completion_timeout_ns = 50 * kNsPerMs;   ///< of a request that the device never answers
  uint64_t link_training_ns = 0;        ///< between the end of a reset or disable and the link's being up
  bool reorder_posted_writes = false;   ///< writes through the prefetchable window arrive late (model/posted_writes.h)
  uint64_t posted_write_hold_ns = 1000; ///< at most this late
};

/// What is wrong with a configuration as one clause, or empty.
std::string_view problem(const RootComplexConfig& config);

/// What the fabric raises towards the platform (AIC, port interrupt). Called inside transactions: post, do not run.
class PlatformSink {
 public:
  virtual void on_msi(unsigned root, uint32_t vector) = 0;
  virtual void on_dart_error(unsigned root, const DartFault& fault) = 0;
  virtual void on_intx(unsigned root, unsigned pin, bool asserted) = 0;
  virtual void on_link_change(unsigned root, bool up) = 0;
  /// REQADDR_GT32: fatal on M1-class Thunderbolt ports.
  virtual void on_address_overflow(unsigned root, Rid requester, uint64_t address) = 0;
  /// An error was counted in the root port's Root Error Status. `error.interrupt`: its AER interrupt was raised.
  virtual void on_root_error(unsigned root, const RootError& error) { (void)root, (void)error; }

 protected:
  ~PlatformSink() = default;
};

class RootComplex final : public sc_core::sc_module,
                          private Upstream,
                          private LinkOwner,
                          private PortOwner,
                          private RootPortOwner {
 public:
  tlm::tlm_target_socket<> cpu;   ///< bound by the machine

  RootComplex(sc_core::sc_module_name name, unsigned index, Timeline& timeline, HostMemory& memory);
  ~RootComplex() override;

  /// Gives the model its profile numbers and listeners (both may be null). Followed by reset(). The configuration has
  /// no problem().
  void configure(const RootComplexConfig& config, Observer* observer, PlatformSink* sink);

  /// Power-on state of everything, the plugged device included. The device stays plugged; the link is up after it
  /// if a device is plugged.
  void reset();

  /// Plugs a device in (not owned) or pulls it out (nullptr). Surprise removal if the link is up.
  void plug(PcieDevice* device);
  PcieDevice* device() const { return device_; }

  /// The device memory behind [bus_address, +length), if the windows, Command and the device let a memory request
  /// through to memory without side effects.
  DirectMemory direct_memory(uint64_t bus_address, uint64_t length);

  unsigned index() const { return index_; }
  Dart& dart() { return dart_; }
  RootPort& root_port() { return root_port_; }
  Link& link() { return link_; }
  MsiController& msi() { return msi_; }
  PortRegisters& port() { return port_; }

  /// Maps a requester id to a stream (RID2SID table of the port). An unmapped RID is RID2SID_MAPERR: the request is
  /// answered UR. False: the table is full.
  bool map_stream(Rid rid, Sid sid) { return port_.map_stream(rid, sid); }
  void unmap_stream(Rid rid) { port_.unmap_stream(rid); }

  void inspect(InspectNode& node) const;

 private:
  // From the CPU. The convenience sockets of tlm_utils cost as much again as the call itself, on every register access.
  class CpuSide final : public tlm::tlm_fw_transport_if<> {
   public:
    explicit CpuSide(RootComplex& root) : root_(root) {}
    void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override;
    tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                       sc_core::sc_time& delay) override;
    bool get_direct_mem_ptr(tlm::tlm_generic_payload&, tlm::tlm_dmi&) override { return false; }
    unsigned transport_dbg(tlm::tlm_generic_payload&) override { return 0; }

   private:
    RootComplex& root_;
  };
  void cpu_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  void memory_request(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  void config_request(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  void own_config(tlm::tlm_generic_payload& payload, TlpExtension* extension, uint32_t offset);
  void register_request(tlm::tlm_generic_payload& payload);
  Outcome memory_request_slow(tlm::tlm_generic_payload& payload, TlpExtension* extension, sc_core::sc_time& delay,
                              TlpKind kind, Outcome outcome);
  Outcome to_device(tlm::tlm_generic_payload& payload, TlpExtension* extension, sc_core::sc_time& delay);
  void settle(const RequestInfo& request, Outcome outcome);
  Outcome device_request(tlm::tlm_generic_payload& payload, TlpExtension* extension, sc_core::sc_time& delay,
                         const RequestInfo& request);
  void tell(const tlm::tlm_generic_payload& payload, TlpKind kind, Outcome outcome, Direction direction, Rid requester,
            uint64_t address, uint32_t packets);
  uint32_t config_of_device(uint32_t offset);

  // From the device (Upstream).
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override;
  Timeline& timeline() override { return timeline_; }
  void set_intx(unsigned pin, bool asserted) override;
  bool link_up() const override { return link_.up(); }
  Outcome upstream(tlm::tlm_generic_payload& payload, TlpKind kind, Rid requester);
  Outcome masked_access(tlm::tlm_generic_payload& payload, Sid sid, Rid requester);
  void address_overflow(Rid requester, uint64_t address);
  void record_refusal(const tlm::tlm_generic_payload& payload, TlpKind kind, Rid requester, Outcome outcome);
  static RequestInfo info_of(const tlm::tlm_generic_payload& payload, TlpKind kind, Rid requester);
  Outcome upstream_with_faults(tlm::tlm_generic_payload& payload, TlpKind kind, Rid requester,
                               sc_core::sc_time& delay);
  void send_error(ErrorMessage message, Rid source) override;

  // Faults (root_complex_faults.cpp): the same paths with every site in them, taken while an injector is installed.
  Outcome faulty_request(tlm::tlm_generic_payload& payload, TlpExtension* extension, sc_core::sc_time& delay,
                         const RequestInfo& request);
  Outcome faulty_completion(const RequestInfo& request);
  Outcome faulty_upstream(tlm::tlm_generic_payload& payload, const RequestInfo& request, sc_core::sc_time& delay);
  Outcome upstream_part(tlm::tlm_generic_payload& payload, const RequestInfo& request, uint64_t bytes);
  void faulty_message(uint32_t data);
  void late_message_expired() { msi_.deliver(late_message_); }
  bool link_strikes(uint64_t key);
  bool unplug_strikes(const RequestInfo& request, bool upstream);
  uint64_t link_delays(uint64_t key);
  void late_completion(const RequestInfo& request, bool upstream);
  void late_timer_expired() { unexpected_completion(late_request_, late_upstream_); }
  void unexpected_completion(const RequestInfo& request, bool upstream);

  // Posted writes on their way (root_complex_posted.cpp).
  bool hold_write(const tlm::tlm_generic_payload& payload, const RequestInfo& request);
  void push_writes();

  // From link, port registers and root port.
  void link_changed(bool up) override;
  void perst_changed(bool asserted) override;
  void secondary_reset(bool asserted) override;
  void link_disabled(bool disabled) override;
  void link_retrained() override;
  void root_error(const RootError& error) override;
  void release(Link::Hold hold, ResetKind kind);
  void show_link();
  void reset_device(ResetKind kind);
  void drop_intx();
  void set_link_rate(unsigned speed, unsigned width);
  void train();
  void training_timer_expired();
  void bounce_timer_expired() { link_.bring_up(); }

  /// Calls a member function when its time has come.
  struct CallTimer final : Timer {
    CallTimer(RootComplex& root_in, void (RootComplex::*call_in)()) : root(root_in), call(call_in) {}
    void expire() override { (root.*call)(); }
    RootComplex& root;
    void (RootComplex::*call)();
  };

  unsigned index_;
  Timeline& timeline_;
  RootComplexConfig config_;
  Observer* observer_ = nullptr;
  PlatformSink* sink_ = nullptr;
  PcieDevice* device_ = nullptr;
  PortRegisters port_;
  RootPort root_port_;
  Link link_;
  MsiController msi_;
  Dart dart_;
  CpuSide cpu_side_{*this};
  Tlp own_request_;   // for configuration requests that came without an extension, and for direct_memory()
  uint64_t inbound_limit_ = 0;   // highest address the device may use
  uint64_t dma_ns_per_kib_ = 0;  // at the link's rate now
  bool open_ = false;            // link up, and writes need not be held: a request can simply go to the device
  bool retry_forever_ = false;   // a fault: configuration requests are answered RRS until a conventional reset
  CallTimer training_timer_{*this, &RootComplex::training_timer_expired};
  CallTimer bounce_timer_{*this, &RootComplex::bounce_timer_expired};   // a lost link that comes back by itself (fault)
  CallTimer late_timer_{*this, &RootComplex::late_timer_expired};
  CallTimer push_timer_{*this, &RootComplex::push_writes};
  CallTimer late_message_timer_{*this, &RootComplex::late_message_expired};
  uint32_t late_message_ = 0;    // data of an interrupt message that is still to come
  RequestInfo late_request_;     // of a completion that is still to come
  bool late_upstream_ = false;
  PostedWrites posted_;
  Tlp posted_request_;
};

}  // namespace dartboard::model
