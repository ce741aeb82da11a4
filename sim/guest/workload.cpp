// sim/guest/workload.cpp - the list of generators, and how steps are written.
#include "sim/guest/workload.h"

#include <bit>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sim/guest/generators.h"

namespace dartboard::guest {
namespace {

struct Generator {
  WorkloadName name;
  void (*make)(Workload&, WorkloadWriter&);
};

constexpr Generator kGenerators[] = {
    {{"llm", "LLM inference: weights uploaded through staging buffers, then small command buffers for every token"},
     make_llm},
    {{"game", "a game-like stream: hundreds of small maps a frame, alive for a few frames"}, make_game},
    {{"nvme", "an NVMe queue: coherent rings, scattered data pages, 70 % reads"}, make_nvme},
    {{"nic", "a NIC's rings: receive buffers mapped for long, packets sent from atomic context"}, make_nic},
    {{"fragment", "an adversary: lives and sizes chosen to leave holes, in a guest whose RAM has no long runs"},
     make_fragment},
};

}  // namespace

const std::vector<WorkloadName>& workload_names() {
  static const std::vector<WorkloadName> names = [] {
    std::vector<WorkloadName> out;
    for (const Generator& generator : kGenerators) out.push_back(generator.name);
    return out;
  }();
  return names;
}

Result<Workload> make_workload(std::string_view name, uint64_t seed) {
  for (const Generator& generator : kGenerators) {
    if (generator.name.name != name) continue;
    sim::Tape tape;
    tape.start_seeded(seed);
    tape.set_recording(false);
    Workload workload;
    workload.name = generator.name.name;
    workload.about = generator.name.about;
    WorkloadWriter writer(workload, tape);
    generator.make(workload, writer);
    return workload;
  }
  std::vector<std::string_view> names;
  for (const Generator& generator : kGenerators) names.push_back(generator.name.name);
  return fail(ErrorName::kNotFound,
              fmt::format("there is no workload '{:.40}'; there are {}", name, fmt::join(names, ", ")));
}

uint64_t WorkloadWriter::draw_log(uint64_t low, uint64_t high) {
  const int from = std::bit_width(low) - 1, to = std::bit_width(high) - 1;
  const int power = from + static_cast<int>(draw(static_cast<uint64_t>(to - from) + 1));
  const uint64_t base = uint64_t{1} << power;
  const uint64_t value = base + draw(base);
  return value < low ? low : value > high ? high : value;
}

uint32_t WorkloadWriter::allocate(uint64_t bytes, bool scattered) {
  w_.steps.push_back({.kind = StepKind::kAllocate, .scattered = scattered, .buffer = w_.buffers, .bytes = bytes});
  return w_.buffers++;
}
void WorkloadWriter::release(uint32_t buffer) {
  w_.steps.push_back({.kind = StepKind::kRelease, .buffer = buffer});
}
void WorkloadWriter::cpu_write(uint32_t buffer, uint64_t offset, uint64_t bytes) {
  w_.steps.push_back(
      {.kind = StepKind::kCpuWrite, .buffer = buffer, .offset = offset, .bytes = bytes, .seed = new_seed()});
}
void WorkloadWriter::cpu_read(uint32_t buffer, uint64_t offset, uint64_t bytes) {
  w_.steps.push_back({.kind = StepKind::kCpuRead, .buffer = buffer, .offset = offset, .bytes = bytes});
}
uint32_t WorkloadWriter::map(uint32_t buffer, uint64_t offset, uint64_t bytes, Direction direction, Context context,
                             bool splits) {
  w_.steps.push_back({.kind = StepKind::kMap,
                      .direction = direction,
                      .context = context,
                      .splits = splits,
                      .buffer = buffer,
                      .mapping = w_.mappings,
                      .offset = offset,
                      .bytes = bytes});
  return w_.mappings++;
}
void WorkloadWriter::unmap(uint32_t mapping) {
  w_.steps.push_back({.kind = StepKind::kUnmap, .mapping = mapping});
}
void WorkloadWriter::sync_for_cpu(uint32_t mapping, uint64_t offset, uint64_t bytes) {
  w_.steps.push_back({.kind = StepKind::kSyncForCpu, .mapping = mapping, .offset = offset, .bytes = bytes});
}
void WorkloadWriter::sync_for_device(uint32_t mapping, uint64_t offset, uint64_t bytes) {
  w_.steps.push_back({.kind = StepKind::kSyncForDevice, .mapping = mapping, .offset = offset, .bytes = bytes});
}
void WorkloadWriter::device_read(uint32_t mapping, uint64_t offset, uint64_t bytes) {
  w_.steps.push_back({.kind = StepKind::kDeviceRead, .mapping = mapping, .offset = offset, .bytes = bytes});
}
void WorkloadWriter::device_write(uint32_t mapping, uint64_t offset, uint64_t bytes) {
  w_.steps.push_back(
      {.kind = StepKind::kDeviceWrite, .mapping = mapping, .offset = offset, .bytes = bytes, .seed = new_seed()});
}
WorkloadWriter::Ring WorkloadWriter::coherent(uint64_t bytes, Context context) {
  w_.steps.push_back(
      {.kind = StepKind::kCoherent, .context = context, .buffer = w_.buffers, .mapping = w_.mappings, .bytes = bytes});
  return {w_.buffers++, w_.mappings++, bytes};
}
void WorkloadWriter::free_coherent(const Ring& ring) {
  w_.steps.push_back({.kind = StepKind::kFreeCoherent, .buffer = ring.buffer, .mapping = ring.mapping});
}

}  // namespace dartboard::guest
