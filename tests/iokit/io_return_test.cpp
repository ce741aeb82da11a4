// tests/iokit/io_return_test.cpp - base/io_return.h says what <IOKit/IOReturn.h> says.
#include "base/io_return.h"

#include <IOKit/IOReturn.h>
#include <gtest/gtest.h>

#include <string>

namespace dartboard {
namespace {

struct Row {
  const char* apple_name;
  io_return::Code ours;
  IOReturn apples;
};
#define ROW(name) Row{"kIOReturn" #name, io_return::k##name, kIOReturn##name}
const Row kRows[] = {
    ROW(Success),         ROW(Error),         ROW(NoMemory),        ROW(NoResources),  ROW(IPCError),
    ROW(NoDevice),        ROW(NotPrivileged), ROW(BadArgument),     ROW(ExclusiveAccess), ROW(Unsupported),
    ROW(VMError),         ROW(InternalError), ROW(IOError),         ROW(NotOpen),      ROW(NotAligned),
    ROW(StillOpen),       ROW(DMAError),      ROW(Busy),            ROW(Timeout),      ROW(Offline),
    ROW(NotReady),        ROW(NotAttached),   ROW(NoSpace),         ROW(CannotWire),   ROW(NoInterrupt),
    ROW(MessageTooLarge), ROW(NotPermitted),  ROW(Underrun),        ROW(Overrun),      ROW(DeviceError),
    ROW(NoCompletion),    ROW(Aborted),       ROW(NotResponding),   ROW(NotFound),     ROW(Invalid)};

class IoReturnCode : public testing::TestWithParam<Row> {};

TEST_P(IoReturnCode, HasApplesValue) { EXPECT_EQ(GetParam().ours, static_cast<io_return::Code>(GetParam().apples)); }
TEST_P(IoReturnCode, HasApplesName) { EXPECT_EQ(io_return::name(GetParam().ours), GetParam().apple_name); }

INSTANTIATE_TEST_SUITE_P(All, IoReturnCode, testing::ValuesIn(kRows),
                         [](const auto& row) { return std::string(row.param.apple_name); });

TEST(IoReturnName, OfAnUnknownCodeIsItsType) { EXPECT_EQ(io_return::name(0x1234), "kern_return_t"); }

}  // namespace
}  // namespace dartboard
