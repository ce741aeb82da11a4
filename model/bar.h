// model/bar.h - base address registers of a type 0 function: declaration, sizing, and which BAR claims an address.
//
// Sizing needs no code of its own: the size bits of a BAR are simply not writable, so writing all-ones reads back the
// size (PCIe 6.0 s7.5.1.2.1). A 64-bit BAR of 4 GiB or more has no writable bit in its lower half.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "base/inspect.h"
#include "base/types.h"
#include "model/config_space.h"

namespace dartboard::model {

inline constexpr unsigned kBarCount = 6;

enum class BarKind : uint8_t { kNone, kIo, kMem32, kMem32Prefetchable, kMem64, kMem64Prefetchable };
std::string_view to_string(BarKind kind);
constexpr bool is_64bit(BarKind k) { return k == BarKind::kMem64 || k == BarKind::kMem64Prefetchable; }
constexpr bool is_memory_space(BarKind k) { return k != BarKind::kNone && k != BarKind::kIo; }

/// What answers accesses to a BAR.
enum class BarRole : uint8_t {
  kRegisters,   ///< the device's code: Endpoint::read_bar() and write_bar()
  kMemory,      ///< bytes without side effects
  kMsix,        ///< only the MSI-X table and PBA; the rest reads 0
};
std::string_view to_string(BarRole role);

struct BarDeclaration {
  BarKind kind = BarKind::kNone;
  uint64_t size_bytes = 0;   ///< power of two
  BarRole role = BarRole::kRegisters;
  uint64_t resizable_sizes = 0;   ///< sizes that Resizable BAR offers, ORed together (`size_bytes` is one); 0: fixed

  static constexpr uint64_t kMemoryBytesMin = 16;          ///< four type bits are below the address
  static constexpr uint64_t kIoBytesMin = 4;
  static constexpr uint64_t kIoBytesMax = 256;             ///< PCIe 6.0 s7.5.1.2.1
  static constexpr uint64_t kMem32BytesMax = 2 * kGiB;
  static constexpr uint64_t kMem64BytesMax = 1ull << 46;
  static constexpr uint64_t kResizableBytesMin = kMiB;     ///< PCIe 6.0 s7.8.6.2
  static constexpr uint64_t kRomBytesMin = 2 * kKiB;       ///< PCIe 6.0 s7.5.1.2.4: address bits 31:11
  static constexpr uint64_t kRomBytesMax = 16 * kMiB;

  /// The largest size that the BAR can have.
  constexpr uint64_t bytes_max() const {
    uint64_t most = size_bytes;
    for (uint64_t bit = kResizableBytesMin; bit <= kMem64BytesMax; bit <<= 1) {
      if ((resizable_sizes & bit) != 0 && bit > most) most = bit;
    }
    return most;
  }
};
using BarDeclarations = std::array<BarDeclaration, kBarCount>;

/// Whether the six declarations can be put in one header. The sentence says which BAR and what was expected.
Result<void> validate(const BarDeclarations& bars);

/// The address decoder: what the BAR registers and Command currently claim.
class BarDecoder {
 public:
  static constexpr unsigned kMiss = kBarCount;

  /// Gives the BAR registers of `config` their type bits and takes write access from their size bits.
  void declare(const BarDeclarations& bars, ConfigSpace& config);

  /// Makes a resizable BAR `bytes` long, one of its sizes. The register loses the address bits below the size, as
  /// software must expect (PCIe 6.0 s7.8.6.3). update() afterwards.
  void resize(unsigned bar, uint64_t bytes, ConfigSpace& config);
  /// Gives the function an expansion ROM of `bytes` (a power of two).
  void declare_rom(uint64_t bytes, ConfigSpace& config);

  /// Reads the BAR registers again: after a write to a BAR or to Command, and after a reset.
  void update(const ConfigSpace& config, bool memory_enabled, bool io_enabled);

  /// The BAR that claims all of [address, +length), or kMiss. The last hit is tried first.
  unsigned find_memory(uint64_t address, uint64_t length) {
    if (last_claims(address, length)) [[likely]] return last_;
    return find_memory_slow(address, length);
  }
  /// The BAR that was hit last, and whether it claims [address, +length) now.
  unsigned last() const { return last_; }
  bool last_claims(uint64_t address, uint64_t length) const {
    const uint64_t offset = address - memory_[last_].base;
    return offset < memory_[last_].bytes && length <= memory_[last_].bytes - offset;
  }
  unsigned find_io(uint64_t address, uint64_t length) const;
  /// Whether the expansion ROM claims [address, +length).
  bool rom_claims(uint64_t address, uint64_t length) const {
    const uint64_t offset = address - rom_.base;
    return offset < rom_.bytes && length <= rom_.bytes - offset;
  }
  uint64_t rom_address() const { return rom_.base; }

  /// Offset of `address` in the BAR that was hit last, if last_claims() it.
  uint64_t last_offset(uint64_t address) const { return address - memory_[last_].base; }

  /// Bus address that the BAR's registers hold, whether decoded now or not.
  uint64_t address(unsigned bar) const { return address_[bar]; }
  const BarDeclaration& declaration(unsigned bar) const { return bars_[bar]; }
  void inspect(InspectNode& node) const;

 private:
  unsigned find_memory_slow(uint64_t address, uint64_t length);
  struct Range {
    uint64_t base = 0;
    uint64_t bytes = 0;   ///< 0: not decoded
  };
  std::array<Range, kBarCount> memory_;
  std::array<Range, kBarCount> io_;
  std::array<uint64_t, kBarCount> address_{};
  unsigned last_ = 0;
  Range rom_;
  uint64_t rom_bytes_ = 0;
  BarDeclarations bars_;   ///< `size_bytes` is the size now
};

}  // namespace dartboard::model
