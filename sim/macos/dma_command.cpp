// sim/macos/dma_command.cpp - IODMACommand's kernel half, quirks included.
#include "sim/macos/dma_command.h"

#include <algorithm>
#include <cstring>

#include "model/fault.h"
#include "sim/macos/kernel.h"
#include "sim/macos/pci_nub.h"
#include "sim/macos/root_context.h"

namespace dartboard::macos {

using io_return::Code;

namespace {

constexpr uint64_t kAddressBitsMin = 14;  // PAGE_SHIFT on Apple silicon
constexpr uint64_t kTruncatedSegments = 1;  // what an injected truncation leaves
constexpr uint64_t kPerformRead = 1, kPerformWrite = 2, kPerformZero = 4;

Mapper& mapper_of(PciNub& nub) {
  return nub.root_context().mapper;
}

/// Segments of [iova, +length), one a page, at most `room`: the rest is dropped without a word (genIOVMSegments).
uint32_t page_by_page(Iova iova, uint64_t length, uint64_t page_bytes, uint32_t room, DmaSegment* segments) {
  uint32_t count = 0;
  for (uint64_t at = iova.value; length != 0 && count < room; ++count) {
    const uint64_t run = std::min(length, page_bytes - (at & (page_bytes - 1)));
    segments[count] = {at, run};
    at += run;
    length -= run;
  }
  return count;
}

/// Walks a descriptor's ranges from a byte offset on.
class RangeCursor {
 public:
  RangeCursor(const MemoryObject& memory, uint64_t offset) : ranges_(memory.ranges()) {
    while (at_ < ranges_.size() && offset >= ranges_[at_].length) offset -= ranges_[at_++].length;
    offset_ = offset;
  }
  /// The next run, at most `length` bytes.
  MemoryObject::Range next(uint64_t length) {
    while (at_ < ranges_.size() && offset_ == ranges_[at_].length) {
      ++at_;
      offset_ = 0;
    }
    if (at_ == ranges_.size()) return {nullptr, 0};
    const uint64_t run = std::min(length, ranges_[at_].length - offset_);
    return {ranges_[at_].base + offset_, run};
  }
  void advance(uint64_t length) { offset_ += length; }

