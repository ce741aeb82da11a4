// model/endpoint/replay.h - an endpoint that answers register reads from a recording, in order.
//
// Configuration space and memory BARs are modelled (config by declaration, memory by bytes); register BARs are the
// recording: each access that arrives must be the next recorded one. What the recorded device did by itself (DMA
// writes, changes of its own memory) is performed on demand by dma_write() and poke_memory().
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
  uint64_t index;        ///< the request in the recording that it belongs to
  uint8_t bar;
  bool is_write;
  uint32_t length;       ///< bytes
  uint64_t offset;
  std::vector<std::byte> data;   ///< written, or to be answered
};

/// What came instead of the recorded access.
struct ReplayMismatch {
  uint64_t index;        ///< recorded request that was expected (or the last one, past the end)
  std::string expected;
  std::string got;
};

class ReplayEndpoint final : public Endpoint {
 public:
  /// `declaration`: identity and BARs; `kinds` says for each BAR whether it is memory or registers.
  /// `memory_decode_ungated`: memory requests are answered whatever Command says (a recorded mock did so).
  ReplayEndpoint(const EndpointDeclaration& declaration, std::array<ReplayBarKind, 6> kinds,
                 bool memory_decode_ungated);
  ~ReplayEndpoint() override;
  std::string_view kind() const override { return "replay endpoint"; }

  /// The recording's register accesses, in order. Survives resets; rewound by power-on.
  void load(std::vector<ReplayAccess> accesses);
  /// Expects the first access again.
  void rewind();
  /// Called on each mismatch; the access is answered all-ones / dropped and the recording does not advance.
  void on_mismatch(std::function<void(const ReplayMismatch&)> sink);
  /// Accesses consumed so far.
  uint64_t position() const;
  /// Moves on to the first access that belongs to request `index` or later (after a mismatch, so that one changed
  /// byte is one divergence). Returns how many were skipped.
  uint64_t resync(uint64_t index);

  /// A memory-write TLP of the device to `address` (through the DART).
  Outcome dma_write(Iova address, std::span<const std::byte> data);
  /// A change of the device's own memory in a memory BAR. kOutOfRange, kNotFound.
  Result<void> poke_memory(unsigned bar, uint64_t offset, std::span<const std::byte> data);

  void reset(ResetKind kind) override;
  void inspect(InspectNode& node) const override;

 protected:
  Outcome read_bar(unsigned bar, uint64_t offset, std::byte* data, uint32_t length) override;
  Outcome write_bar(unsigned bar, uint64_t offset, const std::byte* data, uint32_t length) override;

 private:
  /// The next recorded access if it has this place and direction, else null.
  const ReplayAccess* expect(unsigned bar, bool is_write, uint64_t offset, uint32_t length) const;
  void report_mismatch(unsigned bar, bool is_write, uint64_t offset, const std::byte* data, uint32_t length);

  std::vector<ReplayAccess> accesses_;
  uint64_t position_ = 0;
  uint64_t mismatches_ = 0;
  std::function<void(const ReplayMismatch&)> sink_;
};

}  // namespace dartboard::model
