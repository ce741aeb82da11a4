// model/endpoint/replay.cpp - strict, ordered answering of recorded register accesses.
#include "model/endpoint/replay.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace dartboard::model {
namespace {

constexpr size_t kShownBytesMax = 16;

EndpointDeclaration with_roles(EndpointDeclaration declaration, const std::array<ReplayBarKind, 6>& kinds,
                               bool memory_decode_ungated) {
  for (unsigned i = 0; i < kBarCount; ++i) {
    BarDeclaration& bar = declaration.bars[i];
    switch (kinds[i]) {
      case ReplayBarKind::kAbsent: bar = {}; break;
      case ReplayBarKind::kMemory: bar.role = BarRole::kMemory; break;
      case ReplayBarKind::kRegisters: bar.role = BarRole::kRegisters; break;
    }
  }
  declaration.memory_decode_ungated = memory_decode_ungated;
  return declaration;
}

std::string describe(unsigned bar, bool is_write, uint64_t offset, uint32_t length, const std::byte* data) {
  std::string text = fmt::format("{} of {} bytes at BAR{}+{:#x}", is_write ? "write" : "read", length, bar, offset);
  if (!is_write) return text;
  text += ": ";
  const size_t shown = std::min<size_t>(length, kShownBytesMax);
  for (size_t i = 0; i < shown; ++i) text += fmt::format("{:02x}", std::to_integer<unsigned>(data[i]));
  if (shown < length) text += "..";
  return text;
}

}  // namespace

ReplayEndpoint::ReplayEndpoint(const EndpointDeclaration& declaration, std::array<ReplayBarKind, 6> kinds,
                               bool memory_decode_ungated)
    : Endpoint(with_roles(declaration, kinds, memory_decode_ungated)) {}

ReplayEndpoint::~ReplayEndpoint() = default;

void ReplayEndpoint::load(std::vector<ReplayAccess> accesses) {
  accesses_ = std::move(accesses);
  position_ = 0;
  mismatches_ = 0;
}

void ReplayEndpoint::rewind() {
  position_ = 0;
  mismatches_ = 0;
}

void ReplayEndpoint::on_mismatch(std::function<void(const ReplayMismatch&)> sink) { sink_ = std::move(sink); }

uint64_t ReplayEndpoint::position() const { return position_; }

uint64_t ReplayEndpoint::resync(uint64_t index) {
  const uint64_t before = position_;
  while (position_ < accesses_.size() && accesses_[position_].index < index) ++position_;
  return position_ - before;
}

Outcome ReplayEndpoint::dma_write(Iova address, std::span<const std::byte> data) {
  return Endpoint::dma_write(address, data.data(), data.size());
}

Result<void> ReplayEndpoint::poke_memory(unsigned bar, uint64_t offset, std::span<const std::byte> data) {
  if (bar >= kBarCount || declaration().bars[bar].role != BarRole::kMemory || declaration().bars[bar].size_bytes == 0) {
    return fail(ErrorName::kNotFound, fmt::format("The recorded device has no memory in BAR{}.", bar));
  }
  DeviceMemory& bytes = memory(bar);
  if (!in_range(offset, data.size(), bytes.size())) {
    return fail(ErrorName::kOutOfRange, fmt::format("{} bytes at {:#x} are outside BAR{} of {} bytes.", data.size(),
                                                    offset, bar, bytes.size()));
  }
  if (bytes.data() == nullptr) {
    return fail(ErrorName::kInternal, fmt::format("The system gave no address space for BAR{} of {} bytes.", bar,
                                                  bytes.size()));
  }
  if (data.empty()) return {};
  bytes.mark_dirty(offset, data.size());
  std::memcpy(bytes.data() + offset, data.data(), data.size());
  return {};
}

void ReplayEndpoint::reset(ResetKind kind) {
  Endpoint::reset(kind);
  if (kind == ResetKind::kPowerOn) {
    position_ = 0;
    mismatches_ = 0;
  }
}

const ReplayAccess* ReplayEndpoint::expect(unsigned bar, bool is_write, uint64_t offset, uint32_t length) const {
  if (position_ >= accesses_.size()) return nullptr;
  const ReplayAccess& next = accesses_[position_];
  const bool same = next.bar == bar && next.is_write == is_write && next.offset == offset && next.length == length;
  return same && next.data.size() == length ? &next : nullptr;
}

Outcome ReplayEndpoint::read_bar(unsigned bar, uint64_t offset, std::byte* data, uint32_t length) {
  const ReplayAccess* next = expect(bar, false, offset, length);
  if (next == nullptr) [[unlikely]] {
    std::memset(data, 0xff, length);
    report_mismatch(bar, false, offset, nullptr, length);
    return Outcome::kSuccess;
  }
  std::memcpy(data, next->data.data(), length);
  ++position_;
  return Outcome::kSuccess;
}

Outcome ReplayEndpoint::write_bar(unsigned bar, uint64_t offset, const std::byte* data, uint32_t length) {
  const ReplayAccess* next = expect(bar, true, offset, length);
  if (next == nullptr || std::memcmp(data, next->data.data(), length) != 0) [[unlikely]] {
    report_mismatch(bar, true, offset, data, length);
    return Outcome::kSuccess;
  }
  ++position_;
  return Outcome::kSuccess;
}

void ReplayEndpoint::report_mismatch(unsigned bar, bool is_write, uint64_t offset, const std::byte* data,
                                     uint32_t length) {
  ++mismatches_;
  if (!sink_) return;
  ReplayMismatch mismatch;
  mismatch.got = describe(bar, is_write, offset, length, data);
  if (position_ < accesses_.size()) {
    const ReplayAccess& next = accesses_[position_];
    mismatch.index = next.index;
    // The recording comes from a file: its length and its data need not agree.
    const auto shown = static_cast<uint32_t>(next.is_write ? next.data.size() : next.length);
    mismatch.expected = describe(next.bar, next.is_write, next.offset, shown, next.data.data());
  } else {
    mismatch.index = accesses_.empty() ? 0 : accesses_.back().index;
    mismatch.expected = "no further register access: the recording has ended";
  }
  sink_(mismatch);
}

void ReplayEndpoint::inspect(InspectNode& node) const {
  Endpoint::inspect(node);
  node.child("recording", fmt::format("{} of {} register accesses answered, {} mismatches", position_, accesses_.size(),
                                      mismatches_));
}

}  // namespace dartboard::model
