// sim/driverkit/address_range.cpp - the one platform file: address space that nothing may touch (POSIX mmap).
#include <sys/mman.h>

#include <vector>

#include "sim/driverkit/memory.h"

namespace dartboard::driverkit {
namespace {

struct Range {
  void* base;
  uint64_t bytes;
};

// A machine that is reset ten thousand times a second reserves the same few BARs each time; ranges that cost no memory
// are kept for the next one instead of going through the system twice.
constexpr size_t kSparesMax = 16;
std::vector<Range>& spares() {
  static auto* const list = new std::vector<Range>;
  return *list;
}

}  // namespace

void* reserve_address_range(uint64_t bytes) {
  std::vector<Range>& list = spares();
  for (size_t i = list.size(); i-- > 0;) {
    if (list[i].bytes != bytes) continue;
    void* const base = list[i].base;
    list[i] = list.back();
    list.pop_back();
    return base;
  }
  void* base = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0);
  return base == MAP_FAILED ? nullptr : base;
}

void release_address_range(void* base, uint64_t bytes) {
  if (spares().size() < kSparesMax) {
    spares().push_back({base, bytes});
  } else {
    munmap(base, bytes);
  }
}

}  // namespace dartboard::driverkit
