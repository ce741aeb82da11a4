// sim/macos/dma_command.h - the kernel half of IODMACommand: prepare, segments, complete, with its known quirks.
//
// Source of the rules: xnu IOUserServer.cpp (Create, PrepareForDMA, CompleteDMA) and IODMACommand.cpp.
// The quirks are behaviour: a poisoned command after a failed prepare, a silently
// truncated segment list, completion on last release.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/io_return.h"
#include "base/types.h"
#include "sim/macos/mapper.h"
#include "sim/macos/memory_object.h"
#include "sim/macos/object.h"

namespace dartboard::macos {

class PciNub;

struct DmaSegment {
  uint64_t address;
  uint64_t length;
};
inline constexpr uint32_t kDmaSegmentsMax = 32;

class DmaCommand final : public KernelObject {
 public:
  /// options must be 0 (kBadArgument); address_bits 0 means 64, 1..13 kNoMemory, above 255 kBadArgument.
  static io_return::Code create(PciNub& nub, uint64_t options, uint64_t address_bits, Ref<DmaCommand>* command);

  /// `flags` out: direction of the descriptor (In 1, Out 2). `segments_count` in: array size; out: segments written.
  /// length 0 = the descriptor's whole length, whatever the offset.
  /// The whole descriptor (offset 0, its whole length) is one segment, mapped with the descriptor's direction and with
  /// the fewest address bits that any command asked of it. A part is mapped for reading and writing with this command's
  /// bits, and is one segment if it starts and ends at a DART page; if not, the kernel walks the pages: a segment each.
  /// Failure points in order: kBadArgument (options, no memory), the memory's own prepare, kBusy (another descriptor is
  /// prepared or stuck), the mapper's code (the command is poisoned from then on: see complete()), kBadArgument (no
  /// room for segments), kOverrun (offset at or past the end), kMessageTooLarge (address above address_bits); the last
  /// three leave the command as before. More segments than room: kSuccess with a short list.
  io_return::Code prepare(uint64_t options, Ref<MemoryObject> memory, uint64_t offset, uint64_t length,
                          uint64_t* flags, uint32_t* segments_count, DmaSegment* segments);
  /// kNotReady if nothing is prepared, also on a poisoned command. A poisoned command works again only with the same
  /// descriptor.
  io_return::Code complete(uint64_t options);
  io_return::Code preparation(uint64_t* offset, uint64_t* length, Ref<MemoryObject>* memory) const;
  /// Exactly one of Read 1, Write 2, Zero 4 in options.
  io_return::Code perform(uint64_t options, uint64_t dma_offset, uint64_t length, uint64_t data_offset,
                          MemoryObject* data);
  bool active() const { return active_; }

 private:
  DmaCommand(PciNub& nub, unsigned address_bits);
  ~DmaCommand() override;   ///< an active command completes itself (IODMACommand::free)
  void drop_mapping();

  Ref<KernelObject> nub_keeper_;
  PciNub* nub_;
  unsigned address_bits_;
  bool active_ = false;     // fPrepared
  bool poisoned_ = false;   // fActive without fPrepared
  Ref<MemoryObject> memory_;
  uint64_t offset_ = 0;
  uint64_t length_ = 0;
  std::optional<Mapper::Mapping> mapping_;
};

}  // namespace dartboard::macos
