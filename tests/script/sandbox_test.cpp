// tests/script/sandbox_test.cpp - what an untrusted script cannot do: run for ever, eat memory, see the host, be random.
#include "tests/script/support.h"

namespace dartboard::script_test {
namespace {

std::string reacting(const std::string& body) {
  return device_with("register { 'GO', 0, access = 'wo', on_write = function() " + body + " end }");
}

class Greedy : public testing::TestWithParam<const char*> {};
TEST_P(Greedy, EndsAsAScriptError) {
  Plugged p(reacting(GetParam()));
  p.write(0, 1);
  ASSERT_EQ(p.errors.size(), 1u);
  EXPECT_GT(p.errors[0].line, 0);
}
INSTANTIATE_TEST_SUITE_P(
    Table, Greedy,
    testing::Values("while true do end",                                        //
                    "local function f() return f() end f()",                    //
                    "local function f() return 1 + f() end f()",                //
                    "local s = 'x' while true do s = s .. s end",               //
                    "local s = ('x'):rep(1 << 40)",                             //
                    "local t = {} while true do t[#t + 1] = {} end",            //
                    "while true do local s = ('x'):rep(1 << 20) end",           //
                    "local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) local x = t[1]",
                    "local x <close> = setmetatable({}, { __close = function() while true do end end }) error('first')",
                    "local t = {} for i = 1, 20000 do t[i] = i end for i = 1, 20000 do table.insert(t, 1, i) end",
                    "while true do dev.dma_read(0x100000, 1 << 20) end",        //
                    "for i = 1, 2000 do dev.after(1, function() end) end",      //
                    "string.format('%p', {})",                                  //
                    "setmetatable({}, { __gc = function() end })",              //
                    "for k in pairs({ [{}] = 1 }) do end"));

class Absent : public testing::TestWithParam<const char*> {};
TEST_P(Absent, FromWhatAScriptSees) {
  Plugged p(reacting(std::string("dev.log(tostring(") + GetParam() + "))"));
  p.write(0, 1);
  EXPECT_EQ(p.log, std::vector<std::string>{"nil"});
}
INSTANTIATE_TEST_SUITE_P(Table, Absent,
                         testing::Values("io", "os", "package", "debug", "require", "load", "loadfile", "dofile", "pcall",
                                         "xpcall", "coroutine", "collectgarbage", "print", "next", "string.find",
                                         "string.gsub", "string.dump", "('x').match", "table.sort", "math.sin",
                                         "math.randomseed", "storage"));

TEST(Sandbox, PairsGoesInTheOrderOfTheKeys) {
  Plugged p(reacting(R"(local t = { zebra = 1, [3] = 1, apple = 1, [-1] = 1, [2.5] = 1, [true] = 1, mango = 1 }
      local s = '' for k in pairs(t) do s = s .. tostring(k) .. ' ' end dev.log(s))"));
  p.write(0, 1);
  EXPECT_EQ(p.log, std::vector<std::string>{"true -1 2.5 3 apple mango zebra "});
}

TEST(Sandbox, PairsSkipsWhatTheLoopRemoves) {
  Plugged p(reacting(R"(local t = { 1, 2, 3, 4 } local s = ''
      for k, v in pairs(t) do s = s .. v t[k + 1] = nil end dev.log(s))"));
  p.write(0, 1);
  EXPECT_EQ(p.log, std::vector<std::string>{"13"});
}

TEST(Sandbox, TextShowsNoAddress) {
  Plugged p(reacting(R"(dev.log(tostring({}) .. tostring(dev.log) .. ('%s'):format({})))"));
  p.write(0, 1);
  EXPECT_EQ(p.log, std::vector<std::string>{"tablefunctiontable"});
}

TEST(Sandbox, RandomComesFromTheHostsDraws) {
  model::ScriptOptions options;
  std::vector<uint64_t> bounds;
  options.draw = [&bounds](uint64_t bound) {
    bounds.push_back(bound);
    return uint64_t{3};
  };
  Plugged p(reacting("dev.log(math.random(10, 19))"), std::move(options));
  p.write(0, 1);
  EXPECT_EQ(p.log, std::vector<std::string>{"13"});
  EXPECT_EQ(bounds, std::vector<uint64_t>{10});
}

TEST(Sandbox, RandomWithoutAHostRepeatsAfterPowerOn) {
  Plugged p(reacting("dev.log(math.random(0) .. ' ' .. math.random() .. ' ' .. math.random(6))"));
  p.write(0, 1);
  p.write(0, 1);
  p.power_on();
  p.write(0, 1);
  ASSERT_EQ(p.log.size(), 3u);
  EXPECT_EQ(p.log[0], p.log[2]);
  EXPECT_NE(p.log[0], p.log[1]);
}

TEST(Sandbox, TableInsertAndRemoveWorkAsInLua) {
  Plugged p(reacting(R"(local t = { 'b', 'd' } table.insert(t, 1, 'a') table.insert(t, 3, 'c') table.insert(t, 'e')
      dev.log(table.concat(t) .. table.remove(t, 1) .. table.remove(t) .. table.concat(t)))"));
  p.write(0, 1);
  EXPECT_EQ(p.log, std::vector<std::string>{"abcdeaebcd"});
}

TEST(Sandbox, ABudgetIsForOneReaction) {
  Plugged p(reacting("for i = 1, 100000 do end"));
  for (int i = 0; i < 30; ++i) p.write(0, 1);
  EXPECT_TRUE(p.errors.empty());
}

TEST(Sandbox, LimitsAreTheHosts) {
  model::ScriptOptions options;
  options.limits.instructions = 5000;
  Plugged p(reacting("for i = 1, 100000 do end"), std::move(options));
  p.write(0, 1);
  EXPECT_EQ(p.errors.size(), 1u);
}

TEST(Sandbox, ADmaThatComesBackIsBounded) {
  // The fake upstream loops requests below 1 MiB back to the device itself.
  struct Loop final : model::Upstream {
    void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override {
      device->b_transport(payload, delay);
    }
    model::Timeline& timeline() override { return *model::test::shared_timeline(); }
    void set_intx(unsigned, bool) override {}
    bool link_up() const override { return true; }
    model::PcieDevice* device = nullptr;
  } loop;
  Plugged p(reacting("local good, outcome = dev.dma_write(0x40000000, 'abcd') dev.log(tostring(outcome))"));
  loop.device = p.device.get();
  p.device->attach(&loop);
  p.write(0, 1);
  EXPECT_EQ(p.log, (std::vector<std::string>{"completer-abort", "nil"}));
  p.device->attach(&p.upstream);
}

}  // namespace
}  // namespace dartboard::script_test
