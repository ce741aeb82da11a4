// tests/rooms/include_rules_test.cpp - what a room may include, as a table, held against every source file.
//
// The rules are the design's: backend/ knows the dext client and nothing below it; model/ knows TLM only; dext/driver
// knows DriverKit and the ABI header only, because that source ships on a Mac; traces/ knows plain types.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

struct Rule {
  std::string_view room;                        // path prefix of the including file
  std::vector<std::string_view> quoted;         // allowed prefixes of "..." includes
  std::vector<std::string_view> angled_refused; // refused prefixes of <...> includes
};

const std::vector<std::string_view> kHardware = {"systemc", "tlm", "verilated"};
const std::vector<std::string_view> kApple = {"IOKit/", "DriverKit/", "PCIDriverKit/", "CoreFoundation/", "mach/", "dispatch/"};

std::vector<std::string_view> join(std::vector<std::string_view> a, const std::vector<std::string_view>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// First matching room wins, so the narrower prefix stands first.
const std::vector<Rule>& rules() {
  static const std::vector<Rule> table = {
      {"base/", {"base/"}, join(kHardware, kApple)},
      {"model/", {"base/", "model/"}, kApple},
      {"conformance/", {"base/", "model/", "conformance/"}, kApple},
      // The driver ships on a Mac: its own generated headers (no directory) and the ABI, nothing of this repository.
      {"dext/driver/", {"dext/abi.h", "dext/driver/", "VFIOUserPCI"}, join(kHardware, {"IOKit/IOKitLib", "CoreFoundation/", "dispatch/"})},
      // The one place where the client knows that its Mac is simulated.
      {"dext/client/pump_sim.cpp", {"base/", "dext/", "sim/iokit/pump.h"}, kHardware},
      {"dext/", {"base/", "dext/"}, join(kHardware, {"DriverKit/", "PCIDriverKit/"})},
      // Knows no device and no dext: a launcher may use it before either exists.
      {"backend/devicetree/", {"base/", "backend/devicetree/"}, join(kHardware, kApple)},
      {"backend/", {"base/", "backend/", "dext/client/"}, join(kHardware, kApple)},
      {"traces/", {"base/", "traces/"}, join(kHardware, kApple)},
      {"sim/", {"base/", "model/", "sim/"}, {}},
      {"cli/", {"base/", "model/", "sim/", "dext/", "backend/", "traces/", "conformance/", "cli/"}, {}},
  };
  return table;
}

const Rule* rule_for(const std::string& path) {
  for (const Rule& r : rules()) {
    if (path.rfind(r.room, 0) == 0) return &r;
  }
  return nullptr;
}

/// Returns what is wrong with one line of `path`, or nothing.
std::string violation(const std::string& path, const std::string& line) {
  static const std::regex include(R"(^\s*#\s*(?:include|import)\s*(["<])([^">]+)[">])");
  std::smatch match;
  const Rule* rule = rule_for(path);
  if (rule == nullptr || !std::regex_search(line, match, include)) return {};
  const bool quoted = match[1] == "\"";
  const std::string target = match[2];
  const auto starts = [&](std::string_view prefix) { return target.rfind(prefix, 0) == 0; };
  if (quoted) {
    if (target.find('/') == std::string::npos) {
      // A header beside the file, or one that iig generates beside it.
      if (rule->room == "sim/" || rule->room == "dext/driver/") return {};
    }
    if (std::any_of(rule->quoted.begin(), rule->quoted.end(), starts)) return {};
    if (rule->room == "sim/") {
      // DriverKit's own headers include each other by Apple's names.
      if (path.rfind("sim/driverkit/include/", 0) == 0 || path.rfind("sim/iokit/include/", 0) == 0) return {};
    }
    return fmt::format("{} includes \"{}\"; {} may include {}", path, target, rule->room, fmt::join(rule->quoted, ", "));
  }
  if (std::any_of(rule->angled_refused.begin(), rule->angled_refused.end(), starts)) {
    return fmt::format("{} includes <{}>, which {} must not know", path, target, rule->room);
  }
  static const std::vector<std::string_view> linux_only = {"linux/", "sys/epoll.h", "sys/eventfd.h", "sys/memfd.h", "sys/signalfd.h"};
  if (std::any_of(linux_only.begin(), linux_only.end(), starts) && path.find("_linux") == std::string::npos) {
    return fmt::format("{} includes <{}>; Linux-only headers belong in a file named *_linux", path, target);
  }
  return {};
}

