// conformance/target.h - a function as the safe rules see it: configuration reads, BAR sizes, and the capability lists.
//
// Implemented by the bench for devices of ours, and by the program for a device behind a dext.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dartboard::conformance {

inline constexpr unsigned kBars = 6;

struct BarShape {
  bool present = false;
  bool io = false;
  bool wide = false;           ///< 64 bits: the next BAR register is its upper half
  bool prefetchable = false;
  uint64_t bytes = 0;
};

class Target {
 public:
  virtual ~Target() = default;
  /// Reads `bytes` (1, 2 or 4) of configuration space; all-ones if the function does not answer.
  virtual uint32_t config(uint32_t offset, unsigned bytes) = 0;
  /// The BARs as they were sized when the device was found.
  virtual std::array<BarShape, kBars> bars() = 0;
};

struct Capability {
  uint16_t id;
  uint32_t offset;
};

/// A capability list as found, and what is wrong with it (empty: nothing).
struct CapabilityList {
  std::vector<Capability> entries;
  std::string problem;
  /// Offset of the first entry with this id, or 0.
  uint32_t find(uint16_t id) const;
};
/// Walks the list from offset 34h. Ends after at most 48 entries whatever the device answers.
CapabilityList standard_capabilities(Target& target);
/// Walks the list from offset 100h. Ends after at most 960 entries.
CapabilityList extended_capabilities(Target& target);

/// Length of a standard capability from its own fields, or 0 if its id says nothing about it.
uint32_t capability_bytes(Target& target, const Capability& capability);
/// Whether the function has the PCI Express capability. Without it is a conventional PCI function.
bool is_pcie(Target& target);

}  // namespace dartboard::conformance
