// model/device_memory.h - a device's memory: address space that costs nothing until it is touched.
//
// A GPU's BAR is gigabytes of which a run touches kilobytes. The bytes are an anonymous mapping, zero until written.
// reset() costs what was written, not what exists: a small written span is cleared, a large one is mapped anew.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dartboard::model {

class DeviceMemory {
 public:
  DeviceMemory() = default;
  /// `bytes` > 0. If the system refuses, data() is null.
  explicit DeviceMemory(uint64_t bytes);
  ~DeviceMemory();
  DeviceMemory(DeviceMemory&& other) noexcept;
  DeviceMemory& operator=(DeviceMemory&& other) noexcept;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  /// The bytes; the address stays the same over reset().
  std::byte* data() const { return data_; }
  uint64_t size() const { return bytes_; }

  /// Whoever writes through data(), or hands a pointer out, says where; reset() clears no more than that.
  void mark_dirty(uint64_t offset, uint64_t length) {
    if (offset < dirty_begin_) dirty_begin_ = offset;
    if (offset + length > dirty_end_) dirty_end_ = offset + length;
  }
  /// All bytes zero again.
  void reset();

 private:
  void unmap();
  std::byte* data_ = nullptr;
  uint64_t bytes_ = 0;
  uint64_t dirty_begin_ = UINT64_MAX;
  uint64_t dirty_end_ = 0;
};

}  // namespace dartboard::model
