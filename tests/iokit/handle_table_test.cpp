// tests/iokit/handle_table_test.cpp - names: stale, shared, dead.
#include "sim/iokit/handle_table.h"

#include <gtest/gtest.h>

namespace dartboard::iokit {
namespace {

struct Thing final : PortObject {
  explicit Thing(int* alive_count) : PortObject(PortKind::kIterator), alive(alive_count) { ++*alive; }
  ~Thing() override { --*alive; }
  int* alive;
};

class HandleTableTest : public testing::Test {
 protected:
  int alive = 0;
  HandleTable table;
};

TEST_F(HandleTableTest, FindsAnObjectByNameAndKind) {
  auto* const thing = new Thing(&alive);
  const PortName name = table.insert(thing);
  EXPECT_EQ(table.find<Thing>(name, PortKind::kIterator), thing);
}

TEST_F(HandleTableTest, AnotherKindIsNotFound) {
  const PortName name = table.insert(new Thing(&alive));
  EXPECT_EQ(table.find<Thing>(name, PortKind::kConnection), nullptr);
}

TEST_F(HandleTableTest, TheNullAndDeadNamesAreNotFound) {
  table.insert(new Thing(&alive));
  EXPECT_EQ(table.find(kNoPort), nullptr);
  EXPECT_EQ(table.find(~PortName{0}), nullptr);
}

TEST_F(HandleTableTest, TheLastReferenceDeletesTheObject) {
  const PortName name = table.insert(new Thing(&alive));
  table.retain(name);
  table.release(name);
  EXPECT_EQ(alive, 1);
  table.release(name);
  EXPECT_EQ(alive, 0);
}

TEST_F(HandleTableTest, AStaleNameStaysInvalidWhenItsSlotIsUsedAgain) {
  const PortName old = table.insert(new Thing(&alive));
  table.release(old);
  for (int i = 0; i < 3; ++i) {
    const PortName fresh = table.insert(new Thing(&alive));
    EXPECT_NE(fresh, old);
    EXPECT_EQ(table.find(old), nullptr);
    table.release(fresh);
  }
}

TEST_F(HandleTableTest, ReleasingAStaleNameFails) {
  const PortName name = table.insert(new Thing(&alive));
  table.release(name);
  EXPECT_FALSE(table.release(name));
}

TEST_F(HandleTableTest, AKilledNameIsDeadUntilItsReferencesAreDropped) {
  const PortName name = table.insert(new Thing(&alive));
  table.retain(name);
  table.kill(name);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(table.kind(name), PortKind::kDeadName);
  table.release(name);
  EXPECT_TRUE(table.release(name));
  EXPECT_EQ(table.kind(name), PortKind::kFree);
}

TEST_F(HandleTableTest, RefusesMoreThanItsLimitAndDeletesTheObject) {
  std::vector<PortName> names;
  for (uint32_t i = 0; i < kHandlesMax; ++i) names.push_back(table.insert(new Thing(&alive)));
  EXPECT_EQ(table.insert(new Thing(&alive)), kNoPort);
  EXPECT_EQ(alive, static_cast<int>(kHandlesMax));
  table.release(names.front());
  EXPECT_NE(table.insert(new Thing(&alive)), kNoPort);
}

TEST_F(HandleTableTest, ReferencesStopAtMachsLimit) {
  const PortName name = table.insert(new Thing(&alive));
  table.retain(name, ~0u);
  EXPECT_EQ(table.references(name), kUserReferencesMax);
}

}  // namespace
}  // namespace dartboard::iokit
