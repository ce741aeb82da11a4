// tests/backend/interrupts_test.cpp - SET_IRQS: the matrix, the invariants, and random runs against a ledger.
#include "backend/interrupts.h"

#include <algorithm>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/backend/fake_client.h"

namespace dartboard::backend {
namespace {

constexpr uint32_t kVectors = 8;  // of FakeDevice::usual()

struct Guest {
  std::shared_ptr<FakeDevice> d = FakeDevice::usual();
  std::unique_ptr<PassthroughDevice> device = open_fake(d);
  std::vector<uint32_t> got;

  IrqSink sink() {
    return [this](uint32_t vector) { got.push_back(vector); };
  }
  Result<void> assign(IrqKind kind, uint32_t start, uint32_t count) {
    return device->set_irqs(kind, IrqAction::kTrigger, start, count, std::vector<IrqSink>(count, sink()));
  }
  Result<void> deassign(IrqKind kind, uint32_t start, uint32_t count) {
    return device->set_irqs(kind, IrqAction::kTrigger, start, count, std::vector<IrqSink>(count));
  }
  Result<void> act(IrqKind kind, IrqAction action, uint32_t start, uint32_t count) {
    return device->set_irqs(kind, action, start, count, {});
  }
  std::vector<uint32_t> raise(std::initializer_list<uint32_t> vectors) {
    got.clear();
    for (const uint32_t v : vectors) d->raise(v);
    device->pump();
    return got;
  }
};

using Vectors = std::vector<uint32_t>;

TEST(Interrupts, CountsComeFromDeviceAndSetup) {
  Guest g;
  EXPECT_EQ(g.device->irq_info(IrqKind::kIntx)->count, 1u);
  EXPECT_EQ(g.device->irq_info(IrqKind::kMsi)->count, 8u);
  EXPECT_EQ(g.device->irq_info(IrqKind::kMsix)->count, 8u) << "16 entries, 8 vectors";
  EXPECT_EQ(g.device->irq_info(IrqKind::kErr)->count, 0u);
  EXPECT_EQ(g.device->irq_info(IrqKind::kReq)->count, 0u);
  EXPECT_TRUE(g.device->irq_info(IrqKind::kIntx)->automasked);
  EXPECT_FALSE(g.device->irq_info(static_cast<IrqKind>(5)));
}

TEST(Interrupts, WithoutAPinThereIsNoIntx) {
  auto d = FakeDevice::usual();
  d->put(0x3d, 1, 0);
  auto device = open_fake(d);
  EXPECT_EQ(device->irq_info(IrqKind::kIntx)->count, 0u);
}

TEST(Interrupts, WithoutVectorsTheDeviceOpensAndOffersNone) {
  auto d = FakeDevice::usual();
  d->vectors = 0;
  auto device = open_fake(d);
  for (const IrqKind kind : {IrqKind::kIntx, IrqKind::kMsi, IrqKind::kMsix}) {
    EXPECT_EQ(device->irq_info(kind)->count, 0u);
  }
}

TEST(Interrupts, AssignedVectorsAreDeliveredAndOthersDropped) {
  Guest g;
  ASSERT_TRUE(g.assign(IrqKind::kMsix, 2, 3));
  EXPECT_EQ(g.raise({0, 2, 3, 4, 5}), (Vectors{2, 3, 4}));
}

TEST(Interrupts, TheDextEnablesExactlyTheVectorsInUse) {
  Guest g;
  ASSERT_TRUE(g.assign(IrqKind::kMsix, 2, 3));
  EXPECT_EQ(g.d->enabled[0], 0x1cu);
  ASSERT_TRUE(g.deassign(IrqKind::kMsix, 3, 1));
  EXPECT_EQ(g.d->enabled[0], 0x14u);
  ASSERT_TRUE(g.act(IrqKind::kMsix, IrqAction::kTrigger, 0, 0));
  EXPECT_EQ(g.d->enabled[0], 0u);
}

TEST(Interrupts, EverySubRangeCanBeDeassigned) {
  for (uint32_t start = 0; start < kVectors; ++start) {
    for (uint32_t count = 1; start + count <= kVectors; ++count) {
      Guest g;
      ASSERT_TRUE(g.assign(IrqKind::kMsix, 0, kVectors));
      ASSERT_TRUE(g.deassign(IrqKind::kMsix, start, count));
      Vectors expected;
      for (uint32_t v = 0; v < kVectors; ++v) {
        if (v < start || v >= start + count) expected.push_back(v);
      }
      ASSERT_EQ(g.raise({0, 1, 2, 3, 4, 5, 6, 7}), expected) << start << "+" << count;
    }
  }
}

TEST(Interrupts, NothingIsDeliveredAfterDisable) {
  Guest g;
  ASSERT_TRUE(g.assign(IrqKind::kMsix, 0, kVectors));
  for (uint32_t v = 0; v < kVectors; ++v) g.d->raise(v);  // pending in the dext already
  ASSERT_TRUE(g.act(IrqKind::kMsix, IrqAction::kTrigger, 0, 0));
  g.device->pump();
  EXPECT_TRUE(g.got.empty());
}

TEST(Interrupts, NothingIsDeliveredAfterDisableEvenIfTheDextRefuses) {
  Guest g;
  ASSERT_TRUE(g.assign(IrqKind::kMsix, 0, kVectors));
  g.d->fail_at = 1;
  EXPECT_FALSE(g.act(IrqKind::kMsix, IrqAction::kTrigger, 0, 0));
  EXPECT_TRUE(g.raise({0, 1, 2}).empty());
}

TEST(Interrupts, AMaskTheDextRefusedIsToldAgain) {
  Guest g;
  ASSERT_TRUE(g.assign(IrqKind::kMsix, 0, 2));
  g.d->fail_at = 1;
  EXPECT_FALSE(g.deassign(IrqKind::kMsix, 0, 1));
  g.d->enabled[0] = 2;  // it took the mask all the same
  ASSERT_TRUE(g.assign(IrqKind::kMsix, 0, 1));
  EXPECT_EQ(g.d->enabled[0], 3u);
  EXPECT_EQ(g.raise({0, 1}), (Vectors{0, 1}));
}

TEST(Interrupts, AFailedAssignRollsTheBlockBack) {
  Guest g;
  ASSERT_TRUE(g.assign(IrqKind::kMsix, 0, 2));
  g.d->fail_at = 1;
  EXPECT_FALSE(g.assign(IrqKind::kMsix, 1, 4));
  g.d->enabled[0] = 0xff;
  EXPECT_EQ(g.raise({0, 1, 2, 3, 4}), (Vectors{0, 1}));
}

TEST(Interrupts, OnlyOneKindIsActive) {
  Guest g;
  ASSERT_TRUE(g.assign(IrqKind::kMsi, 0, 1));
  for (const IrqKind other : {IrqKind::kIntx, IrqKind::kMsix}) {
    const auto assigned = g.assign(other, 0, 1);
    ASSERT_FALSE(assigned);
    EXPECT_EQ(assigned.error().name, ErrorName::kBusy);
  }
  ASSERT_TRUE(g.act(IrqKind::kMsix, IrqAction::kTrigger, 0, 0)) << "disabling another kind changes nothing";
  EXPECT_EQ(g.raise({0}), Vectors{0});
  ASSERT_TRUE(g.act(IrqKind::kMsi, IrqAction::kTrigger, 0, 0));
  EXPECT_TRUE(g.assign(IrqKind::kMsix, 0, 1));
}

TEST(Interrupts, EnablingWithoutASinkMeansOnAndNothingRouted) {
  Guest g;
  ASSERT_TRUE(g.deassign(IrqKind::kMsix, 0, 1));
  EXPECT_FALSE(g.assign(IrqKind::kMsi, 0, 1)) << "MSI-X is on";
  EXPECT_EQ(g.d->enabled[0], 0u);
}

struct RangeCase {
  IrqKind kind;
  uint32_t start, count;
  ErrorName name;
};

TEST(Interrupts, RangesAreCheckedWithoutWrapping) {
  const RangeCase cases[] = {
      {IrqKind::kMsix, kVectors, 1, ErrorName::kOutOfRange},
      {IrqKind::kMsix, 0, kVectors + 1, ErrorName::kOutOfRange},
      {IrqKind::kMsix, 0xffffffff, 1, ErrorName::kOutOfRange},
      {IrqKind::kMsix, 0xfffffff8, 16, ErrorName::kOutOfRange},
      {IrqKind::kMsix, 7, 0xfffffffa, ErrorName::kOutOfRange},
      {IrqKind::kIntx, 1, 1, ErrorName::kOutOfRange},
      {IrqKind::kErr, 0, 1, ErrorName::kNotSupported},
      {IrqKind::kReq, 0, 1, ErrorName::kNotSupported},
      {static_cast<IrqKind>(7), 0, 1, ErrorName::kBadArgument},
  };
  Guest g;
  ASSERT_TRUE(g.assign(IrqKind::kMsix, 0, kVectors));
  for (const RangeCase& c : cases) {
    SCOPED_TRACE(testing::Message() << static_cast<int>(c.kind) << " " << c.start << "+" << c.count);
    for (const IrqAction action : {IrqAction::kMask, IrqAction::kUnmask, IrqAction::kTrigger}) {
      const auto done = g.act(c.kind, action, c.start, c.count);
      ASSERT_FALSE(done);
      EXPECT_EQ(done.error().name, c.name);
    }
    if (c.count <= 64) {
      const auto assigned = g.assign(c.kind, c.start, c.count);
      ASSERT_FALSE(assigned);
      EXPECT_EQ(assigned.error().name, c.name);
    }
  }
  EXPECT_EQ(g.raise({0, 7}), (Vectors{0, 7}));
}

TEST(Interrupts, SinksMustMatchTheCount) {
  Guest g;
  const std::vector<IrqSink> two(2, g.sink());
  EXPECT_FALSE(g.device->set_irqs(IrqKind::kMsix, IrqAction::kTrigger, 0, 3, two));
  EXPECT_FALSE(g.device->set_irqs(IrqKind::kMsix, IrqAction::kMask, 0, 2, two));
  EXPECT_FALSE(g.device->set_irqs(IrqKind::kMsix, static_cast<IrqAction>(9), 0, 0, {}));
}

TEST(Interrupts, MaskedVectorsAreRememberedOnceAndDeliveredOnUnmask) {
  Guest g;
  ASSERT_TRUE(g.assign(IrqKind::kMsix, 0, kVectors));
  ASSERT_TRUE(g.act(IrqKind::kMsix, IrqAction::kMask, 3, 3));
  ASSERT_TRUE(g.act(IrqKind::kMsix, IrqAction::kMask, 3, 3));
  EXPECT_EQ(g.raise({2, 3, 5, 6}), (Vectors{2, 6}));
  EXPECT_TRUE(g.raise({3}).empty());
  ASSERT_TRUE(g.act(IrqKind::kMsix, IrqAction::kUnmask, 3, 2)) << "one unmask undoes two masks";
  EXPECT_EQ(g.got, Vectors{3});
  g.got.clear();
  ASSERT_TRUE(g.act(IrqKind::kMsix, IrqAction::kUnmask, 5, 1));
  EXPECT_EQ(g.got, Vectors{5});
}

TEST(Interrupts, MaskingWhatIsNotEnabledIsAnError) {
  Guest g;
  const auto masked = g.act(IrqKind::kMsix, IrqAction::kMask, 0, 1);
  ASSERT_FALSE(masked);
  EXPECT_EQ(masked.error().name, ErrorName::kBadArgument);
}

TEST(Interrupts, DeassignForgetsWhatWasPending) {
  Guest g;
  ASSERT_TRUE(g.assign(IrqKind::kMsix, 0, 2));
  ASSERT_TRUE(g.act(IrqKind::kMsix, IrqAction::kMask, 1, 1));
  g.raise({1});
  ASSERT_TRUE(g.deassign(IrqKind::kMsix, 1, 1));
  ASSERT_TRUE(g.assign(IrqKind::kMsix, 1, 1));
  EXPECT_TRUE(g.got.empty());
}

TEST(Interrupts, SwappingTheSinkOfAMaskedVectorKeepsThePendingOne) {
  Guest g;
  ASSERT_TRUE(g.assign(IrqKind::kMsix, 0, 1));
  ASSERT_TRUE(g.act(IrqKind::kMsix, IrqAction::kMask, 0, 1));
  g.raise({0});
  Vectors other;
  const IrqSink sinks[] = {[&other](uint32_t vector) { other.push_back(vector); }};
  ASSERT_TRUE(g.device->set_irqs(IrqKind::kMsix, IrqAction::kTrigger, 0, 1, sinks));
  ASSERT_TRUE(g.act(IrqKind::kMsix, IrqAction::kUnmask, 0, 1));
  EXPECT_EQ(other, Vectors{0});
  EXPECT_TRUE(g.got.empty());
}

TEST(Interrupts, LoopbackTriggerDelivers) {
  Guest g;
  EXPECT_FALSE(g.act(IrqKind::kMsix, IrqAction::kTrigger, 0, 1)) << "before sinks";
  ASSERT_TRUE(g.assign(IrqKind::kMsix, 0, 4));
  ASSERT_TRUE(g.act(IrqKind::kMsix, IrqAction::kTrigger, 1, 2));
  EXPECT_EQ(g.got, (Vectors{1, 2}));
}

TEST(Interrupts, IntxMasksItselfAndComesBackOnUnmask) {
  Guest g;
  ASSERT_TRUE(g.assign(IrqKind::kIntx, 0, 1));
  EXPECT_EQ(g.raise({0}), Vectors{0});
  EXPECT_TRUE(g.raise({0}).empty()) << "automasked";
  ASSERT_TRUE(g.act(IrqKind::kIntx, IrqAction::kUnmask, 0, 1));
  EXPECT_EQ(g.got, Vectors{0}) << "it was pending";
  g.got.clear();
  ASSERT_TRUE(g.act(IrqKind::kIntx, IrqAction::kUnmask, 0, 1));
  EXPECT_TRUE(g.got.empty()) << "unmasking delivers nothing that is not pending";
}

TEST(Interrupts, AnyMessagePullsIntx) {
  Guest g;
  ASSERT_TRUE(g.assign(IrqKind::kIntx, 0, 1));
  EXPECT_EQ(g.raise({5}), Vectors{0});
}

TEST(Interrupts, IntxDisableInCommandHoldsTheLine) {
  Guest g;
  ASSERT_TRUE(g.assign(IrqKind::kIntx, 0, 1));
  cfg_write(*g.device, 4, 2, 0x0400);
  EXPECT_TRUE(g.raise({0}).empty());
  cfg_write(*g.device, 4, 2, 0x0000);
  EXPECT_EQ(g.got, Vectors{0});
  EXPECT_EQ(g.d->get(4, 2) & 0x0400, 0u) << "virtual: the device's own bit is not ours";
}

TEST(Interrupts, ASinkMayDisableItsKind) {
  Guest g;
  const IrqSink off = [&g](uint32_t vector) {
    g.got.push_back(vector);
    EXPECT_TRUE(g.act(IrqKind::kMsix, IrqAction::kTrigger, 0, 0));
  };
  ASSERT_TRUE(g.device->set_irqs(IrqKind::kMsix, IrqAction::kTrigger, 0, 4, std::vector<IrqSink>(4, off)));
  EXPECT_EQ(g.raise({0, 1, 2, 3}), Vectors{0}) << "the rest came after disable";
}

TEST(Interrupts, ResetDropsSinksAndPending) {
  Guest g;
  ASSERT_TRUE(g.assign(IrqKind::kMsix, 0, 2));
  ASSERT_TRUE(g.act(IrqKind::kMsix, IrqAction::kMask, 0, 1));
  g.raise({0});
  ASSERT_TRUE(g.device->reset());
  EXPECT_EQ(g.d->enabled[0], 0u);
  g.d->enabled[0] = 3;
  EXPECT_TRUE(g.raise({0, 1}).empty());
  ASSERT_TRUE(g.assign(IrqKind::kMsix, 0, 2)) << "and can be armed again";
  EXPECT_EQ(g.raise({0, 1}), (Vectors{0, 1}));
}

TEST(Interrupts, AGuestsOwnFlrKeepsTheSinks) {
  Guest g;
  ASSERT_TRUE(g.assign(IrqKind::kMsix, 0, 2));
  g.d->enabled = {};  // the reset made the dext forget
  cfg_write(*g.device, 0x98, 2, 0x8000);
  EXPECT_EQ(g.d->enabled[0], 3u) << "told again";
  EXPECT_EQ(g.raise({0, 1}), (Vectors{0, 1}));
}

TEST(Interrupts, NothingIsDeliveredAfterClose) {
  Guest g;
  ASSERT_TRUE(g.assign(IrqKind::kMsix, 0, 2));
  auto sink = g.d->watch_sink;
  g.device.reset();
  EXPECT_TRUE(g.got.empty());
  EXPECT_FALSE(g.d->watch_sink);
  EXPECT_TRUE(sink != nullptr);
}

// A ledger says what must happen; a random run of operations, dext failures and device messages must agree with it.
struct Ledger {
  struct Vector {
    bool sink = false, masked = false, guest_masked = false, pending = false;
  };
  std::optional<IrqKind> active;
  std::array<Vector, kVectors> v{};
  bool function_mask = false;
  std::array<uint64_t, kVectors> delivered{};

