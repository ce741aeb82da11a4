// sim/driverkit/address_range.cpp - the one platform file: address space that nothing may touch (POSIX mmap).
#include <sys/mman.h>

#include "sim/driverkit/memory.h"

namespace dartboard::driverkit {

void* reserve_address_range(uint64_t bytes) {
  void* base = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0);
  return base == MAP_FAILED ? nullptr : base;
}

void release_address_range(void* base, uint64_t bytes) { munmap(base, bytes); }

}  // namespace dartboard::driverkit
