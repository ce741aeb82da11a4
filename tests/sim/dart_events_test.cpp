// tests/sim/dart_events_test.cpp - how DART events collect in a property, who is woken, and what bounds them.
#include "sim/macos/dart_events.h"

#include <gtest/gtest.h>

namespace dartboard::macos {
namespace {

constexpr DartEvent event_at(uint64_t address) {
  return {0x8010'0008, address, Sid(1), false};
}

class DartEventsTest : public testing::Test {
 protected:
  const PropertyData& data() { return std::get<PropertyData>(properties_.at(std::string(kDartErrorDataKey)).value); }
  PropertyDictionary properties_;
  DartEvents events_{properties_};
};

TEST_F(DartEventsTest, TheFiveWords) {
  constexpr uint64_t kAddress = 0x12'3456'7890;
  EXPECT_EQ(words_of({0x9010'0004, kAddress, Sid(7), true}),
            (std::array<uint32_t, 5>{0x9010'0004, 0x3456'7890, 0x12, 7, 1}));
}

TEST_F(DartEventsTest, UnreadEventsAreAppendedAndTheFirstAfterAReadStartsAnew) {
  events_.open();
  EXPECT_FALSE(events_.pending());
  EXPECT_TRUE(events_.add(event_at(0x1000)));
  EXPECT_TRUE(events_.add(event_at(0x2000)));
  EXPECT_TRUE(events_.pending());
  EXPECT_EQ(data().size(), 2 * kDartEventBytes);
  events_.read();
  EXPECT_FALSE(events_.pending());
  EXPECT_EQ(data().size(), 2 * kDartEventBytes) << "reading does not take it away";
  EXPECT_TRUE(events_.add(event_at(0x3000)));
  ASSERT_EQ(data().size(), kDartEventBytes);
  EXPECT_EQ(data()[5], 0x30);
}

TEST_F(DartEventsTest, OnlyAnOpenDeviceCollects) {
  EXPECT_FALSE(events_.add(event_at(0x1000)));
  EXPECT_TRUE(properties_.empty());
  events_.open();
  EXPECT_TRUE(events_.add(event_at(0x1000)));
  events_.close();
  EXPECT_FALSE(events_.add(event_at(0x2000)));
  EXPECT_TRUE(events_.pending()) << "what was collected stays";
  EXPECT_EQ(data().size(), kDartEventBytes);
}

TEST_F(DartEventsTest, WhatNobodyReadsIsBoundedAndCounted) {
  events_.open();
  for (size_t i = 0; i < DartEvents::kUnreadMax; ++i) ASSERT_TRUE(events_.add(event_at(i)));
  EXPECT_FALSE(events_.add(event_at(0x1000)));
  EXPECT_EQ(data().size(), DartEvents::kUnreadMax * kDartEventBytes);
  InspectNode node;
  events_.inspect(node);
  EXPECT_EQ(node.note, "256 unread, 1 dropped, 0 while closed, 0 waiting");
  events_.read();
  EXPECT_TRUE(events_.add(event_at(0x1000)));
}

TEST_F(DartEventsTest, WhatWakesAWaiterAndWithWhichAnswer) {
  struct Row {
    const char* what;
    void (*happens)(DartEvents&);
    io_return::Code answer;
  };
  constexpr Row kRows[] = {
      {"event", [](DartEvents& e) { e.add(event_at(0x1000)); }, io_return::kSuccess},
      {"close", [](DartEvents& e) { e.close(); }, io_return::kNotOpen},
      {"the device goes", [](DartEvents& e) { e.terminate(); }, io_return::kAborted},
  };
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.what);
    PropertyDictionary properties;
    DartEvents events(properties);
    events.open();
    int woken = 0;
    events.wait([&] { ++woken; });
    events.wait([&] { ++woken; });
    row.happens(events);
    EXPECT_EQ(woken, 2) << "everybody is woken";
    EXPECT_EQ(events.result(), row.answer);
    row.happens(events);
    EXPECT_EQ(woken, 2) << "once";
  }
}

TEST_F(DartEventsTest, AnotherPropertyUnderTheSameNameIsReplaced) {
  properties_.emplace(std::string(kDartErrorDataKey), Property{true});
  events_.open();
  EXPECT_TRUE(events_.add(event_at(0x1000)));
  EXPECT_EQ(data().size(), kDartEventBytes);
}

}  // namespace
}  // namespace dartboard::macos
