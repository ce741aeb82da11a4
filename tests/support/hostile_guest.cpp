// tests/support/hostile_guest.cpp - the seven actions.
#include "tests/support/hostile_guest.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "model/fault.h"

namespace dartboard::support {
namespace {

using backend::IrqAction;
using backend::IrqKind;
using backend::IrqSink;
using backend::Region;
using model::FaultKind;
namespace reg = model::test_register;

constexpr uint64_t kKey = 0xbad'0000;
constexpr uint64_t kCommand = 4, kBar0 = 0x10, kBar2 = 0x18;
constexpr uint32_t kMemoryOn = 2;
constexpr unsigned kMsixEntryBytes = 16;
constexpr uint64_t kLoopLength = 1000;

}  // namespace

void HostileGuest::act() {
  if (model::fault(FaultKind::kGuestRandomMmio)) random_mmio();
  if (model::fault(FaultKind::kGuestConfigWrite)) config_writes();
  if (model::fault(FaultKind::kGuestDescriptorLoop)) endless_completions();
  if (model::fault(FaultKind::kGuestLengthWrap)) wrapping_lengths();
  if (model::fault(FaultKind::kGuestDoubleFetch)) memory_that_changes();
  if (model::fault(FaultKind::kGuestBarOverlap)) overlapping_bars();
  if (model::fault(FaultKind::kGuestMsixRewrite)) table_rewrites();
}

uint32_t HostileGuest::config(uint64_t offset) {
  uint32_t value = 0;
  (void)device_.read(Region::kConfig, offset, std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

void HostileGuest::set_config(uint64_t offset, uint32_t value, unsigned width) {
  (void)device_.write(Region::kConfig, offset, std::as_bytes(std::span(&value, 1)).first(width));
}

/// What a guest does with a device it has ruined.
void HostileGuest::start_over() {
  (void)device_.reset();
  world_.enable();
}

/// Every width at every kind of offset. Bus Master is off: a device that was told nonsense must not act on it, because
/// on a Mac its first wrong address takes the host down, and that is the guest's right to do, not a bug.
void HostileGuest::random_mmio() {
  set_config(kCommand, kMemoryOn, 2);
  std::array<std::byte, 64> data{};
  for (unsigned i = 0; i < 256; ++i) {
    const auto region = static_cast<Region>(pick(backend::kRegionCount + 1));
    const uint64_t size = region <= Region::kVga ? device_.region_info(region).value_or(backend::RegionInfo{}).size : 0;
    uint64_t offset = pick(size + 16);
    if (pick(16) == 0) offset = UINT64_MAX - pick(64);
    if (region == Region::kConfig) continue;  // config_writes() does those
    const auto bytes = std::span(data).first(pick(data.size() + 1));
    const bool inside = in_range(offset, bytes.size(), size);
    const auto done = pick(2) == 0 ? device_.read(region, offset, bytes) : device_.write(region, offset, bytes);
    complain(!inside && done && !bytes.empty() && region != Region::kRom, "an access outside its region was accepted");
    complain(!done && done.error().sentence.empty(), "an error without a sentence");
  }
  start_over();
}

/// All 4 KiB, with the three widths. What is left of the device's own state must still answer after a reset.
void HostileGuest::config_writes() {
  for (const unsigned width : {1u, 2u, 4u}) {
    for (uint64_t offset = 0; offset < 4096; offset += 4) {
      set_config(offset + pick(4 / width) * width, static_cast<uint32_t>(pick(uint64_t{1} << 32)), width);
    }
  }
  start_over();
  complain(config(0) != (uint32_t{model::kTestDeviceId} << 16 | model::kTestVendorId) && !device_.gone(),
           "the identity changed by writes to configuration space");
}

/// The test endpoint reads no descriptors, so the loop is made of completions: each one's handler submits the next,
/// until the guest is tired. pump() has to come back, with nothing left over.
void HostileGuest::endless_completions() {
  uint64_t submitted = 0;
  const std::array<IrqSink, 1> sinks = {[&](uint32_t) {
    if (++submitted < kLoopLength) world_.write32(reg::kRaise, 0);
  }};
  (void)device_.set_irqs(IrqKind::kMsix, IrqAction::kTrigger, 0, 1, sinks);
  world_.write32(reg::kRaise, 0);
  for (unsigned i = 0; i < kLoopLength; ++i) device_.pump();
  complain(submitted != kLoopLength && !device_.gone(), "a completion was lost or came twice");
  (void)device_.set_irqs(IrqKind::kMsix, IrqAction::kTrigger, 0, 0, {});
}

void HostileGuest::wrapping_lengths() {
  const uint64_t mapped = device_.budget_use().bytes;
  for (const uint64_t size : {UINT64_MAX, UINT64_MAX - 0x3fff, uint64_t{1} << 63}) {
    complain(device_.dma_map(kKey, memory_, size).has_value(), "a mapping that wraps around was accepted");
  }
  complain(device_.dma_map(kKey, memory_, 0).has_value(), "a mapping of nothing was accepted");
  std::array<std::byte, 16> data{};
  for (const Region region : {Region::kBar0, Region::kBar2, Region::kConfig}) {
    complain(device_.read(region, UINT64_MAX - 7, data).has_value(), "a read that wraps around was accepted");
    complain(device_.write(region, UINT64_MAX - 7, data).has_value(), "a write that wraps around was accepted");
  }
  const std::array<IrqSink, 2> sinks{};
  complain(device_.set_irqs(IrqKind::kMsix, IrqAction::kTrigger, UINT32_MAX, 2, sinks).has_value(),
           "a range of vectors that wraps around was accepted");
  complain(device_.set_irqs(IrqKind::kMsix, IrqAction::kMask, UINT32_MAX - 1, 4, {}).has_value(),
           "masking a range of vectors that wraps around was accepted");
  complain(device_.budget_use().bytes != mapped, "a refused mapping was counted");
}

/// The words of one long write are changed by the device while the write is under way: its second word starts a DMA
/// over the memory that the write is taken from.
void HostileGuest::memory_that_changes() {
  const auto mapping = device_.dma_map(kKey, memory_, kMemoryBytes);
  if (!mapping) return;
  world_.write32(reg::kControl, reg::kControlImmediate);
  world_.write32(reg::kDmaPattern, 0xffff'ffff);
  world_.write64(reg::kDmaDestination, mapping->iova.value);
  std::array<uint32_t, 4> words = {4096, static_cast<uint32_t>(model::TestDmaCommand::kFillHost), 0, 0};
  std::memcpy(memory_, words.data(), sizeof words);
  (void)device_.write(Region::kBar0, reg::kDmaLength, std::span<const std::byte>(memory_, sizeof words));
  complain(world_.read32(reg::kDmaCount) == UINT32_MAX && !device_.gone(), "the device does not answer any more");
  (void)device_.dma_unmap(kKey);
}

void HostileGuest::overlapping_bars() {
  const uint32_t first = config(kBar0), second = config(kBar2);
  set_config(kBar2, first, 4);
  set_config(kBar2 + 4, 0, 4);
  complain(world_.read32(reg::kId) != reg::kIdValue && !device_.gone(), "moving a BAR in the guest moved it on the host");
  set_config(kBar2, second, 4);
}

/// The entry of a pending vector is rewritten, and the vector beside it, which has no sink, is where it points to.
void HostileGuest::table_rewrites() {
  uint32_t delivered = 0;
  bool wrong = false;
  const std::array<IrqSink, 1> sinks = {[&](uint32_t vector) { ++delivered, wrong |= vector != 0; }};
  (void)device_.set_irqs(IrqKind::kMsix, IrqAction::kTrigger, 0, 1, sinks);
  const auto entry = [&](uint64_t at, uint32_t value) {
    (void)device_.write(Region::kBar4, at, std::as_bytes(std::span(&value, 1)));
  };
  for (uint32_t round = 0; round < 8; ++round) {
    entry(12, 1);                                    // masked
    world_.write32(reg::kRaise, 0);                  // pending
    entry(0, static_cast<uint32_t>(pick(UINT32_MAX)) & ~3u);
    entry(8, static_cast<uint32_t>(pick(UINT32_MAX)));
    entry(kMsixEntryBytes + 8, round);
    entry(12, 0);
    device_.pump();
    world_.write32(reg::kRaise, 1);
    device_.pump();
  }
  complain(wrong, "a message went to a vector without a sink");
  (void)device_.set_irqs(IrqKind::kMsix, IrqAction::kTrigger, 0, 0, {});
  device_.pump();
  const uint32_t before = delivered;
  world_.write32(reg::kRaise, 0);
  device_.pump();
  complain(delivered != before, "a message went to a vector that is off");
}

}  // namespace dartboard::support
