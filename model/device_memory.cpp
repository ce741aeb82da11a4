// model/device_memory.cpp - anonymous mappings (POSIX: Linux and macOS).
#include "model/device_memory.h"

#include <sys/mman.h>

#include <cstring>
#include <utility>

#include "base/types.h"

namespace dartboard::model {
namespace {

#ifdef MAP_NORESERVE
constexpr int kMapFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
#else
constexpr int kMapFlags = MAP_PRIVATE | MAP_ANONYMOUS;
#endif

// Up to here clearing is cheaper than the system call and the page faults that a new mapping causes.
constexpr uint64_t kClearBytesMax = 64 * kKiB;
// The largest page size among the supported hosts (Apple silicon).
constexpr uint64_t kHostPageBytes = 16 * kKiB;

}  // namespace

DeviceMemory::DeviceMemory(uint64_t bytes) : bytes_(bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kMapFlags, -1, 0);
  if (at != MAP_FAILED) data_ = static_cast<std::byte*>(at);
}

DeviceMemory::~DeviceMemory() { unmap(); }

DeviceMemory::DeviceMemory(DeviceMemory&& other) noexcept { *this = std::move(other); }

DeviceMemory& DeviceMemory::operator=(DeviceMemory&& other) noexcept {
  if (this == &other) return *this;
  unmap();
  data_ = std::exchange(other.data_, nullptr);
  bytes_ = std::exchange(other.bytes_, 0);
  dirty_begin_ = std::exchange(other.dirty_begin_, UINT64_MAX);
  dirty_end_ = std::exchange(other.dirty_end_, 0);
  return *this;
}

void DeviceMemory::unmap() {
  if (data_ != nullptr) ::munmap(data_, bytes_);
  data_ = nullptr;
}

void DeviceMemory::reset() {
  if (data_ == nullptr || dirty_end_ <= dirty_begin_) return;
  if (dirty_end_ - dirty_begin_ <= kClearBytesMax) {
    std::memset(data_ + dirty_begin_, 0, dirty_end_ - dirty_begin_);
  } else {
    // A new mapping over the old one drops the touched pages and keeps the address.
    const uint64_t begin = round_down(dirty_begin_, kHostPageBytes);
    const uint64_t end = dirty_end_ < bytes_ ? round_up(dirty_end_, kHostPageBytes) : bytes_;
    void* at = ::mmap(data_ + begin, end - begin, PROT_READ | PROT_WRITE, kMapFlags | MAP_FIXED, -1, 0);
    if (at == MAP_FAILED) std::memset(data_ + begin, 0, end - begin);
  }
  dirty_begin_ = UINT64_MAX;
  dirty_end_ = 0;
}

}  // namespace dartboard::model
