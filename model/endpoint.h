// model/endpoint.h - a PCIe function of type 0 from a declaration: config space, BARs, interrupts, DMA, reset.
//
// Identity, BARs and capabilities are data (EndpointDeclaration). A device derives from Endpoint and supplies what its
// register BARs do: read_bar(), write_bar(), and reset() for its own state. Everything PCIe asks of a function is here:
// Command gates what it says it gates, an unclaimed address is an Unsupported Request, the MSI-X table and PBA are
// taken out of their BAR, FLR and D3hot->D0 reset what the declarations say.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/inspect.h"
#include "base/types.h"
#include "model/bar.h"
#include "model/config_space.h"
#include "model/device.h"
#include "model/device_memory.h"
#include "model/error_report.h"
#include "model/msix.h"
#include "model/tlp.h"

namespace dartboard::model {

/// A configuration space that was seen elsewhere and is to be shown as it was: capabilities where they were, and every
/// byte that is known. The model gives the capabilities named here their behaviour; what else the bytes hold are
/// registers without any.
struct RecordedConfig {
  struct Known {
    uint16_t offset;
    uint8_t value;
  };
  std::vector<Known> bytes;
  std::vector<uint16_t> headers;         ///< offsets of all capabilities in the first 256 bytes
  uint16_t power_management = 0;         ///< offsets of those that the model plays; 0: none
  uint16_t msi = 0;                      ///< with 64-bit address and masks
  uint16_t plain_msi = 0;                ///< any other: its registers can be written, nothing is sent
  uint16_t pcie = 0;                     ///< version 2: 60 bytes
  uint16_t msix = 0;
};

/// A function as data.
struct EndpointDeclaration {
  uint16_t vendor_id = 0xffff;
  uint16_t device_id = 0xffff;
  uint16_t subsystem_vendor_id = 0;
  uint16_t subsystem_id = 0;
  uint8_t revision = 0;
  uint32_t class_code = 0;              ///< 24 bits: base class, sub-class, programming interface
  uint8_t interrupt_pin = 0;            ///< 0 none, 1..4 INTA..INTD

  BarDeclarations bars;

  uint32_t msix_vectors = 0;            ///< 0: no MSI-X capability; at most 2048
  uint8_t msix_table_bar = 0;
  uint32_t msix_table_offset = 0;       ///< multiple of 8
  uint8_t msix_pba_bar = 0;
  uint32_t msix_pba_offset = 0;         ///< multiple of 8
  uint32_t msi_vectors = 0;             ///< 0: no MSI capability; else 1, 2, 4, .. 32

  bool power_management = true;
  bool no_soft_reset = false;           ///< false: D3hot->D0 resets the function
  bool pcie = true;                     ///< false: a conventional function, no extended capabilities either
  bool flr = true;                      ///< Function Level Reset; needs `pcie`
  bool aer = true;                      ///< needs `pcie`
  bool vendor_capability = false;
  std::optional<uint64_t> serial_number;   ///< needs `pcie`
  bool ats = false;                     ///< Address Translation Services: shown, cannot be enabled; needs `pcie`
  bool vendor_extended = false;         ///< a vendor-specific extended capability; needs `pcie`

  std::vector<std::byte> rom_image;     ///< what the expansion ROM holds; behind it reads all-ones
  uint64_t rom_bytes = 0;               ///< of the ROM BAR, a power of two; 0: the least that holds the image
  uint64_t rom_bar_bytes() const;       ///< the same with 0 worked out; 0: no ROM

  uint64_t reset_ready_ns = 0;          ///< configuration requests are answered RRS this long after FLR or hot reset
  std::optional<uint64_t> flr_ready_ns; ///< after FLR, if that differs from `reset_ready_ns`
  uint64_t d3_exit_ns = 0;              ///< time that the return from D3hot takes
  bool memory_decode_ungated = false;   ///< memory BARs answer whatever Command says (some recorded devices did)

