// sim/guest/workload_nic.cpp - a network card: two rings, packets in both directions.
//
// Receive buffers are half pages that stay mapped; the driver syncs what arrived, reads it, and gives the buffer back
// to the device. Packets to send are mapped in the transmit path, which may not sleep.
#include <algorithm>
#include <deque>

#include "sim/guest/generators.h"

namespace dartboard::guest {
namespace {

constexpr unsigned kRing = 256, kPackets = 4000, kReceivePercent = 60;
constexpr uint64_t kDescriptor = 16, kBuffer = 2 * kKiB;

}  // namespace

void make_nic(Workload& w, WorkloadWriter& out) {
  w.parameters = {
      {"descriptors a ring", "256", ""},
      {"packets", "4,000", ""},
      {"received", "60 %", ""},
      {"size of a packet", "64, 576, 1500 bytes as 7:4:1", "simple IMIX"},
      {"receive buffer", "2 KiB, half a page, mapped for the whole run", "Linux page_pool drivers for an MTU of 1500"},
      {"send", "from atomic context", "Linux ndo_start_xmit"},
  };
  w.ram_bytes = 16 * kMiB;
  const auto receive = out.coherent(kRing * kDescriptor), transmit = out.coherent(kRing * kDescriptor);
  const auto size = [&]() -> uint64_t {
    const uint64_t draw = out.draw(12);
    return draw < 7 ? 64 : draw < 11 ? 576 : 1500;
  };
  struct Slot {
    uint32_t buffer, mapping;
    uint64_t offset;
  };
  std::vector<Slot> slots;
  std::vector<uint32_t> pages;
  for (unsigned i = 0; i < kRing; ++i) {
    if (i % 2 == 0) pages.push_back(out.allocate(2 * kBuffer, true));
    const uint64_t offset = (i % 2) * kBuffer;
    slots.push_back({pages.back(),
                     out.map(pages.back(), offset, kBuffer, Direction::kFromDevice, Context::kSleeping, false),
                     offset});
    out.cpu_write(receive.buffer, i * kDescriptor, kDescriptor);
  }
  struct Sent {
    uint32_t buffer, mapping;
  };
  std::deque<Sent> flying;
  unsigned received = 0, sent = 0;
  const auto reap = [&] {
    out.unmap(flying.front().mapping);
    out.release(flying.front().buffer);
    flying.pop_front();
  };
  for (unsigned packet = 0; packet < kPackets; ++packet) {
    const uint64_t bytes = size();
    if (out.chance(kReceivePercent)) {
      const unsigned at = received++ % kRing;
      out.device_read(receive.mapping, at * kDescriptor, kDescriptor);
      out.device_write(slots[at].mapping, 0, bytes);
      out.device_write(receive.mapping, at * kDescriptor, kDescriptor);
      out.sync_for_cpu(slots[at].mapping, 0, bytes);
      out.cpu_read(slots[at].buffer, slots[at].offset, bytes);
      out.sync_for_device(slots[at].mapping, 0, bytes);
      out.cpu_write(receive.buffer, at * kDescriptor, kDescriptor);
      continue;
    }
    const unsigned at = sent++ % kRing;
    const uint64_t offset = 64 + out.draw(16) * 16;  // headroom
    const uint32_t buffer = out.allocate(offset + bytes, false);
    out.cpu_write(buffer, offset, bytes);
    const uint32_t mapping = out.map(buffer, offset, bytes, Direction::kToDevice, Context::kAtomic, false);
    out.cpu_write(transmit.buffer, at * kDescriptor, kDescriptor);
    out.device_read(transmit.mapping, at * kDescriptor, kDescriptor);
    out.device_read(mapping, 0, bytes);
    flying.push_back({buffer, mapping});
    while (flying.size() > kRing / 2) reap();
  }
  while (!flying.empty()) reap();
  for (const Slot& slot : slots) out.unmap(slot.mapping);
  for (const uint32_t page : pages) out.release(page);
  out.free_coherent(transmit);
  out.free_coherent(receive);
}

}  // namespace dartboard::guest
