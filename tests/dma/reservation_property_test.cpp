// tests/dma/reservation_property_test.cpp - a million operations of each strategy against an oracle that knows only
// what is live, and every mapper call failed once.
#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "backend/dma/request.h"
#include "tests/dma/reservation_rig.h"

namespace dartboard::backend::dma {
namespace {

constexpr uint64_t kPage = 16 * kKiB, kWindow = 256 * kKiB, kSecondBytes = kMiB + 8 * kKiB;
constexpr uint64_t kOperations = 1'000'000;
constexpr size_t kLiveMax = 300;
/// Room for most, so that budgets refuse now and then, and windows degrade.
constexpr Budget budget_for(Which which) {
  if (which == Which::kCompanion) return {.bytes_max = 24 * kMiB, .mappings_max = 220, .page_bytes = kPage};
  return {.bytes_max = 12 * kMiB, .mappings_max = 80, .page_bytes = kPage};
}

class Operations {
 public:
  explicit Operations(Which which) : which_(which), rig_(which, budget_for(which), {}, kSecondBytes) {
    EXPECT_TRUE(rig_->start());
  }

  void run(uint64_t count) {
    for (uint64_t n = 0; n < count && !testing::Test::HasFailure(); ++n) {
      step();
      if (n % 64 == 0) rig_.mapper.calls.clear();
      if (n % 100 == 0) check_dirty();
    }
  }

