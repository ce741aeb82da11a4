// tests/dma/reservation_rig.h - companion and windows, made alike, on a guest and a mapper of the test's.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "backend/dma/companion_strategy.h"
#include "backend/dma/windows_strategy.h"
#include "tests/dma/fake_guest.h"
#include "tests/dma/fake_mapper.h"

namespace dartboard::backend::dma {

enum class Which { kCompanion, kWindows, kWarmWindows };

inline std::string name_of(Which which) {
  return which == Which::kCompanion ? "Companion" : which == Which::kWindows ? "Windows" : "WarmWindows";
}

struct ReservationRig {
  explicit ReservationRig(Which which, const Budget& budget = {}, const DeviceLimits& limits = {},
                          uint64_t second_bytes = 0, std::unique_ptr<Strategy> second = nullptr,
                          uint32_t batch_max = 256)
      : guest(16 * kMiB, second_bytes), mapper(budget) {
    if (which == Which::kCompanion) {
      strategy =
          std::make_unique<CompanionStrategy>(guest.memory, mapper, guest.pages, limits, CompanionOptions{}, batch_max);
    } else {
      WindowsOptions options;
      options.idle_max = which == Which::kWarmWindows ? 4 : 0;
      options.batch_max = batch_max;
      strategy =
          std::make_unique<WindowsStrategy>(guest.memory, mapper, guest.pages, limits, options, std::move(second));
    }
  }
  ReservationStrategy* operator->() { return strategy.get(); }

  static Gpa ram(uint64_t offset) { return FakeGuest::kBase + offset; }
  /// The device reaches the mapping's memory and no other by its address.
  bool lands(const Mapped& mapped) {
    return mapper.reach(mapped.iova, mapped.request.bytes) == guest.memory.at(mapped.request.gpa, mapped.request.bytes);
  }

  FakeGuest guest;
  FakeMapper mapper;
  std::unique_ptr<ReservationStrategy> strategy;
};

}  // namespace dartboard::backend::dma
