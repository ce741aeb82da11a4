// model/endpoint/replay.h - an endpoint that answers register reads from a recording, in order.
//
// Configuration space and memory BARs are modelled (config by declaration, memory by bytes); register BARs are the
// recording: each access that arrives must be the next recorded one, or is answered by whoever knows the registers
// (answer_by()). Accesses are appended as they are read from the recording and forgotten once they came. What the
// recorded device did by itself (DMA writes, interrupts, changes of its own memory and registers) is performed on demand.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/endpoint.h"

namespace dartboard::model {

enum class ReplayBarKind : uint8_t { kAbsent, kMemory, kRegisters };

/// One register access of the recording, as a TLP would carry it.
struct ReplayAccess {
  uint64_t index = 0;    ///< the request in the recording that it belongs to
  uint64_t offset = 0;
  std::array<std::byte, 8> data{};   ///< written, or to be answered
  uint8_t bar = 0;
  bool is_write = false;
  uint8_t length = 0;    ///< bytes: 1 to 8
};
static_assert(sizeof(ReplayAccess) == 32);

/// What came instead of the recorded access.
struct ReplayMismatch {
  uint64_t index;        ///< recorded request that was expected (or the last one, past the end)
  std::string expected;
  std::string got;
};

/// Answers register accesses of at most 8 bytes without an order. False: it does not know the register.
class RegisterAnswers {
 public:
  virtual bool read(unsigned bar, uint64_t offset, std::span<std::byte> data) = 0;
  virtual bool write(unsigned bar, uint64_t offset, std::span<const std::byte> data) = 0;

 protected:
  ~RegisterAnswers() = default;
};

class ReplayEndpoint final : public Endpoint {
 public:
  /// `declaration`: identity and BARs; `kinds` says for each BAR whether it is memory or registers.
  /// `memory_decode_ungated`: memory requests are answered whatever Command says (a recorded mock did so).
  ReplayEndpoint(const EndpointDeclaration& declaration, std::array<ReplayBarKind, 6> kinds,
                 bool memory_decode_ungated);
  ~ReplayEndpoint() override;
  std::string_view kind() const override { return "replay endpoint"; }

  /// Accesses that follow those appended before. At most kAccessesMax wait to come: of more, the oldest are given up
  /// and counted.
  void append(std::span<const ReplayAccess> accesses);
  static constexpr size_t kAccessesMax = size_t{1} << 20;
  /// Nothing is expected any more; counts start again. So does a power-on.
  void forget();
  /// The next access to come, or null.
  const ReplayAccess* next() const { return head_ < accesses_.size() ? &accesses_[head_] : nullptr; }
  /// Accesses that did not come: those that wait, and those given up.
  uint64_t outstanding() const { return accesses_.size() - head_ + given_up_; }
  /// Called on each mismatch; the access is answered all-ones / dropped and the recording does not advance.
  void on_mismatch(std::function<void(const ReplayMismatch&)> sink);
  /// Accesses consumed or skipped so far.
  uint64_t position() const { return position_; }
  /// Moves on to the first access that belongs to request `index` or later (after a mismatch, so that one changed
  /// byte is one divergence). Returns how many were skipped.
  uint64_t resync(uint64_t index);

  /// From now on `answers` are asked, and no order is expected. Null: the recording again. Must stay.
  void answer_by(RegisterAnswers* answers) { answers_ = answers; }
  /// Writes to [offset, +recorded.size()) of a BAR stand for `recorded` until the next call: they are compared as if
  /// they had carried it. Empty: as they are. The bytes must stay.
  void stands_for(unsigned bar, uint64_t offset, std::span<const std::byte> recorded);

  /// A memory-write TLP of the device to `address` (through the DART).
  Outcome dma_write(Iova address, std::span<const std::byte> data);
  /// A change of the device's own memory in a memory BAR. kOutOfRange, kNotFound.
  Result<void> poke_memory(unsigned bar, uint64_t offset, std::span<const std::byte> data);

  /// A change of configuration space by the device, of 1 to 4 bytes. Bits that software sets are left alone where the
  /// model knows them. kOutOfRange.
  Result<void> poke_config(uint64_t offset, unsigned length, uint32_t value);
  enum class Interrupt : uint8_t { kIntx, kMsi, kMsix };
  /// Sends an interrupt. kNotSupported, with the reason: the device has no such vector, or nobody enabled the kind.
  /// A vector that is masked in the device is sent when it is unmasked.
  Result<void> send_interrupt(Interrupt kind, uint32_t vector);

  void reset(ResetKind kind) override;
  void inspect(InspectNode& node) const override;

 protected:
  Outcome read_bar(unsigned bar, uint64_t offset, std::byte* data, uint32_t length) override;
  Outcome write_bar(unsigned bar, uint64_t offset, const std::byte* data, uint32_t length) override;

 private:
  /// The next recorded access if it has this place and direction, else null.
  const ReplayAccess* expect(unsigned bar, bool is_write, uint64_t offset, uint32_t length) const {
    if (head_ >= accesses_.size()) return nullptr;
    const ReplayAccess& next = accesses_[head_];
    const bool same = next.bar == bar && next.is_write == is_write && next.offset == offset && next.length == length;
    return same ? &next : nullptr;
  }
  void consume() {
    last_index_ = accesses_[head_].index;
    ++head_;
    ++position_;
  }
  const std::byte* as_recorded(unsigned bar, uint64_t offset, const std::byte* data, uint32_t length) const;
  Result<void> send_plain_msi(uint32_t vector);
  void report_mismatch(unsigned bar, bool is_write, uint64_t offset, const std::byte* data, uint32_t length);

  std::vector<ReplayAccess> accesses_;
  size_t head_ = 0;
  uint64_t position_ = 0;
  uint64_t last_index_ = 0;   ///< request of the last access that came
  uint64_t given_up_ = 0;
  uint64_t mismatches_ = 0;
  RegisterAnswers* answers_ = nullptr;
  unsigned substitute_bar_ = 0;
  uint64_t substitute_offset_ = 0;
  std::span<const std::byte> substitute_;
  std::function<void(const ReplayMismatch&)> sink_;
};

}  // namespace dartboard::model