  /// Replaces the capabilities that the members above would place: `power_management`, `pcie`, `msi_vectors` and
  /// `msix_vectors` still say which the model plays, and the offsets in here say where.
  std::optional<RecordedConfig> recorded;

  /// Whether such a function can exist. The sentence names the property and what was expected.
  Result<void> validate() const;
};

class Endpoint : public PcieDevice, private MessageSender {
 public:
  /// `declaration` must be valid (validate()).
  explicit Endpoint(const EndpointDeclaration& declaration);
  ~Endpoint() override;
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  void attach(Upstream* upstream) override;
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override;
  Outcome memory_request(TlpKind kind, uint64_t address, std::byte* data, uint32_t length) override;
  void reset(ResetKind kind) override;
  DirectMemory direct_memory(unsigned bar, uint64_t offset, uint64_t length) override;
  void inspect(InspectNode& node) const override;
  void record_failure(const RequestInfo& request, Outcome outcome) override;
  void record_link_error(PcieError error, const TlpHeader& header) override;

  const EndpointDeclaration& declaration() const { return declaration_; }
  const ConfigSpace& config() const { return config_; }
  const MsixTable& msix_table() const { return msix_; }
  /// Bus and device number captured from the last type 0 configuration write (PCIe 6.0 s2.2.9.1); 00:00.0 before it.
  Rid rid() const { return rid_; }

 protected:
  // What a device supplies ------------------------------------------------------------------------------------------

  /// An access to a BAR of role kRegisters, inside the BAR and outside the MSI-X structures. `length` >= 1.
  /// A write with disabled bytes arrives as one call per run of enabled bytes. Default: reads 0, ignores writes.
  virtual Outcome read_bar(unsigned bar, uint64_t offset, std::byte* data, uint32_t length);
  virtual Outcome write_bar(unsigned bar, uint64_t offset, const std::byte* data, uint32_t length);

  // What a device uses ----------------------------------------------------------------------------------------------

  /// DMA of any length. Nothing is sent while bus_master() is false: kUnsupportedRequest. Not re-entrant: a DMA that
  /// comes back to this device and starts another one gets kCompleterAbort.
  Outcome dma_read(Iova address, std::byte* data, uint64_t length) {
    return dma(TlpKind::kMemRead, address, data, length);
  }
  Outcome dma_write(Iova address, const std::byte* data, uint64_t length) {
    // A payload carries a pointer to mutable data in both directions; a write only reads it.
    return dma(TlpKind::kMemWrite, address, const_cast<std::byte*>(data), length);
  }
  /// Time the fabric annotated to the last DMA, in ns (link time).
  uint64_t last_dma_ns() const;
  /// Bus Master Enable, and in D0.
  bool bus_master() const { return bus_master_; }

  /// Interrupt `vector` by whatever software enabled: MSI-X, else MSI, else INTx (level: see set_intx()).
  void raise(uint32_t vector);
  /// The INTx condition of the device. Reaches the line if Interrupt Disable is clear and no MSI(-X) is enabled.
  void set_intx(bool asserted);
  bool intx() const { return intx_; }

  /// Device Status, Transactions Pending.
  void set_transactions_pending(bool pending);
  /// Until the next conventional reset the function answers configuration requests RRS and everything else UR.
  void stop_responding() { ready_at_ns_ = UINT64_MAX; }

  /// Memory behind a BAR of role kMemory; null data() otherwise. Writers call mark_dirty().
  DeviceMemory& memory(unsigned bar) { return memory_[bar]; }
  Upstream* upstream() { return upstream_; }
  RegisterFile& config_file() { return config_.file(); }

 private:
  struct Region {
    uint64_t begin = 0;
    uint64_t end = 0;
    bool overlaps(uint64_t offset, uint64_t length) const { return offset < end && offset + length > begin; }
  };

