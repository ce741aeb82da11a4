// sim/iokit/reserved_memory.h - address ranges of this process: reserved ones that fault, and whole pages to hand out.
//
// The one platform file of this room is reserved_memory_posix.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dartboard::iokit {

inline constexpr uint64_t kReservedBytesMax = uint64_t{1} << 40;   ///< one range; a BAR is far below

/// Reserves `length` bytes of address space that may not be read or written: a stray access faults at once instead of
/// hitting a neighbour. Costs no memory. 0 on failure.
uint64_t reserve(uint64_t length);
void release_reserved(uint64_t address, uint64_t length);

/// Zeroed pages that the client owns (variable-size structure output). 0 on failure.
uint64_t allocate_pages(uint64_t length);
/// False if [address, address + length) is not exactly one range from allocate_pages().
bool free_pages(uint64_t address, uint64_t length);

uint64_t page_bytes();

}  // namespace dartboard::iokit
