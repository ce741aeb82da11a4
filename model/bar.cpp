// model/bar.cpp - BAR validation, sizing masks and decoding.
#include "model/bar.h"

#include <fmt/format.h>

#include "base/types.h"

namespace dartboard::model {
namespace {

constexpr uint32_t bar_offset(unsigned bar) { return cfg::kBar0 + 4 * bar; }
constexpr uint32_t kRomEnable = 1;

/// Bits 3:0 of a BAR register (PCIe 6.0 s7.5.1.2.1): space, type, prefetchable.
constexpr uint32_t type_bits(BarKind kind) {
  switch (kind) {
    case BarKind::kNone: return 0;
    case BarKind::kIo: return 0x1;
    case BarKind::kMem32: return 0x0;
    case BarKind::kMem32Prefetchable: return 0x8;
    case BarKind::kMem64: return 0x4;
    case BarKind::kMem64Prefetchable: return 0xc;
  }
  return 0;
}

Result<void> validate_sizes(unsigned index, const BarDeclaration& bar) {
  const uint64_t most = is_64bit(bar.kind) ? BarDeclaration::kMem64BytesMax : BarDeclaration::kMem32BytesMax;
  const uint64_t possible = (most << 1) - BarDeclaration::kResizableBytesMin;
  if (!is_memory_space(bar.kind) || (bar.resizable_sizes & ~possible) != 0) {
    return fail(ErrorName::kBadArgument,
                fmt::format("BAR{} ({}) offers the sizes {:#x}: a resizable BAR is memory, with sizes from {} to {} "
                            "bytes.",
                            index, to_string(bar.kind), bar.resizable_sizes, BarDeclaration::kResizableBytesMin, most));
  }
  if ((bar.resizable_sizes & bar.size_bytes) == 0) {
    return fail(ErrorName::kBadArgument, fmt::format("BAR{} has {} bytes, which is none of the sizes {:#x} it offers.",
                                                     index, bar.size_bytes, bar.resizable_sizes));
  }
  return {};
}

}  // namespace

std::string_view to_string(BarKind kind) {
  switch (kind) {
    case BarKind::kNone: return "none";
    case BarKind::kIo: return "io";
    case BarKind::kMem32: return "mem32";
    case BarKind::kMem32Prefetchable: return "mem32 prefetchable";
    case BarKind::kMem64: return "mem64";
    case BarKind::kMem64Prefetchable: return "mem64 prefetchable";
  }
  return "?";
}

std::string_view to_string(BarRole role) {
  switch (role) {
    case BarRole::kRegisters: return "registers";
    case BarRole::kMemory: return "memory";
    case BarRole::kMsix: return "msix";
  }
  return "?";
}

Result<void> validate(const BarDeclarations& bars) {
  for (unsigned i = 0; i < kBarCount; ++i) {
    const BarDeclaration& bar = bars[i];
    if (bar.kind == BarKind::kNone) {
      if (bar.size_bytes == 0) continue;
      return fail(ErrorName::kBadArgument, fmt::format("BAR{} has a size of {} bytes but no kind: give it a kind, "
                                                       "or size 0.", i, bar.size_bytes));
    }
    if (!is_power_of_two(bar.size_bytes)) {
      return fail(ErrorName::kBadArgument,
                  fmt::format("BAR{} has a size of {} bytes: a BAR's size is a power of two.", i, bar.size_bytes));
    }
    const bool io = bar.kind == BarKind::kIo;
    const uint64_t least = io ? BarDeclaration::kIoBytesMin : BarDeclaration::kMemoryBytesMin;
    const uint64_t most = io                   ? BarDeclaration::kIoBytesMax
                          : is_64bit(bar.kind) ? BarDeclaration::kMem64BytesMax
                                               : BarDeclaration::kMem32BytesMax;
    if (bar.size_bytes < least || bar.size_bytes > most) {
      return fail(ErrorName::kBadArgument, fmt::format("BAR{} ({}) has a size of {} bytes: expected {} to {}.", i,
                                                       to_string(bar.kind), bar.size_bytes, least, most));
    }
    if (io && bar.role != BarRole::kRegisters) {
      return fail(ErrorName::kBadArgument, fmt::format("BAR{} is I/O space and can only be registers.", i));
    }
    if (bar.resizable_sizes != 0) {
      if (auto valid = validate_sizes(i, bar); !valid) return valid;
    }
    if (is_64bit(bar.kind)) {
      if (i + 1 == kBarCount) {
        return fail(ErrorName::kBadArgument, "BAR5 cannot be 64-bit: there is no BAR6 for its upper half.");
      }
      if (bars[i + 1].kind != BarKind::kNone || bars[i + 1].size_bytes != 0) {
        return fail(ErrorName::kBadArgument, fmt::format("BAR{} is declared, but it is the upper half of the 64-bit "
                                                         "BAR{}.", i + 1, i));
      }
      ++i;
    }
  }
  return {};
}

void BarDecoder::declare(const BarDeclarations& bars, ConfigSpace& config) {
  bars_ = bars;
  RegisterFile& file = config.file();
  for (unsigned i = 0; i < kBarCount; ++i) {
    const BarDeclaration& bar = bars_[i];
    if (bar.kind == BarKind::kNone) {
      file.limit_writable(bar_offset(i), 0, 4);
      continue;
    }
    const uint64_t address_bits = ~(bar.size_bytes - 1);
    if (bar.kind == BarKind::kIo) {
      file.set_writable(bar_offset(i), address_bits & ~uint64_t{0x3}, 4);   // two type bits, not four
    } else {
      file.limit_writable(bar_offset(i), address_bits, 4);
    }
    file.set_initial(bar_offset(i), type_bits(bar.kind), 4);
    if (is_64bit(bar.kind)) {
      ++i;
      // The header's table declares bits 3:0 of every BAR as type bits; here they are address bits 35:32.
      file.set_writable(bar_offset(i), address_bits >> 32, 4);
    }
  }
}

void BarDecoder::resize(unsigned bar, uint64_t bytes, ConfigSpace& config) {
  BarDeclaration& declaration = bars_[bar];
  if (declaration.size_bytes == bytes) return;
  declaration.size_bytes = bytes;
  RegisterFile& file = config.file();
  const uint64_t address_bits = ~(bytes - 1);
  const uint32_t low = bar_offset(bar);
  file.set_writable(low, address_bits & 0xffff'fff0, 4);
  file.poke32(low, (file.peek32(low) & static_cast<uint32_t>(address_bits)) | type_bits(declaration.kind));
  if (!is_64bit(declaration.kind)) return;
  const uint32_t high = bar_offset(bar + 1);
  file.set_writable(high, address_bits >> 32, 4);
  file.poke32(high, file.peek32(high) & static_cast<uint32_t>(address_bits >> 32));
}

void BarDecoder::declare_rom(uint64_t bytes, ConfigSpace& config) {
  rom_bytes_ = bytes;
  config.file().set_writable(cfg::kRomBar, (~(bytes - 1) & 0xffff'f800) | kRomEnable, 4);
}

void BarDecoder::update(const ConfigSpace& config, bool memory_enabled, bool io_enabled) {
  const RegisterFile& file = config.file();
  for (unsigned i = 0; i < kBarCount; ++i) {
    memory_[i] = io_[i] = {};
    const BarDeclaration& bar = bars_[i];
    if (bar.kind == BarKind::kNone) continue;
    uint64_t address = file.peek32(bar_offset(i));
    if (is_64bit(bar.kind)) address |= uint64_t{file.peek32(bar_offset(i + 1))} << 32;
    address &= ~(bar.size_bytes - 1) & ~uint64_t{bar.kind == BarKind::kIo ? 0x3u : 0xfu};
    address_[i] = address;
    if (bar.kind == BarKind::kIo) {
      if (io_enabled) io_[i] = {address, bar.size_bytes};
    } else if (memory_enabled) {
      memory_[i] = {address, bar.size_bytes};
    }
    if (is_64bit(bar.kind)) memory_[++i] = io_[i] = {};
  }
  rom_ = {};
  const uint32_t rom = file.peek32(cfg::kRomBar);
  if (memory_enabled && rom_bytes_ != 0 && (rom & kRomEnable) != 0) rom_ = {rom & ~(rom_bytes_ - 1), rom_bytes_};
}

unsigned BarDecoder::find_memory_slow(uint64_t address, uint64_t length) {
  for (unsigned i = 0; i < kBarCount; ++i) {
    const uint64_t offset = address - memory_[i].base;
    if (offset < memory_[i].bytes && length <= memory_[i].bytes - offset) return last_ = i;
  }
  return kMiss;
}

unsigned BarDecoder::find_io(uint64_t address, uint64_t length) const {
  for (unsigned i = 0; i < kBarCount; ++i) {
    const uint64_t offset = address - io_[i].base;
    if (offset < io_[i].bytes && length <= io_[i].bytes - offset) return i;
  }
  return kMiss;
}

void BarDecoder::inspect(InspectNode& node) const {
  for (unsigned i = 0; i < kBarCount; ++i) {
    const BarDeclaration& bar = bars_[i];
    if (bar.kind == BarKind::kNone) continue;
    const bool decoded = memory_[i].bytes != 0 || io_[i].bytes != 0;
    node.child(fmt::format("BAR{}", i), fmt::format("{:#x}, {} bytes", address_[i], bar.size_bytes),
               fmt::format("{}, {}, {}", to_string(bar.kind), to_string(bar.role),
                           decoded ? "decoded" : "not decoded"));
  }
  if (rom_bytes_ != 0) {
    node.child("ROM", rom_.bytes != 0 ? fmt::format("{:#x}, {} bytes", rom_.base, rom_bytes_) : "off");
  }
}

}  // namespace dartboard::model
