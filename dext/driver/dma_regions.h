// dext/driver/dma_regions.h - the regions of one client by key: open addressing, so that finding one costs the same
// with sixty thousand as with one.
//
// Keys are the caller's own (guest addresses) and may be anything. Linear probing with at most half the slots used,
// deletion by shifting back (no tombstones), growth by doubling. No constructors: zeroed memory is an empty table.
#pragma once

#include <stdint.h>

class IODMACommand;
class IOMemoryDescriptor;

/// At most kDartboardDMAChunkBytes of a region: what one PrepareForDMA covers.
struct DMAChunk {
  IOMemoryDescriptor* memory;
  IODMACommand* command;
};

struct DMARegion {
  uint64_t key;
  uint64_t size;
  uint64_t first_address;  ///< bus address of the first chunk
  uint32_t chunk_count;    ///< 0: the slot is free
  DMAChunk one;            ///< the chunk of a region that has one
  DMAChunk* many;          ///< otherwise its chunks
};

/// A command whose PrepareForDMA failed keeps its descriptor for ever on a Mac, unless a later preparation of the same
/// descriptor succeeds (IODMACommand.cpp); such pairs wait here for room in the mapper.
inline constexpr uint32_t kPoisonedMax = 16;

struct DMARegions {
  DMARegion* slots;   ///< null while empty
  uint32_t capacity;  ///< power of two
  uint32_t count;
  DMAChunk poisoned[kPoisonedMax];
  uint32_t poisoned_count;
  // What the client did, for breadcrumbs.
  uint64_t bytes, bytes_peak;
  uint32_t count_peak;
  uint32_t complete_failures;
};

/// The region of that key, or null.
DMARegion* FindRegion(const DMARegions& regions, uint64_t key);
/// A slot for a new key, which must not be there. Null: no memory.
DMARegion* InsertRegion(DMARegions& regions, uint64_t key);
void EraseRegion(DMARegions& regions, DMARegion* region);
void FreeRegionTable(DMARegions& regions);

inline DMAChunk* Chunks(DMARegion* region) {
  return region->chunk_count == 1 ? &region->one : region->many;
}
