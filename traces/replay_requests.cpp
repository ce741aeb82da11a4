// traces/replay_requests.cpp - requests that need more than a call and a comparison: memory that the guest maps, bytes
// that are rewritten, repeated or were not kept, configuration that a target shows in its own way.
#include <algorithm>
#include <cstring>
#include <utility>

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include "traces/replay_driver.h"

namespace dartboard::traces {

namespace {

/// A list of pages is made of every mapping, and lengths come from a file: 40 bytes for each page.
constexpr uint64_t kMapBytesMax = 32 * kGiB;

}  // namespace

namespace {

constexpr uint64_t kSysmemPageBytes = 4096;

uint64_t page_of(const Reply& reply, uint64_t page) {
  return reply.data.length < 8 * (page + 1) || !reply.data.is_whole() ? reply.value0 + page * kSysmemPageBytes
                                                                      : reply.data.le64(8 * page);
}

}  // namespace

void ReplayDriver::map_sysmem(const Event& e, const Reply* reply) {
  if (e.length > kMapBytesMax) {
    return stop(Error{ErrorName::kOutOfRange, io_return::kNoResources,
                      fmt::format("the recording maps {} bytes for DMA at once; a replay takes at most {} (no mapper "
                                  "of a Mac gives that much)",
                                  e.length, kMapBytesMax)});
  }
  const uint64_t count = round_up(e.length, kSysmemPageBytes) / kSysmemPageBytes;
  pages_.assign(count, 0);
  // Pages go where the device's recording has them: that is where its DMA goes.
  const Event& there = *device_request_;
  const Reply* placed = device_reply_;
  if (there.kind != e.kind || there.length != e.length || placed == nullptr || placed->status != 0) placed = reply;
  const bool known = placed != nullptr && placed->status == 0 &&
                     (placed->data.empty() || (placed->data.is_whole() && placed->data.length >= 8 * count));
  recorded_.clear();
  for (uint64_t i = 0; known && i < count; ++i) recorded_.push_back(page_of(*placed, i));
  const std::span<const std::byte> recorded = std::as_bytes(std::span<const uint64_t>(recorded_));
  if (!ended(target_.map_sysmem(e.target, e.length, e.value != 0, options_.rebase ? Payload() : Payload::of(recorded),
                                pages_))) {
    return;
  }
  if (options_.rebase) {
    if (!recorded_.empty()) rebaser_.handed_out(e.target, recorded_, pages_);
    return;
  }
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t expected = page_of(*reply, i);
    if (expected == pages_[i]) continue;
    diverge(Layer::kReply, fmt::format("page {} at 0x{:x}", i, expected),
            fmt::format("page {} at 0x{:x}", i, pages_[i]));
    return;
  }
}

void ReplayDriver::config_differs(const Event& e, uint32_t recorded, uint32_t got) {
  // The device's own recording has the last word on what its guest read.
  if (device_ != nullptr && device_request_->kind == e.kind && device_request_->address == e.address &&
      device_reply_ != nullptr && device_request_ != &e && static_cast<uint32_t>(device_reply_->value0) != recorded) {
    return compare("value", recorded, got);
  }
  ConfigVerdict verdict = target_.judge_config(e.address, static_cast<unsigned>(e.length), recorded, got);
  for (PolicyDifference& difference : verdict.differences) {
    if (compared_) note_policy(e, std::move(difference));
  }
  if (verdict.divergent != 0) compare("value", recorded, verdict.got);
}

void ReplayDriver::note_policy(const Event& e, PolicyDifference difference) {
  ++report_.policy_differences;
  for (PolicyDifference& known : report_.policy) {
    if (known.field != difference.field || known.offset != e.address) continue;
    ++known.count;
    return;
  }
  if (report_.policy.size() >= kPolicyDifferencesKept) return;
  difference.offset = e.address;
  difference.count = 1;
  difference.first_request = e.request;
  report_.policy.push_back(std::move(difference));
}

