// tests/model/fake_upstream.h - the surroundings of one device without a fabric: memory, a doorbell, INTx lines, time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "model/config_space.h"
#include "model/device.h"

namespace dartboard::model::test {

/// One timeline for the process: SystemC modules must exist before the first test runs the kernel.
inline std::unique_ptr<Timeline>& shared_timeline() {
  static std::unique_ptr<Timeline> timeline;
  return timeline;
}
class TimelineEnvironment final : public testing::Environment {
 public:
  void SetUp() override { shared_timeline() = std::make_unique<Timeline>("endpoint_timeline"); }
};
inline testing::Environment* const kTimelineEnvironment =
    testing::AddGlobalTestEnvironment(std::make_unique<TimelineEnvironment>().release());

class FakeUpstream final : public Upstream {
 public:
  static constexpr uint64_t kDoorbell = 0xffff'f000;
  static constexpr uint64_t kMemoryBase = 0x10'0000;
  static constexpr uint64_t kMemoryBytes = 256 * kKiB;

  FakeUpstream() : memory(kMemoryBytes) { shared_timeline()->reset(); }

  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override {
    auto* extension = payload.get_extension<TlpExtension>();
    const uint64_t address = payload.get_address();
    const uint32_t length = payload.get_data_length();
    ++requests;
    last_requester = extension->requester;
    last_packet_bytes = extension->packet_bytes;
    if (address == kDoorbell) {
      uint32_t data = 0;
      std::memcpy(&data, payload.get_data_ptr(), std::min<uint32_t>(length, 4));
      messages.push_back(data);
      complete(payload, extension, Outcome::kSuccess);
      return;
    }
    delay += sc_core::sc_time(static_cast<double>(link_ns), sc_core::SC_NS);
    if (dma_outcome != Outcome::kSuccess) {
      complete(payload, extension, dma_outcome);
    } else if (address < kMemoryBase || !in_range(address - kMemoryBase, length, kMemoryBytes)) {
      complete(payload, extension, Outcome::kUnsupportedRequest);
    } else {
      std::byte* at = memory.data() + (address - kMemoryBase);
      if (is_read(extension->kind)) {
        std::memcpy(payload.get_data_ptr(), at, length);
      } else {
        std::memcpy(at, payload.get_data_ptr(), length);
      }
      complete(payload, extension, Outcome::kSuccess);
    }
  }
  Timeline& timeline() override { return *shared_timeline(); }
  void set_intx(unsigned pin, bool asserted) override { intx.emplace_back(pin, asserted); }
  bool link_up() const override { return true; }
  void send_error(ErrorMessage message, Rid) override { errors.push_back(message); }

  std::vector<ErrorMessage> errors;
  uint16_t last_packet_bytes = 0;
  std::vector<std::byte> memory;
  std::vector<uint32_t> messages;                 ///< data of each MSI
  std::vector<std::pair<unsigned, bool>> intx;    ///< each change of a line
  Rid last_requester;
  uint64_t requests = 0;
  uint64_t link_ns = 0;
  Outcome dma_outcome = Outcome::kSuccess;
};

/// The root complex's side: requests to a device, one at a time.
class Bus {
 public:
  explicit Bus(PcieDevice& device) : device_(device) {}

  uint64_t config_read(uint32_t offset, uint32_t length) { return read(TlpKind::kCfgRead0, offset, length); }
  void config_write(uint32_t offset, uint64_t value, uint32_t length) {
    write(TlpKind::kCfgWrite0, offset, value, length);
  }
  uint64_t read(uint64_t address, uint32_t length) { return read(TlpKind::kMemRead, address, length); }
  void write(uint64_t address, uint64_t value, uint32_t length) { write(TlpKind::kMemWrite, address, value, length); }

  uint64_t read(TlpKind kind, uint64_t address, uint32_t length) {
    uint64_t value = 0;
    send(kind, address, &value, length);
    return value;
  }
  void write(TlpKind kind, uint64_t address, uint64_t value, uint32_t length) { send(kind, address, &value, length); }

  Outcome send(TlpKind kind, uint64_t address, void* data, uint32_t length) {
    tlp.request(kind, Rid(), address, data, length, completer);
    sc_core::sc_time delay;
    device_.b_transport(tlp, delay);
    return outcome = tlp.outcome();
  }
  /// With one enable byte (00h or FFh) per data byte.
  Outcome send_enabled(TlpKind kind, uint64_t address, void* data, uint32_t length, std::vector<uint8_t> enables) {
    tlp.request(kind, Rid(), address, data, length, completer);
    tlp.set_byte_enable_ptr(enables.data());
    tlp.set_byte_enable_length(static_cast<unsigned>(enables.size()));
    sc_core::sc_time delay;
    device_.b_transport(tlp, delay);
    return outcome = tlp.outcome();
  }

  /// Offset of a capability found by walking the chain with configuration reads.
  uint32_t capability(uint8_t id) {
    auto at = static_cast<uint32_t>(config_read(cfg::kCapabilitiesPointer, 1));
    for (unsigned i = 0; at != 0 && i < 48; ++i) {
      if (config_read(at, 1) == id) return at;
      at = static_cast<uint32_t>(config_read(at + 1, 1));
    }
    return 0;
  }

  Tlp tlp;
  Outcome outcome = Outcome::kPending;
  Rid completer{1, 0, 0};

 private:
  PcieDevice& device_;
};

}  // namespace dartboard::model::test
