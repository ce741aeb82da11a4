// tests/driverkit/dext_region_table_test.cpp - the driver's table of regions against std::map.
#include <cstdint>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "dext/driver/dma_regions.h"

namespace dartboard::driverkit {
namespace {

struct Table : DMARegions {
  Table() : DMARegions{} {}
  ~Table() { FreeRegionTable(*this); }
};

void insert(Table& table, uint64_t key) {
  DMARegion* const region = InsertRegion(table, key);
  ASSERT_NE(region, nullptr);
  region->first_address = ~key;
  region->chunk_count = 1;
}

TEST(DextRegionTable, FindsNothingInAnEmptyTable) {
  Table table;
  EXPECT_EQ(FindRegion(table, 0), nullptr);
}

TEST(DextRegionTable, ThePlaceThatWasFreedLastIsTakenNext) {
  Table table;
  for (uint64_t key = 0; key < 10; ++key) insert(table, key);
  DMARegion* const freed = FindRegion(table, 4);
  EraseRegion(table, freed);
  insert(table, 99);
  EXPECT_EQ(FindRegion(table, 99), freed);
  EXPECT_EQ(FindRegion(table, 4), nullptr);
}

// Keys as guests have them: small numbers, addresses of pages, and few enough that most come again.
TEST(DextRegionTable, IsAMapWhateverComesAndGoes) {
  for (const uint64_t scale : {uint64_t{1}, uint64_t{16384}, uint64_t{1} << 40}) {
    Table table;
    std::map<uint64_t, uint64_t> expected;
    std::mt19937_64 random(scale);
    for (unsigned i = 0; i < 200'000; ++i) {
      const uint64_t key = random() % 3000 * scale;
      DMARegion* const found = FindRegion(table, key);
      const auto known = expected.find(key);
      ASSERT_EQ(found != nullptr, known != expected.end()) << "key " << key << ", step " << i;
      if (found == nullptr) {
        insert(table, key);
        expected[key] = ~key;
      } else {
        ASSERT_EQ(found->key, key);
        ASSERT_EQ(found->first_address, known->second);
        if (random() % 2 == 0) continue;
        EraseRegion(table, found);
        expected.erase(known);
      }
      ASSERT_EQ(table.count, expected.size());
    }
    uint32_t live = 0;
    for (uint32_t place = 0; place < table.places_used; ++place) live += table.places[place].chunk_count != 0;
    EXPECT_EQ(live, expected.size()) << "a walk over the places meets each region once";
  }
}

}  // namespace
}  // namespace dartboard::driverkit
