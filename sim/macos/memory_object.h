// sim/macos/memory_object.h - the kernel's memory descriptors: what IOMemoryDescriptor is behind the dext.
//
// Source of the rules: xnu IOMemoryDescriptor.cpp, IOUserServer.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/io_return.h"
#include "sim/macos/object.h"

namespace dartboard::macos {

class PciNub;

/// kIOMemoryDirection*: In = device to memory, Out = memory to device.
enum class MemoryDirection : uint8_t { kNone = 0, kIn = 1, kOut = 2, kInOut = 3 };

enum class MemoryKind : uint8_t {
  kClient,   ///< a client task's virtual memory (guest RAM, a struct argument)
  kBuffer,   ///< IOBufferMemoryDescriptor: memory the kernel allocated
  kDevice,   ///< device memory: a BAR
};

class MemoryObject final : public KernelObject {
 public:
  struct Range {
    std::byte* base;
    uint64_t length;
  };

  /// Client memory. Lazily validated, as on a Mac: a bad range fails at prepare, not here.
  /// `copy_on_write`: a *mapping* of the object has pages of its own from its first write on; DMA sees and changes the
  /// client's pages (IOMemoryDescriptor.cpp keeps a second, copied memory reference, mapRef, for mappings alone).
  static Ref<MemoryObject> from_client(std::vector<Range> ranges, MemoryDirection direction, bool copy_on_write);
  /// Zeroed kernel memory, page aligned (16 KiB) or to `alignment` if that is more. Null: out of memory, capacity 0,
  /// or an alignment that is not a power of two.
  static Ref<MemoryObject> buffer(uint64_t capacity, uint64_t alignment, MemoryDirection direction);
  /// The BAR behind memory index `index` of a nub.
  static Ref<MemoryObject> device(PciNub& nub, uint8_t memory_index, uint64_t length);
  /// A window of another descriptor; keeps it alive. Null: no parent, or past its end.
  static Ref<MemoryObject> sub(Ref<MemoryObject> parent, uint64_t offset, uint64_t length, MemoryDirection direction);
  /// Several descriptors end to end. Null: nothing to join, a null part, or device memory among them.
  static Ref<MemoryObject> concatenation(const std::vector<Ref<MemoryObject>>& parts, MemoryDirection direction);

  MemoryKind kind() const { return kind_; }
  MemoryDirection direction() const { return direction_; }
  uint64_t length() const { return length_; }
  bool copy_on_write() const { return copy_on_write_; }
  const std::vector<Range>& ranges() const { return ranges_; }
  /// Fresh memory for a mapping of [offset, +length) of a copy-on-write object, filled with what is there now; the
  /// mapping keeps the copy alive. The copy is made when the mapping is: a host page cannot be watched for its first
  /// write, and all that could tell the difference is a client that writes to memory it has handed out. Null: no
  /// memory, or a range that prepare() would refuse.
  Ref<MemoryObject> copy_for_mapping(uint64_t offset, uint64_t length) const;
  io_return::Code set_length(uint64_t length);   ///< IOBufferMemoryDescriptor::SetLength; at most the capacity

  PciNub* nub() const { return nub_pointer_; }
  uint8_t memory_index() const { return memory_index_; }
  uint64_t device_offset() const { return device_offset_; }   ///< of byte 0 in the BAR (kDevice)

  /// The address bits of a command that prepares the whole object, and of every such command before it: the kernel only
  /// ever lowers the number that it keeps with the memory (fDMAMapNumAddressBits). Returns the number now in force.
  unsigned lower_address_bits(unsigned bits) {
    if (bits < address_bits_) address_bits_ = bits;
    return address_bits_;
  }

  /// Wires the pages (counts). kVMError: a null or wrapping client range.
  /// That a client range is readable and writable memory of this process is the caller's contract.
  io_return::Code prepare();
  io_return::Code complete();   ///< kNotReady if not wired
  uint32_t wire_count() const { return wire_count_; }

 private:
  MemoryObject();
  ~MemoryObject() override;
  void snapshot();
  std::byte* take_zeroed(uint64_t bytes, uint64_t alignment);   // into owned_; null: out of memory
  MemoryKind kind_ = MemoryKind::kClient;
  MemoryDirection direction_ = MemoryDirection::kInOut;
  bool copy_on_write_ = false;
  uint64_t length_ = 0;
  uint64_t capacity_ = 0;
  std::vector<Range> ranges_;
  Ref<KernelObject> nub_;         // keeps the nub; a PciNub
  PciNub* nub_pointer_ = nullptr;
  uint8_t memory_index_ = 0;
  uint64_t device_offset_ = 0;
  uint32_t wire_count_ = 0;
  unsigned address_bits_ = 64;
  bool valid_ = true;
  void* owned_ = nullptr;         // from calloc
  std::vector<Ref<MemoryObject>> parents_;
};

}  // namespace dartboard::macos
