// tests/faults/kinds_test.cpp - every kind of fault strikes a whole machine once, and is no worse than the catalogue
// says: the ledgers find nothing, and a fresh client can use the device afterwards.
#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "sim/faults/plan.h"
#include "sim/macos/memory_object.h"
#include "tests/faults/workload.h"
#include "tests/support/hostile_guest.h"

namespace dartboard::faults_test {
namespace {

using sim::FaultEffect;
using sim::FaultRule;
using K = sim::FaultKind;

/// What has to be special about the machine or the moment, so that a run passes a site of the kind.
struct Case {
  K kind;
  bool at_boot = false;          ///< the site is passed when devices are enumerated
  bool hot = false;              ///< the device has no FLR, so a reset is a hot reset
  bool keeps_state = false;      ///< the device promises No_Soft_Reset
  const char* profile = "m4pro-tb5";
  bool replug = false;           ///< the device has lost its addresses: only plugging it in again brings it back
  std::vector<FaultRule> also;   ///< faults that have to come first
  uint64_t times = 1;
  uint64_t skip = 0;
};

FaultRule rule_of(K kind, uint64_t times = 1) {
  FaultRule rule;
  rule.kind = kind;
  rule.times = times;
  return rule;
}

/// Kinds whose site a plain run passes need no entry.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const sim::FaultInfo& info : sim::fault_catalogue()) {
    Case c{.kind = info.kind};
    switch (info.kind) {
      case K::kAppleBarsUnassigned:
      case K::kDeviceGiantBar: c.at_boot = c.replug = true; break;
      case K::kDartTableSwitchRace: c.at_boot = true; break;
      case K::kResetDuringDma: c.replug = true; break;
      case K::kLinkTrainingTimeout:
      case K::kResetInsideReset:
      case K::kUnplugDuringReset: c.hot = true; break;
      case K::kResetConfigLost: c.keeps_state = true; break;
      case K::kDartFaultOverflow:
        c.profile = "linux-iommu";
        c.also = {rule_of(K::kDartTranslationFault)};
        break;
      case K::kUnplugReadPanic: c.also = {rule_of(K::kUnplugDuringDma)}; break;
      case K::kLinkBounce:
      case K::kDeviceConfigChanges: c.skip = 40; break;   // after the driver was found
      default: break;
    }
    // Not things that happen inside a run of a whole machine: tests of their own below and in hotplug_test.cpp.
    if (info.kind == K::kUnplugReplugOther || info.kind == K::kAppleCopyOnWriteUnseen) continue;
    all.push_back(std::move(c));
  }
  return all;
}

enum class Seen : uint8_t { kNothing, kDifference, kGone, kPanic };

Seen severity(const Ran& ran) {
  if (ran.panic) return Seen::kPanic;
  const bool lost_by_name = ran.not_opened && ran.not_opened->name == ErrorName::kDeviceGone;
  if (ran.gone || lost_by_name) return Seen::kGone;
  return ran.differences.empty() && !ran.not_opened ? Seen::kNothing : Seen::kDifference;
}

Seen severity(FaultEffect effect) {
  switch (effect) {
    case FaultEffect::kNone: return Seen::kNothing;
    case FaultEffect::kRefused:
    case FaultEffect::kAnswer:
    case FaultEffect::kLost: return Seen::kDifference;
    case FaultEffect::kGone: return Seen::kGone;
    case FaultEffect::kPanic: return Seen::kPanic;
  }
  return Seen::kNothing;
}

std::string describe(const Ran& ran) {
  std::string text = ran.panic ? "panic: " + *ran.panic + "; " : "";
  if (ran.gone) text += "gone; ";
  if (ran.not_opened) text += "not opened: " + ran.not_opened->sentence + "; ";
  for (const std::string& difference : ran.differences) text += difference + "; ";
  return text.empty() ? "nothing was seen" : text;
}

class EveryKind : public testing::TestWithParam<Case> {};

