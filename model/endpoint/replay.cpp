// model/endpoint/replay.cpp - answering of recorded register accesses, and what the recorded device did by itself.
#include "model/endpoint/replay.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "model/capabilities.h"

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

void ReplayEndpoint::append(std::span<const ReplayAccess> accesses) {
  // What came is dropped here, where it costs least: usually all of it.
  if (head_ == accesses_.size()) {
    accesses_.clear();
    head_ = 0;
  } else if (head_ > accesses_.size() / 2) {
    accesses_.erase(accesses_.begin(), accesses_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  accesses_.insert(accesses_.end(), accesses.begin(), accesses.end());
  if (accesses_.size() - head_ > kAccessesMax) {
    const size_t excess = accesses_.size() - head_ - kAccessesMax;
    given_up_ += excess;
    head_ += excess;
  }
}

void ReplayEndpoint::forget() {
  accesses_.clear();
  head_ = 0;
  position_ = last_index_ = given_up_ = mismatches_ = 0;
  substitute_ = {};
}

void ReplayEndpoint::on_mismatch(std::function<void(const ReplayMismatch&)> sink) { sink_ = std::move(sink); }

uint64_t ReplayEndpoint::resync(uint64_t index) {
  const uint64_t before = position_;
  while (head_ < accesses_.size() && accesses_[head_].index < index) consume();
  return position_ - before;
}

void ReplayEndpoint::stands_for(unsigned bar, uint64_t offset, std::span<const std::byte> recorded) {
  substitute_bar_ = bar;
  substitute_offset_ = offset;
  substitute_ = recorded;
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

Result<void> ReplayEndpoint::poke_config(uint64_t offset, unsigned length, uint32_t value) {
  if (length < 1 || length > 4 || !in_range(offset, length, kConfigBytes)) {
    return fail(ErrorName::kOutOfRange,
                fmt::format("{} bytes at {:#x} are outside configuration space.", length, offset));
  }
  RegisterFile& file = config_file();
  const auto modelled = [&](uint32_t at) {
    if (at < kFirstCapabilityOffset) return true;
    for (const ConfigSpace::PlacedCapability& placed : config().capabilities()) {
      if (at >= placed.offset && at < placed.offset + placed.decl.bytes) return true;
    }
    return false;
  };
  for (unsigned i = 0; i < length; ++i) {
    const auto at = static_cast<uint32_t>(offset + i);
    const uint64_t keep = modelled(at) ? file.writable_bits(at, 1) : 0;
    const uint64_t byte = (value >> (8 * i)) & 0xff;
    file.poke(at, (file.peek(at, 1) & keep) | (byte & ~keep), 1);
  }
  return {};
}

Result<void> ReplayEndpoint::send_interrupt(Interrupt kind, uint32_t vector) {
  const auto refused = [&](std::string_view name, std::string_view why) {
    return fail(ErrorName::kNotSupported, fmt::format("{} vector {}: {}.", name, vector, why));
  };
  const EndpointDeclaration& d = declaration();
  // Software here may have chosen another kind than software there (macOS takes MSI-X where it can). The vector is what
  // the guest's driver knows; on which kind of message it travels is the host's business.
  if (d.msix_vectors != 0 && msix_table().enabled()) {
    if (vector >= d.msix_vectors) return refused("MSI-X", fmt::format("the device has {} vectors", d.msix_vectors));
    raise(vector);
    return {};
  }
  const uint16_t msi = d.recorded ? d.recorded->msi : uint16_t{0};
  if (d.msi_vectors != 0 && (msi == 0 || (config_file().peek16(msi + msi::kControl) & msi::kEnable) != 0) &&
      kind != Interrupt::kIntx) {
    raise(vector);
    return {};
  }
  if (d.recorded && d.recorded->plain_msi != 0) {
    auto sent = send_plain_msi(vector);
    if (sent || kind != Interrupt::kIntx) return sent;
  }
  if (d.msi_vectors != 0) {
    raise(vector);
    return {};
  }
  if (kind != Interrupt::kIntx) return refused(kind == Interrupt::kMsi ? "MSI" : "MSI-X", "nobody enabled it");
  if (d.interrupt_pin == 0) return refused("INTx", "the device has no interrupt pin");
  // A recording says when the line rose, not when it fell: it is a pulse.
  set_intx(true);
  set_intx(false);
  return {};
}

/// A message of an MSI capability that the model does not play: its registers are all that is needed (PCIe 6.0 s7.7.1).
Result<void> ReplayEndpoint::send_plain_msi(uint32_t vector) {
  constexpr uint16_t k64Bit = 0x0080;
  RegisterFile& file = config_file();
  const uint32_t at = declaration().recorded->plain_msi;
  const uint16_t control = file.peek16(at + msi::kControl);
  if ((control & msi::kEnable) == 0) {
    return fail(ErrorName::kNotSupported, fmt::format("MSI vector {}: nobody enabled it.", vector));
  }
  const bool wide = (control & k64Bit) != 0;
  const uint64_t address = wide ? file.peek64(at + msi::kAddressLow) : file.peek32(at + msi::kAddressLow);
  const uint32_t granted = 1u << ((control >> msi::kMultipleMessageEnableShift) & 7);
  const uint32_t message =
      (file.peek16(at + (wide ? msi::kData : msi::kAddressHigh)) & ~(granted - 1)) | (vector & (granted - 1));
  std::array<std::byte, 4> bytes;
  std::memcpy(bytes.data(), &message, bytes.size());
  const Outcome outcome = Endpoint::dma_write(Iova(address), bytes.data(), bytes.size());
  if (outcome == Outcome::kSuccess) return {};
  return fail(ErrorName::kNotSupported, fmt::format("MSI vector {}: the message ended with {}.", vector,
                                                    to_string(outcome)));
}

void ReplayEndpoint::reset(ResetKind kind) {
  Endpoint::reset(kind);
  if (kind == ResetKind::kPowerOn) forget();
}

Outcome ReplayEndpoint::read_bar(unsigned bar, uint64_t offset, std::byte* data, uint32_t length) {
  if (answers_ != nullptr) {
    if (length > 8 || !answers_->read(bar, offset, {data, length})) {
      std::memset(data, 0xff, length);
      report_mismatch(bar, false, offset, nullptr, length);
    }
    return Outcome::kSuccess;
  }
  const ReplayAccess* next = expect(bar, false, offset, length);
  if (next == nullptr) [[unlikely]] {
    std::memset(data, 0xff, length);
    report_mismatch(bar, false, offset, nullptr, length);
    return Outcome::kSuccess;
  }
  std::memcpy(data, next->data.data(), length);
  consume();
  return Outcome::kSuccess;
}

const std::byte* ReplayEndpoint::as_recorded(unsigned bar, uint64_t offset, const std::byte* data,
                                             uint32_t length) const {
  if (bar != substitute_bar_ || offset < substitute_offset_ ||
      !in_range(offset - substitute_offset_, length, substitute_.size())) {
    return data;
  }
  return substitute_.data() + (offset - substitute_offset_);
}

Outcome ReplayEndpoint::write_bar(unsigned bar, uint64_t offset, const std::byte* data, uint32_t length) {
  if (answers_ != nullptr) {
    if (length > 8 || !answers_->write(bar, offset, {data, length})) report_mismatch(bar, true, offset, data, length);
    return Outcome::kSuccess;
  }
  const ReplayAccess* next = expect(bar, true, offset, length);
  if (!substitute_.empty()) [[unlikely]] data = as_recorded(bar, offset, data, length);
  if (next == nullptr || std::memcmp(data, next->data.data(), length) != 0) [[unlikely]] {
    report_mismatch(bar, true, offset, data, length);
    return Outcome::kSuccess;
  }
  consume();
  return Outcome::kSuccess;
}

void ReplayEndpoint::report_mismatch(unsigned bar, bool is_write, uint64_t offset, const std::byte* data,
                                     uint32_t length) {
  ++mismatches_;
  if (!sink_) return;
  ReplayMismatch mismatch;
  mismatch.got = describe(bar, is_write, offset, length, data);
  if (answers_ != nullptr) {
    mismatch.expected = "only accesses to registers that the recording has";
  } else if (const ReplayAccess* next = this->next()) {
    mismatch.index = next->index;
    mismatch.expected = describe(next->bar, next->is_write, next->offset, next->length, next->data.data());
  } else {
    mismatch.index = last_index_;
    mismatch.expected = "no further register access: the recording has ended";
  }
  sink_(mismatch);
}

void ReplayEndpoint::inspect(InspectNode& node) const {
  Endpoint::inspect(node);
  node.child("recording", fmt::format("{} register accesses answered, {} expected, {} mismatches", position_,
                                      outstanding(), mismatches_));
}

}  // namespace dartboard::model
