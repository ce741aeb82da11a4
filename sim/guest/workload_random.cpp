// sim/guest/workload_random.cpp - random calls of the DMA API, all of them legal: for property tests.
//
// A driver keeps to the API's one rule of ownership: while a buffer is mapped for the device to write, the CPU reads it
// after a sync only; what the CPU writes into a mapped buffer is synced before the device reads it.
#include <algorithm>

#include "sim/guest/workload.h"

namespace dartboard::guest {
namespace {

constexpr size_t kAliveMax = 256, kRingsMax = 16;

struct Live {
  uint32_t buffer, mapping;
  uint64_t offset, bytes, whole;
  Direction direction;
};

struct Part {
  uint64_t offset, bytes;
};

Part part_of(WorkloadWriter& out, uint64_t bytes) {
  const uint64_t offset = out.draw(bytes);
  return {offset, 1 + out.draw(std::min<uint64_t>(bytes - offset, 4 * kKiB))};
}

template <class T>
T take(WorkloadWriter& out, std::vector<T>& from) {
  const uint64_t at = out.draw(from.size());
  const T taken = from[at];
  from[at] = from.back();
  from.pop_back();
  return taken;
}

}  // namespace

Workload random_workload(uint64_t operations, uint64_t seed) {
  sim::Tape tape;
  tape.start_seeded(seed);
  tape.set_recording(false);
  Workload w;
  w.name = "random";
  w.about = "random calls of the DMA API";
  w.ram_bytes = 64 * kMiB;
  w.steps.reserve(operations + operations / 2);
  WorkloadWriter out(w, tape);
  std::vector<Live> live;
  std::vector<WorkloadWriter::Ring> rings;
  uint64_t done = 0;  // calls of the DMA API, which is what is asked for
  const auto open = [&] {
    const uint64_t bytes = out.chance(2) ? out.draw_log(8 * kKiB, 256 * kKiB) : out.draw_log(1, 4 * kKiB);
    const uint64_t offset = out.chance(50) ? 0 : out.draw(4 * kKiB);
    const auto direction = static_cast<Direction>(out.draw(3));
    const uint32_t buffer = out.allocate(offset + bytes, out.chance(30));
    out.cpu_write(buffer, 0, offset + bytes);
    const Context context = out.chance(20) ? Context::kAtomic : Context::kSleeping;
    live.push_back({buffer, out.map(buffer, offset, bytes, direction, context, out.chance(70)), offset, bytes,
                    offset + bytes, direction});
    ++done;
  };
  const auto close = [&](const Live& one) {
    out.unmap(one.mapping);
    out.cpu_read(one.buffer, 0, one.whole);
    out.release(one.buffer);
    ++done;
  };
  while (done < operations) {
    const uint64_t what = out.draw(100);
    if (live.empty() || (what < 25 && live.size() < kAliveMax)) {
      open();
    } else if (what < 50) {
      close(take(out, live));
    } else if (what < 85) {
      const Live& one = live[out.draw(live.size())];
      const Part part = part_of(out, one.bytes);
      if (device_writes(one.direction) && out.chance(60)) {
        out.device_write(one.mapping, part.offset, part.bytes);
        if (out.chance(70)) {
          out.sync_for_cpu(one.mapping, 0, one.bytes);
          out.cpu_read(one.buffer, one.offset + part.offset, part.bytes);
          ++done;
        }
      } else if (device_reads(one.direction)) {
        if (out.chance(40)) {
          // What the device wrote there is the CPU's to overwrite only after it was given over.
          if (device_writes(one.direction)) out.sync_for_cpu(one.mapping, 0, one.bytes), ++done;
          out.cpu_write(one.buffer, one.offset + part.offset, part.bytes);
          out.sync_for_device(one.mapping, part.offset, part.bytes);
          ++done;
        }
        out.device_read(one.mapping, part.offset, part.bytes);
      } else {
        out.sync_for_device(one.mapping, part.offset, part.bytes);
        ++done;
      }
    } else if (what < 88 && rings.size() < kRingsMax) {
      rings.push_back(
          out.coherent(out.draw_log(64, 64 * kKiB), out.chance(20) ? Context::kAtomic : Context::kSleeping));
      ++done;
    } else if (what < 91 && !rings.empty()) {
      out.free_coherent(take(out, rings));
      ++done;
    } else if (!rings.empty()) {
      const auto& ring = rings[out.draw(rings.size())];
      const Part part = part_of(out, ring.bytes);
      if (out.chance(50)) {
        out.cpu_write(ring.buffer, part.offset, part.bytes);
        out.device_read(ring.mapping, part.offset, part.bytes);
      } else {
        out.device_write(ring.mapping, part.offset, part.bytes);
        out.cpu_read(ring.buffer, part.offset, part.bytes);
      }
    }
  }
  while (!live.empty()) close(take(out, live));
  while (!rings.empty()) out.free_coherent(take(out, rings));
  return w;
}

}  // namespace dartboard::guest
