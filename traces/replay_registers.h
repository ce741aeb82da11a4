// traces/replay_registers.h - what a recording teaches about each register, so that a device can answer without its
// order.
//
// A register is a place in a register BAR, read or written with one width (1, 2, 4 or 8 bytes). Learned from the whole
// recording, each is one of
//   RAM        every read returned what was last written there (or, before the first write, always the same)
//   read-only  every read returned the same, whatever was written
//   queue      anything else: the recorded values in order, equal ones in a row folded into one
//   write-only never read
// A queue moves on when the guest expects its next value, so a run of equal values lasts as long as the guest polls; a
// guest that expects neither the value of now nor the next one takes the recorded values one by one. After the last
// value it stays there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "traces/device_description.h"
#include "traces/event_stream.h"

namespace dartboard::traces {

enum class RegisterClass : uint8_t { kRam, kReadOnly, kQueue, kWriteOnly };
inline constexpr unsigned kRegisterClassCount = 4;
std::string_view to_string(RegisterClass c);

struct RegisterLimits {
  uint64_t registers_max = uint64_t{1} << 19;
  uint64_t values_max = uint64_t{1} << 22;  ///< of all queues together, folded
};

class RegisterBook {
 public:
  explicit RegisterBook(const DeviceDescription& device, const RegisterLimits& limits = {});

  // Learning: every event of the device, in order -----------------------------------------------------------------

  /// kNotSupported: the recording has more registers or values than are kept; the sentence says what to do.
  Result<void> learn(const EventBatch& batch);
  /// No more events follow.
  void learned();

  // Answering ---------------------------------------------------------------------------------------------------------

  /// Every register as it was before the recording.
  void rewind();
  /// One access to a register BAR of at most 8 bytes. `expected` is what the guest thinks it will read. False: the
  /// recording never touched this place in this way; `data` is zero then.
  bool read(unsigned bar, uint64_t offset, std::span<std::byte> data, std::optional<uint64_t> expected);
  bool write(unsigned bar, uint64_t offset, std::span<const std::byte> data);

  // Telling -----------------------------------------------------------------------------------------------------------

  struct Entry {
    unsigned bar = 0, width = 0;
    uint64_t offset = 0;
    RegisterClass register_class = RegisterClass::kQueue;
    uint64_t reads = 0, writes = 0;  ///< recorded
    uint64_t values = 0;             ///< of a queue, folded
  };
  /// In order of BAR, offset, width.
  std::vector<Entry> entries() const;
  std::array<uint64_t, kRegisterClassCount> counts() const;

 private:
  struct Run {
    uint64_t value = 0, count = 0;
  };
  struct Register {
    bool ram = true, constant = true, dropped = false;
    RegisterClass register_class = RegisterClass::kQueue;
    uint64_t reads = 0, writes = 0;
    std::vector<Run> runs;
    size_t at = 0;      // answering: the run of now
    uint64_t used = 0;  // reads it answered
  };
  /// 8 bytes of a BAR: what is known of them.
  struct Word {
    std::array<std::byte, 8> now{}, first{};
    uint8_t known = 0, first_known = 0;  // a bit for each byte
  };

  static uint64_t key(unsigned bar, uint64_t offset, unsigned width) {
    return uint64_t{bar} << 61 | uint64_t{static_cast<unsigned>(__builtin_ctz(width))} << 59 | offset;
  }
  static uint64_t word_key(unsigned bar, uint64_t offset) { return uint64_t{bar} << 61 | offset / 8; }
  Result<void> learn_read(unsigned bar, uint64_t offset, unsigned width, uint64_t value);
  Result<void> learn_write(unsigned bar, uint64_t offset, unsigned width, uint64_t value);
  Result<Register*> find_or_make(unsigned bar, uint64_t offset, unsigned width);
  Result<void> add_value(Register& r, uint64_t value);
  void store(unsigned bar, uint64_t offset, unsigned width, uint64_t value);
  uint64_t load(unsigned bar, uint64_t offset, unsigned width) const;
  Error too_much(std::string_view what, uint64_t limit) const;

  std::array<bool, 6> is_registers_{};
  MsixDescription msix_;
  RegisterLimits limits_;
  std::unordered_map<uint64_t, Register> registers_;
  std::unordered_map<uint64_t, Word> words_;
  uint64_t values_ = 0;
};

/// Calls visit(offset, width) for each naturally aligned word of at most 8 bytes of [address, +length): what MMIORead
/// and MMIOWrite move, and what a register BAR sees of a longer access.
template <class F>
void for_each_register_word(uint64_t address, uint64_t length, F visit) {
  for (uint64_t done = 0; done < length;) {
    const uint64_t at = address + done;
    unsigned width = 8;
    while (at % width != 0 || length - done < width) width /= 2;
    visit(done, width);
    done += width;
  }
}

/// Whether the access reaches the MSI-X table or its pending bits, which a backend keeps from the device.
bool reaches_msix(const MsixDescription& msix, unsigned bar, uint64_t offset, uint64_t length);

}  // namespace dartboard::traces
