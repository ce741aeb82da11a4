// backend/platform.h - the one thing the backend asks the system it runs on.
#pragma once

#include <cstdint>

namespace dartboard::backend {

/// Bytes in a page of this host's CPU: the grain of a hole in a direct mapping (16 KiB on Apple silicon).
uint64_t host_page_bytes();

}  // namespace dartboard::backend
