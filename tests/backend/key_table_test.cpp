// tests/backend/key_table_test.cpp - the table against std::map, over random and over colliding keys.
#include "backend/key_table.h"

#include <map>

#include <gtest/gtest.h>

namespace dartboard::backend {
namespace {

TEST(KeyTable, FindsWhatWasInserted) {
  KeyTable table;
  EXPECT_EQ(table.find(0), nullptr);
  table.insert(0, 7);
  ASSERT_NE(table.find(0), nullptr);
  EXPECT_EQ(*table.find(0), 7u);
  EXPECT_EQ(table.find(1), nullptr);
}

TEST(KeyTable, KeysComeInOrder) {
  KeyTable table;
  for (const uint64_t key : {uint64_t{5}, UINT64_MAX, uint64_t{0}, uint64_t{1} << 32}) table.insert(key, 1);
  EXPECT_EQ(table.keys(), (std::vector<uint64_t>{0, 5, uint64_t{1} << 32, UINT64_MAX}));
}

TEST(KeyTable, ClearForgets) {
  KeyTable table;
  table.insert(3, 1);
  table.clear();
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.find(3), nullptr);
}

// Few distinct keys in a small table: runs of neighbours form, and erasing in their middle must not lose the rest.
TEST(KeyTable, AgreesWithAMapOverRandomOperations) {
  KeyTable table;
  std::map<uint64_t, uint64_t> model;
  uint64_t random = 1;
  for (int i = 0; i < 200'000; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const uint64_t key = ((random >> 33) % 96) << 14;
    const auto there = model.find(key);
    uint64_t* found = table.find(key);
    ASSERT_EQ(found != nullptr, there != model.end()) << "operation " << i;
    if (found == nullptr) {
      table.insert(key, random);
      model[key] = random;
    } else {
      ASSERT_EQ(*found, there->second);
      table.erase(key);
      model.erase(there);
    }
    ASSERT_EQ(table.size(), model.size());
  }
}

}  // namespace
}  // namespace dartboard::backend
