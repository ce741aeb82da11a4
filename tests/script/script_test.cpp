// tests/script/script_test.cpp - what a script's declarations and functions do on the bus.
#include <algorithm>
#include <array>
#include <cstring>

#include "model/capabilities.h"
#include "tests/script/support.h"

namespace dartboard::script_test {
namespace {

TEST(ScriptedRegister, OfDataOnlyNeverEntersLua) {
  Plugged p(device_with(R"(register { "A", 0, access = "rw", reset = 7 })"));
  EXPECT_EQ(p.read(0), 7u);
  p.write(0, 0x1234);
  EXPECT_EQ(p.read(0), 0x1234u);
  EXPECT_EQ(p.device->reactions(), 0u);
}

struct AccessCase {
  const char* declaration;
  uint64_t written, expected;
};
class ScriptedAccess : public testing::TestWithParam<AccessCase> {};
TEST_P(ScriptedAccess, FollowsTheDeclaredBits) {
  const AccessCase& c = GetParam();
  Plugged p(device_with(c.declaration));
  p.write(0, c.written);
  EXPECT_EQ(p.read(0), c.expected);
}
INSTANTIATE_TEST_SUITE_P(
    Table, ScriptedAccess,
    testing::Values(AccessCase{R"(register { "A", 0, reset = 0x55 })", 0xffffffff, 0x55},
                    AccessCase{R"(register { "A", 0, access = "w1c", reset = 0xff })", 0x0f, 0xf0},
                    AccessCase{R"(register { "A", 0, rw = 0xff00, w1c = 0x0f, reset = 0xff })", 0x1203, 0x12fc},
                    AccessCase{R"(register { "A", 0, access = "wo", reset = 3 })", 0xffff, 3},
                    AccessCase{R"(register { "A", 0, fields = { { "LOW", 3, 0, access = "rw" }, { "TOP", 31 } },
                                             reset = 0x80000000 })",
                               0xff, 0x8000000f},
                    AccessCase{R"(register { "A", 0, width = 2, access = "rw" })", 0x12345678, 0x5678}));

TEST(ScriptedRegister, OnReadAnswersWithoutChangingWhatIsStored) {
  Plugged p(device_with(R"(register { "A", 0, reset = 5, on_read = function(value) return value + 1 end })"));
  EXPECT_EQ(p.read(0), 6u);
  EXPECT_EQ(p.read(0), 6u);
  EXPECT_EQ(p.device->reactions(), 2u);
}

TEST(ScriptedRegister, OnWriteSeesWhatWasWrittenAndWhatWasThere) {
  Plugged p(device_with(R"(register { "A", 0, rw = 0xff, reset = 1, on_write = function(written, old)
      dev.log(("%x %x %x"):format(written, old, reg.A)) end })"));
  p.write(0, 0x1234);
  EXPECT_EQ(p.log, std::vector<std::string>{"1234 1 34"});
}

