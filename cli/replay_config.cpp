// cli/replay_config.cpp - the configuration space and the interrupts of a replay: what of a difference is the backend's
// policy, what is state from before the recording, and what reached the guest.
//
// A bit that came out differently is explained, and no divergence, when
//   - the guest's view of it is ours (shadowed by policy), and the recording does not just show what the guest wrote;
//   - or it is the device's, the guest wrote it, and the policy keeps such writes from the device.
// Base address registers of memory BARs are never explained: sizing and placing must come out as recorded. Of I/O BARs
// only the flag bits are.
#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "cli/replay_target.h"

namespace dartboard::cli {

namespace {

constexpr uint64_t kCommand = 0x04;  // PCIe 6.0 s7.5.1.1.3
constexpr uint64_t kBar0 = 0x10, kBarsEnd = 0x28;
constexpr uint8_t kIoFlags = 0x0f;  // bits below the address of a memory BAR (s7.5.1.2.1)
constexpr uint32_t kMemoryAndBusMaster = 0x0006;

constexpr const char* kIoReason =
    "I/O space cannot be reached on Apple silicon: what was an I/O BAR is a memory BAR here";

std::optional<backend::IrqKind> kind_of(traces::IrqKind kind) {
  switch (kind) {
    case traces::IrqKind::kIntx: return backend::IrqKind::kIntx;
    case traces::IrqKind::kMsi: return backend::IrqKind::kMsi;
    case traces::IrqKind::kMsix: return backend::IrqKind::kMsix;
    case traces::IrqKind::kError:
    case traces::IrqKind::kRequest: break;
  }
  return std::nullopt;
}

}  // namespace

// Configuration space -------------------------------------------------------------------------------------------------

void MachineReplayTarget::note_config_write(uint64_t offset, unsigned width, uint32_t value) {
  for (unsigned i = 0; i < width && offset + i < written_.size(); ++i) {
    written_[offset + i].guest = true;
    written_[offset + i].value = static_cast<uint8_t>(value >> (8 * i));
  }
}

bool MachineReplayTarget::is_memory_bar(uint64_t offset) const {
  if (offset < kBar0 || offset >= kBarsEnd) return false;
  if (options_.recorded == nullptr) return true;
  const auto bar = static_cast<unsigned>((offset - kBar0) / 4);
  const auto& bars = options_.recorded->bars;
  const auto is_memory = [&](unsigned i) {
    const auto info = device_->region_info(static_cast<backend::Region>(i));
    return bars[i].kind != traces::BarKind::kAbsent && info && info->size != 0;
  };
  return is_memory(bar) || (bar > 0 && bars[bar - 1].is_64bit && is_memory(bar - 1));
}

/// Of those the flag bits are ours: they are memory here (cli/replay_device.h).
bool MachineReplayTarget::is_io_bar(uint64_t offset) const {
  if (offset < kBar0 || offset >= kBarsEnd || options_.recorded == nullptr) return false;
  const uint64_t at = offset - offset % 4;
  return options_.recorded->config.known(at) && (options_.recorded->config.at(at) & 1) != 0;
}

/// A register that the guest can set and had set before the recording began: it is set now, once. Returns what the
/// guest reads then.
uint32_t MachineReplayTarget::adopt(uint64_t offset, unsigned width, uint32_t recorded, uint32_t got) {
  bool any = false;
  for (unsigned i = 0; i < width && offset + i < written_.size(); ++i) {
    Written& byte = written_[offset + i];
    const auto different = static_cast<uint8_t>((recorded ^ got) >> (8 * i));
    if (byte.guest || byte.adopted || (different & device_->config_byte(offset + i).writable) == 0) continue;
    byte.adopted = any = true;
    const auto value = static_cast<std::byte>(recorded >> (8 * i));
    static_cast<void>(device_->write(backend::Region::kConfig, offset + i, {&value, 1}));
  }
  if (!any) return got;
  ++adopted_;
  const auto again = config_read(offset, width);
  return again ? *again : got;
}

traces::ConfigVerdict MachineReplayTarget::judge_config(uint64_t offset, unsigned width, uint32_t recorded,
                                                        uint32_t got) {
  traces::ConfigVerdict verdict;
  verdict.got = got = adopt(offset, width, recorded, got);
  for (unsigned i = 0; i < width && offset + i < written_.size(); ++i) {
    const auto different = static_cast<uint8_t>((recorded ^ got) >> (8 * i));
    if (different == 0) continue;
    const auto recorded_byte = static_cast<uint8_t>(recorded >> (8 * i));
    const Written& written = written_[offset + i];
    const backend::ConfigByte policy = device_->config_byte(offset + i);
    // Bits where the recording shows what the guest wrote: there we must, too.
    const auto as_written =
        static_cast<uint8_t>(written.guest ? policy.writable & ~(written.value ^ recorded_byte) : 0);
    auto explained = static_cast<uint8_t>(policy.shadowed & ~as_written);
    if (written.guest) explained |= static_cast<uint8_t>(~policy.shadowed & ~policy.forwarded);
    if (is_memory_bar(offset + i) || policy.reason.empty()) explained = 0;
    if (is_io_bar(offset + i)) explained = (offset + i) % 4 == 0 ? kIoFlags : uint8_t{0};
    verdict.divergent |= uint32_t{static_cast<uint8_t>(different & ~explained)} << (8 * i);
    const uint32_t bits = uint32_t{static_cast<uint8_t>(different & explained)} << (8 * i);
    if (bits == 0) continue;
    auto& all = verdict.differences;
    auto found = std::find_if(all.begin(), all.end(), [&](const auto& d) { return d.field == policy.field; });
    if (found == all.end()) {
      traces::PolicyDifference difference;
      difference.field = policy.field;
      difference.reason = is_io_bar(offset + i) ? kIoReason : policy.reason;
      all.push_back(std::move(difference));
      found = all.end() - 1;
    }
    found->expected |= recorded & bits;
    found->got |= got & bits;
  }
  return verdict;
}

Result<void> MachineReplayTarget::device_config_change(uint64_t offset, unsigned width, uint32_t value) {
  return world_.device_config_change(offset, width, value);
}

/// A recording that begins when the device already works does not show who let it.
void MachineReplayTarget::assume_bus_master() {
  bus_master_assumed_ = true;
  const auto value = static_cast<std::byte>(kMemoryAndBusMaster);
  static_cast<void>(device_->write(backend::Region::kConfig, kCommand, {&value, 1}));
}

std::vector<std::string> MachineReplayTarget::notes() const {
  std::vector<std::string> out;
  if (adopted_ != 0) {
    out.push_back(fmt::format(
        "{} configuration reads found what a guest had written before the recording began: it was written here, too",
        adopted_));
  }
  if (bus_master_assumed_) {
    out.push_back("the recording does not show bus mastering being enabled: it was, before the device's first DMA");
  }
  return out;
}

// Interrupts ----------------------------------------------------------------------------------------------------------

Result<void> MachineReplayTarget::irq_setup(traces::IrqKind kind, uint32_t first, uint32_t count, bool on) {
  const auto ours = kind_of(kind);
  if (!ours) return {};
  const auto index = static_cast<size_t>(*ours);
  if (!on) {
    sinks_[index] = false;
    static_cast<void>(device_->set_irqs(*ours, backend::IrqAction::kTrigger, 0, 0, {}));
    return {};
  }
  const auto info = device_->irq_info(*ours);
  const uint32_t have = info ? info->count : 0;
  if (first >= have) {
    ++interrupts_.refused;
    if (interrupts_.first_refusal.empty()) {
      interrupts_.first_refusal =
          fmt::format("the guest sets up {} vector {}, and has {} here", traces::to_string(kind), first, have);
    }
    return {};
  }
  const std::vector<backend::IrqSink> sinks(std::min(count, have - first),
                                            [this](uint32_t) { ++interrupts_.delivered; });
  const auto set =
      device_->set_irqs(*ours, backend::IrqAction::kTrigger, first, static_cast<uint32_t>(sinks.size()), sinks);
  if (set) {
    sinks_[index] = true;
  } else {
    ++interrupts_.refused;
    if (interrupts_.first_refusal.empty()) interrupts_.first_refusal = set.error().sentence;
  }
  return {};
}

Result<void> MachineReplayTarget::device_interrupt(traces::IrqKind kind, uint32_t vector) {
  if (!written_[kCommand].guest && !bus_master_assumed_) assume_bus_master();
  // A recording that does not show the setup has a guest that listens to all of them.
  const auto ours = kind_of(kind);
  const bool any = std::any_of(std::begin(sinks_), std::end(sinks_), [](bool set) { return set; });
  if (ours && !any) static_cast<void>(irq_setup(kind, 0, UINT32_MAX, true));
  const auto sent = world_.device_interrupt(kind, vector);
  if (sent) {
    ++interrupts_.sent;
  } else {
    ++interrupts_.refused;
    if (interrupts_.first_refusal.empty()) interrupts_.first_refusal = sent.error().sentence;
  }
  device_->pump();
  // INTx is masked by its delivery until the guest's VMM unmasks it, which no recording shows.
  if (ours == backend::IrqKind::kIntx && sinks_[static_cast<size_t>(*ours)]) {
    static_cast<void>(device_->set_irqs(*ours, backend::IrqAction::kUnmask, 0, 1, {}));
  }
  return {};
}

traces::InterruptReport MachineReplayTarget::interrupts() {
  device_->pump();
  return interrupts_;
}

}  // namespace dartboard::cli
