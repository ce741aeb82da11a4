// tests/traces/simpletrace_test.cpp - QEMU's binary traces, built here record by record: what QEMU 2 to 11 write.
#include "traces/import/simpletrace.h"

#include <concepts>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "imported.h"
#include "traces/import/qemu_line.h"
#include "traces/import/simpletrace_events.h"

namespace dartboard::traces {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

/// A file of simpletrace.
class File {
 public:
  explicit File(uint64_t version = 4) : version_(version) {
    u64(UINT64_MAX);
    u64(0xf2b177cb0aa429b4);
    u64(version);
  }
  std::string bytes;

  File& u64(uint64_t value) {
    for (unsigned i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
    return *this;
  }
  File& u32(uint32_t value) {
    for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
    return *this;
  }
  File& name(uint64_t id, std::string_view text) {
    u64(0).u64(id).u32(static_cast<uint32_t>(text.size()));
    bytes += text;
    return *this;
  }
  struct Argument {
    template <std::integral Number>
    Argument(Number value) : number(static_cast<uint64_t>(value)) {}  // NOLINT(google-explicit-constructor)
    Argument(const char* value) : is_text(true), text(value) {}       // NOLINT(google-explicit-constructor)
    bool is_text = false;
    uint64_t number = 0;
    std::string text;
  };
  File& event(uint64_t id, uint64_t time_ns, const std::vector<Argument>& arguments) {
    File body(version_);
    body.bytes.clear();
    for (const Argument& a : arguments) {
      if (a.is_text) {
        body.u32(static_cast<uint32_t>(a.text.size()));
        body.bytes += a.text;
      } else {
        body.u64(a.number);
      }
    }
    if (version_ >= 4) u64(1);
    u64(id).u64(time_ns).u32(static_cast<uint32_t>(24 + body.bytes.size())).u32(4711);
    bytes += body.bytes;
    return *this;
  }

 private:
  uint64_t version_;
};

constexpr const char* kDevice = "0000:01:00.0";

File small(uint64_t version = 4) {
  File file(version);
  if (version >= 4) {
    file.name(1, "vfio_region_read").name(2, "vfio_region_write").name(3, "vfio_pci_read_config");
    file.name(4, "vfio_pci_write_config").name(5, "vfio_msi_interrupt").name(6, "vfio_region_setup");
  }
  file.event(6, 900, {kDevice, 0, "BAR 0", 3, 0, 0x10000});
  file.event(3, 1000, {kDevice, 0, 4, 0x56781234});
  file.event(4, 1100, {kDevice, 4, 6, 2});
  file.event(1, 1200, {kDevice, 0, 0x10, 4, 0xcafe});
  file.event(2, 1300, {kDevice, 0, 0x20, 0x1122334455667788, 8});
  file.event(5, 1400, {kDevice, 3, 0xfee00000, 0xffffffff80004021});
  return file;
}

const std::vector<std::string> kSmallEvents = {"config-read 0+0 4 = 56781234 @1000", "config-write 0+4 2 = 6 @1100",
                                               "mmio-read 0/0+10 4 = cafe @1200",
                                               "mmio-write 0/0+20 8 = 1122334455667788 @1300"};

TEST(Simpletrace, ReadsWhatQemuSaysOfADevice) {
  const WholeTrace trace = read_whole(open_simpletrace, small().bytes);
  const auto events = to_text(trace);
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(std::vector<std::string>(events.begin(), events.begin() + 4), kSmallEvents);
  EXPECT_THAT(events[4], HasSubstr("interrupt 0 MSI"));
  ASSERT_EQ(trace.info.devices.size(), 1u);
  EXPECT_EQ(trace.info.devices[0].address, kDevice);
  EXPECT_EQ(trace.info.devices[0].description.vendor_id, 0x1234);
  EXPECT_EQ(trace.info.devices[0].description.bars[0].size, 0x10000u);
  EXPECT_EQ(trace.info.source, "simpletrace");
  EXPECT_EQ(trace.info.clock, Clock::kMonotonic);
  EXPECT_EQ(trace.report.records, 12u);
  EXPECT_EQ(trace.report.unknown, 0u);
  EXPECT_EQ(trace.accounted(), trace.report.records);
  EXPECT_FALSE(trace.report.truncated);
}

TEST(Simpletrace, OlderVersionsNeedTheNamesOfTheirBuild) {
  for (const uint64_t version : {2, 3}) {
    const WholeTrace without = read_whole(open_simpletrace, small(version).bytes);
    EXPECT_TRUE(without.events.empty());
    EXPECT_EQ(without.report.unknown, 6u);
    EXPECT_THAT(without.report.first_unknown[0].second, HasSubstr("event 6 (without a name)"));
    EXPECT_THAT(without.info.notes, Contains(HasSubstr("trace-events-all")));

    ReadOptions options;
    options.event_names = write_file("trace-events-all",
                                     "# See docs/devel/tracing.rst\n\n"
                                     "disable other(void) \"\"\n"
                                     "vfio_region_read(char *name, int index) \"x\"\n"
                                     "vcpu vfio_region_write(char *name) \"x\"\n"
                                     "vfio_pci_read_config(const char *name) \"x\"\n"
                                     "vfio_pci_write_config(const char *name) \"x\"\n"
                                     "vfio_msi_interrupt(const char *name) \"x\"\n"
                                     "vfio_region_setup(const char *dev) \"x\"\n");
    const WholeTrace with = read_whole(open_simpletrace, small(version).bytes, options);
    const auto events = to_text(with);
    ASSERT_EQ(events.size(), 5u);
    EXPECT_EQ(std::vector<std::string>(events.begin(), events.begin() + 4), kSmallEvents);
    EXPECT_EQ(with.report.unknown, 0u);
  }
}

TEST(Simpletrace, ANamesFileThatIsNoneIsAnError) {
  ReadOptions options;
  options.event_names = write_file("no-names", "hello\n");
  const std::string bytes = small(3).bytes;
  const auto reader = open_simpletrace(ByteSource::of(std::as_bytes(std::span(bytes)), "test"), options);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().name, ErrorName::kFileCorrupt);
  EXPECT_THAT(reader.error().sentence, HasSubstr("line 1 is no declaration"));
}

TEST(Simpletrace, EveryEventThatSaysSomethingHasASignature) {
  // The two tables must not drift apart: an event of qemu_line.h that makes events has arguments here.
  for (const QemuSignature& signature : qemu_signatures()) {
    if (signature.event == QemuEvent::kNoEvent) continue;
    bool found = false;
    for (unsigned numbers = 0; numbers < 8 && !found; ++numbers) {
      // Strings are shown as such by their length of zero: every mix of up to seven.
      for (unsigned mask = 0; mask < (1u << numbers) && !found; ++mask) {
        File arguments;
        arguments.bytes.clear();
        for (unsigned i = 0; i < numbers; ++i) {
          if ((mask >> i & 1) != 0) {
            arguments.u32(0);
          } else {
            arguments.u64(0);
          }
        }
        fmt::memory_buffer line;
        found = append_simpletrace_line(signature.name, std::as_bytes(std::span(arguments.bytes)), &line);
      }
    }
    EXPECT_TRUE(found) << signature.name;
  }
}

TEST(Simpletrace, LostEventsMakeItLossy) {
  File file = small();
  file.event(UINT64_MAX - 1, 1500, {17});
  const WholeTrace trace = read_whole(open_simpletrace, file.bytes);
  EXPECT_TRUE(trace.info.lossy);
  EXPECT_EQ(trace.info.dropped_events, 17u);
  EXPECT_THAT(trace.report.warnings, ElementsAre(HasSubstr("lost 17 events")));
}

struct Odd {
  const char* what;
  void (*add)(File&);
  const char* text;  // of the record that is not understood
};
class OddRecord : public testing::TestWithParam<Odd> {};
TEST_P(OddRecord, IsCountedAndWhatFollowsIsRead) {
  File file = small();
  GetParam().add(file);
  file.event(1, 2000, {kDevice, 0, 0x30, 4, 1});
  const WholeTrace trace = read_whole(open_simpletrace, file.bytes);
  ASSERT_EQ(trace.events.size(), 6u);
  EXPECT_EQ(to_text(trace).back(), "mmio-read 0/0+30 4 = 1 @2000");
  EXPECT_EQ(trace.report.unknown, 1u);
  EXPECT_THAT(trace.report.first_unknown[0].second, HasSubstr(GetParam().text));
  EXPECT_EQ(trace.accounted(), trace.report.records);
}
INSTANTIATE_TEST_SUITE_P(
    Simpletrace, OddRecord,
    testing::Values(Odd{"no_name", [](File& f) { f.event(99, 1, {1}); }, "event 99 (without a name)"},
                    Odd{"another_event",
                        [](File& f) {
                          f.name(9, "qemu_mutex_lock").event(9, 1, {1, 2});
                        },
                        "qemu_mutex_lock"},
                    Odd{"fewer_arguments",
                        [](File& f) {
                          f.event(1, 1, {kDevice, 0});
                        },
                        "vfio_region_read"},
                    Odd{"more_arguments",
                        [](File& f) {
                          f.event(1, 1, {kDevice, 0, 0x10, 4, 1, 2});
                        },
                        "vfio_region_read"},
                    Odd{"an_offset_of_64_bits",
                        [](File& f) {
                          f.event(1, 1, {kDevice, 0, UINT64_MAX, 4, 1});
                        },
                        "vfio_region_read"},
                    Odd{"a_negative_size",
                        [](File& f) {
                          f.event(1, 1, {kDevice, 0, 0, static_cast<uint64_t>(-4), 1});
                        },
                        "vfio_region_read"},
                    Odd{"a_string_longer_than_its_record",
                        [](File& f) { f.u64(1).u64(1).u64(1).u32(24 + 8).u32(0).u32(0xffffffff).u32(0); },
                        "vfio_region_read"},
                    Odd{"a_newline_in_a_string",
                        [](File& f) {
                          f.event(1, 1, {"a\nvfio_region_read (a", 0, 0x10, 4, 1});
                        },
                        "vfio_region_read"},
                    Odd{"megabytes_of_arguments",
                        [](File& f) {
                          f.u64(1).u64(1).u64(1).u32(24 + (3 << 20)).u32(0);
                          f.bytes.append(3 << 20, 'x');
                        },
                        "3145728 bytes"},
                    Odd{"a_name_of_megabytes",
                        [](File& f) {
                          f.u64(0).u64(77).u32(3 << 20);
                          f.bytes.append(3 << 20, 'x');
                        },
                        "a name of 3145728 bytes"},
                    Odd{"lost_without_a_number", [](File& f) { f.event(UINT64_MAX - 1, 1, {}); }, "with 0 bytes"}),
    [](const auto& info) { return info.param.what; });

TEST(Simpletrace, WhereverItIsCutWhatStandsBeforeIsRead) {
  const std::string whole = small().bytes;
  size_t events = 0;
  for (size_t size = 24; size < whole.size(); ++size) {
    const WholeTrace trace = read_whole(open_simpletrace, whole.substr(0, size));
    EXPECT_GE(trace.events.size(), events);
    events = trace.events.size();
    EXPECT_EQ(trace.report.truncated, !trace.report.warnings.empty()) << size;
    EXPECT_EQ(trace.accounted(), trace.report.records) << size;
  }
  EXPECT_EQ(events, 4u);
  for (size_t size = 0; size < 24; ++size) {
    const std::string cut = whole.substr(0, size);
    const auto reader = open_simpletrace(ByteSource::of(std::as_bytes(std::span(cut)), "cut"), {});
    ASSERT_FALSE(reader);
    EXPECT_EQ(reader.error().name, ErrorName::kFileCorrupt);
  }
}

TEST(Simpletrace, AnEventShorterThanItsHeadEndsTheFile) {
  File file = small();
  file.u64(1).u64(1).u64(1).u32(23).u32(0);
  file.event(1, 2000, {kDevice, 0, 0x30, 4, 1});
  const WholeTrace trace = read_whole(open_simpletrace, file.bytes);
  EXPECT_EQ(trace.events.size(), 5u);
  EXPECT_TRUE(trace.report.truncated);
  EXPECT_THAT(trace.report.warnings, ElementsAre(HasSubstr("record 13 says it has 23 bytes")));
}

TEST(Simpletrace, TimeNeverGoesBack) {
  File file = small();
  file.event(1, 5, {kDevice, 0, 0x30, 4, 1});
  const WholeTrace trace = read_whole(open_simpletrace, file.bytes);
  EXPECT_EQ(trace.events.back().time_ns, 1400u);
  EXPECT_THAT(trace.report.warnings, ElementsAre(HasSubstr("goes back 1 times")));
}

TEST(Simpletrace, OtherVersionsAndByteOrdersAreRefusedByName) {
  for (const uint64_t version : {0, 1, 5}) {
    const std::string bytes = File(version).bytes;
    EXPECT_EQ(detect_simpletrace(bytes), 100);
    const auto reader = open_simpletrace(ByteSource::of(std::as_bytes(std::span(bytes)), "test"), {});
    ASSERT_FALSE(reader);
    EXPECT_EQ(reader.error().name, ErrorName::kNotSupported);
    EXPECT_THAT(reader.error().sentence, HasSubstr(fmt::format("version {}", version)));
  }
  std::string swapped = File().bytes;
  std::reverse(swapped.begin() + 8, swapped.begin() + 16);
  const auto reader = open_simpletrace(ByteSource::of(std::as_bytes(std::span(swapped)), "test"), {});
  ASSERT_FALSE(reader);
  EXPECT_THAT(reader.error().sentence, HasSubstr("big-endian"));
}

TEST(Simpletrace, MeansWhatTheTextLogMeans) {
  // pci_cfg and vfio show the same access: one event, as qemu_events.h says.
  File file;
  file.name(1, "pci_cfg_read").name(2, "vfio_pci_read_config");
  file.event(1, 10, {"vfio-pci", 0, 1, 0, 0, 0x1234}).event(2, 11, {kDevice, 0, 2, 0x1234});
  EXPECT_LE(read_whole(open_simpletrace, file.bytes).events.size(), 2u);
  EXPECT_GE(read_whole(open_simpletrace, file.bytes).events.size(), 1u);
}

}  // namespace
}  // namespace dartboard::traces