  void finish() {
    while (!live_.empty()) unmap_some(64);
    for (const Coherent& c : coherent_) EXPECT_TRUE(rig_->free_coherent(c));
    coherent_.clear();
    EXPECT_EQ(rig_->table().windows() + rig_->table().exact(), rig_->table().idle());
    check_dirty();
    EXPECT_TRUE(rig_->stop());
    EXPECT_TRUE(rig_.mapper.empty());
    EXPECT_EQ(rig_->device().registrations(), 0u);
    EXPECT_EQ(rig_.guest.pages.allocated(), 0u);
    EXPECT_GT(refused_, 1000u) << "the budget has to matter";
    EXPECT_GT(served_, 100'000u);
    if (which_ != Which::kCompanion) EXPECT_GT(rig_->counters().degradations, 1000u);
  }

 private:
  uint64_t draw(uint64_t below) { return random_() % below; }

  MapRequest request() {
    const uint64_t kind = draw(100);
    uint64_t bytes = kind < 60   ? 1 + draw(4096)
                     : kind < 90 ? 1 + draw(64 * kKiB)
                     : kind < 99 ? 1 + draw(kWindow)
                                 : 1 + draw(kMiB);
    MapRequest r;
    r.direction = static_cast<Direction>(draw(3));
    if (draw(8) == 0) {
      bytes = std::min(bytes, kSecondBytes);
      r.gpa = rig_.guest.second + draw(kSecondBytes - bytes + 1);
    } else {
      r.gpa = FakeGuest::kBase + draw(rig_.guest.usable - bytes + 1);
    }
    if (draw(2) == 0)
      r.gpa = std::max(Gpa(round_down(r.gpa.value, 4096)),
                       r.gpa < rig_.guest.second ? FakeGuest::kBase : rig_.guest.second);
    r.bytes = bytes;
    return r;
  }

  /// A failure is a budget's or an address that is taken at the start of RAM, and it changes nothing.
  void judge_refusal(const Error& error, uint64_t bytes_before, size_t entries_before) {
    ++refused_;
    EXPECT_TRUE(error.name == ErrorName::kBudgetBytes || error.name == ErrorName::kBudgetMappings ||
                error.name == ErrorName::kBusy)
        << error.sentence;
    if (which_ == Which::kWarmWindows) return;  // what was begun may stay as warm windows, or they were given up for it
    EXPECT_EQ(rig_.mapper.use().bytes, bytes_before);
    EXPECT_EQ(rig_.mapper.entries.size(), entries_before);
  }

  void accept(const Mapped& mapped) {
    ++served_;
    EXPECT_TRUE(rig_.lands(mapped)) << std::hex << mapped.request.gpa.value << "+" << mapped.request.bytes;
    live_.push_back(mapped);
  }

  void step() {
    const uint64_t bytes = rig_.mapper.use().bytes;
    const size_t entries = rig_.mapper.entries.size();
    const uint64_t what = draw(100);
    if (live_.size() >= kLiveMax) {
      unmap_some(1 + draw(100));
    } else if (what < 40) {
      const auto mapped = rig_->map(request());
      if (mapped) {
        accept(*mapped);
      } else {
        judge_refusal(mapped.error(), bytes, entries);
      }
    } else if (what < 50) {
      std::vector<MapRequest> list;
      const uint64_t length = 1 + draw(16);
      for (uint64_t i = 0; i < length; ++i) {
        MapRequest next = request();
        // Neighbours, as a scatter-gather list has them.
        if (i != 0 && draw(2) == 0 &&
            rig_.guest.memory.at(list.back().gpa + list.back().bytes, next.bytes) != nullptr) {
          next.gpa = list.back().gpa + list.back().bytes;
        }
        list.push_back(next);
      }
      const auto mapped = rig_->map_many(list);
      if (mapped) {
        EXPECT_EQ(mapped->size(), list.size());
        for (const Mapped& one : *mapped) accept(one);
      } else {
        judge_refusal(mapped.error(), bytes, entries);
        attempted_.insert(attempted_.end(), list.begin(), list.end());
      }
    } else if (what < 85) {
      unmap_some(1);
    } else if (what < 93) {
      unmap_some(1 + draw(16));
    } else if (what < 95) {
      unmap_stale();
    } else if (what < 97) {
      if (const auto c = rig_->allocate_coherent(1 + draw(3 * 4096), Context::kSleeping)) {
        std::byte* const memory = rig_.guest.memory.at(c->gpa, c->bytes);
        EXPECT_EQ(rig_.mapper.reach(c->iova, c->bytes), memory);
        EXPECT_TRUE(std::all_of(memory, memory + c->bytes, [](std::byte b) { return b == std::byte{}; }));
        std::memset(memory, 0x33, c->bytes);
        coherent_.push_back(*c);
      }
      if (coherent_.size() > 20 || (!coherent_.empty() && draw(2) == 0)) {
        const size_t i = draw(coherent_.size());
        EXPECT_TRUE(rig_->free_coherent(coherent_[i]));
        coherent_.erase(coherent_.begin() + static_cast<std::ptrdiff_t>(i));
      }
    } else if (!live_.empty()) {
      const Mapped& one = live_[draw(live_.size())];
      EXPECT_TRUE(rig_.lands(one)) << "while it lives";
      EXPECT_TRUE(rig_->sync_for_cpu(one, 0, one.request.bytes));
    }
  }

  void unmap_some(uint64_t count) {
    std::vector<Mapped> some;
    while (count-- != 0 && !live_.empty()) {
      const size_t i = draw(live_.size());
      some.push_back(live_[i]);
      live_[i] = live_.back();
      live_.pop_back();
    }
    if (some.empty()) return;
    if (some.size() == 1) {
      EXPECT_TRUE(rig_->unmap(some[0]));
    } else {
      EXPECT_TRUE(rig_->unmap_many(some));
    }
    for (const Mapped& one : some) {
      if (device_writes(one.request.direction)) written_.push_back(one.request);
    }
    stale_ = some.back();
  }

  void unmap_stale() {
    if (stale_.request.bytes == 0) return;
    const auto same = [&](const Mapped& m) {
      return m.iova == stale_.iova && m.request.gpa == stale_.request.gpa && m.request.bytes == stale_.request.bytes &&
             m.request.direction == stale_.request.direction;
    };
    if (std::any_of(live_.begin(), live_.end(), same)) return;
    const auto unmapped = rig_->unmap(stale_);
    ASSERT_FALSE(unmapped);
    EXPECT_EQ(unmapped.error().name, ErrorName::kNotFound);
  }

  /// The streaming part of RAM; coherent memory is live and writable, and the kernel's.
  void check_dirty() {
    std::vector<uint64_t> told(rig_.guest.usable / 4096 / 64), wanted(told.size());
    ASSERT_TRUE(rig_->dirty(FakeGuest::kBase, rig_.guest.usable, 4096, told));
    const auto mark = [&](const MapRequest& r) {
      mark_dirty(FakeGuest::kBase, rig_.guest.usable, 4096, wanted, r.gpa, r.bytes);
    };
    for (const Mapped& one : live_) {
      if (device_writes(one.request.direction)) mark(one.request);
    }
    for (const MapRequest& r : written_) mark(r);
    for (size_t i = 0; i < told.size(); ++i) EXPECT_EQ(wanted[i] & ~told[i], 0u) << "a page was missed, word " << i;
    // A list that failed was mapped in part for a moment: its pages may be told.
    for (const MapRequest& r : attempted_) mark(r);
    for (size_t i = 0; i < told.size(); ++i) EXPECT_EQ(told[i] & ~wanted[i], 0u) << "a page too many, word " << i;
    written_.clear();
    attempted_.clear();
  }

  const Which which_;
  ReservationRig rig_;
  std::mt19937_64 random_{20261129};
  std::vector<Mapped> live_;
  std::vector<Coherent> coherent_;
  std::vector<MapRequest> written_;    ///< unmapped since the last look
  std::vector<MapRequest> attempted_;  ///< in lists that failed since
  Mapped stale_;
  uint64_t served_ = 0, refused_ = 0;
};

class ReservationProperty : public testing::TestWithParam<Which> {};
INSTANTIATE_TEST_SUITE_P(All, ReservationProperty,
                         testing::Values(Which::kCompanion, Which::kWindows, Which::kWarmWindows),
                         [](const auto& info) { return name_of(info.param); });

TEST_P(ReservationProperty, AMillionOperations) {
  Operations operations(GetParam());
  operations.run(kOperations);
  operations.finish();
}

/// A short life with something of everything. Every result is looked at; a failure must leave the rest in order.
struct Life {
  explicit Life(Which which) : rig(which) {}

