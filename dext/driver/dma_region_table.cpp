// dext/driver/dma_region_table.cpp - the hash table of dma_regions.h.
#include <DriverKit/IOLib.h>

#include <string.h>

#include "dext/abi.h"
#include "dext/driver/dma_regions.h"

namespace {

constexpr uint32_t kCapacityMin = 64;

// Fibonacci hashing: keys are mostly multiples of the page size, and the top bits of the product mix all of the key.
uint32_t TagOf(uint64_t key) {
  return static_cast<uint32_t>((key * 0x9e3779b97f4a7c15ull) >> 32);
}

/// The entry that leads to `key`, or the free one where it belongs.
uint32_t Probe(const DMARegions& regions, uint64_t key) {
  const uint32_t tag = TagOf(key), mask = regions.capacity - 1;
  uint32_t at = tag & mask;
  while (regions.index[at].place != 0 &&
         (regions.index[at].tag != tag || regions.places[regions.index[at].place - 1].key != key)) {
    at = (at + 1) & mask;
  }
  return at;
}

bool Grow(DMARegions& regions) {
  const uint32_t capacity = regions.capacity == 0 ? kCapacityMin : regions.capacity * 2;
  DMARegionIndex* index = IONewZero(DMARegionIndex, capacity);
  DMARegion* places = IONewZero(DMARegion, capacity / 2);
  if (index == nullptr || places == nullptr) {
    IOSafeDeleteNULL(index, DMARegionIndex, capacity);
    IOSafeDeleteNULL(places, DMARegion, capacity / 2);
    return false;
  }
  for (uint32_t i = 0; i < regions.capacity; ++i) {
    if (regions.index[i].place == 0) continue;
    uint32_t at = regions.index[i].tag & (capacity - 1);
    while (index[at].place != 0) at = (at + 1) & (capacity - 1);
    index[at] = regions.index[i];
  }
  if (regions.places_used != 0) memcpy(places, regions.places, regions.places_used * sizeof(DMARegion));
  IOSafeDeleteNULL(regions.index, DMARegionIndex, regions.capacity);
  IOSafeDeleteNULL(regions.places, DMARegion, regions.capacity / 2);
  regions.index = index;
  regions.places = places;
  regions.capacity = capacity;
  return true;
}

}  // namespace

DMARegion* FindRegion(const DMARegions& regions, uint64_t key) {
  if (regions.count == 0) return nullptr;
  const uint32_t place = regions.index[Probe(regions, key)].place;
  return place != 0 ? &regions.places[place - 1] : nullptr;
}

DMARegion* InsertRegion(DMARegions& regions, uint64_t key) {
  if ((regions.count + 1) * 2 > regions.capacity && !Grow(regions)) return nullptr;
  uint32_t place = regions.free_place;
  if (place != 0) {
    regions.free_place = static_cast<uint32_t>(regions.places[place - 1].size);
  } else {
    place = ++regions.places_used;
  }
  const uint32_t at = Probe(regions, key);
  regions.index[at].tag = TagOf(key);
  regions.index[at].place = place;
  DMARegion* region = &regions.places[place - 1];
  *region = DMARegion();
  region->key = key;
  ++regions.count;
  return region;
}

void EraseRegion(DMARegions& regions, DMARegion* region) {
  const uint32_t mask = regions.capacity - 1;
  uint32_t hole = Probe(regions, region->key);
  const uint32_t place = regions.index[hole].place;
  for (uint32_t next = (hole + 1) & mask; regions.index[next].place != 0; next = (next + 1) & mask) {
    // An entry may move back into the hole unless its home lies behind the hole.
    const uint32_t home = regions.index[next].tag & mask;
    if (((next - home) & mask) >= ((next - hole) & mask)) {
      regions.index[hole] = regions.index[next];
      hole = next;
    }
  }
  regions.index[hole] = DMARegionIndex();
  *region = DMARegion();
  region->size = regions.free_place;
  regions.free_place = place;
  --regions.count;
}

void FreeRegionTable(DMARegions& regions) {
  IOSafeDeleteNULL(regions.index, DMARegionIndex, regions.capacity);
  IOSafeDeleteNULL(regions.places, DMARegion, regions.capacity / 2);
  regions.capacity = regions.count = regions.places_used = regions.free_place = 0;
}
