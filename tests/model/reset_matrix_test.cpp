// tests/model/reset_matrix_test.cpp - every cell of the reset matrix: each register field of a function that has every
// capability, and each other piece of state, against each kind of reset.
#include "model/reset_matrix.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "model/capabilities.h"
#include "model/endpoint.h"
#include "model/endpoint/test.h"
#include "tests/model/fabric.h"
#include "tests/model/fake_upstream.h"
#include "tests/model/full_endpoint.h"
#include "tests/model/one_fault.h"
#include "tests/model/register_conformance.h"

namespace dartboard::model::test {
namespace {

class ResetMatrix : public testing::Test {
 protected:
  ResetMatrix() : device(full_declaration()), bus(device) {
    device.attach(&upstream);
    device.reset(ResetKind::kPowerOn);
  }
  FakeUpstream upstream;
  FullEndpoint device;
  Bus bus;
};

std::string cell(std::string_view row, ResetKind kind) {
  return std::string(row) + " on " + std::string(to_string(kind));
}

TEST_F(ResetMatrix, EveryConfigurationFieldOfAFunction) {
  RegisterFile& file = device.config_file();
  unsigned cells = 0;
  for (const ResetKind kind : kResetKinds) {
    for_each_field(file, [&](const RegisterDecl& decl, const FieldDecl& field, uint32_t offset, uint32_t element) {
      if (field.access == Access::kRsvd || field.access == Access::kWO) return;
      // Which BAR is resizable is wired; the function relies on it.
      if (decl.name == "Resizable BAR Control" && field.access == Access::kHwInit) return;
      device.reset(ResetKind::kPowerOn);
      const unsigned width = decl.width_bytes;
      const uint64_t mask = mask_of(field);
      const uint64_t initial = file.reset_value(offset, width) & mask;
      file.poke(offset, (file.peek(offset, width) & ~mask) | (~initial & mask), width);
      device.reset(kind);
      // set_writable() gives address bits of BARs and the ROM's fields to every reset.
      const bool every = (file.writable_bits(offset, width) & mask) != 0 && !is_writable(field.access);
      const bool reset = every || resets(kind, reset_class_of(field));
      const uint64_t changeable = every ? mask & file.writable_bits(offset, width) : mask;
      EXPECT_EQ(file.peek(offset, width) & changeable, (reset ? initial : ~initial) & changeable)
          << label(decl, field, element) << " on " << to_string(kind);
      ++cells;
    });
  }
  EXPECT_GT(cells, 1000u);
}

TEST_F(ResetMatrix, EveryFieldOfTheMsixTable) {
  constexpr uint64_t kTable = kFullBar0 + kFullMsixTableOffset;
  for (const ResetKind kind : kResetKinds) {
    place(bus);
    bus.write(kTable, 0x1111'2222'3333'4444, 8);
    bus.write(kTable + 8, 0x55, 8);
    device.reset(kind);
    device.reset_wait(upstream);
    place(bus);
    EXPECT_EQ(bus.read(kTable, 8), 0u) << to_string(kind);
    EXPECT_EQ(bus.read(kTable + 8, 8), uint64_t{msix_entry::kMasked} << 32) << to_string(kind);
  }
}

class FunctionStates : public ResetMatrix {
 public:
  void check(ResetState state, const std::function<void()>& disturb, const std::function<bool()>& disturbed) {
    for (const ResetKind kind : kResetKinds) {
      device.reset(ResetKind::kPowerOn);
      place(bus);
      disturb();
      ASSERT_TRUE(disturbed()) << "the test does not reach " << reset_states()[static_cast<unsigned>(state)].name;
      device.reset(kind);
      EXPECT_EQ(disturbed(), !resets(kind, state)) << cell(reset_states()[static_cast<unsigned>(state)].name, kind);
    }
  }
};

TEST_F(FunctionStates, MsixPending) {
  check(
      ResetState::kMsixPending,
      [&] {
        bus.config_write(bus.capability(msix::kId) + msix::kControl, msix::kEnable | msix::kFunctionMask, 2);
        device.raise(1);
      },
      [&] { return device.msix_table().pending(1); });
}

TEST_F(FunctionStates, IntxCondition) {
  check(
      ResetState::kIntxCondition, [&] { device.set_intx(true); }, [&] { return device.intx(); });
}

TEST_F(FunctionStates, CapturedRid) {
  check(
      ResetState::kCapturedRid, [] {}, [&] { return device.rid() != Rid(); });
}

TEST_F(FunctionStates, Readiness) {
  check(
      ResetState::kReadiness, [&] { device.stop_responding(); },
      [&] {
        bus.config_read(0, 4);
        return bus.outcome == Outcome::kRequestRetry;
      });
}

TEST_F(FunctionStates, DeviceMemory) {
  check(
      ResetState::kDeviceMemory,
      [&] {
        device.memory(2).data()[5] = std::byte{1};
        device.memory(2).mark_dirty(5, 1);
      },
      [&] { return device.memory(2).data()[5] != std::byte{0}; });
}

TEST_F(FunctionStates, PowerTransition) {
  const uint32_t pmcsr = bus.capability(pm::kId) + pm::kControlStatus;
  for (const ResetKind kind : kResetKinds) {
    device.reset(ResetKind::kPowerOn);
    place(bus);
    bus.config_write(pmcsr, pm::kPowerStateD3Hot, 2);
    bus.config_write(pmcsr, 0, 2);
    ASSERT_EQ(bus.config_read(pmcsr, 2) & pm::kPowerStateMask, pm::kPowerStateD3Hot) << "under way";
    device.reset(kind);
    bus.config_write(cfg::kBar0, kFullBar0, 4);
    upstream.timeline().advance(10 * kFullD3ExitNs);
    EXPECT_EQ(bus.config_read(cfg::kBar0, 4), kFullBar0) << "a forgotten transition resets again: " << to_string(kind);
    EXPECT_TRUE(resets(kind, ResetState::kPowerTransition));
  }
}

// The root complex ----------------------------------------------------------------------------------------------------

class RootStates : public FabricTest {
 protected:
  static constexpr uint64_t kPrefetchBase = 0x7000'0000;
  static constexpr uint64_t kDevice = Fabric::kBus;

  void begin() {
    fabric.start(RootComplexConfig{.reorder_posted_writes = true});
    fabric.root.plug(&device);
    fabric.enumerate();
    fabric.config_write(bridge::kMemoryBase, 0x6ff0'4000, 4);
    fabric.config_write(bridge::kPrefetchBase, 0x7ff1'7001, 4);
    fabric.config_write(kDevice + cfg::kBar0, Fabric::kBar, 4);
    fabric.config_write(kDevice + cfg::kBar0 + 8, kPrefetchBase, 4);
    fabric.config_write(kDevice + cfg::kCommand, 6, 2);
  }
  void apply(ResetKind kind) {
    const uint64_t bridge_control = bridge::kBridgeControl;
    switch (kind) {
      case ResetKind::kPowerOn: fabric.root.reset(); break;
      case ResetKind::kPerst:
        fabric.write(kPortBase + port_reg::kPerst, 0);
        fabric.write(kPortBase + port_reg::kPerst, 1);
        break;
      case ResetKind::kHotReset:
        fabric.config_write(bridge_control, bridge::kSecondaryBusReset, 2);
        fabric.config_write(bridge_control, 0, 2);
        break;
      case ResetKind::kFlr:
        fabric.config_write(kDevice + device.config().find_capability(pcie::kId) + pcie::kDeviceControl,
                            pcie::kInitiateFlr, 2);
        break;
      case ResetKind::kD3ToD0:
        for (const uint32_t state : {3u, 0u}) {
          fabric.config_write(kDevice + device.config().find_capability(pm::kId) + pm::kControlStatus, state, 2);
        }
        break;
      case ResetKind::kLinkDown:
        fabric.root.link().take_down();
        fabric.root.link().bring_up();
        break;
    }
  }
  void check(ResetState state, const std::function<void()>& disturb, const std::function<bool()>& disturbed) {
    for (const ResetKind kind : kResetKinds) {
      begin();
      disturb();
      ASSERT_TRUE(disturbed()) << "the test does not reach its state";
      apply(kind);
      EXPECT_EQ(disturbed(), !resets(kind, state)) << cell(reset_states()[static_cast<unsigned>(state)].name, kind);
    }
    fabric.root.plug(nullptr);
  }
  TestEndpoint device;
};

TEST_F(RootStates, IntxWires) {
  check(
      ResetState::kIntxWires, [&] { fabric.write(kMmioBase + Fabric::kBar + test_register::kIntx, 1); },
      [&] { return (fabric.port_read(port_reg::kInterruptStatus) & port_reg::kIntA) != 0; });
}

TEST_F(RootStates, HeldWritesArriveOrAreLost) {
  for (const ResetKind kind : kResetKinds) {
    begin();
    fabric.write(kMmioBase + kPrefetchBase + 64, 0x1234);
    const DirectMemory memory = device.direct_memory(kTestMemoryBar, 64, 4);
    uint32_t value = 0;
    std::memcpy(&value, memory.base, 4);
    ASSERT_EQ(value, 0u) << "on its way";
    apply(kind);
    fabric.timeline.advance(kNsPerMs);
    std::memcpy(&value, memory.base, 4);
    EXPECT_EQ(value == 0x1234, !resets(kind, ResetState::kHeldWrites)) << to_string(kind);
  }
  fabric.root.plug(nullptr);
}

TEST_F(RootStates, LinkDegraded) {
  const auto rate = [&] {
    const uint32_t pcie = fabric.root.root_port().config().find_capability(pcie::kId);
    return fabric.config_read(pcie + bridge::kLinkStatus, 2) & 0x3ff;
  };
  check(
      ResetState::kLinkDegraded,
      [&] {
        const OneFault narrow(FaultKind::kLinkWidthDown);
        fabric.read(kMmioBase + Fabric::kBar);
      },
      [&] { return rate() != 0x44; });
}

TEST_F(RootStates, RootPortRegisters) {
  check(
      ResetState::kRootPortRegisters, [&] { fabric.config_write(0x3c, 0x5a, 1); },
      [&] { return fabric.config_read(0x3c, 1) == 0x5a; });
}

TEST_F(RootStates, PortRegisters) {
  check(
      ResetState::kPortRegisters, [&] { fabric.write(kPortBase + port_reg::kInterruptMask, 0x5a); },
      [&] { return fabric.port_read(port_reg::kInterruptMask) == 0x5a; });
}

TEST_F(RootStates, DartRegisters) {
  check(
      ResetState::kDartRegisters,
      [&] { fabric.dart_write(dart_reg::kTcr + 4, static_cast<uint32_t>(mask_of(dart_reg::kTcrTranslate))); },
      [&] { return fabric.dart_read(dart_reg::kTcr + 4) != 0; });
}

// The tables themselves -----------------------------------------------------------------------------------------------

TEST(ResetMatrixTable, PowerOnResetsEverything) {
  for (unsigned c = 0; c < kResetClassCount; ++c) {
    EXPECT_TRUE(resets(ResetKind::kPowerOn, static_cast<ResetClass>(c)));
  }
  for (const ResetStateDecl& row : reset_states()) EXPECT_TRUE(resets(ResetKind::kPowerOn, row.state)) << row.name;
}

TEST(ResetMatrixTable, StickyMeansStickyUntilAFundamentalReset) {
  for (const ResetKind kind : kResetKinds) {
    const bool fundamental = kind == ResetKind::kPowerOn || kind == ResetKind::kPerst;
    EXPECT_EQ(effect(kind, ResetClass::kSticky), fundamental ? ResetEffect::kResets : ResetEffect::kSticky);
  }
}

TEST(ResetMatrixTable, RowsAndCellsHaveNames) {
  for (const ResetStateDecl& row : reset_states()) {
    EXPECT_FALSE(row.name.empty());
    EXPECT_FALSE(row.spec.empty());
  }
  for (const ResetEffect e : {ResetEffect::kResets, ResetEffect::kSurvives, ResetEffect::kSticky}) {
    EXPECT_NE(to_string(e), "?");
  }
}

}  // namespace
}  // namespace dartboard::model::test
