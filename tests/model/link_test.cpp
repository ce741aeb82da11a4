// tests/model/link_test.cpp - when packets pass, and who is told.
#include "model/link.h"

#include <vector>

#include <gtest/gtest.h>

namespace dartboard::model::test {
namespace {

class LinkTest : public testing::Test, protected LinkOwner {
 protected:
  void link_changed(bool up) override { told.push_back(up); }
  Link link{*this};
  std::vector<bool> told;
};

TEST_F(LinkTest, UpWithADeviceOnly) {
  EXPECT_FALSE(link.up());
  link.bring_up();
  EXPECT_FALSE(link.up()) << "an empty slot does not train";
  link.set_present(true);
  EXPECT_TRUE(link.up());
  EXPECT_EQ(told, std::vector<bool>{true});
}

TEST_F(LinkTest, LossAndReturnAreTold) {
  link.set_present(true);
  link.take_down();
  link.take_down();
  link.bring_up();
  EXPECT_EQ(told, (std::vector<bool>{true, false, true}));
  EXPECT_EQ(link.losses(), 1u);
}

TEST_F(LinkTest, HoldsAreQuietAndIndependent) {
  link.set_present(true);
  told.clear();
  link.hold(Link::kHotReset);
  link.hold(Link::kPerst);
  EXPECT_FALSE(link.up());
  link.let_go(Link::kHotReset);
  EXPECT_FALSE(link.up());
  link.let_go(Link::kPerst);
  EXPECT_TRUE(link.up());
  EXPECT_TRUE(told.empty());
}

TEST_F(LinkTest, AReturnAfterALossIsToldWhoeverLetsItUp) {
  link.set_present(true);
  told.clear();
  link.take_down();
  link.hold(Link::kHotReset);
  link.bring_up();
  EXPECT_FALSE(link.up());
  link.let_go(Link::kHotReset);
  EXPECT_TRUE(link.up());
  EXPECT_EQ(told, (std::vector<bool>{false, true}));
  link.hold(Link::kHotReset);
  link.let_go(Link::kHotReset);
  EXPECT_EQ(told, (std::vector<bool>{false, true})) << "once";
  link.hold(Link::kPerst);
  link.take_down();
  link.bring_up();
  link.let_go(Link::kPerst);
  EXPECT_EQ(told, (std::vector<bool>{false, true})) << "a loss that nobody could see is not told, nor its end";
}

TEST_F(LinkTest, ResetForgetsLossAndHolds) {
  link.set_present(true);
  link.take_down();
  link.hold(Link::kDisabled);
  told.clear();
  link.reset();
  EXPECT_TRUE(link.up());
  EXPECT_TRUE(told.empty());
}

}  // namespace
}  // namespace dartboard::model::test
