// sim/guest/workload_game.cpp - a game-like stream: many small maps with short, overlapping lives.
//
// A frame maps vertex, constant and command buffers of all small sizes, which live for one to three frames; now and
// then a texture; a part of the maps comes from a handler that may not sleep. Small buffers do not begin on a page.
#include "sim/guest/generators.h"

namespace dartboard::guest {
namespace {

constexpr unsigned kFrames = 24, kMapsLow = 200, kMapsHigh = 600, kLifeMax = 3;
constexpr uint64_t kSmall = 256, kLarge = 64 * kKiB, kTexture = 2 * kMiB;
constexpr unsigned kAtomicPercent = 10, kReadBackPercent = 5;

}  // namespace

void make_game(Workload& w, WorkloadWriter& out) {
  w.parameters = {
      {"frames", "24", ""},
      {"maps a frame", "200 to 600", ""},
      {"size of a map", "256 bytes to 64 KiB, log-uniform", ""},
      {"life of a map", "1 to 3 frames", ""},
      {"a texture a frame", "2 MiB of scattered pages", ""},
      {"from atomic context", "10 %", ""},
      {"read back from the device", "5 %", ""},
  };
  w.ram_bytes = 128 * kMiB;
  struct Live {
    uint32_t buffer, mapping;
    uint64_t bytes;
    bool written;
  };
  std::vector<Live> by_frame[kFrames + kLifeMax + 1];
  const auto ring = out.coherent(64 * kKiB);
  const uint32_t texture = out.allocate(kTexture, true);
  const auto end_frame = [&](std::vector<Live>& lives) {
    for (const Live& live : lives) {
      out.unmap(live.mapping);
      if (live.written) out.cpu_read(live.buffer, 0, live.bytes);
      out.release(live.buffer);
    }
  };
  for (unsigned frame = 0; frame < kFrames; ++frame) {
    const uint64_t maps = kMapsLow + out.draw(kMapsHigh - kMapsLow + 1);
    for (uint64_t i = 0; i < maps; ++i) {
      const uint64_t bytes = out.draw_log(kSmall, kLarge);
      // Small objects are not at the start of their page.
      const uint64_t offset = bytes < 4 * kKiB ? out.draw((4 * kKiB - bytes) / 64 + 1) * 64 : 0;
      const bool back = out.chance(kReadBackPercent);
      const Context context = out.chance(kAtomicPercent) ? Context::kAtomic : Context::kSleeping;
      const uint32_t buffer = out.allocate(offset + bytes, false);
      out.cpu_write(buffer, offset, bytes);
      const uint32_t mapping =
          out.map(buffer, offset, bytes, back ? Direction::kFromDevice : Direction::kToDevice, context, false);
      if (back) {
        out.device_write(mapping, 0, bytes);
      } else {
        out.device_read(mapping, 0, bytes);
      }
      by_frame[frame + 1 + out.draw(kLifeMax)].push_back({buffer, mapping, offset + bytes, back});
    }
    out.cpu_write(texture, 0, kTexture);
    const uint32_t upload = out.map(texture, 0, kTexture, Direction::kToDevice, Context::kSleeping, true);
    out.device_read(upload, 0, kTexture);
    out.unmap(upload);
    out.cpu_write(ring.buffer, (frame * 64) % ring.bytes, 64);
    out.device_read(ring.mapping, (frame * 64) % ring.bytes, 64);
    end_frame(by_frame[frame]);
  }
  for (unsigned frame = kFrames; frame < kFrames + kLifeMax + 1; ++frame) end_frame(by_frame[frame]);
  out.release(texture);
  out.free_coherent(ring);
}

}  // namespace dartboard::guest
