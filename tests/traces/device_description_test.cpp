// tests/traces/device_description_test.cpp - FILE.device.json: what it says and what it may not say.
#include "traces/device_description.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/types.h"
#include "support.h"

namespace dartboard::traces {
namespace {

using testing::HasSubstr;

constexpr std::string_view kGood = R"({
  "schema": "dartboard-device-1", "name": "x",
  "identity": {"vendor_id": "0x1002", "device_id": "0x74a1"},
  "bars": [{"index": 0, "size": "64 KiB", "kind": "memory", "64bit": true, "prefetchable": true},
           {"index": 2, "size": 4096, "kind": "registers"}],
  "notes": ["a note"]
})";

TEST(DeviceDescription, ReadsWhatItSays) {
  const auto device = parse_device_description(kGood, "x.device.json");
  ASSERT_TRUE(device) << device.error().sentence;
  EXPECT_EQ(device->vendor_id, 0x1002);
  EXPECT_EQ(device->device_id, 0x74a1);
  EXPECT_EQ(device->class_code, 0xff0000u);
  EXPECT_EQ(device->bars[0].kind, BarKind::kMemory);
  EXPECT_EQ(device->bars[0].size, 64 * kKiB);
  EXPECT_TRUE(device->bars[0].is_64bit);
  EXPECT_TRUE(device->bars[0].prefetchable);
  EXPECT_FALSE(device->has_bar(1));
  EXPECT_EQ(device->bars[2].kind, BarKind::kRegisters);
  EXPECT_EQ(device->bars[2].size, 4096u);
  EXPECT_TRUE(device->memory_decode_gated_by_command);
  EXPECT_FALSE(device->resizable_bar);
  EXPECT_THAT(device->notes, testing::ElementsAre("a note"));
}

TEST(DeviceDescription, TheShippedDeviceIsTheIssuesDevice) {
  const DeviceDescription& device = shipped_session().device;
  EXPECT_EQ(device.vendor_id, 0x1002);
  EXPECT_EQ(device.device_id, 0x74a1);
  EXPECT_EQ(device.bar_list(), "BAR0, BAR2, BAR5");
  EXPECT_EQ(device.bars[0].size, 512 * kMiB);
  EXPECT_EQ(device.bars[0].kind, BarKind::kMemory);
  EXPECT_TRUE(device.bars[0].is_64bit && device.bars[0].prefetchable);
  EXPECT_EQ(device.bars[2].size, 8 * kKiB);
  EXPECT_EQ(device.bars[2].kind, BarKind::kRegisters);
  EXPECT_EQ(device.bars[5].size, 2 * kMiB);
  EXPECT_EQ(device.bars[5].kind, BarKind::kRegisters);
  EXPECT_FALSE(device.memory_decode_gated_by_command);
  EXPECT_FALSE(device.resizable_bar);
  EXPECT_FALSE(device.notes.empty());
}

TEST(DeviceDescription, TextGivesTheDescriptionBack) {
  DeviceDescription device = *parse_device_description(kGood, "x");
  device.subsystem_id = 0x1234;
  device.class_code = 0x030000;
  device.resizable_bar = true;
  device.config.learn(0, 4, 0x74a11002);
  device.config.learn(0x34, 1, 0x50);
  device.msix = {.entries = 4, .table_bar = 2, .pba_bar = 2, .table_offset = 0x100, .pba_offset = 0x800};
  const auto again = parse_device_description(format_device_description(device), "x");
  ASSERT_TRUE(again) << again.error().sentence;
  EXPECT_EQ(*again, device);
}

TEST(ConfigImage, KeepsWhatWasSeenFirst) {
  ConfigImage image;
  EXPECT_FALSE(image.known(0));
  image.learn(0x10, 4, 0xfe00000c);
  image.learn(0x12, 4, 0x11223344);
  image.learn(4094, 4, 1);  // outside
  EXPECT_TRUE(image.known(0x10, 6));
  EXPECT_FALSE(image.known(0x10, 7));
  EXPECT_EQ(image.value(0x10, 4), 0xfe00000cu);
  EXPECT_EQ(image.value(0x14, 2), 0x1122u);
  EXPECT_FALSE(image.known(4094));
}

TEST(DeviceDescription, StandsBesideItsSession) {
  EXPECT_EQ(device_description_path("a/b.jsonl.zst"), "a/b.device.json");
  EXPECT_EQ(device_description_path("a/b.jsonl"), "a/b.device.json");
  EXPECT_EQ(device_description_path("a/b"), "a/b.device.json");
}

TEST(DeviceDescription, AMissingFileIsNamed) {
  const auto device = read_device_description("/nowhere/x.device.json");
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().name, ErrorName::kNotFound);
  EXPECT_EQ(device.error().sentence,
            "/nowhere/x.device.json: cannot be opened: No such file or directory; expected a device description.");
}

