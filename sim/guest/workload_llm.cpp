// sim/guest/workload_llm.cpp - LLM inference on a GPU: the upload of the weights, then tokens.
//
// Weights go through a few large staging buffers of scattered user pages, each mapped as a scatter-gather list, read by
// the device, and unmapped. A token is a handful of command buffers in small maps, a fence in coherent memory, and a
// row of logits that the device writes back.
#include "sim/guest/generators.h"

namespace dartboard::guest {
namespace {

constexpr uint64_t kWeights = 128 * kMiB, kStaging = 16 * kMiB;
constexpr unsigned kTokens = 64, kCommandBuffers = 8;
constexpr uint64_t kCommandLow = 1 * kKiB, kCommandHigh = 16 * kKiB, kLogits = 256 * kKiB;
constexpr uint64_t kRing = 64 * kKiB, kFence = 4 * kKiB;

}  // namespace

void make_llm(Workload& w, WorkloadWriter& out) {
  w.parameters = {
      {"weights uploaded", "128 MiB", ""},
      {"one staging buffer", "16 MiB of scattered pages", "the largest transfer of the recorded AMD session"},
      {"tokens", "64", ""},
      {"command buffers per token", "8", ""},
      {"size of a command buffer", "1 KiB to 16 KiB, log-uniform", ""},
      {"logits per token", "256 KiB", "128,256 tokens of vocabulary (Llama 3) in 16 bits"},
      {"ring, fence page", "64 KiB, 4 KiB coherent", ""},
  };
  w.ram_bytes = 64 * kMiB;
  const auto ring = out.coherent(kRing);
  const auto fence = out.coherent(kFence);
  const uint32_t staging[2] = {out.allocate(kStaging, true), out.allocate(kStaging, true)};
  for (uint64_t done = 0; done < kWeights; done += kStaging) {
    const uint32_t buffer = staging[(done / kStaging) % 2];
    out.cpu_write(buffer, 0, kStaging);
    const uint32_t mapping = out.map(buffer, 0, kStaging, Direction::kToDevice, Context::kSleeping, true);
    out.device_read(mapping, 0, kStaging);
    out.unmap(mapping);
  }
  const uint32_t logits = out.allocate(kLogits, true);
  uint64_t ring_at = 0;
  for (unsigned token = 0; token < kTokens; ++token) {
    uint32_t buffers[kCommandBuffers], mappings[kCommandBuffers];
    for (unsigned i = 0; i < kCommandBuffers; ++i) {
      const uint64_t bytes = out.draw_log(kCommandLow, kCommandHigh);
      buffers[i] = out.allocate(bytes, false);
      out.cpu_write(buffers[i], 0, bytes);
      mappings[i] = out.map(buffers[i], 0, bytes, Direction::kToDevice, Context::kSleeping, false);
      out.cpu_write(ring.buffer, ring_at, 64);
      out.device_read(ring.mapping, ring_at, 64);
      ring_at = (ring_at + 64) % kRing;
      out.device_read(mappings[i], 0, bytes);
    }
    const uint32_t result = out.map(logits, 0, kLogits, Direction::kFromDevice, Context::kSleeping, true);
    out.device_write(result, 0, kLogits);
    out.device_write(fence.mapping, 8 * token, 8);
    out.cpu_read(fence.buffer, 8 * token, 8);
    out.unmap(result);
    for (unsigned i = 0; i < kCommandBuffers; ++i) {
      out.unmap(mappings[i]);
      out.release(buffers[i]);
    }
  }
  out.release(logits);
  out.release(staging[0]);
  out.release(staging[1]);
  out.free_coherent(fence);
  out.free_coherent(ring);
}

}  // namespace dartboard::guest
