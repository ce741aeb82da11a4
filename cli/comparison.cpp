// cli/comparison.cpp - see comparison.h.
#include "cli/comparison.h"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>

#include "cli/dma_adapter.h"
#include "cli/sim_world.h"
#include "cli/world.h"

namespace dartboard::cli {
namespace {

namespace dma = backend::dma;

constexpr Gpa kRamBase{0x4000'0000};  // QEMU's `virt` machine
constexpr size_t kSamples = 60;

/// Whether a strategy tells the mapper where to map.
bool wants_to_place(std::string_view strategy) {
  return strategy == "identity" || strategy == "viommu";
}

uint64_t dma_calls(const WorldCounters& counters) {
  uint64_t calls = 0;
  for (const auto& [name, count] : counters.calls_by_selector) {
    if (name == "AllocateDMABuffer" || name == "FreeDMABuffer" || name == "RegisterDMARegion" ||
        name == "UnregisterDMARegion") {
      calls += count;
    }
  }
  return calls;
}

uint64_t cpu_ns() {
  return static_cast<uint64_t>(std::clock()) * (1'000'000'000 / CLOCKS_PER_SEC);
}

/// The most of each part of the run.
class Sampler {
 public:
  Sampler(const dma::Mapper& mapper, uint64_t steps, std::vector<MappedSample>& samples)
      : mapper_(mapper), part_(std::max<uint64_t>(1, steps / kSamples)), samples_(samples) {}
  void operator()(uint64_t step) {
    const backend::BudgetUse& use = mapper_.use();
    if (samples_.empty() || step > end_) {
      samples_.push_back({step, 0, 0});
      end_ = step + part_ - 1;
    }
    samples_.back().bytes = std::max(samples_.back().bytes, use.bytes);
    samples_.back().mappings = std::max(samples_.back().mappings, use.mappings);
  }

 private:
  const dma::Mapper& mapper_;
  const uint64_t part_;
  uint64_t end_ = 0;
  std::vector<MappedSample>& samples_;
};

TimeSplit split(const sim::Profile& profile, const Figures& f) {
  const sim::Timings& t = profile.timings;
  const sim::PortProfile& port = profile.ports.front();
  TimeSplit time;
  time.copy_ns = f.counters.bytes_copied * t.copy_ns_per_kib / kKiB;
  time.exits_ns = f.counters.guest_exits * t.guest_exit_ns;
  time.calls_ns = f.calls * (t.user_client_call_ns + port.mapper.map_ns);
  time.link_ns = (f.run.bytes_to_device + f.run.bytes_from_device) * port.root.dma_ns_per_kib / kKiB;
  return time;
}

}  // namespace

Result<Figures> measure(const sim::Profile& given, const guest::Workload& workload, std::string_view strategy_name,
                        const ComparisonOptions& options) {
  if (options.guest_bytes < 2 * workload.ram_bytes) {
    return fail(ErrorName::kBadArgument,
                fmt::format("workload {} wants a guest of at least {} MiB, this one has {}", workload.name,
                            2 * workload.ram_bytes / kMiB, options.guest_bytes / kMiB));
  }
  sim::Profile profile = given;
  macos::MapperConfig& mapper_config = profile.ports.front().mapper;
  const bool places = mapper_config.caller_places && wants_to_place(strategy_name);
  if (places) mapper_config.policy = macos::IovaPolicy::kAsRecorded;  // it goes where the caller says
  Gpa ram_base = kRamBase;
  if (mapper_config.caller_places) ram_base = Gpa(std::max(ram_base.value, mapper_config.window_base.value));

  Figures out;
  out.profile = profile.name;
  out.workload = workload.name;
  out.strategy = strategy_name;
  const uint64_t from_cpu_ns = cpu_ns();

  // Lives in this order: what is freed first stands last.
  auto ram = guest::Ram::create(ram_base, options.guest_bytes);
  if (!ram) return tl::unexpected(ram.error());
  ram->fragment(workload.fragment_pages);
  RamPages pages(*ram);
  dma::GuestMemory memory;
  if (auto added = memory.add({ram_base, options.guest_bytes, ram->memory()}); !added)
    return tl::unexpected(added.error());

  const std::unique_ptr<World> world = make_sim_world(profile);
  if (auto on = world->power_on(nullptr); !on) return tl::unexpected(on.error());
  auto recording = Recording::make(options.record, *world);
  if (!recording) return tl::unexpected(recording.error());
  auto device = open_device(*world);
  if (!device) return tl::unexpected(device.error());
  std::unique_ptr<dma::Mapper> mapper;
  if (places) {
    mapper = std::make_unique<PlacingMapper>(**device, world->budget(), *world);
  } else {
    mapper = std::make_unique<dma::DeviceMapper>(**device, world->budget());
  }
  dma::DeviceLimits limits;
  if (workload.mask_bits < 64) limits.address_max = (uint64_t{1} << workload.mask_bits) - 1;
  limits.align_mask = workload.align_mask;
  auto strategy = make_strategy(strategy_name, {.memory = memory,
                                                .mapper = *mapper,
                                                .pages = pages,
                                                .limits = limits,
                                                .port = profile.ports.front(),
                                                .pool_bytes = options.pool_bytes,
                                                .window_bytes = options.window_bytes});
  if (!strategy) return tl::unexpected(strategy.error());
  if (auto started = (*strategy)->start(); !started) {
    out.not_started = started.error();
    out.counters = (*strategy)->counters();
    out.recorded = finish(*recording);
    return out;
  }
  TestEndpointEngine engine(**device, *world);
  if (auto ready = engine.start(); !ready) return tl::unexpected(ready.error());

  StrategyOps ops(**strategy, memory);
  guest::Runner runner(*ram, ops, engine, options.seed, options.run_pages);
  Sampler sampler(*mapper, workload.steps.size(), out.samples);
  out.run = runner.run(workload, [&](uint64_t step) { sampler(step); });
  const WorldCounters running = world->counters();
  out.peak_bytes = running.mapped_bytes_peak;
  out.peak_mappings = running.mappings_peak;
  out.faults = running.faults;
  out.trace_hash = running.trace_hash;
  if (out.faults != 0 || out.run.stopped) out.why_faults = explain_faults(**strategy);

  if (auto stopped = (*strategy)->stop(); !stopped && !out.run.stopped) out.stop_error = stopped.error().sentence;
  const WorldCounters stopped = world->counters();
  if (!out.run.stopped) out.left_mappings = stopped.mappings;
  out.calls = dma_calls(stopped);
  out.counters = (*strategy)->counters();
  out.time = split(profile, out);
  strategy->reset();
  mapper.reset();
  device->reset();
  out.recorded = finish(*recording);
  out.host_cpu_ns = cpu_ns() - from_cpu_ns;
  return out;
}

}  // namespace dartboard::cli
