// sim/guest/workload_fragment.cpp - an adversary for whoever hands out addresses or slots.
//
// First a carpet of single pages, each in another 256 KiB of RAM, so that sharing by neighbourhood finds nobody. Then
// alternate ones go, and what is asked for next is a little larger than the holes. Then random sizes with random lives.
#include "sim/guest/generators.h"

namespace dartboard::guest {
namespace {

constexpr unsigned kCarpet = 1024, kLarger = 256, kChurn = 3000, kAliveMax = 400;
constexpr uint64_t kPage = 4 * kKiB;

}  // namespace

void make_fragment(Workload& w, WorkloadWriter& out) {
  w.parameters = {
      {"carpet", "1,024 single scattered pages mapped at once", ""},
      {"then every second is unmapped, and asked for", "256 maps of 20 KiB", ""},
      {"churn", "3,000 maps of 512 bytes to 64 KiB, log-uniform, at most 400 alive", ""},
      {"fragmented RAM", "4,096 single pages taken, spread evenly", ""},
  };
  w.ram_bytes = 64 * kMiB;
  w.fragment_pages = 4096;
  struct Live {
    uint32_t buffer, mapping;
    uint64_t bytes;
  };
  std::vector<Live> carpet, larger, alive;
  const auto open = [&](uint64_t bytes, bool scattered) {
    const uint32_t buffer = out.allocate(bytes, scattered);
    out.cpu_write(buffer, 0, bytes);
    const uint32_t mapping = out.map(buffer, 0, bytes, Direction::kBidirectional, Context::kSleeping, true);
    out.device_read(mapping, 0, bytes);
    return Live{buffer, mapping, bytes};
  };
  const auto close = [&](const Live& live) {
    out.device_write(live.mapping, 0, live.bytes);
    out.unmap(live.mapping);
    out.cpu_read(live.buffer, 0, live.bytes);
    out.release(live.buffer);
  };
  for (unsigned i = 0; i < kCarpet; ++i) carpet.push_back(open(kPage, true));
  for (unsigned i = 0; i < kCarpet; i += 2) close(carpet[i]);
  for (unsigned i = 0; i < kLarger; ++i) larger.push_back(open(5 * kPage, false));
  for (unsigned i = 0; i < kChurn; ++i) {
    if (alive.size() == kAliveMax || (!alive.empty() && out.chance(45))) {
      const uint64_t at = out.draw(alive.size());
      close(alive[at]);
      alive[at] = alive.back();
      alive.pop_back();
    }
    alive.push_back(open(out.draw_log(512, 64 * kKiB), out.chance(50)));
  }
  for (const Live& live : alive) close(live);
  for (const Live& live : larger) close(live);
  for (unsigned i = 1; i < kCarpet; i += 2) close(carpet[i]);
}

}  // namespace dartboard::guest
