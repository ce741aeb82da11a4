// tests/dext/describe_test.cpp - which error a code becomes, and that the sentence helps.
#include <gtest/gtest.h>

#include "dext/client/client.h"
#include "dext/client/codes.h"

namespace dartboard::dext {
namespace {

struct Row {
  io_return::Code code;
  ErrorName name;
  const char* says;
};

class Describe : public testing::TestWithParam<Row> {};

TEST_P(Describe, NamesTheErrorAndSaysWhatToDo) {
  const Error error = describe(GetParam().code, "Claim", "pcic0-bridge/01:00.0");
  EXPECT_EQ(error.name, GetParam().name);
  EXPECT_EQ(error.io_return, GetParam().code);
  for (const char* part : {"Claim", "pcic0-bridge/01:00.0", GetParam().says}) {
    EXPECT_NE(error.sentence.find(part), std::string::npos) << part << " in: " << error.sentence;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Codes, Describe,
    testing::Values(Row{io_return::kNotOpen, ErrorName::kNotClaimed, "claim it first"},
                    Row{io_return::kNotPermitted, ErrorName::kCallFailed, "entitlement"},
                    Row{io_return::kNotPrivileged, ErrorName::kCallFailed, "entitlement"},
                    Row{io_return::kOffline, ErrorName::kDeviceGone, "plug it in"},
                    Row{io_return::kNoDevice, ErrorName::kDeviceGone, "plug it in"},
                    Row{io_return::kNotAttached, ErrorName::kDeviceGone, "plug it in"},
                    Row{kSendInvalidDest, ErrorName::kDeviceGone, "plug it in"},
                    Row{kServerDied, ErrorName::kDeviceGone, "plug it in"},
                    Row{io_return::kExclusiveAccess, ErrorName::kBusy, "close it there"},
                    Row{io_return::kStillOpen, ErrorName::kBusy, "taken down"},
                    Row{io_return::kNoSpace, ErrorName::kMapperFailed, "unmap"},
                    Row{io_return::kNotAligned, ErrorName::kMapperFailed, "contiguous"},
                    Row{io_return::kOverrun, ErrorName::kOutOfRange, "past the end"},
                    Row{io_return::kNotFound, ErrorName::kNotFound, "no such"},
                    Row{io_return::kUnsupported, ErrorName::kNotSupported, "cannot"},
                    Row{io_return::kBadArgument, ErrorName::kBadArgument, "argument"},
                    Row{io_return::kInternalError, ErrorName::kCallFailed, "log show"}));

}  // namespace
}  // namespace dartboard::dext
