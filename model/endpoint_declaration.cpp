// model/endpoint_declaration.cpp - a function from its declaration: what is possible, and the configuration space made
// of it.
#include <algorithm>

#include <fmt/format.h>

#include "model/capabilities.h"
#include "model/endpoint.h"

namespace dartboard::model {
namespace {

constexpr uint32_t kMsiVectorsMax = 32;

/// BAR Size field of Resizable BAR Control: 1 MiB << n.
uint32_t size_code(uint64_t bytes) {
  uint32_t code = 0;
  while ((rebar::kBytesMin << code) < bytes) ++code;
  return code;
}

Result<void> validate_msix_region(const EndpointDeclaration& d, std::string_view what, unsigned bar, uint64_t offset,
                                  uint64_t bytes) {
  if (bar >= kBarCount || !is_memory_space(d.bars[bar].kind)) {
    return fail(ErrorName::kBadArgument,
                fmt::format("The MSI-X {} is in BAR{}, which is not a memory BAR.", what, bar));
  }
  if (offset % 8 != 0) {
    return fail(ErrorName::kBadArgument,
                fmt::format("The MSI-X {} is at offset {:#x}: expected a multiple of 8.", what, offset));
  }
  const BarDeclaration& in = d.bars[bar];
  // A resizable BAR must hold it at its smallest.
  const uint64_t bar_bytes = in.resizable_sizes != 0 ? in.resizable_sizes & -in.resizable_sizes : in.size_bytes;
  if (!in_range(offset, bytes, bar_bytes)) {
    return fail(ErrorName::kOutOfRange,
                fmt::format("The MSI-X {} ({} bytes at {:#x}) does not fit in BAR{} of {} bytes.", what, bytes, offset,
                            bar, bar_bytes));
  }
  return {};
}

}  // namespace

uint64_t EndpointDeclaration::rom_bar_bytes() const {
  if (rom_bytes != 0 || rom_image.empty()) return rom_bytes;
  uint64_t bytes = BarDeclaration::kRomBytesMin;
  while (bytes < rom_image.size()) bytes <<= 1;
  return bytes;
}

Result<void> EndpointDeclaration::validate() const {
  if (vendor_id == 0xffff) {
    return fail(ErrorName::kBadArgument, "The vendor id is 0xffff, which means that no device is there.");
  }
  if (class_code > 0xff'ffff) {
    return fail(ErrorName::kBadArgument, fmt::format("The class code {:#x} has more than 24 bits.", class_code));
  }
  if (interrupt_pin > 4) {
    return fail(ErrorName::kBadArgument,
                fmt::format("The interrupt pin is {}: expected 0 (none) or 1 to 4 (INTA to INTD).", interrupt_pin));
  }
  if (auto valid = model::validate(bars); !valid) return valid;
  if (msi_vectors != 0 && (!is_power_of_two(msi_vectors) || msi_vectors > kMsiVectorsMax)) {
    return fail(ErrorName::kBadArgument,
                fmt::format("The number of MSI vectors is {}: expected 0, 1, 2, 4, 8, 16 or 32.", msi_vectors));
  }
  if (msix_vectors > kMsixVectorsMax) {
    return fail(ErrorName::kBadArgument,
                fmt::format("The number of MSI-X vectors is {}: expected at most {}.", msix_vectors, kMsixVectorsMax));
  }
  if (msix_vectors != 0) {
    const uint64_t table_bytes = uint64_t{msix_vectors} * kMsixEntryBytes;
    const uint64_t pba_bytes = round_up(msix_vectors, 64) / 8;
    if (auto valid = validate_msix_region(*this, "table", msix_table_bar, msix_table_offset, table_bytes); !valid) {
      return valid;
    }
    if (auto valid = validate_msix_region(*this, "PBA", msix_pba_bar, msix_pba_offset, pba_bytes); !valid) {
      return valid;
    }
    if (msix_table_bar == msix_pba_bar && msix_table_offset < msix_pba_offset + pba_bytes &&
        msix_pba_offset < msix_table_offset + table_bytes) {
      return fail(ErrorName::kBadArgument, "The MSI-X table and PBA overlap.");
    }
  }
  if (const uint64_t bytes = rom_bar_bytes();
      bytes != 0 && (!is_power_of_two(bytes) || bytes < BarDeclaration::kRomBytesMin ||
                     bytes > BarDeclaration::kRomBytesMax || bytes < rom_image.size())) {
    return fail(ErrorName::kBadArgument,
                fmt::format("The expansion ROM has {} bytes for an image of {}: expected a power of two from {} to {} "
                            "that holds the image.",
                            bytes, rom_image.size(), BarDeclaration::kRomBytesMin, BarDeclaration::kRomBytesMax));
  }
  const bool resizable = std::any_of(bars.begin(), bars.end(), [](const auto& b) { return b.resizable_sizes != 0; });
  if (!pcie && (flr || aer || serial_number.has_value() || ats || vendor_extended || resizable)) {
    return fail(ErrorName::kBadArgument,
                "FLR, AER, a serial number, ATS, resizable BARs and the vendor-specific extended capability need the "
                "PCI Express capability, which is switched off.");
  }
  return {};
}

Endpoint::Endpoint(const EndpointDeclaration& declaration)
    : declaration_(declaration),
      config_(kType0Header, HeaderIdentity{declaration.vendor_id, declaration.device_id, declaration.revision,
                                           declaration.class_code, 0, declaration.interrupt_pin}),
      msix_(declaration.msix_vectors, *this) {
  assert(declaration_.validate().has_value());
  build_config();
  for (unsigned i = 0; i < kBarCount; ++i) {
    const BarDeclaration& bar = declaration_.bars[i];
    if (bar.role == BarRole::kMemory && bar.size_bytes != 0) memory_[i] = DeviceMemory(bar.bytes_max());
  }
  if (msix_.vectors() != 0) {
    const auto& d = declaration_;
    table_region_ = {d.msix_table_offset, uint64_t{d.msix_table_offset} + msix_.table_bytes()};
    pba_region_ = {d.msix_pba_offset, uint64_t{d.msix_pba_offset} + msix_.pba_bytes()};
    msix_bars_ = static_cast<uint8_t>((1u << d.msix_table_bar) | (1u << d.msix_pba_bar));
  }
  for (unsigned i = 0; i < kBarCount; ++i) {
    const BarDeclaration& bar = declaration_.bars[i];
    if (is_memory_space(bar.kind) && bar.role == BarRole::kRegisters && ((msix_bars_ >> i) & 1) == 0) {
      plain_register_bars_ |= static_cast<uint8_t>(1u << i);
    }
  }
  refresh();
}

Endpoint::~Endpoint() = default;

void Endpoint::build_config() {
  const EndpointDeclaration& d = declaration_;
  RegisterFile& file = config_.file();
  file.set_initial(cfg::kSubsystemVendorId, d.subsystem_vendor_id, 2);
  file.set_initial(cfg::kSubsystemId, d.subsystem_id, 2);
  decoder_.declare(d.bars, config_);
  if (d.rom_bar_bytes() != 0) decoder_.declare_rom(d.rom_bar_bytes(), config_);
  file.hook(cfg::kCommand, 4, {nullptr, &Endpoint::after_header_write}, this);
  file.hook(cfg::kBar0, 4 * kBarCount, {nullptr, &Endpoint::after_header_write}, this);
  file.hook(cfg::kRomBar, 4, {nullptr, &Endpoint::after_header_write}, this);

  const RecordedConfig recorded = d.recorded.value_or(RecordedConfig());
  if (d.recorded) show_recorded_bytes();
  if (d.power_management) {
    pm_ = place(kPowerManagementCapability, recorded.power_management);
    if (!d.recorded) file.set_initial(pm_ + pm::kControlStatus, d.no_soft_reset ? pm::kNoSoftReset : 0, 2);
    file.hook(pm_ + pm::kControlStatus, 4, {nullptr, &Endpoint::after_power_write}, this);
  }
  if (d.msi_vectors != 0) {
    msi_ = place(kMsiCapability, recorded.msi);
    unsigned capable = 0;
    while ((1u << capable) < d.msi_vectors) ++capable;
    file.set_initial(msi_ + msi::kControl,
                     file.peek16(msi_ + msi::kControl) | (capable << msi::kMultipleMessageCapableShift), 2);
    // Masks of vectors that do not exist are not implemented (PCIe 6.0 s7.7.1.7).
    file.limit_writable(msi_ + msi::kMask, low_bits(d.msi_vectors), 4);
    file.hook(msi_, 4, {nullptr, &Endpoint::after_interrupt_write}, this);
    file.hook(msi_ + msi::kMask, 4, {nullptr, &Endpoint::after_interrupt_write}, this);
  }
  if (d.pcie) {
    pcie_ = place(kPcieEndpointCapability, recorded.pcie);
    if (d.flr) {
      const uint32_t capabilities = pcie_ + pcie::kDeviceCapabilities;
      file.set_initial(capabilities, file.peek32(capabilities) | pcie::kFlrCapable, 4);
    }
    file.hook(pcie_ + pcie::kDeviceControl, 4, {nullptr, &Endpoint::after_device_control_write}, this);
  }
  if (d.msix_vectors != 0) {
    msix_cap_ = place(kMsixCapability, recorded.msix);
    file.set_initial(msix_cap_ + msix::kControl, d.msix_vectors - 1, 2);
    file.set_initial(msix_cap_ + msix::kTable, d.msix_table_offset | d.msix_table_bar, 4);
    file.set_initial(msix_cap_ + msix::kPba, d.msix_pba_offset | d.msix_pba_bar, 4);
    file.hook(msix_cap_, 4, {nullptr, &Endpoint::after_interrupt_write}, this);
  }
  if (d.vendor_capability) config_.add_capability(kVendorCapability);
  if (d.aer) aer_ = config_.add_capability(kAerCapability);
  if (d.serial_number.has_value()) {
    const uint32_t at = config_.add_capability(kSerialNumberCapability);
    file.set_initial(at + serial::kLow, *d.serial_number & 0xffff'ffff, 4);
    file.set_initial(at + serial::kHigh, *d.serial_number >> 32, 4);
  }
  build_resizable_bars();
  if (d.ats) config_.add_capability(kAtsCapability);
  if (d.vendor_extended) config_.add_capability(kVendorExtendedCapability);
}

/// Appends a capability; where it was recorded, if that is known: then the recorded bytes hold the list and the values.
uint32_t Endpoint::place(const CapabilityDecl& capability, uint16_t recorded_offset) {
  if (!declaration_.recorded) return config_.add_capability(capability);
  RegisterFile& file = config_.file();
  for (uint32_t i = 0; i < capability.bytes; ++i) file.limit_writable(recorded_offset + i, 0, 1);
  config_.declare_capability(capability, recorded_offset);
  for (const RecordedConfig::Known& known : declaration_.recorded->bytes) {
    if (known.offset < recorded_offset || known.offset >= recorded_offset + capability.bytes) continue;
    // What software sets starts as after a reset; all else as it was seen.
    const auto writable = static_cast<uint8_t>(file.writable_bits(known.offset, 1));
    const auto reset = static_cast<uint8_t>(file.peek(known.offset, 1));
    file.set_initial(known.offset, (known.value & ~writable) | (reset & writable), 1);
  }
  return recorded_offset;
}

/// Every known byte outside BARs and Command. Between 40h and FFh software can write what belongs to no list.
void Endpoint::show_recorded_bytes() {
  const RecordedConfig& recorded = *declaration_.recorded;
  RegisterFile& file = config_.file();
  for (uint32_t at = kFirstCapabilityOffset; at < kFirstExtendedOffset; ++at) file.set_writable(at, 0xff, 1);
  for (const uint16_t header : recorded.headers) file.limit_writable(header, 0, 2);
  for (const RecordedConfig::Known& known : recorded.bytes) {
    const bool is_bar = known.offset >= cfg::kBar0 && known.offset < cfg::kBar0 + 4 * kBarCount;
    const bool is_rom = known.offset >= cfg::kRomBar && known.offset < cfg::kRomBar + 4;
    if (is_bar || is_rom || known.offset >= kConfigBytes) continue;
    const auto writable =
        known.offset < kFirstCapabilityOffset ? static_cast<uint8_t>(file.writable_bits(known.offset, 1)) : uint8_t{0};
    file.set_initial(known.offset, known.value & ~writable, 1);
  }
}

/// One pair of registers for each resizable BAR; the first Control says how many (PCIe 6.0 s7.8.6.3).
void Endpoint::build_resizable_bars() {
  const BarDeclarations& bars = declaration_.bars;
  const auto count = static_cast<uint32_t>(
      std::count_if(bars.begin(), bars.end(), [](const BarDeclaration& bar) { return bar.resizable_sizes != 0; }));
  if (count == 0) return;
  rebar_ = config_.add_capability(resizable_bar_capability(count));
  RegisterFile& file = config_.file();
  uint32_t at = rebar_;
  for (uint32_t i = 0; i < kBarCount; ++i) {
    const BarDeclaration& bar = bars[i];
    if (bar.resizable_sizes == 0) continue;
    const uint64_t sizes_mib = bar.resizable_sizes / rebar::kBytesMin;
    file.set_initial(at + rebar::kCapability, (sizes_mib << 4) & 0xffff'fff0, 4);
    const uint32_t control = i | (at == rebar_ ? count << rebar::kCountShift : 0) |
                             size_code(bar.size_bytes) << rebar::kSizeShift |
                             static_cast<uint32_t>(sizes_mib >> 28) << 16;
    file.set_initial(at + rebar::kControl, control, 4);
    file.hook(at + rebar::kControl, 4, {nullptr, &Endpoint::after_bar_size_write}, this);
    at += 8;
  }
}

}  // namespace dartboard::model
