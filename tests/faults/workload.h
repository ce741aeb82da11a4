// tests/faults/workload.h - what a guest's driver does in a short life, step by step, with what it expects of each step.
//
// Passes as many fault sites as one run can: open, configuration, registers, interrupts on, off and at the wrong time,
// maps, transfers both ways, D3hot, reset, close.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/support/world.h"

namespace dartboard::faults_test {

struct Ran {
  std::optional<Error> not_opened;          ///< the device could not be had
  std::vector<std::string> differences;     ///< what went other than without a fault
  bool gone = false;                        ///< the backend said so
  std::optional<std::string> panic;
};

class Workload {
 public:
  static constexpr uint64_t kBytes = 64 * kKiB;

  explicit Workload(support::World& world) : world_(world) {}

  /// The whole life. The world is powered on and closed before and after.
  Ran run();
  /// Open, identify, map, one transfer each way, an interrupt, close: what a fresh client must be able to do.
  Ran probe();

  /// Guest memory, page-aligned, of this process.
  static std::byte* memory();

 private:
  bool open();
  void close();
  void expect(bool good, const char* what);
  void identify();
  void registers();
  void device_memory();
  void interrupts();
  void transfers();
  void power();
  void nobody_listens();
  void reset();
  void map(unsigned slot);
  void to_host(unsigned slot, uint8_t pattern, bool immediate);
  void to_device(unsigned slot);
  uint32_t dma(model::TestDmaCommand command, uint64_t source, uint64_t destination, bool immediate);
  uint32_t config(uint64_t offset, unsigned width = 4);
  std::byte* slot_memory(unsigned slot) { return memory() + slot * kBytes; }

  support::World& world_;
  Ran ran_;
  Iova iova_[2];
  uint64_t delivered_ = 0;
};

}  // namespace dartboard::faults_test
