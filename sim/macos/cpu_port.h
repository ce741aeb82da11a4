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
  template <class T>
  T read_word(uint64_t cpu_address) {
    T value = 0;
    tlp_.request(model::TlpKind::kMemRead, Rid(), cpu_address, &value, sizeof value);
    delay_ = sc_core::sc_time();
    way_->b_transport(tlp_, delay_);
    if (tlp_.get_response_status() != tlm::TLM_OK_RESPONSE) [[unlikely]]
      return static_cast<T>(~T{0});
    return value;
  }
  uint64_t read(uint64_t cpu_address, unsigned width) {
    switch (width) {
      case 1: return read_word<uint8_t>(cpu_address);
      case 2: return read_word<uint16_t>(cpu_address);
      case 4: return read_word<uint32_t>(cpu_address);
      default: return read_word<uint64_t>(cpu_address);
    }
  }

  /// A store of 1, 2, 4 or 8 bytes. Posted: nobody learns that it failed.
  template <class T>
  void write_word(uint64_t cpu_address, T value) {
    tlp_.request(model::TlpKind::kMemWrite, Rid(), cpu_address, &value, sizeof value);
    delay_ = sc_core::sc_time();
    way_->b_transport(tlp_, delay_);
  }
  void write(uint64_t cpu_address, unsigned width, uint64_t value) {
    switch (width) {
      case 1: return write_word(cpu_address, static_cast<uint8_t>(value));
      case 2: return write_word(cpu_address, static_cast<uint16_t>(value));
      case 4: return write_word(cpu_address, static_cast<uint32_t>(value));
      default: return write_word(cpu_address, value);
    }
  }

  uint32_t config_read(Rid rid, uint64_t offset, unsigned width) {
    return static_cast<uint32_t>(read(ecam(rid, offset), width));
  }
  void config_write(Rid rid, uint64_t offset, unsigned width, uint32_t value) {
    write(ecam(rid, offset), width, value);
  }

 private:
  static uint64_t ecam(Rid rid, uint64_t offset) { return model::kEcamBase + (uint64_t{rid.value} << 12) + offset; }
  /// The transport interface is a virtual base of what the socket is bound to: found once, not at every access.
  void end_of_elaboration() override { way_ = socket.operator->(); }

  model::Tlp tlp_;
  sc_core::sc_time delay_;
  tlm::tlm_blocking_transport_if<>* way_ = nullptr;
};

}  // namespace dartboard::macos