TEST(ScriptedRegister, PartOfItIsWrittenInPlace) {
  Plugged p(device_with(R"(register { "A", 0, width = 8, access = "rw", on_write = function(written)
      dev.log(("%x"):format(written)) end })"));
  p.write(4, 0xaabb);
  p.write(1, 0xcc, 1);
  EXPECT_EQ(p.log, (std::vector<std::string>{"aabb00000000", "cc00"}));
  EXPECT_EQ(p.read(0, 8), 0x0000'aabb'0000'cc00u);
}

TEST(ScriptedRegister, ElementsOfAnArrayKnowTheirNumber) {
  Plugged p(device_with(R"(register { "A", 0x10, count = 4, stride = 8, access = "wo",
      on_write = function(_, _, element) dev.log(tostring(element)) end })"));
  p.write(0x18, 1);
  p.write(0x28, 1);
  p.write(0x2c, 1);
  EXPECT_EQ(p.log, (std::vector<std::string>{"1", "3"}));
}

TEST(ScriptedRegister, AnAccessAcrossSeveralIsCutAtTheirBorders) {
  Plugged p(device_with(R"(register { "A", 0, reset = 0x11111111 },
      register { "B", 4, on_read = function() return 0x22222222 end }, register { "C", 8, reset = 0x33333333 })"));
  std::array<uint32_t, 4> words{};
  p.bus->send(model::TlpKind::kMemRead, Plugged::kBar0, words.data(), 16);
  EXPECT_EQ(words, (std::array<uint32_t, 4>{0x11111111, 0x22222222, 0x33333333, 0}));
}

TEST(ScriptedBar, UndeclaredBytesAreWhatTheBarSays) {
  for (const auto& [kind, before, after] : {std::tuple{"zeros", 0u, 0u}, {"ones", 0xffffffffu, 0xffffffffu}, {"ram", 0u, 9u}}) {
    Plugged p(std::string(R"(device { vendor = 1, device = 1, class = 0, bars = { [0] = bar { size = 0x1000, undeclared = ")") +
              kind + R"(", registers = { register { "A", 0x20, reset = 1 } } } } })");
    for (const uint64_t offset : {0x10, 0x800}) {
      EXPECT_EQ(p.read(offset), before) << kind;
      p.write(offset, 9);
      EXPECT_EQ(p.read(offset), after) << kind;
    }
    EXPECT_EQ(p.read(0x20), 1u) << kind;
  }
}

TEST(ScriptedRange, GetsOffsetValueAndWidth) {
  Plugged p(R"(device { vendor = 1, device = 1, class = 0, bars = { [0] = bar { size = 0x1000, ranges = {
      range { "DOORBELLS", 0x800, size = 0x100, on_write = function(offset, value, width)
        dev.log(("%x %x %d"):format(offset, value, width)) end,
        on_read = function(offset, width) return offset end } } } } })");
  p.write(0x804, 0xabcd);
  p.write(0x8fe, 0x77, 2);
  EXPECT_EQ(p.log, (std::vector<std::string>{"804 abcd 4", "8fe 77 2"}));
  EXPECT_EQ(p.read(0x8f0), 0x8f0u);
}

TEST(ScriptedReaction, CanAnswerWithAnOutcome) {
  for (const auto& [name, outcome] : {std::pair{"unsupported-request", Outcome::kUnsupportedRequest},
                                      {"completer-abort", Outcome::kCompleterAbort},
                                      {"timeout", Outcome::kCompletionTimeout}, {"poisoned", Outcome::kPoisoned}}) {
    Plugged p(device_with(std::string(R"(register { "A", 0, on_read = function() return nil, ")") + name +
                          R"(" end, on_write = function() return ")" + name + R"(" end })"));
    EXPECT_EQ(p.read(0), 0xffffffffu) << name;
    EXPECT_EQ(p.bus->outcome, outcome);
    p.write(0, 1);
    EXPECT_EQ(p.bus->outcome, outcome);
    EXPECT_FALSE(p.device->script_error().has_value());
  }
}

TEST(ScriptedFault, StrikesTheChosenAccesses) {
  Plugged p(R"(device { vendor = 1, device = 1, class = 0, bars = { [0] = bar { size = 0x1000,
      registers = { register { "A", 0, access = "rw" } },
      faults = { fault { 0, on = "read", outcome = "completer-abort", after = 2, count = 1 } } } } })");
  std::vector<Outcome> seen;
  for (int i = 0; i < 4; ++i) {
    p.write(0, 1);
    ASSERT_EQ(p.bus->outcome, Outcome::kSuccess);
    p.read(0);
    seen.push_back(p.bus->outcome);
  }
  EXPECT_EQ(seen, (std::vector<Outcome>{Outcome::kSuccess, Outcome::kSuccess, Outcome::kCompleterAbort, Outcome::kSuccess}));
  EXPECT_EQ(p.device->reactions(), 0u);
}

