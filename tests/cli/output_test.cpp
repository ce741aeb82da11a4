// tests/cli/output_test.cpp - numbers for people.
#include "cli/output.h"

#include <gtest/gtest.h>

namespace dartboard::cli {
namespace {

TEST(Output, NumbersHaveCommas) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(27207), "27,207");
  EXPECT_EQ(with_commas(UINT64_MAX), "18,446,744,073,709,551,615");
}

TEST(Output, BytesAreExactWhereTheyAre) {
  EXPECT_EQ(bytes_text(0), "0 bytes");
  EXPECT_EQ(bytes_text(512 << 20), "512 MiB");
  EXPECT_EQ(bytes_text(1537), "1.5 KiB");
  EXPECT_EQ(bytes_text(100'675'584), "96.0 MiB");
}

TEST(Output, DurationsHaveOneUnit) {
  EXPECT_EQ(duration_text(999), "999 ns");
  EXPECT_EQ(duration_text(1'500), "1.5 us");
  EXPECT_EQ(duration_text(12'300'000), "12.3 ms");
  EXPECT_EQ(duration_text(1'234'000'000), "1.234 s");
}

TEST(Output, NothingIsColouredWhereThereIsNoTerminal) {
  std::FILE* const file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(Style(file).bad("x"), "x");
  std::fclose(file);
}

}  // namespace
}  // namespace dartboard::cli
