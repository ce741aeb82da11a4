// cli/replay_device.cpp - see replay_device.h.
#include "cli/replay_device.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "traces/replay_registers.h"

namespace dartboard::cli {

namespace {

using traces::ConfigImage;
using traces::DeviceDescription;

// Type 0 header and capabilities (PCIe 6.0 s7.5.1, s7.5.2, s7.5.3, s7.7).
constexpr uint64_t kStatus = 0x06, kBar0 = 0x10, kCapabilitiesPointer = 0x34, kInterruptPin = 0x3d;
constexpr uint8_t kStatusCapabilities = 0x10;
constexpr uint8_t kPowerManagement = 0x01, kMsi = 0x05, kExpress = 0x10, kMsix = 0x11;
constexpr uint64_t kPowerManagementBytes = 8, kMsiBytes = 24, kMsixBytes = 12, kExpressBytes = 60;
constexpr uint64_t kConventionalBytes = 0x100, kFirstCapability = 0x40;
constexpr unsigned kCapabilitiesMax = (kConventionalBytes - kFirstCapability) / 4;
/// A BIR that names no BAR (s7.7.2.3).
constexpr uint8_t kNoBar = 7;
/// Of nobody: for recordings that do not show who the device is.
constexpr uint16_t kUnknownVendor = 0xfffe;

class Builder {
 public:
  Builder(const DeviceDescription& device, std::vector<std::string>* notes) : device_(device), notes_(notes) {}

  model::EndpointDeclaration build() {
    identity();
    for (unsigned i = 0; i < 6; ++i) bar(i);
    d_.memory_decode_ungated = !device_.memory_decode_gated_by_command || has_io_;
    msix();
    if (!device_.config.empty()) configuration();
    return std::move(d_);
  }

 private:
  void note(std::string sentence) {
    if (notes_ != nullptr) notes_->push_back(std::move(sentence));
  }

  void identity() {
    d_.vendor_id = device_.vendor_id;
    d_.device_id = device_.device_id;
    d_.subsystem_vendor_id = device_.subsystem_vendor_id;
    d_.subsystem_id = device_.subsystem_id;
    d_.revision = device_.revision_id;
    d_.class_code = device_.class_code & 0xff'ffff;
    if (d_.vendor_id != 0 && d_.vendor_id != 0xffff) return;
    d_.vendor_id = kUnknownVendor;
    note(fmt::format("the recording does not show who the device is: it answers as {:04x}:{:04x}", d_.vendor_id,
                     d_.device_id));
  }

  bool is_io(unsigned i) const {
    return device_.config.known(kBar0 + 4 * i) && (device_.config.at(kBar0 + 4 * i) & 1) != 0;
  }

  void bar(unsigned i) {
    const traces::BarDescription& recorded = device_.bars[i];
    if (recorded.kind == traces::BarKind::kAbsent) return;
    model::BarDeclaration bar;
    bar.size_bytes = recorded.size;
    bar.role = recorded.kind == traces::BarKind::kMemory ? model::BarRole::kMemory : model::BarRole::kRegisters;
    if (is_io(i)) {
      // An I/O BAR could be declared, but nobody could reach it: what is recorded of it would be lost.
      bar.kind = model::BarKind::kMem32;
      bar.role = model::BarRole::kRegisters;
      bar.size_bytes = std::max(bar.size_bytes, model::BarDeclaration::kMemoryBytesMin);
      has_io_ = true;
      note(
          fmt::format("BAR{} was in I/O space, which Apple silicon does not reach: it is in memory space here, and "
                      "answers whatever Command says",
                      i));
    } else if (recorded.is_64bit) {
      bar.kind = recorded.prefetchable ? model::BarKind::kMem64Prefetchable : model::BarKind::kMem64;
    } else {
      bar.kind = recorded.prefetchable ? model::BarKind::kMem32Prefetchable : model::BarKind::kMem32;
    }
    model::BarDeclarations alone{};
    alone[i] = bar;
    if (auto possible = model::validate(alone); !possible) {
      note(fmt::format("left out: {}", possible.error().sentence));
      return;
    }
    if (i > 0 && model::is_64bit(d_.bars[i - 1].kind)) {
      note(fmt::format("left out: BAR{} is the upper half of the 64-bit BAR{}", i, i - 1));
      return;
    }
    d_.bars[i] = bar;
  }

  void msix() {
    const traces::MsixDescription& recorded = device_.msix;
    if (recorded.entries == 0) return;
    model::EndpointDeclaration with = d_;
    with.msix_vectors = recorded.entries;
    with.msix_table_bar = static_cast<uint8_t>(recorded.table_bar & 7);
    with.msix_table_offset = static_cast<uint32_t>(recorded.table_offset);
    with.msix_pba_bar = static_cast<uint8_t>(recorded.pba_bar & 7);
    with.msix_pba_offset = static_cast<uint32_t>(recorded.pba_offset);
    if (auto possible = with.validate(); !possible) {
      note(fmt::format("the MSI-X table is left out: {}", possible.error().sentence));
      return;
    }
    d_ = std::move(with);
  }

