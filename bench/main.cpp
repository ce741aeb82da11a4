// bench/main.cpp - runs everything, interleaved and repeated, then prints the table of bars.
//
// Exit code 1 if a bar is missed. Any Google Benchmark flag works: --benchmark_filter=mmio shows the part you care about.
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <systemc>

#include "bench/bars.h"

int sc_main(int, char**) { return 0; }

int main(int argc, char** argv) {
  using dartboard::bench::Bar;
  using dartboard::bench::Figure;

  // Defaults that make ratios honest on a noisy machine; later flags win.
  std::vector<std::string> defaults = {argv[0], "--benchmark_repetitions=7", "--benchmark_enable_random_interleaving=true",
                                       "--benchmark_report_aggregates_only=true", "--benchmark_min_time=0.1"};
  std::vector<char*> arguments;
  for (std::string& d : defaults) arguments.push_back(d.data());
  for (int i = 1; i < argc; ++i) arguments.push_back(argv[i]);
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;

  dartboard::bench::BarReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  const std::vector<Bar> bars = {
      {"4-byte MMIO read through the whole path / bare b_transport", "mmio_read_4", "bare_b_transport",
       Figure::kTimeRatioAtMost, 12},
      {"4-byte MMIO read with all ledgers on / off", "mmio_read_4_watched", "mmio_read_4", Figure::kTimeRatioAtMost, 2},
      {"4-byte backend read of a directly mapped memory BAR / bare b_transport", "direct_read_4", "bare_b_transport",
       Figure::kTimeRatioAtMost, 1},
      {"register that a Lua script declares / the C++ test endpoint's, whole path", "register_read_script",
       "register_read_test", Figure::kTimeRatioAtMost, 1.1},
      {"device DMA write through the DART, 2 MiB, speed of memcpy", "dma_write/2097152", "memcpy/2097152",
       Figure::kSpeedRatioAtLeast, 0.8},
      {"device DMA write through the DART, 4 KiB, speed of memcpy", "dma_write/4096", "memcpy/4096",
       Figure::kSpeedRatioAtLeast, 0.4},
      {"register + unregister, 60,000 regions live / 100 live", "register_unregister/60000", "register_unregister/100",
       Figure::kTimeRatioAtMost, 1.5},
      {"companion, batch of 256 neighbouring maps / one at a time, speed per entry", "companion_batch", "companion_single",
       Figure::kSpeedRatioAtLeast, 3},
      {"windows, DART entries of 60,000 random 4 KiB maps in 1 GiB", "windows_random_maps", "", Figure::kEntriesAtMost, 4096},
      {"windows, map + unmap of a hit / of a miss", "windows_hit", "windows_miss", Figure::kTimeRatioAtMost, 0.1},
      {"run of 64 operations + reset() to power-on", "run_and_reset", "", Figure::kItemsPerSecondAtLeast, 10'000},
      {"pool map + unmap of 4 KiB, copy off / malloc + free of 4 KiB", "pool_map_unmap_4k/real_time/threads:1",
       "malloc_free_4k", Figure::kTimeRatioAtMost, 1.5},
      {"the same on 2 threads, throughput of one", "pool_map_unmap_4k/real_time/threads:2",
       "pool_map_unmap_4k/real_time/threads:1", Figure::kTwoThreadsAtLeast, 1.7},
      {"pool bounce of 4 KiB there and back, speed of two memcpys", "pool_bounce/4096", "two_memcpys/4096",
       Figure::kSpeedRatioAtLeast, 0.7},
      {"pool bounce of 256 KiB there and back, speed of two memcpys", "pool_bounce/262144", "two_memcpys/262144",
       Figure::kSpeedRatioAtLeast, 0.9},
      {"dirty query of 1 GiB, all of it written / memcpy of the bitmap", "dirty_query_all", "memcpy_of_bitmap",
       Figure::kTimeRatioAtMost, 4},
      {"dirty query of 1 GiB, pages here and there / memcpy of the bitmap", "dirty_query_some", "memcpy_of_bitmap",
       Figure::kTimeRatioAtMost, 4},
      {"AMD session replay, recorded / not recorded", "replay_recorded/manual_time", "replay_unrecorded/manual_time",
       Figure::kTimeRatioAtMost, 1.15},
      {"replay of a .dbt of register accesses, recorded / not recorded", "replay_registers_recorded/manual_time",
       "replay_registers_unrecorded/manual_time", Figure::kTimeRatioAtMost, 1.15},
      {"AMD session replay, parsing apart, requests", "replay_amd_session/manual_time", "", Figure::kItemsPerSecondAtLeast, 300'000},
      {"trace, strict replay of a .dbt of register accesses, events", "replay_registers_dbt/manual_time", "",
       Figure::kItemsPerSecondAtLeast, 500'000},
      {"trace, read .dbt, events", "trace_read_dbt/manual_time", "", Figure::kItemsPerSecondAtLeast, 10'000'000},
      {"trace, read .dbt / zstd -dc of the same file, speed", "trace_read_dbt/manual_time", "zstd_dc_dbt/manual_time",
       Figure::kItemRatioAtLeast, 0.5},
      {"trace, import a QEMU text log, lines", "trace_import_qemu_log/manual_time", "", Figure::kItemsPerSecondAtLeast,
       1'500'000},
      {"trace, .dbt / .jsonl.zst of the same events without payloads, bytes in 1,000", "trace_size_dbt/iterations:1/manual_time",
       "", Figure::kEntriesAtMost, 250},
  };
  return reporter.print(bars) == 0 ? 0 : 1;
}