TEST(DeviceDescription, AnEndlessFileIsRefused) {
  const auto device = read_device_description(write_file("big.device.json", std::string(2 << 20, ' ')));
  ASSERT_FALSE(device);
  EXPECT_THAT(device.error().sentence, HasSubstr("is larger than 1048576 bytes"));
}

struct Bad {
  const char* what;
  const char* from;
  const char* to;
  const char* sentence;
};
class BadDescription : public testing::TestWithParam<Bad> {};

TEST_P(BadDescription, IsRefusedNamingFileAndField) {
  std::string text(kGood);
  const size_t at = text.find(GetParam().from);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, std::string_view(GetParam().from).size(), GetParam().to);
  const auto device = parse_device_description(text, "x.device.json");
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().name, ErrorName::kFileCorrupt);
  EXPECT_EQ(device.error().sentence, std::string("x.device.json: ") + GetParam().sentence);
}

constexpr const char* kSize64 =
    "field 'bars[0].size': expected a power of two from 16 to 68719476736 bytes, or text such as \"512 MiB\".";
constexpr const char* kSize32 =
    "field 'bars[1].size': expected a power of two from 16 to 2147483648 bytes, or text such as \"512 MiB\".";

INSTANTIATE_TEST_SUITE_P(
    DeviceDescription, BadDescription,
    testing::Values(
        Bad{"NotJson", "\"notes\":", "\"notes\"", "line 6 is not JSON; expected a device description."},
        Bad{"WrongSchema", "device-1", "device-9", "field 'schema': expected \"dartboard-device-1\"."},
        Bad{"NoName", "\"x\"", "7", "field 'name': expected text."},
        Bad{"UnknownMember", "\"notes\"", "\"note\"",
            "field 'note': is not part of the schema; expected one of schema, name, identity, bars, recorded, config, "
            "msix, notes."},
        Bad{"NoVendor", "\"vendor_id\": \"0x1002\", ", "", "field 'identity.vendor_id': is missing."},
        Bad{"VendorTooWide", "0x1002", "0x11002",
            "field 'identity.vendor_id': expected a hexadecimal string of at most 16 bits, such as \"0x10\"."},
        Bad{"VendorNotHex", "0x1002", "1002",
            "field 'identity.vendor_id': expected a hexadecimal string of at most 16 bits, such as \"0x10\"."},
        Bad{"VendorAbsent", "0x1002", "0xffff", "field 'identity.vendor_id': 0xffff means that no device is there."},
        Bad{"BarTwice", "\"index\": 2", "\"index\": 0", "field 'bars[1].index': expected a free BAR, 2 to 5."},
        Bad{"BarInUpperHalf", "\"index\": 2", "\"index\": 1", "field 'bars[1].index': expected a free BAR, 2 to 5."},
        Bad{"Bar5CannotBe64", "\"index\": 0", "\"index\": 5", "field 'bars[0].index': expected a free BAR, 0 to 4."},
        Bad{"SizeNotPowerOfTwo", "\"64 KiB\"", "\"65 KiB\"", kSize64},
        Bad{"SizeAbsurd", "\"64 KiB\"", "\"99999999999999999999 GiB\"", kSize64},
        Bad{"SizeUnit", "\"64 KiB\"", "\"64 KB\"", kSize64}, Bad{"SizeTooLargeFor32Bit", "4096", "4294967296", kSize32},
        Bad{"SizeZero", "4096", "0", kSize32},
        Bad{"Kind", "\"registers\"", "\"rom\"", "field 'bars[1].kind': expected \"memory\" or \"registers\"."},
        Bad{"Flag", "\"prefetchable\": true", "\"prefetchable\": 1",
            "field 'bars[0].prefetchable': expected true or false."},
        Bad{"Recorded", "\"notes\": [", "\"recorded\": {\"gated\": true}, \"notes\": [",
            "field 'recorded.gated': is not part of the schema; expected one of memory_decode_gated_by_command, "
            "resizable_bar."},
        Bad{"ConfigBytes", "\"notes\": [", "\"config\": [{\"offset\": 4094, \"bytes\": \"010203\"}], \"notes\": [",
            "field 'config[0].bytes': expected pairs of hexadecimal digits, at most 2 bytes from there."},
        Bad{"ConfigDigits", "\"notes\": [", "\"config\": [{\"offset\": 0, \"bytes\": \"0g\"}], \"notes\": [",
            "field 'config[0].bytes': expected pairs of hexadecimal digits, at most 4096 bytes from there."},
        Bad{"MsixEntries", "\"notes\": [", "\"msix\": {\"entries\": 2049}, \"notes\": [",
            "field 'msix.entries': expected a number, at most 2048."},
        Bad{"Note", "[\"a note\"]", "[1]", "field 'notes[0]': expected text."},
        Bad{"Deep", "[\"a note\"]", "[[[[[[1]]]]]]", "is nested deeper than a device description can be."}),
    [](const auto& info) { return std::string(info.param.what); });

}  // namespace
}  // namespace dartboard::traces
