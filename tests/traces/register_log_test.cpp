// tests/traces/register_log_test.cpp - register traces of GPU drivers: which lines are read, and what they mean.
#include "traces/import/register_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "imported.h"

namespace dartboard::traces {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

struct Good {
  const char* what;
  std::string line;
  std::string event;
  unsigned vendor, device;
};
class GoodLine : public testing::TestWithParam<Good> {};
TEST_P(GoodLine, IsOneAccess) {
  const WholeTrace trace = read_whole(open_register_log, GetParam().line + "\n");
  EXPECT_THAT(to_text(trace), ElementsAre(GetParam().event));
  EXPECT_EQ(trace.info.devices[0].description.vendor_id, GetParam().vendor);
  EXPECT_EQ(trace.info.devices[0].description.device_id, GetParam().device);
  EXPECT_EQ(trace.report.unknown, 0u);
  EXPECT_TRUE(parse_device_description(format_device_description(trace.info.devices[0].description), "test"));
  EXPECT_GE(detect_register_log(GetParam().line), 70);
}
INSTANTIATE_TEST_SUITE_P(
    RegisterLog, GoodLine,
    testing::Values(
        Good{"i915_write",
             "   kworker/0:1-17    [000] ..s1.    12.345678: i915_reg_rw: write reg=0x2030, len=4, val=(0x7, 0x0)",
             "mmio-write 0/0+2030 4 = 7 @12345678000", 0x8086, 0},
        Good{"i915_read_of_8_bytes",
             "Xorg-9 [001] 12.345678: i915_reg_rw: read reg=0x2358, len=8, val=(0x89abcdef, 0x1234567)",
             "mmio-read 0/0+2358 8 = 123456789abcdef @12345678000", 0x8086, 0},
        Good{"perf", "Xorg  9 [001]  12.345678901: i915:i915_reg_rw: read reg=0x10, len=1, val=(0x1f, 0x0)",
             "mmio-read 0/0+10 1 = 1f @12345678901", 0x8086, 0},
        Good{"amdgpu_read", "<...>-33 [002] .... 5.000001: amdgpu_device_rreg: 0x73bf, 0x00000de3, 0x00002000",
             "mmio-read 0/5+378c 4 = 2000 @5000001000", 0x1002, 0x73bf},
        Good{"amdgpu_write", "<...>-33 [002] .... 5.000001: amdgpu_device_wreg: 0x73bf, 0x00000de3, 0xffffffff",
             "mmio-write 0/5+378c 4 = ffffffff @5000001000", 0x1002, 0x73bf},
        Good{"amdgpu_of_older_kernels", "<...>-33 [002] .... 5.000001: amdgpu_mm_wreg: 0x67df, 0x0000061c, 0x00000001",
             "mmio-write 0/5+1870 4 = 1 @5000001000", 0x1002, 0x67df},
        Good{"without_a_time", "amdgpu_device_rreg: 0x73bf, 0x00000000, 0x00000001", "mmio-read 0/5+0 4 = 1 @0", 0x1002,
             0x73bf},
        Good{"list", "   1 W 0000c108: 0000abcd", "mmio-write 0/0+c108 4 = abcd @0", 0, 0}),
    [](const auto& info) { return info.param.what; });

struct BadLine {
  const char* what;
  std::string line;
};
class BadRegisterLog : public testing::TestWithParam<BadLine> {};
TEST_P(BadRegisterLog, IsCountedAsNotUnderstood) {
  const WholeTrace trace = read_whole(open_register_log, GetParam().line + "\n   1 W 0000c108: 0000abcd\n");
  EXPECT_THAT(to_text(trace), ElementsAre("mmio-write 0/0+c108 4 = abcd @0"));
  EXPECT_EQ(trace.report.unknown, 1u);
  EXPECT_EQ(trace.accounted(), trace.report.records);
}
INSTANTIATE_TEST_SUITE_P(
    RegisterLog, BadRegisterLog,
    testing::Values(
        BadLine{"a_length_of_3", "x-1 [0] 1.000000: i915_reg_rw: read reg=0x10, len=3, val=(0x0, 0x0)"},
        BadLine{"a_negative_length", "x-1 [0] 1.000000: i915_reg_rw: read reg=0x10, len=-4, val=(0x0, 0x0)"},
        BadLine{"a_register_of_64_bits",
                "x-1 [0] 1.000000: i915_reg_rw: read reg=0xffffffffffffffff, len=4, val=(0x0, 0x0)"},
        BadLine{"a_value_wider_than_its_length", "x-1 [0] 1.000000: i915_reg_rw: read reg=0x10, len=4, val=(0x0, 0x1)"},
        BadLine{"neither_read_nor_write", "x-1 [0] 1.000000: i915_reg_rw: poke reg=0x10, len=4, val=(0x0, 0x0)"},
        BadLine{"cut", "x-1 [0] 1.000000: amdgpu_device_rreg: 0x73bf, 0x0000"},
        BadLine{"a_word_beyond_32_bits", "x-1 [0] 1.000000: amdgpu_device_rreg: 0x73bf, 0x4000000000000000, 0x1"},
        BadLine{"a_word_beyond_its_bar", "x-1 [0] 1.000000: amdgpu_device_rreg: 0x73bf, 0x20000000, 0x1"},
        BadLine{"a_device_of_20_bits", "x-1 [0] 1.000000: amdgpu_device_rreg: 0xf73bf, 0x1, 0x1"},
        BadLine{"repeats_without_end", "18446744073709551615 R 0000c108: 00000000"},
        BadLine{"more_repeats_than_any", "65537 R 0000c108: 00000000"}, BadLine{"no_repeats", "0 R 0000c108: 00000000"},
        BadLine{"a_register_of_nine_digits", "1 R 00000c108: 00000000"}, BadLine{"prose", "the quick brown fox"},
        BadLine{"zero_bytes", std::string("1 R 0000c108\0: 00000000", 23)}),
    [](const auto& info) { return info.param.what; });

TEST(RegisterLog, AListIsSpeltOut) {
  const WholeTrace trace =
      read_whole(open_register_log, "3841 R 0000c108: 00000001\n  65536 R 0000c10c: 00000002\n2 W 10: 3\n");
  ASSERT_EQ(trace.events.size(), 3841u + 65536u + 2u);
  EXPECT_EQ(trace.events[3840].address, 0xc108u);
  EXPECT_EQ(trace.events[3841].address, 0xc10cu);
  EXPECT_EQ(trace.events.back().kind, EventKind::kMmioWrite);
  EXPECT_EQ(trace.events.back().request, trace.events.size() - 1);
  EXPECT_EQ(trace.count("count R"), 2u);
  EXPECT_EQ(trace.info.clock, Clock::kNone);
  EXPECT_THAT(trace.info.notes, Contains(HasSubstr("byte offsets in BAR0")));
}

TEST(RegisterLog, OtherEventsAreCountedByName) {
  const WholeTrace trace = read_whole(open_register_log,
                                      "# tracer: nop\n#\n"
                                      "x-1 [000] d... 1.000000: sched_switch: prev_comm=a prev_pid=1\n"
                                      "x-1 [000] d... 1.000001: i915_reg_rw: read reg=0x10, len=4, val=(0x1, 0x0)\n"
                                      "CPU:1 [LOST 17 EVENTS]\n"
                                      "x-1 [000] d... 1.000002: sched_switch: prev_comm=b prev_pid=1\n");
  EXPECT_EQ(trace.events.size(), 1u);
  EXPECT_EQ(trace.report.unknown, 0u);
  EXPECT_EQ(trace.count("sched_switch", "no access to a register"), 2u);
  EXPECT_TRUE(trace.info.lossy);
  EXPECT_EQ(trace.info.dropped_events, 17u);
  EXPECT_EQ(trace.accounted(), trace.report.records);
}

TEST(RegisterLog, EachDeviceOfALogIsItsOwn) {
  const WholeTrace trace = read_whole(open_register_log,
                                      "x-1 [0] 1.000000: amdgpu_device_rreg: 0x73bf, 0x1, 0x1\n"
                                      "x-1 [0] 1.000001: amdgpu_device_rreg: 0x164e, 0x2, 0x1\n"
                                      "x-1 [0] 1.000000: i915_reg_rw: read reg=0x10, len=4, val=(0x1, 0x0)\n"
                                      "x-1 [0] 1.000002: amdgpu_device_wreg: 0x73bf, 0x100000, 0x1\n");
  EXPECT_THAT(to_text(trace),
              ElementsAre("mmio-read 0/5+4 4 = 1 @1000000000", "mmio-read 1/5+8 4 = 1 @1000001000",
                          "mmio-read 2/0+10 4 = 1 @1000001000", "mmio-write 0/5+400000 4 = 1 @1000002000"));
  EXPECT_EQ(trace.info.devices[0].description.bars[5].size, 0x800000u) << "grows with its accesses";
  EXPECT_THAT(trace.report.warnings, ElementsAre(HasSubstr("backwards 1 times")));
}

TEST(RegisterLog, NamesOutOfTheFileAreBounded) {
  std::string text;
  for (unsigned i = 0; i < 1000; ++i) text += fmt::format("x-1 [000] d... 1.000000: event_{}: 1\n", i);
  const WholeTrace trace = read_whole(open_register_log, text);
  EXPECT_LE(trace.report.kinds.size(), 257u);
  EXPECT_EQ(trace.accounted(), 1000u);
}

TEST(RegisterLog, LinesMayEndInCrLf) {
  EXPECT_EQ(read_whole(open_register_log, "1 R 0000c108: 00000001\r\n1 R 0000c108: 00000001\r\n").events.size(), 2u);
}

TEST(RegisterLog, IsNotEverything) {
  EXPECT_EQ(detect_register_log("VERSION 20070824\nR 4 1.000010 1 0xd0000010 0xcafe 0x0 0\n"), 0);
  EXPECT_EQ(detect_register_log(""), 0);
}

}  // namespace
}  // namespace dartboard::traces