  void run() {
    (void)rig->start();
    std::vector<Mapped> live;
    const auto keep = [&](const Result<Mapped>& mapped) {
      if (!mapped) return;
      EXPECT_TRUE(rig.lands(*mapped));
      live.push_back(*mapped);
    };
    keep(rig->map({rig.ram(0), 4096}));
    keep(rig->map({rig.ram(8192), 4096}));
    keep(rig->map({rig.ram(kMiB), kMiB}));
    std::vector<MapRequest> list;
    for (uint64_t i = 0; i < 12; ++i) list.push_back({rig.ram(4 * kMiB + i * (i % 3 == 0 ? kWindow : 4096)), 4096});
    if (const auto many = rig->map_many(list)) live.insert(live.end(), many->begin(), many->end());
    const auto coherent = rig->allocate_coherent(4096, Context::kSleeping);
    for (const Mapped& one : live) EXPECT_TRUE(rig.lands(one));
    if (live.size() > 2) {
      (void)rig->unmap(live.back());
      live.pop_back();
      (void)rig->unmap(live.back());
      live.pop_back();
    }
    for (const Mapped& one : live) EXPECT_TRUE(rig.lands(one));
    (void)rig->unmap_many(live);
    keep(rig->map({rig.ram(8192), 4096}));
    keep(rig->map({rig.ram(kMiB), kMiB}));
    if (coherent) (void)rig->free_coherent(*coherent);
    const auto reset = rig->guest_reset();
    rig.mapper.enable();
    keep(rig->map({rig.ram(0), 4096}));
    if (reset) EXPECT_TRUE(rig.mapper.entries.size() <= 1);
    rig.mapper.taken_while_busy = 0;
    (void)rig->stop();
    EXPECT_EQ(rig.mapper.taken_while_busy, 0u);
    (void)rig->stop();
    EXPECT_TRUE(rig.mapper.empty());
    EXPECT_EQ(rig.guest.pages.allocated(), 0u);
    clean = rig.mapper.fail_at != 0 || rig.guest.pages.fail_at != 0;
    rig.mapper.fail_at = rig.guest.pages.fail_at = 0;
    rig.mapper.enable();
    EXPECT_TRUE(rig->start()) << "usable afterwards";
    EXPECT_TRUE(rig->map({rig.ram(0), 4096}));
    EXPECT_TRUE(rig->stop());
    EXPECT_TRUE(rig.mapper.empty());
  }

  ReservationRig rig;
  bool clean = false;  ///< the failing call was never reached
};

class ReservationSweep : public testing::TestWithParam<std::tuple<Which, ErrorName>> {};
INSTANTIATE_TEST_SUITE_P(All, ReservationSweep,
                         testing::Combine(testing::Values(Which::kCompanion, Which::kWindows, Which::kWarmWindows),
                                          testing::Values(ErrorName::kMapperFailed, ErrorName::kCallFailed,
                                                          ErrorName::kBudgetBytes)));

TEST_P(ReservationSweep, EveryMapperCallFailsOnce) {
  uint64_t n = 1;
  for (;; ++n) {
    Life life(std::get<0>(GetParam()));
    life.rig.mapper.fail_at = n;
    life.rig.mapper.fail_with = std::get<1>(GetParam());
    life.run();
    if (HasFailure()) FAIL() << "at call " << n;
    if (life.clean) break;
  }
  EXPECT_GT(n, 20u);
}

TEST_P(ReservationSweep, EveryAllocationOfGuestPagesFailsOnce) {
  for (uint64_t n = 1;; ++n) {
    Life life(std::get<0>(GetParam()));
    life.rig.guest.pages.fail_at = n;
    life.run();
    if (HasFailure()) FAIL() << "at allocation " << n;
    if (life.clean) break;
  }
}

}  // namespace
}  // namespace dartboard::backend::dma