bool is_source(const fs::path& p) {
  const std::string e = p.extension().string();
  return e == ".h" || e == ".hpp" || e == ".c" || e == ".cpp" || e == ".iig" || e == ".inc" || e == ".mm";
}

TEST(IncludeRules, EverySourceFileKeepsToItsRoom) {
  const fs::path root = DARTBOARD_SOURCE_DIR;
  size_t files = 0;
  for (const char* room : {"base", "model", "sim", "dext", "backend", "traces", "cli"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / room)) {
      if (!entry.is_regular_file() || !is_source(entry.path())) continue;
      ++files;
      const std::string path = fs::relative(entry.path(), root).generic_string();
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) {
        const std::string wrong = violation(path, line);
        EXPECT_TRUE(wrong.empty()) << wrong;
      }
    }
  }
  EXPECT_GT(files, 50u) << "the walk did not find the sources";
}

struct Case {
  const char* path;
  const char* line;
  bool allowed;
};

class IncludeRule : public testing::TestWithParam<Case> {};

TEST_P(IncludeRule, Judges) {
  const Case& c = GetParam();
  EXPECT_EQ(violation(c.path, c.line).empty(), c.allowed) << c.path << ": " << c.line;
}

INSTANTIATE_TEST_SUITE_P(
    Table, IncludeRule,
    testing::Values(Case{"backend/dma/account.cpp", "#include \"dext/client/client.h\"", true},
                    Case{"backend/dma/account.cpp", "#include \"sim/machine.h\"", false},
                    Case{"backend/dma/account.cpp", "#include \"model/tlp.h\"", false},
                    Case{"backend/dma/account.cpp", "#include \"dext/abi.h\"", false},
                    Case{"backend/dma/account.cpp", "#include <IOKit/IOKitLib.h>", false},
                    Case{"backend/dma/account.cpp", "#include <sys/eventfd.h>", false},
                    Case{"backend/devicetree/merger.cpp", "#include <libfdt.h>", true},
                    Case{"backend/devicetree/merger.cpp", "#include \"backend/devicetree/tree.h\"", true},
                    Case{"backend/devicetree/merger.cpp", "#include \"backend/dma/account.h\"", false},
                    Case{"backend/devicetree/merger.cpp", "#include \"dext/client/client.h\"", false},
                    Case{"backend/devicetree/merger.cpp", "#include \"sim/profile.h\"", false},
                    Case{"backend/loop_linux.cpp", "#include <sys/eventfd.h>", true},
                    Case{"model/dart.cpp", "#include <tlm>", true},
                    Case{"model/dart.cpp", "#include \"sim/profile.h\"", false},
                    Case{"model/dart.cpp", "#include \"backend/dma.h\"", false},
                    Case{"dext/driver/VFIOUserPCIDriver.cpp", "#include <PCIDriverKit/PCIDriverKit.h>", true},
                    Case{"dext/driver/VFIOUserPCIDriver.cpp", "#include \"dext/abi.h\"", true},
                    Case{"dext/driver/VFIOUserPCIDriver.cpp", "#include \"base/types.h\"", false},
                    Case{"dext/driver/VFIOUserPCIDriver.cpp", "#include \"sim/macos/kernel.h\"", false},
                    Case{"dext/client/client.cpp", "#include <IOKit/IOKitLib.h>", true},
                    Case{"dext/client/client.cpp", "#include \"sim/iokit/pump.h\"", false},
                    Case{"traces/session.cpp", "#include \"backend/passthrough_device.h\"", false},
                    Case{"cli/replay.cpp", "#include \"sim/machine.h\"", true}));

}  // namespace