  void settle() {
    for (uint32_t i = 0; i < kVectors; ++i) {
      const bool blocked = v[i].masked || (active == IrqKind::kMsix && (function_mask || v[i].guest_masked));
      if (active && v[i].sink && v[i].pending && !blocked) {
        v[i].pending = false;
        ++delivered[i];
      }
    }
  }
};

RC_GTEST_PROP(InterruptsProperty, AgreesWithTheLedger, ()) {
  Guest g;
  Ledger ledger;
  std::array<uint64_t, kVectors> delivered{};
  const IrqSink count = [&delivered](uint32_t vector) { ++delivered[vector]; };
  const auto steps = *rc::gen::inRange(1, 80);
  for (int step = 0; step < steps; ++step) {
    const auto kind = *rc::gen::element(IrqKind::kMsi, IrqKind::kMsix);
    const auto start = *rc::gen::inRange<uint32_t>(0, kVectors + 2);
    const auto asked = *rc::gen::inRange<uint32_t>(0, kVectors + 2);
    const bool in_range = start + asked <= kVectors;
    switch (*rc::gen::inRange(0, 8)) {
      case 0: {  // assign or de-assign each of a range
        const auto some = *rc::gen::container<std::vector<bool>>(asked, rc::gen::arbitrary<bool>());
        std::vector<IrqSink> sinks;
        for (const bool on : some) sinks.push_back(on ? count : IrqSink());
        const auto done = g.device->set_irqs(kind, IrqAction::kTrigger, start, asked, sinks);
        if (asked == 0) {  // no sinks, count 0: disables
          RC_ASSERT(done.has_value());
          if (ledger.active == kind) {
            ledger.active.reset();
            for (auto& v : ledger.v) v.sink = v.masked = v.pending = false;
          }
          break;
        }
        const bool allowed = in_range && (!ledger.active || ledger.active == kind);
        RC_ASSERT(done.has_value() == allowed);
        if (!allowed) break;
        ledger.active = kind;
        for (uint32_t i = 0; i < asked; ++i) {
          auto& v = ledger.v[start + i];
          if (some[i])
            v.sink = true;
          else
            v.sink = v.masked = v.pending = false;
        }
        break;
      }
      case 1:
      case 2: {
        const bool mask = *rc::gen::arbitrary<bool>();
        const auto done = g.act(kind, mask ? IrqAction::kMask : IrqAction::kUnmask, start, asked);
        RC_ASSERT(done.has_value() == (in_range && ledger.active == kind));
        if (done) {
          for (uint32_t i = 0; i < asked; ++i) ledger.v[start + i].masked = mask;
        }
        break;
      }
      case 3: {
        RC_ASSERT(g.act(kind, IrqAction::kTrigger, 0, 0).has_value());
        if (ledger.active == kind) {
          ledger.active.reset();
          for (auto& v : ledger.v) v.sink = v.masked = v.pending = false;
        }
        break;
      }
      case 4: {  // the guest masks in its table
        const bool mask = *rc::gen::arbitrary<bool>();
        if (start >= kVectors) break;
        guest_write(*g.device, Region::kBar2, 0x10000 + 16 * start + 12, 4, mask);
        ledger.v[start].guest_masked = mask;
        break;
      }
      case 5: {
        const bool mask = *rc::gen::arbitrary<bool>();
        cfg_write(*g.device, 0x72, 2, mask ? 0xc000 : 0x8000);
        ledger.function_mask = mask;
        break;
      }
      default: {  // the device sends
        if (start >= kVectors) break;
        if (ledger.active && ledger.v[start].sink) ledger.v[start].pending = true;
        g.d->raise(start);
        g.device->pump();
        break;
      }
    }
    ledger.settle();
    RC_ASSERT(delivered == ledger.delivered);
    uint64_t used = 0, pba = 0;
    for (uint32_t i = 0; i < kVectors; ++i) {
      if (ledger.active && ledger.v[i].sink) used |= uint64_t{1} << i;
      if (ledger.active == IrqKind::kMsix && ledger.v[i].pending) pba |= uint64_t{1} << i;
    }
    RC_ASSERT(g.d->enabled[0] == used);
    RC_ASSERT(guest_read(*g.device, Region::kBar2, 0x20000, 8) == pba);
  }
}

}  // namespace
}  // namespace dartboard::backend
