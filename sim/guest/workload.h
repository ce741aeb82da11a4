// sim/guest/workload.h - what a guest's driver does with DMA, as a list of steps, and the generators that make them.
//
// The list is made once, from a seed, and is the same for every strategy: what is refused is skipped with all that
// hangs on it. Parameters are written down with their source; one without a source is assumed, and reports say so.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "sim/core/tape.h"
#include "sim/guest/dma_ops.h"

namespace dartboard::guest {

enum class StepKind : uint8_t {
  kAllocate,       ///< buffer, bytes, scattered: pages of RAM, zero
  kRelease,        ///< buffer
  kCpuWrite,       ///< buffer, offset, bytes, seed
  kCpuRead,        ///< buffer, offset, bytes: checked
  kMap,            ///< mapping, buffer, offset, bytes, direction, context, splits
  kUnmap,          ///< mapping
  kSyncForCpu,     ///< mapping, offset (in the mapping), bytes
  kSyncForDevice,  ///< the same
  kDeviceRead,     ///< mapping, offset (in the mapping), bytes: checked
  kDeviceWrite,    ///< the same, seed
  kCoherent,       ///< mapping, buffer, bytes, context: memory that is both
  kFreeCoherent,   ///< mapping
};

struct Step {
  StepKind kind;
  Direction direction = Direction::kBidirectional;
  Context context = Context::kSleeping;
  bool scattered = false;  ///< kAllocate: single pages from all over RAM, not in a row
  bool splits = false;     ///< kMap: the driver asks for dma_max_mapping_size and splits what is larger
  uint32_t buffer = 0, mapping = 0;
  uint64_t offset = 0, bytes = 0, seed = 0;
};

struct Parameter {
  std::string name, value;
  std::string source;  ///< empty: assumed
};

struct Workload {
  std::string name, about;
  std::vector<Parameter> parameters;
  std::vector<Step> steps;
  uint32_t buffers = 0, mappings = 0;  ///< ids are below
  uint64_t ram_bytes = 0;              ///< that it needs at once
  uint64_t fragment_pages = 0;         ///< single pages taken before, spread evenly
  unsigned mask_bits = 64;             ///< of the device
  uint64_t align_mask = 0;             ///< min_align_mask of the device
};

struct WorkloadName {
  std::string_view name, about;
};
/// The generators, in the order of reports.
const std::vector<WorkloadName>& workload_names();
/// kNotFound: the sentence lists what there is.
Result<Workload> make_workload(std::string_view name, uint64_t seed);

/// `operations` random calls of the DMA API: every kind, size, direction and context, overlapping lives.
Workload random_workload(uint64_t operations, uint64_t seed);

/// Writes steps: ids are handed out here, and used once.
class WorkloadWriter {
 public:
  WorkloadWriter(Workload& workload, sim::Tape& tape) : w_(workload), tape_(tape) {}

  uint64_t draw(uint64_t bound) { return tape_.draw(sim::DrawId::kWorkload, bound); }
  /// In [low, high], by its logarithm: small ones are as frequent as large ones.
  uint64_t draw_log(uint64_t low, uint64_t high);
  bool chance(unsigned percent) { return draw(100) < percent; }
  uint64_t new_seed() { return ++seed_; }

  uint32_t allocate(uint64_t bytes, bool scattered);
  void release(uint32_t buffer);
  void cpu_write(uint32_t buffer, uint64_t offset, uint64_t bytes);
  void cpu_read(uint32_t buffer, uint64_t offset, uint64_t bytes);
  uint32_t map(uint32_t buffer, uint64_t offset, uint64_t bytes, Direction direction, Context context, bool splits);
  void unmap(uint32_t mapping);
  void sync_for_cpu(uint32_t mapping, uint64_t offset, uint64_t bytes);
  void sync_for_device(uint32_t mapping, uint64_t offset, uint64_t bytes);
  void device_read(uint32_t mapping, uint64_t offset, uint64_t bytes);
  void device_write(uint32_t mapping, uint64_t offset, uint64_t bytes);
  struct Ring {
    uint32_t buffer, mapping;
    uint64_t bytes;
  };
  Ring coherent(uint64_t bytes, Context context = Context::kSleeping);
  void free_coherent(const Ring& ring);

 private:
  Workload& w_;
  sim::Tape& tape_;
  uint64_t seed_ = 0;
};

}  // namespace dartboard::guest
