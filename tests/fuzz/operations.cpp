// tests/fuzz/operations.cpp - see operations.h.
#include "tests/fuzz/operations.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "sim/faults/plan.h"
#include "tests/support/hostile_guest.h"
#include "tests/support/world.h"

namespace dartboard::fuzz {
namespace {

using backend::IrqAction;
using backend::IrqKind;
using backend::Region;
namespace reg = model::test_register;

constexpr uint64_t kSlotBytes = 64 * kKiB;
constexpr unsigned kSlots = 8;
constexpr uint64_t kTimeMaxNs = 1'000'000'000;
constexpr size_t kRulesMax = 8;
constexpr std::array kProfiles = {"m4pro-tb5", "linux-iommu", "m1-tb4"};

std::byte* guest_memory() {
  static std::byte* const memory = static_cast<std::byte*>(std::aligned_alloc(kSlotBytes, kSlotBytes * kSlots));
  return memory;
}

class Run {
 public:
  explicit Run(support::World& world)
      : world_(world), plan_(world.machine().tape(), world.machine().hash(), world.machine().timeline()) {}

  void operate(const Record& r) {
    if (!world_.is_open() && r.operation % kOperations < kNeedNoDevice) {
      if (!world_.try_open()) return;
    }
    switch (r.operation % kOperations) {
      case 0: return config_read(r);
      case 1: return config_write(r);
      case 2: return bar_read(r);
      case 3: return bar_write(r);
      case 4: return map(r);
      case 5: return (void)world_.device().dma_unmap(r.choice % (2 * kSlots));
      case 6: return transfer(r);
      case 7: return interrupts(r);
      case 8: return world_.write32(reg::kRaise, r.value);
      case 9: return reset(r);
      case 10: return world_.device().pump();
      case 11: return hostile(r);
      case 12: return world_.machine().timeline().advance(r.wide % kTimeMaxNs);
      case 13: return arm(r);
      case 14: return r.choice % 2 == 0 ? world_.unplug() : world_.plug();
      case 15: return r.choice % 2 == 0 ? world_.close() : other_client();
      default: return;
    }
  }

 private:
  static constexpr unsigned kOperations = 16, kNeedNoDevice = 12;

  void config_read(const Record& r) {
    std::array<std::byte, 64> data{};
    (void)world_.device().read(Region::kConfig, r.wide % 8192, std::span(data).first(r.small % (data.size() + 1)));
  }
  void config_write(const Record& r) {
    (void)world_.device().write(Region::kConfig, r.wide % 8192, std::as_bytes(std::span(&r.value, 1)).first(r.small % 5));
  }
  Region region(const Record& r) { return static_cast<Region>(r.choice % 10); }
  void bar_read(const Record& r) {
    std::array<std::byte, 256> data{};
    (void)world_.device().read(region(r), offset(r), std::span(data).first(r.small % (data.size() + 1)));
  }
  void bar_write(const Record& r) {
    std::array<uint32_t, 64> data;
    data.fill(r.value);
    (void)world_.device().write(region(r), offset(r), std::as_bytes(std::span(data)).first(r.small % 257));
  }
  /// Mostly inside the registers, sometimes anywhere.
  static uint64_t offset(const Record& r) { return r.wide % 4 != 0 ? r.wide / 4 % 0x1000 : r.wide; }

  void map(const Record& r) {
    // What is really given is this process's memory; what is larger must be refused before anybody touches it.
    const uint64_t slot = r.choice % kSlots, start = r.value % kSlotBytes;
    const uint64_t size = r.small % 8 != 0 ? 1 + r.wide % (kSlotBytes - start) : r.wide | uint64_t{1} << 40;
    const auto mapping = world_.device().dma_map(r.choice % (2 * kSlots), guest_memory() + slot * kSlotBytes + start, size);
    if (mapping) iova_[slot] = mapping->iova.value;
  }
  void transfer(const Record& r) {
    const uint64_t address = r.small % 8 != 0 ? iova_[r.choice % kSlots] + r.wide % kSlotBytes : r.wide;
    world_.write32(reg::kControl, r.value >> 30);
    world_.write32(reg::kDmaDelayNs, r.value % 65536);
    world_.write64(reg::kDmaSource, r.value % 2 == 0 ? address : r.value % kMiB);
    world_.write64(reg::kDmaDestination, r.value % 2 == 0 ? r.value % kMiB : address);
    world_.write32(reg::kDmaLength, r.small);
    world_.write32(reg::kDmaCommand, r.value >> 16 & 7);
  }
  void interrupts(const Record& r) {
    const std::vector<backend::IrqSink> sinks(r.small % 40, [](uint32_t) {});
    const auto action = static_cast<IrqAction>(r.choice / 8 % 3);
    (void)world_.device().set_irqs(static_cast<IrqKind>(r.choice % 8), action, r.value,
                                   r.wide % 4 == 0 ? static_cast<uint32_t>(r.wide >> 32) : static_cast<uint32_t>(sinks.size()),
                                   r.wide % 2 == 0 ? std::span<const backend::IrqSink>(sinks) : std::span<const backend::IrqSink>());
  }
  void reset(const Record& r) {
    (void)world_.device().reset();
    if (r.choice % 4 != 0) world_.enable();
  }
  void hostile(const Record& r) {
    support::HostileGuest guest(world_, guest_memory() + r.choice % kSlots * kSlotBytes);
    guest.act();   // what the armed rules let it
  }
  void other_client() { other_ = world_.open_another(); }

  /// Arms one more fault. Bounded amounts: a fault may take long, but not the whole run's hour.
  void arm(const Record& r) {
    world_.forgive_hardware(true);
    sim::FaultRule rule;
    rule.kind = static_cast<sim::FaultKind>(r.choice % sim::kFaultKindCount);
    rule.skip = r.small % 64;
    rule.times = 1 + r.small / 64 % 4;
    if (r.value % 4 == 0) rule.amount = r.wide % kTimeMaxNs;
    if (r.value % 8 == 1) rule.one_in = 1 + r.wide % 8;
    if (rules_.size() == kRulesMax) rules_.erase(rules_.begin());
    rules_.push_back(rule);
    plan_.set_rules(rules_);
    plan_.install();
  }

  support::World& world_;
  sim::FaultPlan plan_;
  std::vector<sim::FaultRule> rules_;
  Result<std::unique_ptr<backend::PassthroughDevice>> other_{nullptr};
  std::array<uint64_t, kSlots> iova_{};
};

}  // namespace

void run(std::span<const uint8_t> input) {
  static std::array<std::unique_ptr<support::World>, kProfiles.size()> worlds;
  static size_t current = 0;
  const size_t profile = input.empty() ? 0 : input[0] % kProfiles.size();
  if (worlds[profile] == nullptr || profile != current) {
    worlds[current].reset();   // one machine, so one world at a time
    worlds[profile] = std::make_unique<support::World>(kProfiles[profile], model::TestEndpointOptions{}, 1);
    current = profile;
  }
  support::World& world = *worlds[profile];
  world.forgive_hardware(false);
  world.restart(1);   // ends the program if the device cannot be had after whatever came before
  if (input.empty()) return;
  Run run(world);
  const auto records = input.subspan(1);
  const size_t count = std::min(records.size() / kRecordBytes, kRecordsMax);
  for (size_t i = 0; i < count; ++i) {
    Record record;
    std::memcpy(&record, records.data() + i * kRecordBytes, kRecordBytes);
    run.operate(record);
  }
  if (world.is_open()) world.device().pump();
  world.check();
}

}  // namespace dartboard::fuzz
