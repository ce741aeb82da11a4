// base/lazy_memory.cpp - anonymous mmap (POSIX: Linux and macOS).
#include "base/lazy_memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/types.h"

namespace dartboard {

namespace {
constexpr uint64_t kAlignment = 16 * kKiB;
constexpr uint64_t kBytesMax = uint64_t{1} << 46;
}  // namespace

Result<LazyMemory> LazyMemory::allocate(uint64_t bytes) {
  if (bytes == 0 || bytes > kBytesMax) {
    return fail(ErrorName::kBadArgument,
                fmt::format("{} bytes of memory asked for; expected 1 to {}", bytes, kBytesMax));
  }
  LazyMemory memory;
  memory.size_ = round_up(bytes, kAlignment);
  // mmap aligns to the host's page, which may be 4 KiB: ask for more and take the aligned part.
  memory.map_bytes_ = memory.size_ + kAlignment;
  void* const map =
      mmap(nullptr, memory.map_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) {
    memory.map_bytes_ = 0;
    return fail(ErrorName::kInternal, fmt::format("{} bytes of memory: {}", memory.size_, std::strerror(errno)));
  }
  memory.map_ = map;
  const auto address = reinterpret_cast<uintptr_t>(map);
  memory.base_ = static_cast<std::byte*>(map) + (round_up(address, kAlignment) - address);
  return memory;
}

LazyMemory::~LazyMemory() {
  if (map_ != nullptr) munmap(map_, map_bytes_);
}
LazyMemory::LazyMemory(LazyMemory&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      map_(std::exchange(other.map_, nullptr)),
      map_bytes_(std::exchange(other.map_bytes_, 0)) {}
LazyMemory& LazyMemory::operator=(LazyMemory&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(size_, other.size_);
  std::swap(map_, other.map_);
  std::swap(map_bytes_, other.map_bytes_);
  return *this;
}

}  // namespace dartboard
