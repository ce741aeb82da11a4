// tests/fuzz/operations.h - what the bytes of an input mean: a list of records, each one operation on a machine.
//
// A record has a fixed size, so that mutations move, copy and drop whole operations. Every value of every field means
// something, so that no input is refused: what is out of range is folded into range where the process itself must be
// protected (guest memory), and left as it is where the code under test has to cope.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace dartboard::fuzz {

struct Record {
  uint8_t operation;  ///< modulo the number of operations
  uint8_t choice;     ///< region, vector, slot, kind ...
  uint16_t small;     ///< length, count, width
  uint32_t value;
  uint64_t wide;  ///< offset, address, time
};
inline constexpr size_t kRecordBytes = 16;
static_assert(sizeof(Record) == kRecordBytes);
inline constexpr size_t kRecordsMax = 256;  ///< of an input; what follows is ignored

/// One run: power-on, the operations, and back. Ends the program if a ledger finds a violation, or if afterwards the
/// device cannot be had.
void run(std::span<const uint8_t> input);

}  // namespace dartboard::fuzz