TEST(ScriptedDma, CarriesDataBothWaysAndTellsTheOutcome) {
  Plugged p(device_with(R"(register { "COPY", 0, access = "wo", on_write = function()
      local data = dev.dma_read(0x100000, 8)
      dev.dma_write(0x100100, data:reverse())
      local none, outcome = dev.dma_read(0x10, 4)
      dev.log(tostring(none) .. " " .. outcome) end })"));
  std::memcpy(p.upstream.memory.data(), "abcdefgh", 8);
  p.write(0, 1);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(p.upstream.memory.data()) + 0x100, 8), "hgfedcba");
  EXPECT_EQ(p.log, std::vector<std::string>{"nil unsupported-request"});
  EXPECT_FALSE(p.device->script_error().has_value());
}

TEST(ScriptedDma, NeedsBusMaster) {
  Plugged p(device_with(R"(register { "GO", 0, access = "wo", on_write = function()
      local _, outcome = dev.dma_write(0x100000, "x") dev.log(tostring(outcome)) end })"));
  p.bus->config_write(model::cfg::kCommand, 0x2, 2);
  p.write(0, 1);
  EXPECT_EQ(p.log, std::vector<std::string>{"unsupported-request"});
}

TEST(ScriptedInterrupt, GoesOutAsWhatIsEnabled) {
  Plugged p(device_with(R"(register { "RAISE", 0, access = "wo", on_write = function(v) dev.raise(v) end })",
                        "capabilities = { msi = 4 }"));
  p.write(0, 0);
  ASSERT_EQ(p.upstream.intx, (std::vector<std::pair<unsigned, bool>>{{0, true}}));
  const uint32_t at = p.bus->capability(model::msi::kId);
  p.bus->config_write(at + model::msi::kAddressLow, FakeUpstream::kDoorbell, 4);
  p.bus->config_write(at + model::msi::kData, 0x40, 2);
  p.bus->config_write(at + model::msi::kControl, 0x21, 2);
  p.write(0, 3);
  EXPECT_EQ(p.upstream.messages, std::vector<uint32_t>{0x43});
}

TEST(ScriptedTimer, FiresInSimulatedTimeAndCanBeCancelled) {
  Plugged p(device_with(R"(register { "GO", 0, access = "wo", on_write = function()
      dev.after(1000, function() dev.log("one " .. dev.now()) end)
      local two = dev.after(2000, function() dev.log("two") end)
      dev.after(1500, function() dev.log(tostring(dev.cancel(two))) end) end })"));
  p.write(0, 1);
  p.advance(999);
  EXPECT_TRUE(p.log.empty());
  p.advance(5000);
  EXPECT_EQ(p.log, (std::vector<std::string>{"one 1000", "true"}));
}

TEST(ScriptedTimer, ThatRearmsItselfLetsTimePass) {
  Plugged p(device_with(R"(register { "COUNT", 0, access = "rw", on_write = function()
      local function tick() reg.COUNT = reg.COUNT + 1 dev.after(0, tick) end
      dev.after(0, tick) end })"));
  p.write(0, 0);
  p.advance(10'000);
  EXPECT_GE(p.read(0), 9u);
  EXPECT_LE(p.read(0), 11u);
}

TEST(ScriptedConfig, HooksSeeAndChangeAccesses) {
  Plugged p(R"(device { vendor = 0x1234, device = 1, class = 0,
      on_config_read = function(offset, width, value) if offset == 0 then return value | 0xf0000 end end,
      on_config_write = function(offset, width, value)
        if offset == 0x3c then return 0x42 elseif offset == 0x0c then return false end end })");
  EXPECT_EQ(p.bus->config_read(0, 4), 0x000f'1234u);
  p.bus->config_write(0x3c, 0x11, 1);
  EXPECT_EQ(p.bus->config_read(0x3c, 1), 0x42u);
  p.bus->config_write(0x0c, 0x10, 1);
  EXPECT_EQ(p.bus->config_read(0x0c, 1), 0u);
}

// Resets --------------------------------------------------------------------------------------------------------------

constexpr const char* kCounting = R"(
  local count = 0
  device { vendor = 1, device = 1, class = 0, bars = { [0] = bar { size = 0x1000, registers = {
    register { "COUNT", 0, on_read = function() count = count + 1 return count end },
    register { "STICKY", 4, access = "rws" }, register { "PLAIN", 8, access = "rw" } } } },
    on_reset = function(kind) dev.log(kind) end })";

