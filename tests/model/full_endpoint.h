// tests/model/full_endpoint.h - a function with every capability there is, and its inner handles open.
#pragma once

#include "model/endpoint.h"
#include "tests/model/fake_upstream.h"

namespace dartboard::model::test {

inline constexpr uint32_t kFullBar0 = 0x8000'0000;     // registers, with MSI-X structures
inline constexpr uint64_t kFullBar2 = 0x12'0000'0000;  // resizable memory
inline constexpr uint32_t kFullRom = 0x9000'0000;
inline constexpr uint32_t kFullMsixTableOffset = 0x2000;
inline constexpr uint64_t kFullD3ExitNs = 5 * kNsPerMs;

inline EndpointDeclaration full_declaration() {
  EndpointDeclaration d;
  d.vendor_id = 0x1b36;
  d.device_id = 0x7777;
  d.class_code = 0x03'0000;
  d.interrupt_pin = 1;
  d.bars[0] = {BarKind::kMem32, 16 * kKiB, BarRole::kRegisters};
  d.bars[2] = {BarKind::kMem64Prefetchable, 16 * kMiB, BarRole::kMemory, 2 * kMiB | 16 * kMiB | 8 * kGiB};
  d.msix_vectors = 4;
  d.msix_table_offset = kFullMsixTableOffset;
  d.msix_pba_offset = 0x3000;
  d.msi_vectors = 4;
  d.vendor_capability = d.ats = d.vendor_extended = true;
  d.serial_number = 0x0123'4567'89ab'cdef;
  d.rom_image.assign(3000, std::byte{0x5a});
  d.rom_image[0] = std::byte{0x55};
  d.rom_image[1] = std::byte{0xaa};
  d.d3_exit_ns = kFullD3ExitNs;
  return d;
}

class FullEndpoint final : public Endpoint {
 public:
  explicit FullEndpoint(const EndpointDeclaration& d) : Endpoint(d) {}
  std::string_view kind() const override { return "full endpoint"; }
  using Endpoint::bus_master;
  using Endpoint::config_file;
  using Endpoint::dma_read;
  using Endpoint::dma_write;
  using Endpoint::intx;
  using Endpoint::memory;
  using Endpoint::raise;
  using Endpoint::set_intx;
  using Endpoint::stop_responding;

  Outcome read_bar(unsigned, uint64_t, std::byte* data, uint32_t length) override {
    std::memset(data, 0x11, length);
    return answer;
  }
  Outcome write_bar(unsigned, uint64_t, const std::byte*, uint32_t) override { return answer; }
  void reset(ResetKind kind) override {
    Endpoint::reset(kind);
    if (own_state_clean_after_reset) own_state = 0;
  }
  /// Until a ready window, if there is one, is over.
  void reset_wait(FakeUpstream& upstream) { upstream.timeline().advance(declaration().reset_ready_ns); }

  Outcome answer = Outcome::kSuccess;
  int own_state = 0;
  bool own_state_clean_after_reset = true;
};

/// Addresses and Command as after enumeration.
inline void place(Bus& bus) {
  bus.config_write(cfg::kBar0, kFullBar0, 4);
  bus.config_write(cfg::kBar0 + 8, kFullBar2, 8);
  bus.config_write(cfg::kCommand, cfg::kCommandMemory | cfg::kCommandBusMaster, 2);
}

}  // namespace dartboard::model::test
