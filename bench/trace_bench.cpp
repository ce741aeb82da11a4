// bench/trace_bench.cpp - reading and writing traces, beside the tools that people compare with.
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include <benchmark/benchmark.h>

#include "bench/trace_files.h"
#include "traces/dbt/reader.h"
#include "traces/formats.h"

namespace dartboard::bench {
namespace {

constexpr uint64_t kEvents = 3'000'000;
constexpr uint64_t kLines = 2'000'000;

/// Reads the whole trace; returns its events, 0 when it cannot.
uint64_t read_all(const std::string& path) {
  auto reader = traces::open_trace(path);
  if (!reader) return 0;
  traces::EventBatch batch;
  uint64_t events = 0, sum = 0;
  for (;;) {
    const auto more = (*reader)->next(&batch);
    if (!more) return 0;
    if (!*more) break;
    for (const traces::Event& event : batch.events) sum += event.address;
    events += batch.events.size();
  }
  benchmark::DoNotOptimize(sum);
  return events;
}

void trace_read_dbt(benchmark::State& state) {
  const std::string& path = long_dbt(kEvents);
  uint64_t events = 0;
  for (auto _ : state) {
    const auto from = std::chrono::steady_clock::now();
    events = read_all(path);
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count());
    if (events < kEvents) return state.SkipWithError("the trace could not be read");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(events));
}
BENCHMARK(trace_read_dbt)->UseManualTime()->Unit(benchmark::kMillisecond);

/// The same file by the zstd program: what decompression alone costs, with the start of a process.
void zstd_dc_dbt(benchmark::State& state) {
  const std::string& path = long_dbt(kEvents);
  const uint64_t events = read_all(path);
  for (auto _ : state) {
    const double seconds = seconds_of({"zstd", "-dcq", path});
    if (seconds < 0) return state.SkipWithError("zstd did not take the file");
    state.SetIterationTime(seconds);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(events));
}
BENCHMARK(zstd_dc_dbt)->UseManualTime()->Unit(benchmark::kMillisecond);

/// Lines of a QEMU log to events; each makes one.
void trace_import_qemu_log(benchmark::State& state) {
  const std::string& path = long_qemu_log(kLines);
  uint64_t events = 0;
  for (auto _ : state) {
    const auto from = std::chrono::steady_clock::now();
    events = read_all(path);
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count());
    if (events < kLines) return state.SkipWithError("the log could not be read");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(events));
}
BENCHMARK(trace_import_qemu_log)->UseManualTime()->Unit(benchmark::kMillisecond);

/// Bytes of a .dbt for 1,000 of a .jsonl.zst of the same events without payloads.
void trace_size_dbt(benchmark::State& state) {
  for (auto _ : state) {
    const auto dbt = std::filesystem::file_size(long_dbt(kEvents / 10, true));
    const auto jsonl = std::filesystem::file_size(long_jsonl_without_payloads(kEvents / 10));
    state.SetIterationTime(1e-9);
    state.counters["entries"] = static_cast<double>(1000 * dbt / jsonl);
  }
}
BENCHMARK(trace_size_dbt)->UseManualTime()->Iterations(1);

}  // namespace
}  // namespace dartboard::bench
