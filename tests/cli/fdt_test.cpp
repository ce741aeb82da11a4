// tests/cli/fdt_test.cpp - `dartboard fdt` from outside: arguments, what it prints, and that OUT is whole or untouched.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include <nlohmann/json.hpp>

#include "support.h"

namespace dartboard::cli {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;
namespace fs = std::filesystem;

/// A directory of this test's own, below that of all.
std::string directory(const std::string& name) {
  const std::string path = write_file(name + ".mark", "") + ".d";
  fs::create_directories(path);
  return path;
}

std::vector<std::string> with(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::vector<std::string> recipe(const std::string& out) {
  return {"fdt",      "--base", DARTBOARD_VIRT_TREE, "--out", out, "--pool", "0x50000000,0x800000000,64M",
          "--device", "00:04.0"};
}

size_t files_in(const std::string& path) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
}

TEST(Fdt, SaysInWordsWhatWasAdded) {
  const std::string in = directory("words"), out = in + "/out.dtb";
  const ProgramRun made = run(recipe(out));
  EXPECT_EQ(made.exit_code, 0) << made.err;
  for (const char* part :
       {"with a pool of 64 MiB for device 00:04.0",
        "/reserved-memory/dma-pool@50000000: added; guest memory "
        "0x50000000 to 0x53ffffff, phandle 0x9001",
        "/pcie@10000000/dev@4,0: memory-region added", "/pcie@10000000: dma-ranges added",
        "bus 0x800000000 to 0x803ffffff is guest memory 0x50000000 to 0x53ffffff (64 MiB, pool)",
        "bus 0x54000000 to 0x5fffffff is guest memory 0x54000000 to 0x5fffffff (192 MiB, other memory"}) {
    EXPECT_THAT(made.out, HasSubstr(part));
  }
  EXPECT_EQ(made.err, "");
  EXPECT_EQ(files_in(in), 1u) << "a temporary file is left";
  EXPECT_THAT(read_file(out), HasSubstr("restricted-dma-pool"));
}

TEST(Fdt, JsonHasTheNumbers) {
  const std::string out = directory("json") + "/out.dtb";
  const ProgramRun made = run(with(recipe(out), {"--json"}));
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const Json json = Json::parse(made.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << made.out;
  EXPECT_EQ(json["out_bytes"], fs::file_size(out));
  EXPECT_EQ(json["pool"]["gpa"], 0x50000000);
  EXPECT_EQ(json["pool"]["phandle"], 0x9001);
  EXPECT_EQ(json["user"]["node"], "/pcie@10000000/dev@4,0");
  ASSERT_EQ(json["dma_ranges"].size(), 3u);
  EXPECT_EQ(json["dma_ranges"][0]["bus"], 0x8'0000'0000);
  EXPECT_EQ(json["dma_ranges"][0]["pool"], true);
  EXPECT_EQ(json["dma_ranges"][2]["bytes"], 0x0c000000);
  EXPECT_EQ(json["notes"].size(), 0u);
}

TEST(Fdt, NumbersAreDecimalOrHexadecimalWithASuffix) {
  const std::string in = directory("numbers");
  ASSERT_EQ(run(recipe(in + "/a.dtb")).exit_code, 0);
  for (const char* pool : {"1342177280,34359738368,67108864", "0x50000000,32G,0x4000K", "1280M,0X800000000,65536k"}) {
    std::vector<std::string> arguments = recipe(in + "/b.dtb");
    arguments[6] = pool;
    const bool same_size = std::string(pool).find("0x4000K") == std::string::npos;  // that is 16 MiB
    EXPECT_EQ(run(arguments).exit_code, 0) << pool;
    EXPECT_EQ(read_file(in + "/a.dtb") == read_file(in + "/b.dtb"), same_size) << pool;
  }
}

TEST(Fdt, PiecesAreRepeatedOptions) {
  const std::string out = directory("pieces") + "/out.dtb";
  const ProgramRun made =
      run({"fdt", "--base", DARTBOARD_VIRT_TREE, "--out", out, "--pool", "0x50200000,0x900000000,2M", "--pool",
           "0x50000000,0x2040000000,2M", "--whole-bridge", "--bridge", "/pcie@10000000", "--json"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const Json json = Json::parse(made.out, nullptr, false);
  EXPECT_EQ(json["dma_ranges"][0]["bus"], 0x20'4000'0000);
  EXPECT_EQ(json["dma_ranges"][1]["bus"], 0x9'0000'0000);
  EXPECT_EQ(json["user"]["node"], "/pcie@10000000");
  EXPECT_EQ(json["notes"].size(), 1u);
}

TEST(Fdt, OutMayBeTheBaseAndASecondTimeChangesNothing) {
  const std::string tree = write_file("self.dtb", read_file(DARTBOARD_VIRT_TREE));
  std::vector<std::string> arguments = recipe(tree);
  arguments[2] = tree;
  ASSERT_EQ(run(arguments).exit_code, 0);
  const std::string once = read_file(tree);
  const ProgramRun again = run(arguments);
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("was there"));
  EXPECT_EQ(read_file(tree), once);
}

TEST(Fdt, ALinkKeepsLeadingToTheFile) {
  const std::string in = directory("link");
  fs::create_symlink("real.dtb", in + "/link.dtb");
  write_file("link.mark.d/real.dtb", "old");
  ASSERT_EQ(run(recipe(in + "/link.dtb")).exit_code, 0);
  EXPECT_TRUE(fs::is_symlink(in + "/link.dtb"));
  EXPECT_THAT(read_file(in + "/real.dtb"), HasSubstr("restricted-dma-pool"));
}

struct Wrong {
  const char* what;
  std::vector<std::string> more;  // after --base and --out
  const char* sentence;
};
class FdtRefused : public testing::TestWithParam<Wrong> {};

TEST_P(FdtRefused, LeavesOutAsItWas) {
  const std::string in = directory(GetParam().what), out = in + "/out.dtb";
  write_file(std::string(GetParam().what) + ".mark.d/out.dtb", "precious");
  const ProgramRun refused = run(with({"fdt", "--base", DARTBOARD_VIRT_TREE, "--out", out}, GetParam().more));
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr(GetParam().sentence));
  EXPECT_EQ(refused.out, "");
  EXPECT_EQ(read_file(out), "precious");
  EXPECT_EQ(files_in(in), 1u);
}

const std::string kGoodPool = "0x50000000,0x800000000,64M";
INSTANTIATE_TEST_SUITE_P(
    Table, FdtRefused,
    testing::Values(
        Wrong{"NoPool", {"--whole-bridge"}, "--pool is required"},
        Wrong{"NoUser", {"--pool", kGoodPool}, "give either --device BB:DD.F (recommended) or --whole-bridge"},
        Wrong{"TwoUsers", {"--pool", kGoodPool, "--device", "00:04.0", "--whole-bridge"}, "excludes"},
        Wrong{"TwoNumbers", {"--pool", "1,2", "--whole-bridge"}, "--pool '1,2': expected GPA,IOVA,BYTES"},
        Wrong{"FourNumbers", {"--pool", "1,2,3,4", "--whole-bridge"}, "--pool '1,2,3,4': expected GPA"},
        Wrong{"NoNumber", {"--pool", "0x,2,3", "--whole-bridge"}, "--pool '0x,2,3': expected GPA"},
        Wrong{"NegativeNumber", {"--pool", "-1,2,3", "--whole-bridge"}, "expected GPA"},
        Wrong{"TooLargeNumber", {"--pool", "0x50000000,0x10000000000G,64M", "--whole-bridge"}, "expected GPA"},
        Wrong{"UnknownSuffix", {"--pool", "0x50000000,0x800000000,64T", "--whole-bridge"}, "expected GPA"},
        Wrong{"NoDevice", {"--pool", kGoodPool, "--device", "nvme"}, "--device 'nvme': expected BB:DD.F"},
        Wrong{"DeviceTooLarge", {"--pool", kGoodPool, "--device", "00:20.0"}, "--device '00:20.0': expected"},
        Wrong{"FunctionTooLarge", {"--pool", kGoodPool, "--device", "00:04.8"}, "--device '00:04.8': expected"},
        Wrong{"HalfADevice", {"--pool", kGoodPool, "--device", "00:04"}, "--device '00:04': expected"},
        Wrong{"OtherBus", {"--pool", kGoodPool, "--device", "01:00.0"}, "/pcie@10000000: device 01:00.0 is not on"},
        Wrong{"NoSuchBridge", {"--pool", kGoodPool, "--whole-bridge", "--bridge", "/x"}, "/x: no PCI host bridge"},
        Wrong{"PoolRule", {"--pool", "0x50000000,0x800000000,1K", "--whole-bridge"}, "multiple of 256 KiB"}),
    [](const auto& info) { return std::string(info.param.what); });

TEST(Fdt, WhatCannotBeReadOrWrittenIsBadInput) {
  const std::string in = directory("files");
  std::vector<std::string> arguments = recipe(in + "/out.dtb");
  arguments[2] = "/nowhere/in.dtb";
  EXPECT_THAT(run(arguments).err, HasSubstr("/nowhere/in.dtb: cannot be read: No such file or directory"));
  arguments[2] = write_file("text.dtb", "this is no tree, but it is long enough for the header of one");
  EXPECT_THAT(run(arguments).err, HasSubstr("text.dtb: this is no device tree blob"));
  for (const std::string& out : {std::string("/nowhere/out.dtb"), in, std::string("/dev/null")}) {
    const ProgramRun refused = run(recipe(out));
    EXPECT_EQ(refused.exit_code, 2) << out;
    EXPECT_THAT(refused.err, HasSubstr(out + ": cannot be written")) << out;
  }
  EXPECT_EQ(files_in(in), 0u);
}

TEST(Fdt, HelpTeachesByExample) {
  const ProgramRun help = run({"fdt", "--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* part : {"dumpdtb=virt.dtb", "--pool 0x50000000,0x800000000,64M --device 00:04.0", "-dtb guest.dtb",
                           "CONFIG_DMA_RESTRICTED_POOL", "Exit codes:"}) {
    EXPECT_THAT(help.out, HasSubstr(part));
  }
}

}  // namespace
}  // namespace dartboard::cli