 private:
  const std::vector<MemoryObject::Range>& ranges_;
  size_t at_ = 0;
  uint64_t offset_ = 0;
};

}  // namespace

DmaCommand::DmaCommand(PciNub& nub, unsigned address_bits)
    : nub_keeper_(Ref<KernelObject>(&nub)), nub_(&nub), address_bits_(address_bits) {}

DmaCommand::~DmaCommand() {
  if (active_) {
    drop_mapping();
    memory_->complete();
  } else if (poisoned_) {
    ++nub_->root_context().descriptors_leaked;  // fMemory.detach(): on a Mac the descriptor is never freed
  }
}

Code DmaCommand::create(PciNub& nub, uint64_t options, uint64_t address_bits, Ref<DmaCommand>* command) {
  if (nub.kernel().panicked()) return io_return::kNotResponding;
  if (options != 0 || address_bits > UINT8_MAX) return io_return::kBadArgument;
  if (address_bits != 0 && address_bits < kAddressBitsMin) return io_return::kNoMemory;  // withSpecification fails
  *command = Ref<DmaCommand>::adopt(
      new DmaCommand(nub, address_bits == 0 ? 64u : std::min(64u, static_cast<unsigned>(address_bits))));
  return io_return::kSuccess;
}

void DmaCommand::drop_mapping() {
  if (mapping_ && !mapper_of(*nub_).unmap(*mapping_)) {
    nub_->kernel().panic(PanicCause::kMapperRequire, "the DART did not finish a TLB flush within 100 us");
  }
  mapping_.reset();
}

Code DmaCommand::prepare(uint64_t options, Ref<MemoryObject> memory, uint64_t offset, uint64_t length, uint64_t* flags,
                         uint32_t* segments_count, DmaSegment* segments) {
  if (nub_->kernel().panicked()) return io_return::kNotResponding;
  if (options != 0 || !memory) return io_return::kBadArgument;
  if (const Code code = memory->prepare(); code != io_return::kSuccess) return code;

  // setMemoryDescriptor
  if (memory == memory_) {
    if (active_) drop_mapping();  // completes the old preparation, but not the memory's: its wiring leaks
    active_ = poisoned_ = false;
  } else if (active_ || poisoned_) {
    memory->complete();
    return io_return::kBusy;
  }
  memory_ = memory;

  // IODMACommand::prepare
  const uint64_t whole = memory->length();
  if (length == 0) length = whole;
  const bool all = offset == 0 && length == whole;
  const uint64_t direction = static_cast<uint64_t>(memory->direction());
  // The whole descriptor is mapped with its own direction; a part always for reading and writing.
  const bool reads = !all || (direction & static_cast<uint64_t>(MemoryDirection::kOut)) != 0;
  const bool writes = !all || (direction & static_cast<uint64_t>(MemoryDirection::kIn)) != 0;
  Mapper::Mapping mapping;
  const bool empty = offset >= whole;  // nothing to map; genIOVMSegments finds it
  if (!empty) {
    const unsigned bits = all ? memory->lower_address_bits(address_bits_) : address_bits_;
    Mapper& mapper = mapper_of(*nub_);
    if (model::fault(model::FaultKind::kUnplugDuringMap, length)) nub_->root_context().model.plug(nullptr);
    const Code code = model::fault(model::FaultKind::kApplePoisonedCommand, length)
                          ? mapper.config().exhausted_code
                          : mapper.map(nub_->rid(), *memory, offset, length, reads, writes, bits, &mapping);
    if (code != io_return::kSuccess) {
      poisoned_ = true;
      memory->complete();
      return code;
    }
  }

  // genIOVMSegments; a failure here is cleaned up properly.
  Code code = io_return::kSuccess;
  const uint32_t room = std::min(*segments_count, kDmaSegmentsMax);
  const uint64_t limit = address_bits_ == 64 ? UINT64_MAX : (uint64_t{1} << address_bits_) - 1;
  if (room == 0 || segments == nullptr) {
    code = io_return::kBadArgument;
  } else if (empty) {
    code = io_return::kOverrun;
  } else if (mapping.iova.value + (mapping.length - 1) > limit ||
             model::fault(model::FaultKind::kAppleMessageTooLarge, length)) {
    code = io_return::kMessageTooLarge;
  }
  if (code != io_return::kSuccess) {
    mapping_ = empty ? std::nullopt : std::optional(mapping);
    drop_mapping();
    memory_.reset();
    memory->complete();
    return code;
  }

  const MapperConfig& mapper_config = mapper_of(*nub_).config();
  const uint64_t page = mapper_config.page_bytes;
  const bool aligned = ((mapping.iova.value | length) & (page - 1)) == 0;
  const bool cut = model::fault(model::FaultKind::kMapTruncated, length);
  const bool split = cut || mapper_config.segment_per_page || model::fault(model::FaultKind::kMapMultiSegment, length);
  uint32_t count = 0;
  if ((all || aligned) && !split) {
    segments[count++] = {mapping.iova.value, length};
  } else {
    count = page_by_page(mapping.iova, length, page, room, segments);
    if (cut) {
      count = static_cast<uint32_t>(
          std::clamp<uint64_t>(model::fault_amount(model::FaultKind::kMapTruncated, kTruncatedSegments), 1, count));
    }
  }
  *segments_count = count;
  if (flags != nullptr) *flags = direction;
  mapping_ = mapping;
  offset_ = offset;
  length_ = length;
  active_ = true;
  return io_return::kSuccess;
}

Code DmaCommand::complete(uint64_t options) {
  if (nub_->kernel().panicked()) return io_return::kNotResponding;
  if (options != 0) return io_return::kBadArgument;
  if (!active_) return io_return::kNotReady;
  drop_mapping();
  active_ = false;
  const Ref<MemoryObject> memory = std::move(memory_);
  memory_.reset();
  memory->complete();
  return io_return::kSuccess;
}

Code DmaCommand::preparation(uint64_t* offset, uint64_t* length, Ref<MemoryObject>* memory) const {
  if (nub_->kernel().panicked()) return io_return::kNotResponding;
  if (!active_) return io_return::kNotReady;
  if (offset != nullptr) *offset = offset_;
  if (length != nullptr) *length = length_;
  if (memory != nullptr) *memory = memory_;
  return io_return::kSuccess;
}

Code DmaCommand::perform(uint64_t options, uint64_t dma_offset, uint64_t length, uint64_t data_offset,
                         MemoryObject* data) {
  if (nub_->kernel().panicked()) return io_return::kNotResponding;
  if (options != kPerformRead && options != kPerformWrite && options != kPerformZero) return io_return::kBadArgument;
  if (!active_) return io_return::kNotReady;
  if (options != kPerformZero &&
      (data == nullptr || data->kind() == MemoryKind::kDevice || !in_range(data_offset, length, data->length()))) {
    return io_return::kBadArgument;
  }
  if (dma_offset + length < length) return io_return::kBadArgument;
  if (!in_range(dma_offset, length, length_)) return io_return::kUnderrun;

  RangeCursor dma(*memory_, offset_ + dma_offset);
  if (options == kPerformZero) {
    for (uint64_t left = length; left != 0;) {
      const MemoryObject::Range run = dma.next(left);
      if (run.base == nullptr) return io_return::kUnderrun;
      std::memset(run.base, 0, run.length);
      dma.advance(run.length);
      left -= run.length;
    }
    return io_return::kSuccess;
  }
  RangeCursor other(*data, data_offset);
  for (uint64_t left = length; left != 0;) {
    const MemoryObject::Range a = dma.next(left);
    const MemoryObject::Range b = other.next(left);
    const uint64_t run = std::min(a.length, b.length);
    if (run == 0) return io_return::kUnderrun;
    if (options == kPerformRead) {
      std::memmove(b.base, a.base, run);
    } else {
      std::memmove(a.base, b.base, run);
    }
    dma.advance(run);
    other.advance(run);
    left -= run;
  }
  return io_return::kSuccess;
}

}  // namespace dartboard::macos