  void build_config();
  uint32_t place(const CapabilityDecl& capability, uint16_t recorded_offset);
  void show_recorded_bytes();
  void build_resizable_bars();
  Outcome dispatch(TlpKind kind, tlm::tlm_generic_payload& payload, TlpExtension* extension);
  Outcome memory_payload(tlm::tlm_generic_payload& payload, bool is_write);
  Outcome io_request(tlm::tlm_generic_payload& payload, bool is_write);
  Outcome config_request(tlm::tlm_generic_payload& payload, TlpExtension* extension, bool is_write);
  Outcome access_enabled_bytes(unsigned bar, uint64_t offset, tlm::tlm_generic_payload& payload, bool is_write);
  Outcome access_bar(unsigned bar, uint64_t offset, std::byte* data, uint32_t length, bool is_write);
  Outcome access_around_msix(unsigned bar, uint64_t offset, std::byte* data, uint32_t length, bool is_write);
  Outcome access_plain(unsigned bar, uint64_t offset, std::byte* data, uint32_t length, bool is_write);
  Outcome rom_request(tlm::tlm_generic_payload& payload, bool is_write);
  bool ready();
  static bool absent_function(TlpKind kind, const TlpExtension* extension);

  Outcome dma(TlpKind kind, Iova address, std::byte* data, uint64_t length);
  // endpoint_faults.cpp
  uint64_t faulty_config(uint32_t offset, uint32_t length, uint64_t value);
  uint32_t faulty_bar(unsigned bar, uint32_t value);
  bool stray_requests(Iova address);
  void memory_written(uint64_t offset);
  void stray(TlpKind kind, uint64_t address, uint32_t data);
  void record_dma_failure(TlpKind kind, Iova address, uint32_t length, Outcome outcome);
  void report_error(PcieError error, const TlpHeader* header, bool advisory);
  void send_message(uint64_t address, uint32_t data) override;
  void raise_msi(uint32_t vector);
  void send_pending_msi();

  void refresh();
  void drive_intx();
  void apply_bar_sizes();
  void leave_d3hot();
  void settle_power();
  uint64_t ready_window_ns(ResetKind kind) const;
  static void after_header_write(void* owner, const RegisterWrite& write);
  static void after_power_write(void* owner, const RegisterWrite& write);
  static void after_device_control_write(void* owner, const RegisterWrite& write);
  static void after_interrupt_write(void* owner, const RegisterWrite& write);
  static void after_bar_size_write(void* owner, const RegisterWrite& write);

  // Hot first.
  BarDecoder decoder_;
  uint64_t ready_at_ns_ = 0;                  ///< 0: ready; UINT64_MAX: stop_responding()
  uint8_t msix_bars_ = 0;                     ///< BARs with an MSI-X structure, one bit each
  uint8_t plain_register_bars_ = 0;           ///< register BARs without one
  bool bus_master_ = false;
  bool powered_ = true;                       ///< D0
  bool msi_enabled_ = false;
  bool intx_ = false;
  bool intx_line_ = false;
  bool in_dma_ = false;
  bool in_message_ = false;
  uint16_t payload_bytes_ = 128;              ///< Max_Payload_Size and Max_Read_Request_Size of Device Control
  uint16_t read_request_bytes_ = 512;
  Rid rid_;
  Upstream* upstream_ = nullptr;
  std::array<DeviceMemory, kBarCount> memory_;
  Tlp dma_tlp_;
  sc_core::sc_time dma_delay_;

  EndpointDeclaration declaration_;
  ConfigSpace config_;
  MsixTable msix_;
  Region table_region_;
  Region pba_region_;
  uint32_t pm_ = 0;                           ///< capability offsets; 0: absent
  uint32_t msi_ = 0;
  uint32_t msix_cap_ = 0;
  uint32_t pcie_ = 0;
  uint32_t aer_ = 0;
  uint32_t rebar_ = 0;
  uint8_t giant_bars_ = 0;                    ///< a fault: BARs that claimed a giant size when last asked
  uint64_t d3_exit_at_ns_ = 0;                ///< 0: no return from D3hot is under way
  uint32_t message_data_ = 0;
  Tlp message_tlp_;
};

}  // namespace dartboard::model