  void configuration() {
    const ConfigImage& image = device_.config;
    const uint32_t msix_vectors = d_.msix_vectors;
    d_.power_management = d_.pcie = d_.flr = d_.aer = false;
    d_.msix_vectors = 0;
    if (image.known(kInterruptPin) && image.at(kInterruptPin) <= 4) d_.interrupt_pin = image.at(kInterruptPin);
    model::RecordedConfig recorded;
    for (uint64_t at = 0; at < ConfigImage::kBytes; ++at) {
      if (image.known(at)) recorded.bytes.push_back({static_cast<uint16_t>(at), image.at(at)});
    }
    walk();
    for (const auto& [offset, id] : list_) {
      recorded.headers.push_back(offset);
      const uint64_t room = room_at(offset);
      switch (id) {
        case kPowerManagement:
          if (room < kPowerManagementBytes || d_.power_management) break;
          d_.power_management = true;
          recorded.power_management = offset;
          break;
        case kMsi: msi(offset, room, &recorded); break;
        case kExpress:
          if (room < kExpressBytes || d_.pcie || (image.at(offset + 2u) & 0xf) < 2) break;
          d_.pcie = true;
          d_.flr = (image.at(offset + 7u) & 0x10) != 0;  // Device Capabilities bit 28
          recorded.pcie = offset;
          break;
        case kMsix:
          if (msix_vectors == 0 && room >= kMsixBytes && !image.known(offset + 4u, 8)) {
            // In no BAR, so that nobody takes a register for the table.
            for (const uint16_t at : {4, 8}) {
              recorded.bytes.push_back({static_cast<uint16_t>(offset + at), kNoBar});
            }
            note("the recording does not show where its MSI-X table is: it has none here");
          }
          if (room < kMsixBytes || msix_vectors == 0 || d_.msix_vectors != 0) break;
          d_.msix_vectors = msix_vectors;
          recorded.msix = offset;
          break;
        default: break;
      }
    }
    if (msix_vectors != 0 && d_.msix_vectors == 0) {
      note("the recording does not show where in configuration space its MSI-X capability is: it has none here");
    }
    d_.recorded = std::move(recorded);
  }

  void msi(uint16_t offset, uint64_t room, model::RecordedConfig* recorded) {
    if (d_.msi_vectors != 0 || recorded->plain_msi != 0) return;
    const uint32_t control = device_.config.value(offset + 2u, 2);
    constexpr uint32_t k64BitAndMasks = 0x0180;
    const uint32_t capable = (control >> 1) & 7;
    if ((control & k64BitAndMasks) == k64BitAndMasks && room >= kMsiBytes && capable <= 5) {
      d_.msi_vectors = 1u << capable;
      recorded->msi = offset;
    } else {
      recorded->plain_msi = offset;
    }
  }

  /// The capability list as far as the recording shows it.
  void walk() {
    const ConfigImage& image = device_.config;
    if (!image.known(kStatus) || (image.at(kStatus) & kStatusCapabilities) == 0) return;
    if (!image.known(kCapabilitiesPointer)) {
      note("the recording does not show where the capability list begins: it is empty here");
      return;
    }
    uint64_t at = image.at(kCapabilitiesPointer) & 0xfc;
    for (unsigned i = 0; at != 0; ++i) {
      const bool seen = std::any_of(list_.begin(), list_.end(), [&](const auto& c) { return c.first == at; });
      if (at < kFirstCapability || seen || i == kCapabilitiesMax) {
        note(fmt::format("the recorded capability list goes wrong at 0x{:02x}: what follows is left out", at));
        return;
      }
      if (!image.known(at, 1)) return;  // the guest did not walk on
      list_.emplace_back(static_cast<uint16_t>(at), image.at(at));
      at = image.at(at + 1) & 0xfc;
    }
  }
  uint64_t room_at(uint16_t offset) const {
    uint64_t end = kConventionalBytes;
    for (const auto& [other, id] : list_) {
      if (other > offset) end = std::min<uint64_t>(end, other);
    }
    return end - offset;
  }

  const DeviceDescription& device_;
  std::vector<std::string>* const notes_;
  model::EndpointDeclaration d_;
  bool has_io_ = false;
  std::vector<std::pair<uint16_t, uint8_t>> list_;  // offset and id, in the order of the list
};

}  // namespace

model::EndpointDeclaration declaration_of(const DeviceDescription& device, std::vector<std::string>* notes) {
  return Builder(device, notes).build();
}

void register_accesses(const traces::EventBatch& batch, const DeviceDescription& device,
                       std::vector<model::ReplayAccess>* out) {
  for (const traces::Event& event : batch.events) {
    const bool is_write = event.kind == traces::EventKind::kMmioWrite;
    if (!is_write && event.kind != traces::EventKind::kMmioRead) continue;
    if (event.target >= 6 || device.bars[event.target].kind != traces::BarKind::kRegisters) continue;
    if (device.msix.entries != 0 && traces::reaches_msix(device.msix, event.target, event.address, event.length)) {
      continue;
    }
    const traces::Reply* const reply = batch.reply_of(event);
    if (!is_write && (reply == nullptr || reply->status != 0)) continue;  // a read that failed has no bytes to answer
    const traces::Payload& data = is_write ? event.data : reply->data;
    if (!data.is_whole() || data.length != event.length) continue;  // the driver ends the replay there
    traces::for_each_register_word(event.address, event.length, [&](uint64_t done, unsigned width) {
      model::ReplayAccess& access = out->emplace_back();
      access.index = event.request;
      access.offset = event.address + done;
      access.bar = static_cast<uint8_t>(event.target);
      access.is_write = is_write;
      access.length = static_cast<uint8_t>(width);
      data.copy_to(done, std::span(access.data).first(width));
    });
  }
}

}  // namespace dartboard::cli
