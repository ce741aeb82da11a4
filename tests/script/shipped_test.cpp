// tests/script/shipped_test.cpp - the shipped scripts on a bus of their own: gpu and hostile, and what all have in common.
#include <cstring>
#include <numeric>

#include "model/capabilities.h"
#include "tests/script/support.h"

namespace dartboard::script_test {
namespace {

std::string text_of(std::string_view name) {
  const auto source = model::load_script(name);
  return source ? source->text : std::string();
}

TEST(Shipped, AreFourAndSayWhatTheyAre) {
  std::vector<std::string_view> names;
  for (const model::BuiltinScript& script : model::builtin_scripts()) {
    names.push_back(script.name);
    EXPECT_FALSE(script.summary.empty()) << script.name;
    EXPECT_EQ(script.summary.find("--"), std::string_view::npos) << script.summary;
  }
  EXPECT_EQ(names, (std::vector<std::string_view>{"edu", "gpu", "hostile", "nvme"}));
}

TEST(Shipped, NvmeIsAtMost200Lines) {
  const std::string text = text_of("nvme");
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 200);
}

// The GPU -------------------------------------------------------------------------------------------------------------

struct Gpu : testing::Test {
  static constexpr uint64_t kVram = 512 * kMiB;
  Gpu() : p(text_of("gpu"), {}, "gpu.lua") {
    // BAR0 is 64-bit and so is BAR2: registers are in BAR5.
    p.bus->config_write(model::cfg::kBar0 + 20, kRegisters, 4);
    p.bus->config_write(model::cfg::kBar0, Plugged::kBar0, 4);
  }
  static constexpr uint64_t kRegisters = 0x2000'0000;
  uint32_t reg(uint64_t offset) { return static_cast<uint32_t>(p.bus->read(kRegisters + offset, 4)); }
  void set(uint64_t offset, uint32_t value) { p.bus->write(kRegisters + offset, value, 4); }
  std::vector<uint8_t> vram(uint64_t offset, uint32_t length) {
    std::vector<uint8_t> bytes(length);
    p.bus->send(model::TlpKind::kMemRead, Plugged::kBar0 + offset, bytes.data(), length);
    return bytes;
  }
  template <class T>
  static T at(const std::vector<uint8_t>& bytes, size_t offset) {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
  }
  Plugged p;
};

TEST_F(Gpu, IsAnAmdDisplayController) {
  EXPECT_EQ(p.bus->config_read(0, 2), 0x1002u);
  EXPECT_EQ(p.bus->config_read(0x0b, 1), 0x03u);
}

TEST_F(Gpu, HasADiscoveryTableAtTheEndOfVram) {
  ASSERT_EQ(uint64_t{reg(0x378c)} * kMiB, kVram);
  const std::vector<uint8_t> table = vram(kVram - 64 * kKiB, 10240);
  ASSERT_EQ(at<uint32_t>(table, 0), 0x2821'1407u);
  // Checksums as Linux's amdgpu_discovery checks them: sums of bytes.
  const auto sum = [&](size_t from, size_t bytes) {
    return static_cast<uint16_t>(std::accumulate(table.begin() + static_cast<long>(from),
                                                 table.begin() + static_cast<long>(from + bytes), 0u));
  };
  EXPECT_EQ(at<uint16_t>(table, 8), sum(10, at<uint16_t>(table, 10) - 10u));
  const auto discovery = at<uint16_t>(table, 12);
  EXPECT_EQ(at<uint16_t>(table, 14), sum(discovery, at<uint16_t>(table, 16)));
  EXPECT_EQ(at<uint32_t>(table, discovery), 0x5344'5049u);
  EXPECT_EQ(at<uint16_t>(table, discovery + 12u), 1);
  size_t ip = at<uint16_t>(table, discovery + 16u);
  const auto blocks = at<uint16_t>(table, ip + 2);
  EXPECT_EQ(blocks, 8);
  ip += 4;
  EXPECT_EQ(at<uint16_t>(table, ip), 11);        // GC
  EXPECT_EQ(table[ip + 4], 12);                  // 12.0.0
  EXPECT_EQ(at<uint32_t>(table, ip + 8), 0x1260u);
  const auto gc = at<uint16_t>(table, 20);
  EXPECT_EQ(at<uint16_t>(table, 22), sum(gc, at<uint16_t>(table, 24)));
}

TEST_F(Gpu, TheTableCanBeReadThroughTheIndexPairToo) {
  set(0x00, 0x8000'0000u | (kVram - 64 * kKiB));
  set(0x18, 0);
  EXPECT_EQ(reg(0x04), 0x2821'1407u);
}

TEST_F(Gpu, IndirectRegistersHoldWhatWasWritten) {
  set(0x38, 0x1234'5678);
  set(0x3c, 0xabcd);
  set(0x38, 0x1111);
  EXPECT_EQ(reg(0x3c), 0u);
  set(0x50, 0x1234'5678);
  EXPECT_EQ(reg(0x54), 0xabcdu);
}

TEST_F(Gpu, TheFirmwareProcessorStartsWhenItsLastStageIsLoaded) {
  EXPECT_EQ(reg(0x58244), 0u);
  set(0x5818c, 0x80000);
  EXPECT_EQ(reg(0x58244), 0u);
  EXPECT_EQ(reg(0x5818c), 0x8000'0000u);
  set(0x5818c, 0x20000);
  EXPECT_EQ(reg(0x58244), 1u);
}

TEST_F(Gpu, ARingFrameIsAnsweredWithItsFence) {
  constexpr uint64_t kRing = 0x87000, kCommand = 0x90000, kFence = 0x91000;
  std::array<uint32_t, 16> frame{};
  frame[0] = kCommand;
  frame[3] = kFence;
  frame[5] = 77;
  p.bus->send(model::TlpKind::kMemWrite, Plugged::kBar0 + kRing, frame.data(), 64);
  set(0x58214, kRing);
  set(0x58218, 0);
  set(0x5821c, 0x10000);
  set(0x5820c, 0x10);
  EXPECT_EQ(at<uint32_t>(vram(kFence, 4), 0), 77u);
}

TEST_F(Gpu, AComputeQueueIsIdleWhenItIsAskedToStop) {
  set(0xc82c, 1);
  EXPECT_EQ(reg(0xc82c), 1u);
  set(0xc884, 2);
  EXPECT_EQ(reg(0xc82c), 0u);
}

TEST_F(Gpu, TheSmuCountsStepsOnlyWhenAskedHowMany) {
  EXPECT_EQ(reg(0x58a68), 1u);
  for (const auto& [argument, answer] : {std::pair{0x000200ffu, 2u}, {0x00020001u, 0x00020001u}}) {
    set(0x58a68, 0);
    set(0x58a48, argument);
    set(0x58a08, 0x1c);
    EXPECT_EQ(reg(0x58a68), 1u);
    EXPECT_EQ(reg(0x58a48), answer);
  }
}

TEST_F(Gpu, OtherRegistersArePlainMemory) {
  set(0x4480, 0xc031'0020);
  EXPECT_EQ(reg(0x4480), 0xc031'0020u);
}

TEST_F(Gpu, TheTableIsThereAgainAfterPowerOn) {
  const uint32_t zero = 0;
  p.bus->send(model::TlpKind::kMemWrite, Plugged::kBar0 + kVram - 64 * kKiB, const_cast<uint32_t*>(&zero), 4);
  p.power_on();
  p.bus->config_write(model::cfg::kBar0, Plugged::kBar0, 4);
  EXPECT_EQ(at<uint32_t>(vram(kVram - 64 * kKiB, 4), 0), 0x2821'1407u);
}

// The hostile one -----------------------------------------------------------------------------------------------------

struct Hostile : testing::Test {
  Hostile() : p(text_of("hostile"), {}, "hostile.lua") {}
  Plugged p;
};

TEST_F(Hostile, WritesWhereItIsTold) {
  p.write(0x08, FakeUpstream::kMemoryBase + 16, 8);
  p.write(0x10, 4);
  p.write(0x14, 0xee);
  EXPECT_EQ(p.read(0x04), 0u);
  EXPECT_EQ(p.upstream.memory[16], std::byte{0xee});
  p.write(0x08, 0x10, 8);
  p.write(0x14, 0xee);
  EXPECT_EQ(p.read(0x04), 1u);
}

TEST_F(Hostile, ReadsLoot) {
  std::memcpy(p.upstream.memory.data(), "\x78\x56\x34\x12", 4);
  p.write(0x08, FakeUpstream::kMemoryBase, 8);
  p.write(0x18, 0);
  EXPECT_EQ(p.read(0x1c), 0x1234'5678u);
}

TEST_F(Hostile, ForgesMessages) {
  p.write(0x20, 0x55);
  EXPECT_EQ(p.upstream.messages, std::vector<uint32_t>{0x55});
}

TEST_F(Hostile, IsAnotherDeviceAtEachRead) {
  const auto first = p.bus->config_read(0, 4);
  EXPECT_EQ(p.bus->config_read(0, 4), first);
  p.write(0x28, 1);
  const auto second = p.bus->config_read(0, 4);
  EXPECT_NE(p.bus->config_read(0, 4), second);
}

TEST_F(Hostile, ItsCapabilityListIsACircle) {
  p.write(0x2c, 1);
  auto at = static_cast<uint32_t>(p.bus->config_read(0x34, 1));
  const uint32_t first = at;
  for (int i = 0; i < 10; ++i) {
    at = static_cast<uint32_t>(p.bus->config_read(at + 1, 1));
    ASSERT_EQ(at, first);
    ASSERT_EQ((p.bus->config_read(at, 2) >> 8) & 0xff, first);
  }
}

TEST_F(Hostile, HasABarOfOneTebibyte) {
  p.bus->config_write(0x18, 0xffff'ffff, 4);
  p.bus->config_write(0x1c, 0xffff'ffff, 4);
  EXPECT_EQ(p.bus->config_read(0x18, 4) & ~0xfu, 0u);
  EXPECT_EQ(p.bus->config_read(0x1c, 4), 0xffff'ff00u);
}

TEST_F(Hostile, GoesSilent) {
  p.write(0x34, 1);
  p.bus->config_read(0, 4);
  EXPECT_EQ(p.bus->outcome, Outcome::kRequestRetry);
}

}  // namespace
}  // namespace dartboard::script_test
