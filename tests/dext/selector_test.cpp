// tests/dext/selector_test.cpp - "[ROOT/]BB:DD.F" and what is not.
#include <gtest/gtest.h>

#include "dext/client/client.h"

namespace dartboard::dext {
namespace {

TEST(SelectorText, NothingSelectsTheFirstDevice) {
  const Result<Selector> selector = parse_selector("");
  ASSERT_TRUE(selector);
  EXPECT_FALSE(selector->rid.has_value());
  EXPECT_EQ(selector->root, "");
}

TEST(SelectorText, AnAddressIsHexadecimal) { EXPECT_EQ(parse_selector("1f:0a.7")->rid, Rid(0x1f, 0x0a, 7)); }

TEST(SelectorText, ARootMayStandInFront) {
  const Result<Selector> selector = parse_selector("pcic1-bridge/01:00.0");
  ASSERT_TRUE(selector);
  EXPECT_EQ(selector->root, "pcic1-bridge");
  EXPECT_EQ(selector->rid, Rid(1, 0, 0));
}

class WrongSelector : public testing::TestWithParam<const char*> {};

TEST_P(WrongSelector, IsRefusedWithAnExample) {
  const Result<Selector> selector = parse_selector(GetParam());
  ASSERT_FALSE(selector);
  EXPECT_EQ(selector.error().name, ErrorName::kBadArgument);
  EXPECT_NE(selector.error().sentence.find("01:00.0"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Texts, WrongSelector,
                         testing::Values("1", "01:00", "01.00:0", "100:00.0", "01:20.0", "01:00.8", "01:00.0x", "-1:00.0",
                                         "/01:00.0", "root/", "zz:00.0", "01::0.0", "0x1:00.0", ":.", "root/01:00"));

}  // namespace
}  // namespace dartboard::dext