TEST(ScriptedReset, EveryKindStartsTheScriptAnew) {
  for (const auto kind : {model::ResetKind::kFlr, model::ResetKind::kHotReset, model::ResetKind::kPowerOn}) {
    Plugged p(kCounting);
    p.read(0);
    ASSERT_EQ(p.read(0), 2u);
    p.device->reset(kind);
    p.enable();
    EXPECT_EQ(p.read(0), 1u) << to_string(kind);
  }
}

TEST(ScriptedReset, StickyRegistersKeepTheirValue) {
  Plugged p(kCounting);
  p.write(4, 5);
  p.write(8, 5);
  p.device->reset(model::ResetKind::kHotReset);
  p.enable();
  EXPECT_EQ(p.read(4), 5u);
  EXPECT_EQ(p.read(8), 0u);
}

TEST(ScriptedReset, TellsTheScriptItsKind) {
  Plugged p(kCounting);
  p.device->reset(model::ResetKind::kFlr);
  EXPECT_EQ(p.log, (std::vector<std::string>{"power-on", "flr"}));
}

TEST(ScriptedReset, CancelsTimers) {
  Plugged p(device_with(R"(register { "GO", 0, access = "wo", on_write = function()
      dev.after(1000, function() dev.log("late") end) end })"));
  p.write(0, 1);
  p.device->reset(model::ResetKind::kFlr);
  p.advance(10'000);
  EXPECT_TRUE(p.log.empty());
}

/// Resets the device in the middle of its own DMA, as a link that drops does.
struct ResettingUpstream final : model::Upstream {
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time&) override {
    model::complete_all_ones(payload, payload.get_extension<model::TlpExtension>(), Outcome::kLinkDown);
    device->reset(model::ResetKind::kLinkDown);
  }
  model::Timeline& timeline() override { return *model::test::shared_timeline(); }
  void set_intx(unsigned, bool) override {}
  bool link_up() const override { return false; }
  model::PcieDevice* device = nullptr;
};

TEST(ScriptedReset, InsideAReactionEndsTheReaction) {
  Plugged p(R"(local count = 0
    device { vendor = 1, device = 1, class = 0, bars = { [0] = bar { size = 0x1000, registers = {
      register { "GO", 0, access = "wo", on_write = function() count = 5 dev.dma_write(0x100000, "x") dev.log("on") end },
      register { "COUNT", 4, on_read = function() return count end } } } } })");
  ResettingUpstream resetting;
  resetting.device = p.device.get();
  p.device->attach(&resetting);
  p.write(0, 1);
  EXPECT_TRUE(p.log.empty());
  EXPECT_FALSE(p.device->script_error().has_value());
  p.device->attach(&p.upstream);
  p.enable();
  EXPECT_EQ(p.read(4), 0u);
}

// Failure -------------------------------------------------------------------------------------------------------------

constexpr const char* kFailing = R"(
device { vendor = 0x1234, device = 1, class = 0, bars = { [0] = bar { size = 0x1000, registers = {
  register { "A", 0, reset = 7 },
  register { "BREAK", 4, access = "wo", on_write = function()
    local nothing
    return nothing.field
  end } } } } })";

