// conformance/stimulus.cpp - the known devices: the test endpoint and its RTL twin, QEMU's edu, NVMe.
#include "conformance/stimulus.h"

#include <cstring>

#include "conformance/bench.h"
#include "model/endpoint/test.h"

namespace dartboard::conformance {
namespace {

/// Register BAR 0 of the device, wherever it was placed.
uint64_t registers(Bench& bench) { return bench.placed()[0].address; }

/// model/endpoint/test.h; model/endpoint/rtl has the same registers.
class TestStimulus final : public Stimulus {
 public:
  explicit TestStimulus(uint32_t vectors) : vectors_(vectors) {}
  uint32_t vectors() const override { return vectors_; }
  void interrupt(Bench& bench, uint32_t vector) override {
    bench.store(registers(bench) + model::test_register::kRaise, vector);
  }
  void acknowledge(Bench& bench) override { bench.store(registers(bench) + model::test_register::kIntx, 0); }
  void write_memory(Bench& bench) override {
    namespace reg = model::test_register;
    const uint64_t base = registers(bench);
    bench.store(base + reg::kControl, reg::kControlImmediate);
    bench.store(base + reg::kDmaDestination, Bench::kMemoryAddress, 8);
    bench.store(base + reg::kDmaPattern, 0x5aa5'1234);
    bench.store(base + reg::kDmaLength, 64);
    bench.store(base + reg::kDmaCommand, static_cast<uint32_t>(model::TestDmaCommand::kFillHost));
    bench.pass_ns(kSettleNs);
  }

 private:
  static constexpr uint64_t kSettleNs = 100'000;
  uint32_t vectors_;
};

/// QEMU docs/specs/edu.rst.
class EduStimulus final : public Stimulus {
 public:
  void interrupt(Bench& bench, uint32_t) override { bench.store(registers(bench) + 0x60, 1); }
  void acknowledge(Bench& bench) override { bench.store(registers(bench) + 0x64, 0xffff'ffff); }
  void write_memory(Bench& bench) override {
    const uint64_t base = registers(bench);
    bench.store(base + 0x80, 0x40000, 8);                 // source: its own buffer
    bench.store(base + 0x88, Bench::kMemoryAddress, 8);
    bench.store(base + 0x90, 64, 8);
    bench.store(base + 0x98, 3, 8);                       // start, to the host
    bench.pass_ns(kDmaNs);
  }

 private:
  static constexpr uint64_t kDmaNs = 200'000'000;
};

/// NVM Express Base 1.4: an admin queue, and Get Features as the command that does least.
class NvmeStimulus final : public Stimulus {
 public:
  void prepare(Bench& bench) override {
    const uint64_t base = registers(bench);
    head_ = tail_ = 0;
    bench.store(base + 0x14, 0);                                        // CC: disabled
    bench.store(base + 0x24, (kEntries - 1) << 16 | (kEntries - 1));    // AQA
    bench.store(base + 0x28, Bench::kMemoryAddress + kSubmission, 8);
    bench.store(base + 0x30, Bench::kMemoryAddress + kCompletion, 8);
    bench.store(base + 0x14, 0x46'0001);                                // entries of 16 and 64 bytes, enabled
    bench.pass_ns(kSettleNs);
  }
  void interrupt(Bench& bench, uint32_t) override {
    std::byte* command = bench.memory().data() + kSubmission + uint64_t{tail_} * 64;
    std::memset(command, 0, 64);
    const uint32_t opcode = 0x0a;          // Get Features
    const uint32_t feature = 0x01;         // Arbitration
    std::memcpy(command, &opcode, sizeof opcode);
    std::memcpy(command + 40, &feature, sizeof feature);
    tail_ = (tail_ + 1) % kEntries;
    bench.store(registers(bench) + 0x1000, tail_);
    bench.pass_ns(kSettleNs);
  }
  void acknowledge(Bench& bench) override {
    head_ = tail_;
    bench.store(registers(bench) + 0x1004, head_);
  }
  void write_memory(Bench& bench) override { interrupt(bench, 0); }

 private:
  static constexpr uint32_t kEntries = 64;
  static constexpr uint64_t kSubmission = 0x4000;
  static constexpr uint64_t kCompletion = 0x8000;
  static constexpr uint64_t kSettleNs = 1'000'000;
  uint32_t head_ = 0, tail_ = 0;
};

}  // namespace

std::unique_ptr<Stimulus> make_stimulus(uint16_t vendor_id, uint16_t device_id) {
  switch (uint32_t{vendor_id} << 16 | device_id) {
    case 0x1b36'00db: return std::make_unique<TestStimulus>(32);
    case 0x1b36'00dc: return std::make_unique<TestStimulus>(8);
    case 0x1234'11e8: return std::make_unique<EduStimulus>();
    case 0x1b36'0010: return std::make_unique<NvmeStimulus>();
    default: return nullptr;
  }
}

}  // namespace dartboard::conformance
