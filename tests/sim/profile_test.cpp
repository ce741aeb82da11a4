// tests/sim/profile_test.cpp - built-in profiles read, and every bad property is one sentence that names it.
#include "sim/profile.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>

#include <gtest/gtest.h>
#include <unistd.h>

namespace dartboard::sim {
namespace {

// A small valid profile; tests change one line of it.
const char* const kGood = R"(/dts-v1/;
/ {
	compatible = "dartboard,profile";
	dartboard,version = <1>;
	model = "test";
	dart-fault = "abort";
	timings {
		user-client-call-ns = <1>; interrupt-ns = <1>; guest-exit-ns = <1>; copy-ns-per-kib = <1>; flr-ns = <1>; flr-poll-ns = <1>;
		hot-reset-hold-ns = <1>; hot-reset-link-ns = <1>;
	};
	pcic0-bridge {
		compatible = "apple,apciec";
		max-payload-bytes = <128>;
		inbound-address-bits = <64>;
		msi-vectors = <32>;
		mmio32 = /bits/ 64 <0x00100000 0x3ff00000>;
		prefetch = /bits/ 64 <0x40000000 0x40000000>;
		cfg-latency-ns = <1>; mmio-read-latency-ns = <1>; mmio-write-latency-ns = <1>; dma-ns-per-kib = <1>;
		dart {
			compatible = "apple,t8110-dart";
			page-bytes = <16384>; sids = <16>; va-width = <36>; pa-width = <42>; tlb-sets = <64>; tlb-ways = <4>;
		};
		mapper {
			window = /bits/ 64 <0x80000000 0x7ff00000>;
			guard-pages = <1>;
			mapped-bytes-max = /bits/ 64 <0x60000000>;
			mappings-max = <65536>;
			policy = "first-fit";
			exhausted = "NoResources";
			map-ns = <1>;
		};
	};
};
)";

class ProfileFile : public testing::Test {
 protected:
  void SetUp() override {
    path_ = (std::filesystem::temp_directory_path() / ("dartboard_profile_test_" + std::to_string(::getpid()) + ".dts"))
                .string();
  }
  void TearDown() override { std::filesystem::remove(path_); }
  Result<Profile> load(const std::string& text) {
    std::ofstream(path_) << text;
    return load_profile(path_);
  }
  std::string path_;
};

TEST(BuiltInProfiles, AreThereAndRead) {
  EXPECT_EQ(profile_names(), (std::vector<std::string>{"linux-asahi", "linux-iommu", "m1-tb4", "m2pro-tb4",
                                                       "m3ultra-tb5", "m4max-tb5", "m4pro-tb5", "strict"}));
  for (const std::string& name : profile_names()) {
    const Result<Profile> profile = load_profile(name);
    ASSERT_TRUE(profile.has_value()) << profile.error().sentence;
    EXPECT_EQ(profile->name, name);
    EXPECT_FALSE(profile->ports.empty());
  }
}

TEST(BuiltInProfiles, CarryTheFieldFacts) {
  const Profile m4 = *load_profile("m4pro-tb5");
  EXPECT_EQ(m4.ports.size(), 3u);
  EXPECT_EQ(m4.ports[0].mapper.window_base, Iova(0x8000'0000));
  EXPECT_EQ(m4.ports[0].mapper.window_bytes, 0x7ff0'0000u);
  EXPECT_EQ(m4.ports[0].mapper.page_bytes, 16 * kKiB);
  EXPECT_EQ(m4.ports[0].mapper.guard_pages, 1u);
  EXPECT_EQ(m4.on_dart_fault, FaultPolicy::kPanic);
  EXPECT_EQ(load_profile("m4max-tb5")->on_dart_fault, FaultPolicy::kEvent);
  const Profile m1 = *load_profile("m1-tb4");
  EXPECT_EQ(m1.ports[0].root.inbound_address_bits, 32u);
  const Profile linux_host = *load_profile("linux-iommu");
  EXPECT_EQ(linux_host.ports[0].mapper.page_bytes, 4 * kKiB);
  EXPECT_EQ(linux_host.on_dart_fault, FaultPolicy::kAbort);
}

TEST(BuiltInProfiles, HaveTheDartOfTheirMac) {
  const struct {
    const char* profile;
    model::DartVariant variant;
    unsigned sids;
    bool write_protect;
  } table[] = {{"m1-tb4", model::DartVariant::kUsb4, 64, true},
               {"linux-asahi", model::DartVariant::kT6000, 16, true},
               {"m2pro-tb4", model::DartVariant::kT8110, 256, false},
               {"m3ultra-tb5", model::DartVariant::kT8110, 256, false},
               {"m4max-tb5", model::DartVariant::kT8110, 256, false},
               {"m4pro-tb5", model::DartVariant::kT8110, 256, false},
               {"strict", model::DartVariant::kT8110, 256, true}};
  for (const auto& row : table) {
    const model::DartConfig dart = load_profile(row.profile)->ports[0].root.dart;
    EXPECT_EQ(dart.variant, row.variant) << row.profile;
    EXPECT_EQ(dart.sid_count, row.sids) << row.profile;
    EXPECT_EQ(dart.enforce_write_protect, row.write_protect) << row.profile;
  }
}

TEST_F(ProfileFile, SourceIsCompiledByDtc) {
  const Result<Profile> profile = load(kGood);
  ASSERT_TRUE(profile.has_value()) << profile.error().sentence;
  EXPECT_EQ(profile->ports[0].name, "pcic0-bridge");
}

TEST_F(ProfileFile, EachFaultPolicyHasItsWord) {
  constexpr struct {
    const char* word;
    FaultPolicy policy;
  } kRows[] = {{"panic", FaultPolicy::kPanic}, {"abort", FaultPolicy::kAbort}, {"event", FaultPolicy::kEvent}};
  for (const auto& row : kRows) {
    const std::string line = std::string("dart-fault = \"") + row.word + '"';
    const Result<Profile> profile = load(std::regex_replace(kGood, std::regex("dart-fault = \"abort\""), line));
    ASSERT_TRUE(profile.has_value()) << profile.error().sentence;
    EXPECT_EQ(profile->on_dart_fault, row.policy) << row.word;
  }
}

TEST(LoadProfile, UnknownNameListsWhatThereIs) {
  const Result<Profile> profile = load_profile("m9-tb9");
  ASSERT_FALSE(profile.has_value());
  EXPECT_EQ(profile.error().name, ErrorName::kNotFound);
  EXPECT_NE(profile.error().sentence.find("m4pro-tb5"), std::string::npos) << profile.error().sentence;
}

TEST(LoadProfile, MissingFileIsSaid) {
  const Result<Profile> profile = load_profile("/nonexistent/x.dtb");
  ASSERT_FALSE(profile.has_value());
  EXPECT_EQ(profile.error().name, ErrorName::kFileUnreadable);
}

TEST(ReadProfile, GarbageIsNotADeviceTree) {
  const std::string garbage(200, 'x');
  const Result<Profile> profile = read_profile(garbage.data(), garbage.size(), "garbage");
  ASSERT_FALSE(profile.has_value());
  EXPECT_EQ(profile.error().name, ErrorName::kProfileInvalid);
}

struct BadProfile {
  const char* name;
  const char* pattern;       // what to replace
  const char* replacement;
  const char* sentence;      // fragment the error must have
};

class ProfileRefuses : public ProfileFile, public testing::WithParamInterface<BadProfile> {};

TEST_P(ProfileRefuses, WithOneSentence) {
  const BadProfile& bad = GetParam();
  const std::string text = std::regex_replace(kGood, std::regex(bad.pattern), bad.replacement,
                                              std::regex_constants::format_first_only);
  ASSERT_NE(text, kGood) << "the pattern does not occur";
  const Result<Profile> profile = load(text);
  ASSERT_FALSE(profile.has_value());
  EXPECT_EQ(profile.error().name, ErrorName::kProfileInvalid);
  EXPECT_NE(profile.error().sentence.find(bad.sentence), std::string::npos) << profile.error().sentence;
}

INSTANTIATE_TEST_SUITE_P(
    Table, ProfileRefuses,
    testing::Values(
        BadProfile{"Syntax", "dart-fault =", "dart-fault ==", "dtc refused it"},
        BadProfile{"UnknownFaultPolicy", "dart-fault = \"abort\"", "dart-fault = \"ignore\"", "one of panic, abort, event"},
        BadProfile{"MissingProperty", "guard-pages = <1>;", "", "'guard-pages' is missing"},
        BadProfile{"MissingNode", "timings \\{[^}]*\\};", "", "'timings' is missing"},
        BadProfile{"MissingDart", "dart \\{[^}]*\\};", "", "'dart' is missing"},
        BadProfile{"UnknownProperty", "guard-pages = <1>;", "guard-pages = <1>; guard-page = <1>;", "'guard-page' is not known"},
        BadProfile{"OutOfRange", "msi-vectors = <32>", "msi-vectors = <33>", "expected 1 to 32"},
        BadProfile{"WrongWidth", "map-ns = <1>", "map-ns = <1 2>", "one 32-bit cell"},
        BadProfile{"WrongRangeWidth", "window = /bits/ 64 <0x80000000 0x7ff00000>", "window = <1>", "base and size"},
        BadProfile{"NotAString", "policy = \"first-fit\"", "policy = <1>", "'policy'"},
        BadProfile{"UnknownChoice", "first-fit", "best-fit", "expected one of first-fit"},
        BadProfile{"UnknownDart", "apple,t8110-dart", "apple,t9999-dart", "expected one of apple,t8103-dart, apple,t6000-dart"},
        BadProfile{"BadPageSize", "page-bytes = <16384>", "page-bytes = <8192>", "expected 4096 or 16384"},
        BadProfile{"UnalignedWindow", "0x80000000 0x7ff00000", "0x80001000 0x7ff00000", "multiple of the DART page"},
        BadProfile{"WindowOnDoorbell", "0x80000000 0x7ff00000", "0x80000000 0x80000000", "MSI doorbell"},
        BadProfile{"WindowAboveDart", "0x80000000 0x7ff00000", "0x1000000000 0x7ff00000", "above what dart/va-width"},
        BadProfile{"WindowWraps", "0x80000000 0x7ff00000", "0x80000000 0xffffffffffffc000", "wraps"},
        BadProfile{"WindowOverMmio", "0x80000000 0x7ff00000", "0x20000000 0x60000000", "overlaps an MMIO window"},
        BadProfile{"BudgetAboveWindow", "<0x60000000>", "<0x80000000>", "more than the window holds"},
        BadProfile{"WindowsOverlap", "0x40000000 0x40000000", "0x30000000 0x50000000", "overlap"},
        BadProfile{"InboundTooNarrow", "inbound-address-bits = <64>;", "inbound-address-bits = <31>;", "expected 32 to 64"},
        BadProfile{"Mmio32Above4G", "0x00100000 0x3ff00000", "0xfff00000 0x3ff00000", "4 GiB"},
        BadProfile{"WrongCompatible", "dartboard,profile", "acme,profile", "expected one of dartboard,profile"},
        BadProfile{"NewerVersion", "dartboard,version = <1>", "dartboard,version = <2>", "'dartboard,version' is 2"}),
    [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace dartboard::sim