TEST(ScriptError, NamesScriptLineAndReaction) {
  Plugged p(kFailing);
  p.write(4, 1);
  ASSERT_EQ(p.errors.size(), 1u);
  EXPECT_EQ(p.errors[0].line, 6);
  EXPECT_EQ(p.errors[0].sentence(),
            "test.lua:6: in on_write of BREAK: attempt to index a nil value (local 'nothing')");
}

TEST(ScriptError, MakesTheFunctionAnswerUnsupportedRequestToEverything) {
  Plugged p(kFailing);
  p.write(4, 1);
  EXPECT_EQ(p.bus->outcome, Outcome::kUnsupportedRequest);
  EXPECT_EQ(p.read(0), 0xffffffffu);
  EXPECT_EQ(p.bus->outcome, Outcome::kUnsupportedRequest);
  EXPECT_EQ(p.bus->config_read(0, 4), 0xffffffffu);
  EXPECT_EQ(p.bus->outcome, Outcome::kUnsupportedRequest);
}

TEST(ScriptError, ClosesTheShortWayInToo) {
  Plugged p(kFailing);
  p.read(0);
  std::byte data[4];
  ASSERT_EQ(p.device->memory_request(model::TlpKind::kMemRead, Plugged::kBar0, data, 4), Outcome::kSuccess);
  p.write(4, 1);
  EXPECT_NE(p.device->memory_request(model::TlpKind::kMemRead, Plugged::kBar0, data, 4), Outcome::kSuccess);
}

TEST(ScriptError, LastsUntilPowerOn) {
  Plugged p(kFailing);
  p.write(4, 1);
  p.device->reset(model::ResetKind::kHotReset);
  p.enable();
  EXPECT_EQ(p.read(0), 0xffffffffu);
  p.power_on();
  EXPECT_EQ(p.read(0), 7u);
  EXPECT_FALSE(p.device->script_error().has_value());
}

TEST(ScriptError, IsShownByInspect) {
  Plugged p(kFailing);
  p.write(4, 1);
  InspectNode node;
  p.device->inspect(node);
  const auto script = std::find_if(node.children.begin(), node.children.end(), [](auto& c) { return c.name == "script"; });
  ASSERT_NE(script, node.children.end());
  EXPECT_EQ(script->children[0].value, "failed");
}

TEST(ScriptError, InATimerIsOneToo) {
  Plugged p(device_with(R"(register { "GO", 0, access = "wo", on_write = function()
      dev.after(10, function() error("late") end) end })"));
  p.write(0, 1);
  p.advance(100);
  ASSERT_EQ(p.errors.size(), 1u);
  EXPECT_EQ(p.errors[0].reaction, "timer");
  EXPECT_EQ(p.errors[0].message, "late");
}

class BadResult : public testing::TestWithParam<const char*> {};
TEST_P(BadResult, OfAReactionIsAScriptError) {
  Plugged p(device_with(GetParam()));
  p.read(0);
  p.write(0, 0);
  EXPECT_EQ(p.errors.size(), 1u);
  EXPECT_GT(p.errors.at(0).line, 0);
}
INSTANTIATE_TEST_SUITE_P(Table, BadResult,
                         testing::Values(R"(register { "A", 0, on_read = function() return "text" end })",
                                         R"(register { "A", 0, on_read = function() return 1.5 end })",
                                         R"(register { "A", 0, on_read = function() return nil, "wat" end })",
                                         R"(register { "A", 0, on_write = function() return 5 end })",
                                         R"(register { "A", 0, on_read = function() return {} end })",
                                         R"(register { "A", 0, on_read = function() return reg.B end })",
                                         R"(register { "A", 0, on_read = function() dev.dma_read(0, -1) end })",
                                         R"(register { "A", 0, on_read = function() dev.peek(3, 0) end })",
                                         R"(register { "A", 0, on_read = function() dev.raise(5000) end })",
                                         R"(register { "A", 0, on_read = function() dev.config_peek(4095, 4) end })"));

}  // namespace
}  // namespace dartboard::script_test
