// tests/conformance/rtl_endpoint_test.cpp - the RTL endpoint: the rules, the test endpoint's registers, DMA, resets, waves.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "conformance/bench.h"
#include "conformance/suite.h"
#include "model/endpoint/rtl/rtl_endpoint.h"
#include "model/endpoint/test.h"

namespace dartboard::conformance {
namespace {

namespace reg = model::test_register;
namespace cfg = model::cfg;
using model::TestDmaCommand;
using model::TestDmaError;

class RtlEndpointTest : public testing::Test {
 protected:
  void SetUp() override { start(rtl.get()); }
  void TearDown() override { bench.plug(nullptr, nullptr); }
  void start(model::PcieDevice* device) {
    bench.plug(device, nullptr);
    bench.start();
  }
  uint64_t base() const { return bench.placed()[0].address; }
  uint64_t ram() const { return bench.placed()[2].address; }
  uint64_t get(uint32_t offset, unsigned bytes = 4) { return bench.load(base() + offset, bytes).value; }
  void set(uint32_t offset, uint64_t value, unsigned bytes = 4) { bench.store(base() + offset, value, bytes); }

  TestDmaError dma(TestDmaCommand command, uint64_t source, uint64_t destination, uint32_t length) {
    set(reg::kDmaSource, source, 8);
    set(reg::kDmaDestination, destination, 8);
    set(reg::kDmaLength, length);
    set(reg::kDmaCommand, static_cast<uint32_t>(command));
    bench.pass_ns(kNsPerMs);
    return static_cast<TestDmaError>(get(reg::kDmaError));
  }
  /// Everything that software can read of the engine.
  std::string state() {
    std::string out;
    for (uint32_t offset = 0; offset < 0x200; offset += 4) {
      if (offset != reg::kTime && offset != reg::kTime + 4) out += fmt::format("{:x} ", get(offset));
    }
    for (uint32_t offset = 0; offset < model::kRtlRamBytes; offset += 8) {
      out += fmt::format("{:x} ", bench.load(ram() + offset, 8).value);
    }
    return out;
  }
  void make_history() {
    for (uint32_t offset = 0; offset < 0x200; offset += 4) set(offset, 0x1234'5678u * offset + 3);
    set(reg::kControl, reg::kControlIrqEnable);
    for (uint32_t i = 0; i < 256; ++i) bench.memory()[i] = static_cast<std::byte>(i * 7);
    bench.pass_ns(kNsPerMs);
    dma(TestDmaCommand::kHostToDevice, Bench::kMemoryAddress, 5, 200);
    set(reg::kDmaDelayNs, 1'000'000'000);
    set(reg::kDmaCommand, 1);   // under way when the reset comes
  }

  Bench& bench = Bench::instance();
  std::unique_ptr<model::RtlEndpoint> rtl = std::move(*model::RtlEndpoint::make());
};

TEST_F(RtlEndpointTest, FollowsEveryRuleThatTheTestEndpointFollows) {
  model::TestEndpoint twin;
  const Report expected = run_on_bench("test", twin);
  const Report got = run_on_bench("rtl", *rtl);
  ASSERT_EQ(got.rows.size(), expected.rows.size());
  for (size_t i = 0; i < got.rows.size(); ++i) {
    EXPECT_EQ(to_string(got.rows[i].verdict.status), to_string(expected.rows[i].verdict.status))
        << got.rows[i].rule->id << ": " << got.rows[i].verdict.seen;
  }
}

// The same accesses give the same answers as from the C++ model of the same registers.
TEST_F(RtlEndpointTest, AnswersRegisterAccessesLikeTheTestEndpoint) {
  model::TestEndpoint twin;
  const auto run = [this](model::PcieDevice* device) {
    start(device);
    std::vector<uint64_t> answers;
    uint32_t seed = 1;
    const auto next = [&seed] { return seed = seed * 1664525u + 1013904223u; };
    for (unsigned i = 0; i < 4000; ++i) {
      const uint32_t offset = next() >> 8 & 0x1fc;
      const unsigned bytes = 1u << (next() >> 16) % 3;
      const bool time = (offset & ~7u) == reg::kTime;
      // DMA has tests of its own; interrupts go to INTx, which both show in INTX.
      if (next() % 2 == 0 && offset != reg::kDmaCommand) {
        set(offset + (bytes == 4 ? 0 : next() >> 20 & (4 - bytes)), next(), bytes);
      } else if (!time) {
        answers.push_back(get(offset, 4));
      }
    }
    bench.plug(nullptr, nullptr);   // the twin goes before TearDown()
    return answers;
  };
  EXPECT_EQ(run(rtl.get()), run(&twin));
}

TEST_F(RtlEndpointTest, MovesDataLikeTheTestEndpoint) {
  model::TestEndpoint twin;
  struct Case {
    TestDmaCommand command;
    uint64_t source, destination;
    uint32_t length;
  };
  const uint64_t host = Bench::kMemoryAddress;
  const auto run = [&](model::PcieDevice* device, const Case& c, bool immediate) {
    start(device);
    for (uint32_t i = 0; i < 8192; ++i) bench.memory()[i] = static_cast<std::byte>(i * 13 + i / 256);
    set(reg::kControl, immediate ? reg::kControlImmediate : 0);
    set(reg::kDmaPattern, 0xdead'beef);
    for (uint32_t i = 0; i < 512; i += 8) bench.store(ram() + i, 0x0101'0101'0101'0101u * i + 0x33, 8);
    const TestDmaError error = dma(c.command, c.source, c.destination, c.length);
    std::string out = fmt::format("error {} status {:x} count {}:", static_cast<uint32_t>(error), get(reg::kStatus), get(reg::kDmaCount));
    for (uint32_t i = 0; i < 8192; ++i) out += fmt::format("{:02x}", std::to_integer<unsigned>(bench.memory()[i]));
    // What a refused read leaves in the device's memory is the device's: the test endpoint keeps the all-ones.
    for (uint32_t i = 0; i < 512 && error == TestDmaError::kNone; i += 8) {
      out += fmt::format(" {:x}", bench.load(ram() + i, 8).value);
    }
    bench.plug(nullptr, nullptr);
    return out;
  };
  for (const Case& c : {
           Case{TestDmaCommand::kHostToDevice, host + 3, 5, 200}, Case{TestDmaCommand::kHostToDevice, host, 0, 64},
           Case{TestDmaCommand::kDeviceToHost, 7, host + 1001, 333}, Case{TestDmaCommand::kFillHost, 0, host + 16, 1000},
           Case{TestDmaCommand::kFillDevice, 0, 12, 100}, Case{TestDmaCommand::kReverse, host, host + 4096, 200},
           Case{TestDmaCommand::kReverse, host + 1, host + 4096, 64}, Case{TestDmaCommand::kHostToDevice, host, 0, 0},
           Case{TestDmaCommand::kHostToDevice, 0x1000'0000, 0, 64}, Case{TestDmaCommand::kFillDevice, 0, 1ull << 40, 4},
           Case{static_cast<TestDmaCommand>(9), 0, 0, 4}, Case{TestDmaCommand::kFillHost, 0, host, 16u << 20 | 1u},
       }) {
    for (const bool immediate : {true, false}) {
      SCOPED_TRACE(fmt::format("command {} of {} bytes", static_cast<uint32_t>(c.command), c.length));
      EXPECT_EQ(run(rtl.get(), c, immediate), run(&twin, c, immediate));
    }
  }
}

TEST_F(RtlEndpointTest, ADelayedDmaTakesItsTime) {
  set(reg::kDmaDelayNs, 5000);
  set(reg::kDmaDestination, Bench::kMemoryAddress, 8);
  set(reg::kDmaLength, 64);
  set(reg::kDmaCommand, static_cast<uint32_t>(TestDmaCommand::kFillHost));
  bench.pass_ns(4999);
  EXPECT_EQ(get(reg::kStatus), reg::kStatusBusy);
  bench.pass_ns(1);
  EXPECT_EQ(get(reg::kStatus), reg::kStatusDone);
}

TEST_F(RtlEndpointTest, TheClockStandsStillWithoutWork) {
  const uint64_t before = rtl->cycles();
  bench.pass_ns(kNsPerS);
  EXPECT_EQ(rtl->cycles(), before);
}

TEST_F(RtlEndpointTest, PowerOnBringsEveryFlopBack) {
  const std::string fresh = state();
  make_history();
  EXPECT_NE(state(), fresh);
  bench.start();
  EXPECT_EQ(state(), fresh);
}

TEST_F(RtlEndpointTest, TheSameRunAfterAnyHistorySendsTheSame) {
  const auto run = [this] {
    bench.start();
    std::string out;
    for (uint32_t i = 0; i < 300; ++i) bench.memory()[i] = static_cast<std::byte>(i);
    dma(TestDmaCommand::kHostToDevice, Bench::kMemoryAddress, 0, 300);
    dma(TestDmaCommand::kDeviceToHost, 1, Bench::kMemoryAddress + 512, 299);
    for (const model::TlpEvent& e : bench.sent()) out += fmt::format("{} {:x} {} {:x};", to_string(e.kind), e.address, e.length, e.data);
    return out + state();
  };
  const std::string first = run();
  make_history();
  EXPECT_EQ(run(), first);
}

TEST_F(RtlEndpointTest, ResetsKeepWhatTheMatrixSays) {
  struct Case {
    const char* name;
    bool flr;
    uint32_t flr_kept, sticky;
  };
  for (const Case& c : {Case{"FLR", true, 22, 11}, Case{"hot reset", false, 0, 11}}) {
    SCOPED_TRACE(c.name);
    bench.start();
    set(reg::kSticky, 11);
    set(reg::kFlrKept, 22);
    set(reg::kScratch, 33);
    bench.store(ram(), 44);
    if (c.flr) {
      bench.function_reset();
    } else {
      bench.hot_reset();
    }
    bench.enumerate();
    EXPECT_EQ(get(reg::kSticky), c.sticky);
    EXPECT_EQ(get(reg::kFlrKept), c.flr_kept);
    EXPECT_EQ(get(reg::kScratch), 0u);
    EXPECT_EQ(bench.load(ram()).value, 44u);
  }
}

TEST_F(RtlEndpointTest, WritesItsWaves) {
  const auto file = std::filesystem::temp_directory_path() / fmt::format("dartboard_rtl_{}.vcd", static_cast<const void*>(this));
  {
    auto made = model::RtlEndpoint::make({.wave_file = file.string()});
    ASSERT_TRUE(made.has_value());
    start(made->get());
    set(reg::kScratch, 0x1234'5678);
    bench.plug(nullptr, nullptr);
  }
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_NE(text.str().find("$enddefinitions"), std::string::npos);
  EXPECT_NE(text.str().find("scratch"), std::string::npos);
  EXPECT_NE(text.str().find("b00010010001101000101011001111000"), std::string::npos);
  std::filesystem::remove(file);
}

TEST_F(RtlEndpointTest, AWaveFileThatCannotBeWrittenIsAnError) {
  const auto made = model::RtlEndpoint::make({.wave_file = "/no/such/directory/waves.vcd"});
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().name, ErrorName::kFileUnreadable);
}

}  // namespace
}  // namespace dartboard::conformance
