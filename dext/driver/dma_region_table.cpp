// dext/driver/dma_region_table.cpp - the hash table of dma_regions.h.
#include <DriverKit/IOLib.h>

#include "dext/abi.h"
#include "dext/driver/dma_regions.h"

namespace {

constexpr uint32_t kCapacityMin = 64;

// Fibonacci hashing: keys are mostly multiples of the page size, and the top bits of the product mix all of the key.
uint32_t Home(const DMARegions& regions, uint64_t key) {
  return static_cast<uint32_t>((key * 0x9e3779b97f4a7c15ull) >> 32) & (regions.capacity - 1);
}

/// The slot that holds `key`, or the free one where it belongs.
uint32_t Probe(const DMARegions& regions, uint64_t key) {
  uint32_t slot = Home(regions, key);
  while (regions.slots[slot].chunk_count != 0 && regions.slots[slot].key != key) {
    slot = (slot + 1) & (regions.capacity - 1);
  }
  return slot;
}

bool Grow(DMARegions& regions) {
  DMARegions bigger = regions;
  bigger.capacity = regions.capacity == 0 ? kCapacityMin : regions.capacity * 2;
  bigger.slots = IONewZero(DMARegion, bigger.capacity);
  if (bigger.slots == nullptr) return false;
  for (uint32_t i = 0; i < regions.capacity; ++i) {
    if (regions.slots[i].chunk_count != 0) bigger.slots[Probe(bigger, regions.slots[i].key)] = regions.slots[i];
  }
  IOSafeDeleteNULL(regions.slots, DMARegion, regions.capacity);
  regions = bigger;
  return true;
}

}  // namespace

DMARegion* FindRegion(const DMARegions& regions, uint64_t key) {
  if (regions.count == 0) return nullptr;
  DMARegion* region = &regions.slots[Probe(regions, key)];
  return region->chunk_count != 0 ? region : nullptr;
}

DMARegion* InsertRegion(DMARegions& regions, uint64_t key) {
  if ((regions.count + 1) * 2 > regions.capacity && !Grow(regions)) return nullptr;
  DMARegion* region = &regions.slots[Probe(regions, key)];
  *region = DMARegion();
  region->key = key;
  ++regions.count;
  return region;
}

void EraseRegion(DMARegions& regions, DMARegion* region) {
  const uint32_t mask = regions.capacity - 1;
  uint32_t hole = static_cast<uint32_t>(region - regions.slots);
  for (uint32_t next = (hole + 1) & mask; regions.slots[next].chunk_count != 0; next = (next + 1) & mask) {
    // An entry may move back into the hole unless its home lies behind the hole.
    const uint32_t home = Home(regions, regions.slots[next].key);
    if (((next - home) & mask) >= ((next - hole) & mask)) {
      regions.slots[hole] = regions.slots[next];
      hole = next;
    }
  }
  regions.slots[hole] = DMARegion();
  --regions.count;
}

void FreeRegionTable(DMARegions& regions) {
  IOSafeDeleteNULL(regions.slots, DMARegion, regions.capacity);
  regions.capacity = regions.count = 0;
}
