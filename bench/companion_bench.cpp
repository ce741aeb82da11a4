// bench/companion_bench.cpp - the paravirtual mapper through every layer: guest driver, companion device, account,
// client, dext, kernel, DART. What is timed is the host's CPU; a guest exit costs nothing here.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include "backend/dma/companion_strategy.h"
#include "backend/dma/windows_strategy.h"
#include "bench/worlds.h"

namespace dartboard::bench {
namespace {

namespace dma = backend::dma;

constexpr Gpa kRam{0x4000'0000};
constexpr uint64_t kRamBytes = 1 * kGiB, kPage = 4 * kKiB, kWindow = 256 * kKiB;
constexpr unsigned kBatch = 256;
constexpr uint64_t kMaps = 60'000;

/// The strategies want a few pages for themselves: taken from a small range of their own.
class OwnPages final : public dma::GuestPages {
 public:
  explicit OwnPages(Gpa from) : next_(from) {}
  Result<Gpa> allocate(uint64_t bytes) override {
    const Gpa at = next_;
    next_ = next_ + bytes;
    return at;
  }
  void release(Gpa, uint64_t) override {}

 private:
  Gpa next_;
};

/// A guest with 1 GiB of RAM on a freshly reset machine.
struct Guest {
  Guest() : device(worlds().device()), mapper(device, budget()) {
    static std::byte* const ram = static_cast<std::byte*>(std::aligned_alloc(kWindow, kRamBytes));
    static std::byte* const own = static_cast<std::byte*>(std::aligned_alloc(kWindow, kMiB));
    (void)memory.add({kRam, kRamBytes, ram});
    (void)memory.add({Gpa(kMiB), kMiB, own});
  }
  static backend::Budget budget() { return {}; }

  backend::PassthroughDevice& device;
  dma::DeviceMapper mapper;
  dma::GuestMemory memory;
  OwnPages pages{Gpa(kMiB)};
};

/// 256 pages, each `stride` pages after the last.
std::vector<dma::MapRequest> requests(uint64_t stride) {
  std::vector<dma::MapRequest> all;
  for (unsigned i = 0; i < kBatch; ++i) all.push_back({kRam + i * stride * kPage, kPage});
  return all;
}

void map_one_by_one(benchmark::State& state, uint64_t stride) {
  Guest guest;
  dma::CompanionStrategy strategy(guest.memory, guest.mapper, guest.pages, {});
  const auto wanted = requests(stride);
  std::vector<dma::Mapped> mapped(wanted.size());
  bool ok = strategy.start().has_value();
  for (auto _ : state) {
    for (size_t i = 0; i < wanted.size(); ++i) {
      auto one = strategy.map(wanted[i]);
      ok = ok && one;
      if (one) mapped[i] = *one;
    }
    for (const dma::Mapped& one : mapped) ok = strategy.unmap(one) && ok;
  }
  if (!ok) state.SkipWithError("a map or unmap failed");
  state.SetItemsProcessed(state.iterations() * kBatch);
}

void map_as_batch(benchmark::State& state, uint64_t stride) {
  Guest guest;
  dma::CompanionStrategy strategy(guest.memory, guest.mapper, guest.pages, {});
  const auto wanted = requests(stride);
  bool ok = strategy.start().has_value();
  for (auto _ : state) {
    auto mapped = strategy.map_many(wanted);
    ok = ok && mapped && strategy.unmap_many(*mapped);
  }
  if (!ok) state.SkipWithError("a map or unmap failed");
  state.SetItemsProcessed(state.iterations() * kBatch);
}

void companion_single(benchmark::State& state) {
  map_one_by_one(state, 1);
}
BENCHMARK(companion_single);
void companion_batch(benchmark::State& state) {
  map_as_batch(state, 1);
}
BENCHMARK(companion_batch);
// Pages with gaps between them: each is a registration of its own, in a batch too.
void companion_single_scattered(benchmark::State& state) {
  map_one_by_one(state, 9);
}
BENCHMARK(companion_single_scattered);
void companion_batch_scattered(benchmark::State& state) {
  map_as_batch(state, 9);
}
BENCHMARK(companion_batch_scattered);

/// Map and unmap of one page; `held`: its window is there already.
void windows_page(benchmark::State& state, bool held) {
  Guest guest;
  dma::WindowsStrategy strategy(guest.memory, guest.mapper, guest.pages, {});
  bool ok = strategy.start().has_value();
  for (uint64_t at = 0; held && at < kRamBytes; at += kWindow) ok = strategy.map({kRam + at, kPage}) && ok;
  uint64_t page = 0;
  for (auto _ : state) {
    // Another window and another page each time.
    page = (page + 6'601) % (kRamBytes / kPage);
    const auto mapped = strategy.map({kRam + page * kPage, kPage});
    ok = ok && mapped && strategy.unmap(*mapped);
  }
  if (!ok) state.SkipWithError("a map or unmap failed");
}
void windows_hit(benchmark::State& state) {
  windows_page(state, true);
}
BENCHMARK(windows_hit);
void windows_miss(benchmark::State& state) {
  windows_page(state, false);
}
BENCHMARK(windows_miss);

void windows_random_maps(benchmark::State& state) {
  Guest guest;
  dma::WindowsStrategy strategy(guest.memory, guest.mapper, guest.pages, {});
  std::vector<dma::Mapped> mapped(kMaps);
  bool ok = strategy.start().has_value();
  uint64_t entries = 0;
  for (auto _ : state) {
    uint64_t draw = 1;
    for (dma::Mapped& one : mapped) {
      draw = draw * 6364136223846793005u + 1442695040888963407u;
      auto done = strategy.map({kRam + (draw >> 33) % (kRamBytes / kPage) * kPage, kPage});
      ok = ok && done;
      if (done) one = *done;
    }
    entries = guest.device.budget_use().mappings;
    for (const dma::Mapped& one : mapped) ok = strategy.unmap(one) && ok;
  }
  if (!ok || guest.device.budget_use().mappings != 0)
    state.SkipWithError("a map or unmap failed, or something is left");
  state.counters["entries"] = static_cast<double>(entries);
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kMaps));
}
BENCHMARK(windows_random_maps);

}  // namespace
}  // namespace dartboard::bench
