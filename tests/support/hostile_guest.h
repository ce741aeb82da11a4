// tests/support/hostile_guest.h - a guest that means harm, with only a guest's means: the calls of PassthroughDevice.
//
// The guest's kinds of fault (group G) are actions. Whether one of them happens is asked of the injector like at any
// other site, so that plans place them and counters count them; what happens then is here. An action never ends the
// program and always ends; what it could see is judged by complaints().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/world.h"

namespace dartboard::support {

class HostileGuest {
 public:
  /// `memory`: at least kMemoryBytes of this process, page-aligned, that the guest may give to the device.
  static constexpr uint64_t kMemoryBytes = 64 * kKiB;
  HostileGuest(World& world, std::byte* memory) : world_(world), device_(world.device()), memory_(memory) {}

  /// Does each of the seven actions that the injector lets happen now.
  void act();

  /// What a correct backend would not have allowed, one sentence each.
  const std::vector<std::string>& complaints() const { return complaints_; }

 private:
  void random_mmio();
  void config_writes();
  void endless_completions();
  void wrapping_lengths();
  void memory_that_changes();
  void overlapping_bars();
  void table_rewrites();

  uint64_t pick(uint64_t bound) { return world_.machine().tape().draw(sim::DrawId::kWorkload, bound); }
  void complain(bool wrong, const char* what) {
    if (wrong) complaints_.emplace_back(what);
  }
  uint32_t config(uint64_t offset);
  void set_config(uint64_t offset, uint32_t value, unsigned width);
  void start_over();

  World& world_;
  backend::PassthroughDevice& device_;
  std::byte* memory_;
  std::vector<std::string> complaints_;
};

}  // namespace dartboard::support
