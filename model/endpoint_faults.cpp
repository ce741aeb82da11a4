// model/endpoint_faults.cpp - what a hostile or broken function does: configuration that lies, requests that nobody
// ordered. Reached only while an injector is installed.
#include <array>

#include "model/capabilities.h"
#include "model/endpoint.h"
#include "model/fault.h"
#include "model/port_registers.h"

namespace dartboard::model {
namespace {

using F = FaultKind;

constexpr uint32_t kBarFlagsMask = 0xf;
constexpr uint64_t kUnmappedAddress = 0x4000;      // below every window that a mapper gives out
constexpr uint32_t kForgedMessage = 31;            // the last vector of a root complex
constexpr uint64_t kConfigDifference = 0x10;
constexpr uint32_t kStrayBytes = 4;

}  // namespace

/// What a configuration read of [offset, +length) answers instead of `value`.
uint64_t Endpoint::faulty_config(uint32_t offset, uint32_t length, uint64_t value) {
  for (const uint32_t capability : {pm_, msi_, msix_cap_, pcie_}) {
    const uint32_t next = capability + 1;
    if (capability == 0 || next < offset || next >= offset + length) continue;
    if (!fault(F::kDeviceCapabilityLoop, capability)) continue;
    const unsigned shift = 8 * (next - offset);
    value = (value & ~(uint64_t{0xff} << shift)) | uint64_t{capability} << shift;
  }
  if (length == 4 && offset >= cfg::kBar0 && offset < cfg::kBar0 + 4 * kBarCount) {
    value = faulty_bar((offset - cfg::kBar0) / 4, static_cast<uint32_t>(value));
  }
  if (fault(F::kDeviceConfigChanges, offset)) {
    value ^= fault_amount(F::kDeviceConfigChanges, kConfigDifference) & (~uint64_t{0} >> (64 - 8 * length));
  }
  return value;
}

/// A BAR that is being sized (it holds all-ones where it can) may claim the largest size that its register can say.
uint32_t Endpoint::faulty_bar(unsigned bar, uint32_t value) {
  const bool upper = bar != 0 && is_64bit(declaration_.bars[bar - 1].kind);
  if (upper) return ((giant_bars_ >> (bar - 1)) & 1) != 0 && value == UINT32_MAX ? uint32_t{1} << 31 : value;
  const BarDeclaration& declared = declaration_.bars[bar];
  if (declared.kind == BarKind::kNone || declared.size_bytes == 0) return value;
  const auto mask = static_cast<uint32_t>(~(declared.size_bytes - 1)) & ~kBarFlagsMask;
  const auto bit = static_cast<uint8_t>(1u << bar);
  giant_bars_ = static_cast<uint8_t>(giant_bars_ & ~bit);
  if ((value & ~kBarFlagsMask) != mask || !fault(F::kDeviceGiantBar, bar)) return value;
  giant_bars_ = static_cast<uint8_t>(giant_bars_ | bit);
  return (value & kBarFlagsMask) | (is_64bit(declared.kind) ? 0 : uint32_t{1} << 31);
}

/// What goes out beside a transfer at `address`. False: the transfer itself is refused.
bool Endpoint::stray_requests(Iova address) {
  if (fault(F::kDeviceDmaUnmapped, address.value)) {
    stray(TlpKind::kMemRead, fault_amount(F::kDeviceDmaUnmapped, kUnmappedAddress), 0);
  }
  if (fault(F::kDeviceDmaPeer, address.value)) {
    stray(TlpKind::kMemRead, fault_amount(F::kDeviceDmaPeer, config_.file().peek32(cfg::kBar0) & ~kBarFlagsMask), 0);
  }
  if (fault(F::kDeviceForgedMsi, address.value)) {
    const auto data = static_cast<uint32_t>(fault_amount(F::kDeviceForgedMsi, kForgedMessage));
    stray(TlpKind::kMemWrite, port_reg::kMsiDoorbell, data);
  }
  // A request that claims to be translated, while ATS is off: the port blocks it (PCIe 6.0 s6.12.1.1, Translation
  // Blocking), and it never reaches the DART.
  return !fault(F::kDeviceTranslatedRequest, address.value);
}

/// A write to device memory that makes the device reach for memory it was not given.
void Endpoint::memory_written(uint64_t offset) {
  if (!bus_master_ || in_dma_ || !fault(F::kAppleVramWriteFaults, offset)) return;
  stray(TlpKind::kMemRead, fault_amount(F::kAppleVramWriteFaults, kUnmappedAddress), 0);
}

void Endpoint::stray(TlpKind kind, uint64_t address, uint32_t data) {
  if (upstream_ == nullptr) return;
  std::array<std::byte, kStrayBytes> bytes{};
  for (unsigned i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(data >> (8 * i));
  Tlp request;
  request.request(kind, rid_, address, bytes.data(), kStrayBytes);
  sc_core::sc_time delay;
  upstream_->b_transport(request, delay);
}

}  // namespace dartboard::model
