// traces/replay_compare.cpp - how a replay differs from its recording, and how that is told.
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "traces/replay_driver.h"

namespace dartboard::traces {

namespace {

template <class T>
std::string hex_bytes(const T& data, uint64_t from, uint64_t count) {
  std::string out;
  for (uint64_t i = from; i < from + count; ++i) {
    if (i != from && i % 4 == 0) out += ' ';
    out += fmt::format("{:02x}", std::to_integer<unsigned>(data(i)));
  }
  return out;
}

std::string describe(const Event& e) {
  return fmt::format("{} of {} bytes at 0x{:x} of {}", to_string(e.kind), e.length, e.address, e.target);
}

uint64_t first_difference(const Payload& a, const Payload& b) {
  if (!b.is_fill()) return a.first_difference({b.bytes, b.length});
  if (!a.is_fill()) return b.first_difference({a.bytes, a.length});
  return a.fill == b.fill ? a.length : 0;
}

/// Equal as far as the recordings tell.
bool same_hash(const Payload& a, const Payload& b) {
  if (a.form != PayloadForm::kHash || b.form != PayloadForm::kHash) return true;
  return std::memcmp(a.bytes, b.bytes, 8) == 0;
}

}  // namespace

bool ReplayDriver::ends_replay(ErrorName name) {
  return name == ErrorName::kPlacement || name == ErrorName::kHostPanic || name == ErrorName::kWrongPlatform ||
         name == ErrorName::kInternal;
}

void ReplayDriver::diverge(Layer layer, std::string expected, std::string got) {
  if (diverged_) return;
  diverged_ = true;
  if (!compared_) {
    ++report_.differences_before_from;
    return;
  }
  ++report_.divergences;
  if (report_.first.size() < kDivergencesKept) {
    const uint64_t at = event_ != nullptr ? event_->request : last_request_;
    report_.first.push_back({at, layer, std::move(expected), std::move(got)});
  }
}

void ReplayDriver::device_mismatch(std::string_view expected, std::string_view got) {
  resync_ = true;
  diverge(Layer::kEndpoint, std::string(expected), std::string(got));
}

void ReplayDriver::failed(const Error* error, uint64_t recorded_status) {
  if (error != nullptr && ends_replay(error->name)) {
    report_.stopped = *error;
    return;
  }
  if ((error == nullptr) != (recorded_status == 0)) {
    diverge(Layer::kReply, fmt::format("status {}", recorded_status),
            error == nullptr ? "status 0" : fmt::format("status 1: {}", error->sentence));
  }
}

void ReplayDriver::compare(std::string_view what, uint64_t expected, uint64_t got) {
  if (expected == got) return;
  diverge(Layer::kReply, fmt::format("{} 0x{:x}", what, expected), fmt::format("{} 0x{:x}", what, got));
}

template <class Got>
void ReplayDriver::diverge_at(Layer layer, uint64_t first, uint64_t at, const Payload& expected, Got got) {
  const uint64_t from = round_down(first, 4);
  const uint64_t count = std::min<uint64_t>(16, expected.length - from);
  const std::string where = at + from == 0 && expected.length == count ? "" : fmt::format("+0x{:x}: ", at + from);
  diverge(layer, where + hex_bytes([&](uint64_t i) { return expected.at(i); }, from, count),
          where + hex_bytes(got, from, count));
}

void ReplayDriver::bytes_differ(const Payload& expected, std::span<const std::byte> got, uint64_t at, uint64_t first) {
  if (options_.rebase && equal_rebased(expected, got, at)) return;
  diverge_at(Layer::kReply, first, at, expected, [&](uint64_t i) { return got[i]; });
}

void ReplayDriver::compare_memory_write(const Event& got, const Event& expected) {
  const bool is_memory = expected.kind == EventKind::kHostWrite ||
                         (expected.kind == EventKind::kMmioWrite && bar_kind(expected) == BarKind::kMemory);
  if (!is_memory) return;
  if (got.kind != expected.kind || got.target != expected.target || got.address != expected.address ||
      got.length != expected.length) {
    diverge(Layer::kMemory, describe(expected), describe(got));
    return;
  }
  if (!expected.data.is_whole() || !got.data.is_whole()) {
    if (same_hash(expected.data, got.data)) return;
    diverge(Layer::kMemory, describe(expected), "other bytes, by their hash");
    return;
  }
  const uint64_t first = first_difference(expected.data, got.data);
  if (first == expected.length) return;
  diverge_at(Layer::kMemory, first, 0, expected.data, [&](uint64_t i) { return got.data.at(i); });
}

bool ReplayDriver::equal_rebased(const Payload& expected, std::span<const std::byte> got, uint64_t at) {
  const std::span<std::byte> rebased(scratch_.get(), got.size());
  expected.copy_to(0, rebased);
  if (!rebaser_.rebase_read(event_->kind, event_->target, event_->address + at, rebased)) return false;
  // The device may have written some of it again, with its recorded bytes.
  for (uint64_t i = 0; i < got.size(); ++i) {
    if (got[i] != rebased[i] && got[i] != expected.at(i)) return false;
  }
  return true;
}

}  // namespace dartboard::traces
