// tests/sim/mapping_fault_test.cpp - a map that fails leaves no trace (I-04), and the fault sites of class V.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/dart_tables.h"
#include "rig.h"
#include "sim/macos/dart_driver.h"
#include "sim/macos/dma_command.h"
#include "tests/model/one_fault.h"

namespace dartboard::macos {
namespace {

using model::FaultKind;
using model::test::OneFault;
using sim_test::ClientMemory;
using sim_test::kPage;
using sim_test::Rig;
using sim_test::RigTest;
using sim_test::test_profile;

constexpr uint64_t kPagesMapped = 10;

class MappingFaultTest : public RigTest {
 protected:
  void SetUp() override { start(); }
  /// The window begins four pages before a leaf table's end, so that a map needs two.
  void start() {
    sim::Profile profile = test_profile();
    profile.on_dart_fault = sim::FaultPolicy::kAbort;
    profile.ports[0].mapper.window_base = Iova(0x8000'0000 + 2044 * kPage);
    profile.ports[0].mapper.window_bytes = kGiB;
    boot(profile);
    claim();
  }
  io_return::Code map(const Ref<MemoryObject>& memory, Mapper::Mapping* mapping) {
    return mapper().map(nub().rid(), *memory, 0, memory->length(), true, true, 64, mapping);
  }
  Ref<MemoryObject> scattered() {
    std::byte* const m = memory_.data();
    return MemoryObject::from_client({{m + 8 * kPage, 4 * kPage}, {m, 4 * kPage}, {m + 14 * kPage, 2 * kPage}},
                                     MemoryDirection::kInOut, false);
  }
  /// FNV-1a over everything that a map changes: the whole tree of tables, allocator, budgets, wirings.
  uint64_t state() {
    hash_ = 0xcbf2'9ce4'8422'2325;
    const model::Dart& dart = kernel().root(0).model.dart();
    const uint32_t ttbr = dart.registers().peek32(dart.layout().ttbr_of(kDeviceSid));
    add_table(Hpa(dart.layout().decode_ttbr(ttbr)), 2);
    const MapperStats& stats = mapper().stats();
    add(stats.mapped_bytes);
    add(stats.mappings);
    add(kernel().root(0).dart.table_count());
    InspectNode nodes;
    kernel().host_memory().inspect(nodes);
    kernel().root(0).dart.inspect(nodes);
    mapper().inspect(nodes);
    add_node(nodes);
    return hash_;
  }
  void add(uint64_t value) {
    for (int i = 0; i < 8; ++i, value >>= 8) hash_ = (hash_ ^ (value & 0xff)) * 0x100'0000'01b3;
  }
  /// What modules say of themselves, but for the count and the text of refusals.
  void add_node(const InspectNode& node) {
    if (node.name == "refusals") return;
    for (const std::string* part : {&node.name, &node.value, &node.note}) {
      for (const char c : *part) add(static_cast<uint64_t>(c));
    }
    for (const InspectNode& child : node.children) add_node(child);
  }
  void add_table(Hpa table, unsigned height) {
    const model::TableGeometry geometry = kernel().root(0).dart.geometry();
    for (uint64_t i = 0; i < geometry.entries(); ++i) {
      uint64_t entry = 0;
      ASSERT_TRUE(model::load_entry(kernel().host_memory(), table, i, &entry));
      if (entry == 0) continue;
      add(i);
      add(entry);
      if (height > 0) add_table(model::pte_address(geometry, entry), height - 1);
    }
  }

  ClientMemory memory_{16 * kPage};
  uint64_t hash_ = 0;
};

TEST_F(MappingFaultTest, AMapThatFailsAtAnyPageLeavesNoTrace) {
  for (const bool one_piece : {true, false}) {
    const Ref<MemoryObject> memory = one_piece ? memory_.object(kPagesMapped * kPage) : scattered();
    for (uint64_t k = 0; k < kPagesMapped; ++k) {
      SCOPED_TRACE(testing::Message() << "page " << k << (one_piece ? "" : ", scattered"));
      start();
      const uint64_t before = state();
      Mapper::Mapping mapping;
      {
        OneFault fault(FaultKind::kMapFailsAtPage, 1, k);
        EXPECT_EQ(map(memory, &mapping), io_return::kCannotWire);
        EXPECT_EQ(fault.hits, 1u);
      }
      EXPECT_EQ(state(), before);
      ASSERT_EQ(map(memory, &mapping), io_return::kSuccess);
      EXPECT_TRUE(device_writes(mapping.iova, kPagesMapped * kPage));
      EXPECT_NE(state(), before);
    }
  }
}

/// Fails the nth allocation.
class NthMemory final : public model::FaultInjector {
 public:
  explicit NthMemory(uint64_t n) : left_(n) { model::install_faults(this); }
  ~NthMemory() { model::install_faults(nullptr); }
  bool struck = false;
  bool strikes(FaultKind kind, uint64_t) override {
    if (kind != FaultKind::kResourceNoMemory || struck) return false;
    return struck = left_-- == 0;
  }
  uint64_t amount(FaultKind, uint64_t standard) override { return standard; }

