// dext/driver/dma_regions.h - the regions of one client by key: open addressing, so that finding one costs the same
// with sixty thousand as with one.
//
// Keys are the caller's own (guest addresses) and may be anything. An index of eight bytes an entry says where in a dense
// array a region is: with sixty thousand regions the index stays in the processor's cache, which the regions would not.
// Linear probing with at most half the index used, deletion by shifting back (no tombstones), growth by doubling; the
// place that was freed last is taken next. No constructors: zeroed memory is an empty table.
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
  uint32_t chunk_count;    ///< 0: the place is free
  DMAChunk one;            ///< the chunk of a region that has one
  DMAChunk* many;          ///< otherwise its chunks
};

/// A command whose PrepareForDMA failed keeps its descriptor for ever on a Mac, unless a later preparation of the same
/// descriptor succeeds (IODMACommand.cpp); such pairs wait here for room in the mapper.
inline constexpr uint32_t kPoisonedMax = 16;

struct DMARegionIndex {
  uint32_t tag;    ///< of the key's hash; its low bits are where the entry belongs
  uint32_t place;  ///< in DMARegions::places, from 1; 0: the entry is free
};

struct DMARegions {
  DMARegionIndex* index;  ///< null while empty
  DMARegion* places;      ///< capacity / 2 of them
  uint32_t capacity;      ///< of the index: a power of two
  uint32_t count;
  uint32_t places_used;   ///< places from here on were never used
  uint32_t free_place;    ///< the first of the list of freed places, from 1, linked by DMARegion::size; 0: none
  DMAChunk poisoned[kPoisonedMax];
  uint32_t poisoned_count;
  // What the client did, for breadcrumbs.
  uint64_t bytes, bytes_peak;
  uint32_t count_peak;
  uint32_t complete_failures;
};

/// The region of that key, or null.
DMARegion* FindRegion(const DMARegions& regions, uint64_t key);
/// A place for a new key, which must not be there. Null: no memory. It stays where it is until the next InsertRegion().
DMARegion* InsertRegion(DMARegions& regions, uint64_t key);
void EraseRegion(DMARegions& regions, DMARegion* region);
void FreeRegionTable(DMARegions& regions);

inline DMAChunk* Chunks(DMARegion* region) {
  return region->chunk_count == 1 ? &region->one : region->many;
}