TEST_P(EveryKind, IsNoWorseThanTheCatalogueSays) {
  const Case& c = GetParam();
  const sim::FaultInfo& info = sim::info(c.kind);
  model::TestEndpointOptions options;
  options.flr = !c.hot;
  options.no_soft_reset = c.keeps_state;
  support::World world(c.profile, options, 1);
  sim::Machine& machine = world.machine();
  sim::FaultPlan plan(machine.tape(), machine.hash(), machine.timeline());
  FaultRule rule = rule_of(c.kind, c.times);
  rule.skip = c.skip;
  std::vector<FaultRule> rules = c.also;
  rules.push_back(rule);
  plan.set_rules(rules);

  machine.kernel().shutdown();   // of the run before; its sites must not take the fault
  if (c.at_boot) plan.install();
  world.restart_closed(1);
  world.forgive_hardware(true);
  if (!c.at_boot) plan.install();
  Workload workload(world);
  Ran ran;
  if (info.group == 'G') {
    ASSERT_TRUE(world.try_open());
    support::HostileGuest guest(world, Workload::memory());
    guest.act();
    for (const std::string& complaint : guest.complaints()) ADD_FAILURE() << complaint;
    ran.gone = world.device().gone();
    world.close();
  } else {
    ran = workload.run();
  }
  EXPECT_NE(plan.strikes(c.kind), 0u) << "no site was passed";
  plan.remove();
  Seen allowed = severity(info.effect);
  for (const FaultRule& other : c.also) allowed = std::max(allowed, severity(sim::info(other.kind).effect));
  EXPECT_LE(severity(ran), allowed) << describe(ran);
  EXPECT_TRUE(world.check());

  // With the faults off: a host that panicked is switched on, a device that is gone is plugged in again.
  if (ran.panic) {
    world.restart_closed(2);
  } else if (c.replug || severity(ran) == Seen::kGone || (ran.not_opened && severity(info.effect) >= Seen::kGone)) {
    world.unplug();
    world.plug();
  }
  const Ran after = workload.probe();
  if (after.not_opened && severity(info.effect) >= Seen::kGone) {   // it struck so late that only the probe met it
    world.unplug();
    world.plug();
    const Ran again = workload.probe();
    EXPECT_TRUE(severity(again) == Seen::kNothing) << "a fresh client: " << describe(again);
  } else {
    EXPECT_TRUE(severity(after) == Seen::kNothing) << "a fresh client: " << describe(after);
  }
}

INSTANTIATE_TEST_SUITE_P(Catalogue, EveryKind, testing::ValuesIn(cases()), [](const auto& test) {
  std::string name(sim::info(test.param.kind).name);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(Workload, WithoutAFaultNothingDiffers) {
  for (const bool flr : {true, false}) {
    model::TestEndpointOptions options;
    options.flr = flr;
    support::World world("m4pro-tb5", options, 1);
    world.restart_closed(1);
    EXPECT_EQ(describe(Workload(world).run()), "nothing was seen");
    EXPECT_EQ(describe(Workload(world).probe()), "nothing was seen");
  }
}

// The dext that ships asks for memory without copy-on-write, so no whole run passes this site.
TEST(CopyOnWrite, ADeviceWriteCanStayUnseen) {
  support::World world("m4pro-tb5", {}, 1);
  sim::Machine& machine = world.machine();
  sim::FaultPlan plan(machine.tape(), machine.hash(), machine.timeline());
  plan.set_rules({rule_of(K::kAppleCopyOnWriteUnseen)});
  plan.install();
  const auto memory = macos::MemoryObject::from_client({{Workload::memory(), Workload::kBytes}},
                                                       macos::MemoryDirection::kInOut, true);
  EXPECT_EQ(plan.strikes(K::kAppleCopyOnWriteUnseen), 1u);
  plan.remove();
  ASSERT_TRUE(memory);
}

}  // namespace
}  // namespace dartboard::faults_test