 private:
  uint64_t left_;
};

TEST_F(MappingFaultTest, AMapWithoutMemoryForAnyTableOrWiringLeavesNoTrace) {
  const Ref<MemoryObject> memory = scattered();
  uint64_t failed = 0;
  for (uint64_t n = 0;; ++n) {
    start();
    const uint64_t before = state();
    Mapper::Mapping mapping;
    io_return::Code code = io_return::kSuccess;
    bool struck = false;
    {
      NthMemory nth(n);
      code = map(memory, &mapping);
      struck = nth.struck;
    }
    if (!struck) break;  // past the last allocation: the run is clean
    ++failed;
    EXPECT_EQ(code, io_return::kCannotWire);
    EXPECT_EQ(state(), before) << "allocation " << n;
    ASSERT_LT(n, 100u);
  }
  EXPECT_EQ(failed, 6u) << "three wirings, an L1 table, two leaf tables";
}

TEST_F(MappingFaultTest, EachRefusalOfTheMapperHasItsCodeAndLeavesNoTrace) {
  const struct {
    FaultKind kind;
    io_return::Code code;
  } table[] = {
      {FaultKind::kMapSpaceExhausted, io_return::kNoResources}, {FaultKind::kMapFragmented, io_return::kNoResources},
      {FaultKind::kMapCountLimit, io_return::kNoResources},     {FaultKind::kMapByteLimit, io_return::kNoResources},
      {FaultKind::kMapLowWindowFull, io_return::kNoResources},  {FaultKind::kMapSubPage, io_return::kNotAligned},
      {FaultKind::kMapFailsAtPage, io_return::kCannotWire},     {FaultKind::kResourceNoMemory, io_return::kCannotWire},
  };
  for (const auto& row : table) {
    SCOPED_TRACE(static_cast<int>(row.kind));
    const uint64_t before = state();
    Mapper::Mapping mapping;
    {
      OneFault fault(row.kind);
      EXPECT_EQ(map(memory_.object(kPage), &mapping), row.code);
      EXPECT_EQ(fault.hits, 1u);
    }
    EXPECT_FALSE(mapper().last_refusal().empty());
    EXPECT_EQ(state(), before);
    ASSERT_EQ(map(memory_.object(kPage), &mapping), io_return::kSuccess);
    mapper().unmap(mapping);
    mapper().reset();
  }
}

TEST_F(MappingFaultTest, AnUnmapThatFailsCutsTheDeviceOffAndLosesTheRange) {
  Mapper::Mapping mapping, next;
  ASSERT_EQ(map(memory_.object(kPage), &mapping), io_return::kSuccess);
  {
    OneFault fault(FaultKind::kUnmapFails);
    EXPECT_TRUE(mapper().unmap(mapping));
  }
  EXPECT_FALSE(device_writes(mapping.iova, 4));
  EXPECT_EQ(mapper().stats().mappings, 1u);
  EXPECT_EQ(mapper().stats().leaked_unmaps, 1u);
  ASSERT_EQ(map(memory_.object(kPage), &next), io_return::kSuccess);
  EXPECT_NE(next.iova, mapping.iova);
  start();
  EXPECT_EQ(mapper().stats().mappings, 0u) << "until the machine is reset";
}

TEST_F(MappingFaultTest, AnInvalidateThatStaysBusyIsAPanicOfTheMapper) {
  Ref<DmaCommand> command;
  ASSERT_EQ(DmaCommand::create(nub(), 0, 64, &command), io_return::kSuccess);
  DmaSegment segments[kDmaSegmentsMax];
  uint32_t count = kDmaSegmentsMax;
  ASSERT_EQ(command->prepare(0, memory_.object(kPage), 0, 0, nullptr, &count, segments), io_return::kSuccess);
  OneFault fault(FaultKind::kDartInvalidateSlow);
  command->complete(0);
  ASSERT_TRUE(kernel().panicked());
  EXPECT_EQ(kernel().panicked()->cause, PanicCause::kMapperRequire);
}

TEST_F(MappingFaultTest, AnInvalidateWithinTheDriversPatienceOnlyTakesTime) {
  Mapper::Mapping mapping;
  ASSERT_EQ(map(memory_.object(kPage), &mapping), io_return::kSuccess);
  const uint64_t start_ns = now_ns();
  OneFault fault(FaultKind::kDartInvalidateSlow, 1, 50'000);
  EXPECT_TRUE(mapper().unmap(mapping));
  EXPECT_GE(now_ns() - start_ns, 50'000u);
}

TEST_F(MappingFaultTest, APlatformMayRefuseMemoryThatStartsInsideAPage) {
  sim::Profile profile = test_profile();
  profile.ports[0].mapper.refuse_unaligned = true;
  boot(profile);
  ClientMemory skewed(kPage, 0x1000);
  Mapper::Mapping mapping;
  EXPECT_EQ(map(skewed.object(4096), &mapping), io_return::kNotAligned);
  EXPECT_THAT(mapper().last_refusal(), testing::HasSubstr("align the buffer"));
  EXPECT_EQ(map(memory_.object(4096), &mapping), io_return::kSuccess);
}

}  // namespace
}  // namespace dartboard::macos
