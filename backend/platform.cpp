// backend/platform.cpp - POSIX, the same call on macOS and elsewhere.
#include "backend/platform.h"

#include <unistd.h>

#include "base/types.h"

namespace dartboard::backend {

uint64_t host_page_bytes() {
  const long bytes = ::sysconf(_SC_PAGESIZE);
  const uint64_t page_bytes = bytes > 0 ? static_cast<uint64_t>(bytes) : 0;
  // A hole that is too large only costs speed; one that is too small would let a guest reach the real MSI-X table.
  return is_power_of_two(page_bytes) ? page_bytes : 64 * kKiB;
}

}  // namespace dartboard::backend
