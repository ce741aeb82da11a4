// tests/support/random_run.cpp - the operations.
#include "tests/support/random_run.h"

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "base/inspect.h"

namespace dartboard::support {
namespace {

using backend::Region;
namespace reg = model::test_register;

constexpr uint64_t kSlotBytes = 16 * kKiB;
constexpr unsigned kSlots = 16;

/// Guest memory for DMA: one allocation for the whole process; a run zeroes a slot before it first maps it.
std::byte* guest_memory() {
  static std::byte* const memory = static_cast<std::byte*>(std::aligned_alloc(kSlotBytes, kSlotBytes * kSlots));
  return memory;
}

/// The operations of one run, with what they need to know of each other.
class Run {
 public:
  explicit Run(World& world) : world_(world), device_(world.device()), tape_(world.machine().tape()) {}

  /// Memory that the device could reach is part of what the run did.
  void hash_memory(sim::TraceHash& hash) const {
    for (uint64_t slot = 0; slot < kSlots; ++slot) {
      if (used_[slot]) hash.add_bytes(guest_memory() + slot * kSlotBytes, kSlotBytes);
    }
  }

  void one() {
    switch (pick(12)) {
      case 0: return config_read();
      case 1: return config_write();
      case 2: return register_read();
      case 3: return register_write();
      case 4: return memory_access();
      case 5:
      case 6: return map();
      case 7: return unmap();
      case 8:
      case 9: return device_dma();
      case 10: return interrupts();
      case 11: return pick(8) == 0 ? reset() : raise();
      default: return;
    }
  }

 private:
  uint64_t pick(uint64_t bound) { return tape_.draw(sim::DrawId::kWorkload, bound); }

  // Refusals are outcomes of a random run like any other; they are part of what must repeat.
  void note(bool good) { world_.machine().hash().add(0, sim::TraceKind::kMark, good ? 1 : 0, ++operations_); }
  void note_value(uint64_t value) { world_.machine().hash().add(0, sim::TraceKind::kMark, 2, ++operations_, value); }

  void config_read() {
    const unsigned width = 1u << pick(3);
    std::array<std::byte, 4> data{};
    const auto r = device_.read(Region::kConfig, pick(256 / width) * width, std::span(data).first(width));
    uint32_t value = 0;
    std::memcpy(&value, data.data(), sizeof value);
    note_value(uint64_t{value} << 1 | (r ? 1 : 0));
  }
  void config_write() {
    const unsigned width = 1u << pick(3);
    const uint32_t value = static_cast<uint32_t>(pick(uint64_t{1} << 32));
    // The Command register keeps memory and bus master, else most runs would end in silence.
    const uint64_t offset = pick(256 / width) * width;
    if (offset < 8 && offset + width > 4) return note(false);
    note(device_.write(Region::kConfig, offset, std::as_bytes(std::span(&value, 1)).first(width)).has_value());
  }
  void register_read() { note_value(world_.read32(pick(0x200 / 4) * 4)); }
  void register_write() { world_.write32(reg::kRam + pick(64) * 4, static_cast<uint32_t>(pick(uint64_t{1} << 32))); }
  void memory_access() {
    const uint64_t offset = pick(4 * kSlotBytes / 8) * 8;
    uint64_t value = pick(UINT64_MAX);
    if (pick(2) == 0) {
      note(device_.write(Region::kBar2, offset, std::as_bytes(std::span(&value, 1))).has_value());
    } else {
      (void)device_.read(Region::kBar2, offset, std::as_writable_bytes(std::span(&value, 1)));
      note_value(value);
    }
  }
  void map() {
    const uint64_t slot = pick(kSlots);
    if (!std::exchange(used_[slot], true)) std::memset(guest_memory() + slot * kSlotBytes, 0, kSlotBytes);
    const auto mapping = device_.dma_map(slot, guest_memory() + slot * kSlotBytes, kSlotBytes);
    if (mapping) iova_[slot] = mapping->iova, live_[slot] = true;
    note_value(mapping ? mapping->iova.value : 0);
  }
  void unmap() {
    const uint64_t slot = pick(kSlots);
    note(device_.dma_unmap(slot).has_value());
    live_[slot] = false;
  }
  void device_dma() {
    // Mostly a live mapping; now and then a stale or never mapped address, which the DART has to refuse. Rarely,
    // because on a Mac's profile that panics the host and ends what can happen.
    uint64_t slot = pick(kSlots);
    const bool stale = pick(16) == 0;
    for (unsigned i = 0; i < kSlots && !stale && !live_[slot]; ++i) slot = (slot + 1) % kSlots;
    if (!stale && !live_[slot]) return note(false);
    const uint64_t address = iova_[slot].value + pick(kSlotBytes / 64 / 2) * 64;
    const bool to_host = pick(2) == 0;
    world_.write64(reg::kDmaSource, to_host ? pick(1024) * 64 : address);
    world_.write64(reg::kDmaDestination, to_host ? address : pick(1024) * 64);
    world_.write32(reg::kDmaLength, static_cast<uint32_t>(64 + pick(4096)));
    world_.write32(reg::kControl, static_cast<uint32_t>(pick(4)));
    world_.write32(reg::kDmaCommand, to_host ? 2 : 1);
    world_.machine().timeline().advance(1'000);
    note_value(world_.read32(reg::kStatus));
    world_.write32(reg::kStatus, 0xe);
  }
  void interrupts() {
    const uint32_t start = static_cast<uint32_t>(pick(8));
    const std::vector<backend::IrqSink> sinks(1 + pick(4), [this](uint32_t vector) { note_value(uint64_t{vector} + 1000); });
    const auto action = static_cast<backend::IrqAction>(pick(3));
    const auto count = static_cast<uint32_t>(sinks.size());
    const bool trigger = action == backend::IrqAction::kTrigger;
    note(device_.set_irqs(backend::IrqKind::kMsix, action, start, count,
                          trigger ? std::span<const backend::IrqSink>(sinks) : std::span<const backend::IrqSink>())
             .has_value());
  }
  void raise() {
    world_.write32(reg::kRaise, static_cast<uint32_t>(pick(8)));
    device_.pump();
  }
  void reset() {
    note(device_.reset().has_value());
    world_.enable();
  }

  World& world_;
  backend::PassthroughDevice& device_;
  sim::Tape& tape_;
  std::array<Iova, kSlots> iova_{};
  std::array<bool, kSlots> live_{};
  std::array<bool, kSlots> used_{};
  uint64_t operations_ = 0;
};

void hash_node(sim::TraceHash& hash, const InspectNode& node) {
  // The tape's origin and the hash itself are not state of the machine.
  if (node.name == "trace-hash" || node.name == "tape") return;
  hash.add_bytes(node.name.data(), node.name.size());
  hash.add_bytes(node.value.data(), node.value.size());
  for (const InspectNode& child : node.children) hash_node(hash, child);
}

}  // namespace

void random_operations(World& world, unsigned operations) {
  Run run(world);
  for (unsigned i = 0; i < operations; ++i) run.one();
}

sim::Hash128 random_run(World& world, uint64_t seed, unsigned operations) {
  world.restart(seed);
  return run_from_here(world, operations);
}

sim::Hash128 run_from_here(World& world, unsigned operations) {
  world.ensure_open();
  Run run(world);
  for (unsigned i = 0; i < operations; ++i) run.one();
  sim::TraceHash& hash = world.machine().hash();
  hash_node(hash, world.machine().inspect());
  run.hash_memory(hash);
  return hash.value();
}

}  // namespace dartboard::support