Result<void> ReplayDriver::write_at(const Event& e, uint64_t offset, std::span<const std::byte> data) {
  return e.kind == EventKind::kMmioWrite ? target_.region_write(e.target, offset, data)
                                         : target_.sysmem_write(e.target, offset, data);
}

Result<void> ReplayDriver::read_at(const Event& e, uint64_t offset, std::span<std::byte> data) {
  return e.kind == EventKind::kMmioRead ? target_.region_read(e.target, offset, data)
                                        : target_.sysmem_read(e.target, offset, data);
}

void ReplayDriver::write_fill(const Event& e) {
  if (options_.rebase) rebaser_.overwritten(e, e.length);
  prepare_fill(e.data);
  target_.fill_begins();
  for (uint64_t done = 0; done < e.length;) {
    const uint64_t count = piece(e.address, done, e.length);
    if (!ended(write_at(e, e.address + done, {chunk_.get(), count}))) break;
    done += count;
  }
  target_.fill_ends();
}

void ReplayDriver::write_rebased(const Event& e) {
  for (uint64_t done = 0; done < e.length;) {
    const uint64_t count = piece(e.address, done, e.length);
    const std::span<const std::byte> recorded(e.data.bytes + done, count);
    const std::span<std::byte> bytes(scratch_.get(), count);
    std::memcpy(bytes.data(), recorded.data(), count);
    Event part = e;
    part.address += done;
    const Event* const next = count == 4 ? next_request() : nullptr;
    const bool substituted = rebaser_.rewrite(part, previous_, next, bytes) != 0 && e.kind == EventKind::kMmioWrite;
    if (substituted) target_.stands_for(e.target, part.address, recorded);
    const bool written = ended(write_at(e, part.address, bytes));
    if (substituted) target_.stands_for(e.target, part.address, {});
    if (!written) return;
    done += count;
  }
}

void ReplayDriver::read_not_kept(const Event& e, const Reply& reply) {
  // Registers answer from the recording, and it has nothing to answer with.
  if (reply.status == 0 && e.kind == EventKind::kMmioRead && bar_kind(e) == BarKind::kRegisters) {
    return refuse_payload(e);
  }
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (uint64_t done = 0; done < e.length;) {
    const uint64_t count = piece(e.address, done, e.length);
    const std::span<std::byte> data(chunk_.get(), count);
    if (!ended(read_at(e, e.address + done, data))) return;
    XXH3_64bits_update(&state, data.data(), data.size());
    done += count;
  }
  if (reply.data.form != PayloadForm::kHash) {
    ++report_.bytes_not_kept;
    return;
  }
  ++report_.compared_by_hash;
  uint64_t recorded = 0;
  for (unsigned i = 8; i-- > 0;) recorded = recorded << 8 | std::to_integer<uint64_t>(reply.data.bytes[i]);
  const uint64_t got = XXH3_64bits_digest(&state);
  if (got == recorded) return;
  diverge(Layer::kReply, fmt::format("{} bytes with hash 0x{:016x}", e.length, recorded),
          fmt::format("hash 0x{:016x}", got));
}

void ReplayDriver::refuse_payload(const Event& e) {
  const PayloadPolicy policy = guest_.info().payloads;
  stop(Error{ErrorName::kNotSupported, io_return::kUnsupported,
             fmt::format("{} of {} bytes: the recording kept {} of its bytes (payload policy {}), and what it wrote or "
                         "answered must be known to replay it. Record with the payload policy full",
                         to_string(e.kind), e.length,
                         e.data.form == PayloadForm::kHash || policy == PayloadPolicy::kHash ? "a hash" : "nothing",
                         to_string(policy))});
}

const Event* ReplayDriver::next_request() const {
  for (size_t i = position_ + 1; i < batch_.events.size(); ++i) {
    if (batch_.events[i].is_request()) return &batch_.events[i];
  }
  return nullptr;
}

void ReplayDriver::prepare_fill(const Payload& data) {
  std::memset(chunk_.get(), std::to_integer<int>(data.fill), std::min(data.length, kChunkBytes));
}

}  // namespace dartboard::traces
