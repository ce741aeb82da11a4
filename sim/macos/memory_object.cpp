// sim/macos/memory_object.cpp - descriptors over this process's memory; copies, windows, concatenations.
#include "sim/macos/memory_object.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/types.h"
#include "model/fault.h"
#include "sim/macos/pci_nub.h"

namespace dartboard::macos {
namespace {

constexpr uint64_t kVmPageBytes = 16 * kKiB;     // IOVMPageSize on Apple silicon
constexpr uint64_t kAlignmentMax = 1 * kGiB;     // an alignment is address space, not memory; this bounds it
constexpr uint64_t kBufferBytesMax = 64 * kGiB;  // larger than any simulated Mac's memory: kNoMemory, not an attempt

uint64_t address_of(const std::byte* pointer) {
  return reinterpret_cast<uintptr_t>(pointer);
}

/// A range that could be memory: not null and not wrapping. Zero length is fine.
bool plausible(const MemoryObject::Range& range) {
  return range.length == 0 || (range.base != nullptr && address_of(range.base) + range.length >= range.length);
}

/// Appends the part [offset, offset+length) of `from` to `to`.
void append_window(const std::vector<MemoryObject::Range>& from, uint64_t offset, uint64_t length,
                   std::vector<MemoryObject::Range>* to) {
  for (const MemoryObject::Range& range : from) {
    if (length == 0) return;
    if (offset >= range.length) {
      offset -= range.length;
      continue;
    }
    const uint64_t take = std::min(length, range.length - offset);
    to->push_back({range.base + offset, take});
    length -= take;
    offset = 0;
  }
}

}  // namespace

MemoryObject::MemoryObject() = default;
MemoryObject::~MemoryObject() {
  std::free(owned_);
}

std::byte* MemoryObject::take_zeroed(uint64_t bytes, uint64_t alignment) {
  if (bytes == 0 || bytes > kBufferBytesMax || alignment > kAlignmentMax) return nullptr;
  if (model::fault(model::FaultKind::kResourceNoMemory, bytes)) return nullptr;
  // calloc: a large buffer is zero pages that cost nothing until they are touched.
  owned_ = std::calloc(1, bytes + alignment);
  if (owned_ == nullptr) return nullptr;
  return reinterpret_cast<std::byte*>(round_up(reinterpret_cast<uintptr_t>(owned_), alignment));
}

Ref<MemoryObject> MemoryObject::from_client(std::vector<Range> ranges, MemoryDirection direction, bool copy_on_write) {
  Ref<MemoryObject> object = Ref<MemoryObject>::adopt(new MemoryObject());
  object->direction_ = direction;
  object->copy_on_write_ = copy_on_write;
  std::erase_if(ranges, [](const Range& r) { return r.length == 0; });
  for (const Range& range : ranges) {
    object->valid_ = object->valid_ && plausible(range) && object->length_ + range.length >= range.length;
    object->length_ += range.length;
  }
  object->ranges_ = std::move(ranges);
  if (copy_on_write && model::fault(model::FaultKind::kAppleCopyOnWriteUnseen, object->length_)) object->snapshot();
  return object;
}

/// What people met (and what a driver must not rely on): the device works on a copy that the client never sees.
void MemoryObject::snapshot() {
  if (!valid_ || length_ == 0) return;
  uint64_t bytes = 0;
  for (const Range& r : ranges_) bytes += round_up((address_of(r.base) & (kVmPageBytes - 1)) + r.length, kVmPageBytes);
  std::byte* copy = take_zeroed(bytes, kVmPageBytes);
  if (copy == nullptr) {
    valid_ = false;
    return;
  }
  for (Range& r : ranges_) {
    const uint64_t in_page = address_of(r.base) & (kVmPageBytes - 1);
    std::memcpy(copy + in_page, r.base, r.length);
    r.base = copy + in_page;
    copy += round_up(in_page + r.length, kVmPageBytes);
  }
}

Ref<MemoryObject> MemoryObject::copy_for_mapping(uint64_t offset, uint64_t length) const {
  if (!valid_ || length == 0 || !in_range(offset, length, length_)) return nullptr;
  std::vector<Range> parts;
  append_window(ranges_, offset, length, &parts);
  // The mapping starts where the memory does in its page, as a mapping of the pages themselves would.
  const uint64_t in_page = address_of(parts.front().base) & (kVmPageBytes - 1);
  if (in_page + length < length) return nullptr;
  Ref<MemoryObject> copy = Ref<MemoryObject>::adopt(new MemoryObject());
  std::byte* at = copy->take_zeroed(round_up(in_page + length, kVmPageBytes), kVmPageBytes);
  if (at == nullptr) return nullptr;
  at += in_page;
  copy->direction_ = direction_;
  copy->length_ = length;
  copy->ranges_.push_back({at, length});
  for (const Range& part : parts) {
    std::memcpy(at, part.base, part.length);
    at += part.length;
  }
  return copy;
}

Ref<MemoryObject> MemoryObject::buffer(uint64_t capacity, uint64_t alignment, MemoryDirection direction) {
  if (alignment != 0 && !is_power_of_two(alignment)) return nullptr;
  if (capacity == 0 || capacity > kBufferBytesMax) return nullptr;
  Ref<MemoryObject> object = Ref<MemoryObject>::adopt(new MemoryObject());
  std::byte* const base = object->take_zeroed(round_up(capacity, kVmPageBytes), std::max(alignment, kVmPageBytes));
  if (base == nullptr) return nullptr;
  object->kind_ = MemoryKind::kBuffer;
  object->direction_ = direction;
  object->length_ = object->capacity_ = capacity;
  object->ranges_.push_back({base, capacity});
  return object;
}

Ref<MemoryObject> MemoryObject::device(PciNub& nub, uint8_t memory_index, uint64_t length) {
  Ref<MemoryObject> object = Ref<MemoryObject>::adopt(new MemoryObject());
  object->kind_ = MemoryKind::kDevice;
  object->direction_ = MemoryDirection::kInOut;
  object->length_ = length;
  object->nub_ = Ref<KernelObject>(&nub);
  object->nub_pointer_ = &nub;
  object->memory_index_ = memory_index;
  return object;
}

Ref<MemoryObject> MemoryObject::sub(Ref<MemoryObject> parent, uint64_t offset, uint64_t length,
                                    MemoryDirection direction) {
  if (!parent || !in_range(offset, length, parent->length_)) return nullptr;
  Ref<MemoryObject> object = Ref<MemoryObject>::adopt(new MemoryObject());
  object->kind_ = parent->kind_;
  object->direction_ = direction;
  object->length_ = length;
  object->valid_ = parent->valid_;
  object->copy_on_write_ = parent->copy_on_write_;
  object->nub_ = parent->nub_;
  object->nub_pointer_ = parent->nub_pointer_;
  object->memory_index_ = parent->memory_index_;
  object->device_offset_ = parent->device_offset_ + offset;
  append_window(parent->ranges_, offset, length, &object->ranges_);
  object->parents_.push_back(std::move(parent));
  return object;
}

Ref<MemoryObject> MemoryObject::concatenation(const std::vector<Ref<MemoryObject>>& parts, MemoryDirection direction) {
  if (parts.empty()) return nullptr;
  Ref<MemoryObject> object = Ref<MemoryObject>::adopt(new MemoryObject());
  object->direction_ = direction;
  for (const Ref<MemoryObject>& part : parts) {
    if (!part || part->kind_ == MemoryKind::kDevice || object->length_ + part->length_ < part->length_) return nullptr;
    object->valid_ = object->valid_ && part->valid_;
    object->copy_on_write_ = object->copy_on_write_ || part->copy_on_write_;
    append_window(part->ranges_, 0, part->length_, &object->ranges_);
    object->length_ += part->length_;
  }
  object->parents_ = parts;
  return object;
}

io_return::Code MemoryObject::set_length(uint64_t length) {
  if (kind_ != MemoryKind::kBuffer || !parents_.empty()) return io_return::kUnsupported;
  if (length > capacity_) return io_return::kBadArgument;
  length_ = length;
  ranges_[0].length = length;
  return io_return::kSuccess;
}

io_return::Code MemoryObject::prepare() {
  if (!valid_) return io_return::kVMError;
  ++wire_count_;
  return io_return::kSuccess;
}

io_return::Code MemoryObject::complete() {
  if (wire_count_ == 0) return io_return::kNotReady;
  --wire_count_;
  return io_return::kSuccess;
}

}  // namespace dartboard::macos
