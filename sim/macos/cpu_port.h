// sim/macos/cpu_port.h - the CPU's way into one root complex: loads and stores as TLM transactions.
//
// One reused Tlp; the hot path allocates nothing. Addresses are those of the root complex's map (model/root_complex.h).
#pragma once

#include <cstdint>

#include <tlm_utils/simple_initiator_socket.h>
#include <systemc>

#include "model/root_complex.h"
#include "model/tlp.h"

namespace dartboard::macos {

/// All bits set, `width` bytes (1..8) wide: what a failed read returns.
constexpr uint64_t all_ones(unsigned width) {
  return ~uint64_t{0} >> (64 - 8 * width);
}

class CpuPort final : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<CpuPort> socket;

  explicit CpuPort(sc_core::sc_module_name name) : sc_module(name), socket("socket") {}

  /// A load of 1, 2, 4 or 8 bytes. All-ones if the access failed.
  uint64_t read(uint64_t cpu_address, unsigned width) {
    uint64_t value = 0;
    tlp_.request(model::TlpKind::kMemRead, Rid(), cpu_address, &value, width);
    delay_ = sc_core::SC_ZERO_TIME;
    socket->b_transport(tlp_, delay_);
    if (tlp_.get_response_status() != tlm::TLM_OK_RESPONSE) [[unlikely]]
      return all_ones(width);
    return value;
  }

  /// A store of 1, 2, 4 or 8 bytes. Posted: nobody learns that it failed.
  void write(uint64_t cpu_address, unsigned width, uint64_t value) {
    tlp_.request(model::TlpKind::kMemWrite, Rid(), cpu_address, &value, width);
    delay_ = sc_core::SC_ZERO_TIME;
    socket->b_transport(tlp_, delay_);
  }

  uint32_t config_read(Rid rid, uint64_t offset, unsigned width) {
    return static_cast<uint32_t>(read(ecam(rid, offset), width));
  }
  void config_write(Rid rid, uint64_t offset, unsigned width, uint32_t value) {
    write(ecam(rid, offset), width, value);
  }

 private:
  static uint64_t ecam(Rid rid, uint64_t offset) { return model::kEcamBase + (uint64_t{rid.value} << 12) + offset; }
  model::Tlp tlp_;
  sc_core::sc_time delay_;
};

}  // namespace dartboard::macos
