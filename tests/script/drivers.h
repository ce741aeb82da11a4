// tests/script/drivers.h - drivers for the shipped devices, as a guest would have them.
#pragma once

#include <array>
#include <cstdint>

#include "tests/script/stack.h"

namespace dartboard::script_test {

struct EduDriver {
  static constexpr uint64_t kBuffer = 0x40000;
  explicit EduDriver(Stack& stack_in) : stack(stack_in) {}
  /// `count` bytes between guest memory at `offset` and the device's buffer at `at`.
  void dma(bool to_host, uint64_t offset, uint64_t at, uint32_t count, bool interrupt = false);
  Stack& stack;
};

/// One admin and one I/O queue pair of 16 entries; memory at fixed places of the guest.
class NvmeDriver {
 public:
  static constexpr uint64_t kAsq = 0x0000, kAcq = 0x4000, kSq = 0x8000, kCq = 0xc000, kList = 0x10000, kPage = 0x14000,
                            kData = 0x20000, kBack = 0x50000;
  static constexpr uint16_t kEntries = 16;
  struct Command {
    uint8_t opcode = 0;
    uint32_t nsid = 0;
    uint64_t prp1 = 0, prp2 = 0;
    uint32_t cdw10 = 0, cdw11 = 0, cdw12 = 0;
  };
  struct Completion {
    uint32_t result = 0;
    uint16_t head = 0, queue = 0, id = 0, status = 0xffff;   ///< status without phase; 0xffff: none came
  };

  explicit NvmeDriver(Stack& stack) : stack_(stack) {}
  /// Controller enabled, admin queue set.
  void start();
  /// I/O queue pair 1, completions by vector 1.
  void create_queues();
  Completion admin(const Command& command) { return run(0, command); }
  Completion io(const Command& command) { return run(1, command); }
  /// Writes an entry without ringing.
  void put(unsigned queue, const Command& command);
  void ring(unsigned queue) { stack_.write32(0x1000 + 8 * queue, tail_[queue]); }
  /// The next completion, if there is one; its head is given back to the device.
  Completion take(unsigned queue);

 private:
  Completion run(unsigned queue, const Command& command) {
    put(queue, command);
    ring(queue);
    return take(queue);
  }
  Stack& stack_;
  std::array<uint16_t, 2> tail_{}, head_{};
  std::array<uint16_t, 2> phase_{1, 1};
  uint16_t next_id_ = 1;
};

}  // namespace dartboard::script_test
