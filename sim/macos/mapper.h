// sim/macos/mapper.h - IODARTMapper: chooses IOVAs, writes the DART's page tables, keeps the profile's limits.
//
// The policy of Apple's mapper is not public (facts: apple-pcie.md s2.2, s8), so it is the profile's: first fit, top
// down, random from the tape, or as recorded. Guard pages and the window make the "64k mappings" limit.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/inspect.h"
#include "base/io_return.h"
#include "base/types.h"
#include "sim/macos/memory_object.h"

namespace dartboard::model { class RootComplex; class HostMemory; }
namespace dartboard::sim { class Tape; }

namespace dartboard::macos {

enum class IovaPolicy : uint8_t { kFirstFit, kTopDown, kRandom, kAsRecorded };

struct MapperConfig {
  uint64_t page_bytes = 16 * kKiB;
  Iova window_base{0x8000'0000};
  uint64_t window_bytes = 0x7ff0'0000;
  uint64_t guard_pages = 1;                   ///< after each mapping
  uint64_t mapped_bytes_max = 1536 * kMiB;    ///< 0: no limit
  uint64_t mappings_max = 65536;              ///< 0: no limit
  IovaPolicy policy = IovaPolicy::kFirstFit;
  io_return::Code exhausted_code = io_return::kNoResources;
  uint64_t map_ns = 0;                        ///< simulated time of one map or unmap
};

struct MapperStats {
  uint64_t mapped_bytes = 0, mapped_bytes_peak = 0;   ///< whole pages, guards not counted
  uint64_t mappings = 0, mappings_peak = 0;
  uint64_t maps = 0, unmaps = 0, refusals = 0;
};

class Mapper {
 public:
  struct Mapping {
    Iova iova;              ///< of the first byte (page offset included)
    uint64_t length = 0;    ///< bytes asked for
    Iova page_base;
    uint64_t page_bytes = 0;  ///< whole pages mapped
    uint64_t frames = 0;      ///< opaque: how the pages were wired
    Rid rid;
  };

  Mapper(model::RootComplex& root, model::HostMemory& memory, sim::Tape& tape);
  ~Mapper();
  void configure(const MapperConfig& config);
  const MapperConfig& config() const;

  /// Maps [offset, offset+length) of `memory` for `rid`. One range of IOVA, however scattered the memory is.
  /// exhausted_code when a limit or the window is hit; nothing is left behind on failure.
  io_return::Code map(Rid rid, const MemoryObject& memory, uint64_t offset, uint64_t length, bool device_reads,
                      bool device_writes, unsigned address_bits, Mapping* mapping);
  void unmap(const Mapping& mapping);

  /// Policy kAsRecorded: where the next maps must go, in order. A map with no or an impossible placement fails with
  /// kNoSpace, and last_refusal() says why.
  void expect_placement(Iova iova);
  const std::string& last_refusal() const;

  const MapperStats& stats() const;
  void reset();
  void inspect(InspectNode& node) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dartboard::macos
