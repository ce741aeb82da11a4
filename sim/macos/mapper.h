// sim/macos/mapper.h - IODARTMapper: chooses IOVAs, writes the DART's page tables, keeps the profile's limits.
//
// The policy of Apple's mapper is not public, so it is the profile's: first fit, top
// down, random from the tape, or as recorded. Guard pages and the window make the "64k mappings" limit.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/inspect.h"
#include "base/io_return.h"
#include "base/types.h"
#include "sim/macos/memory_object.h"

namespace dartboard::model { class HostMemory; class Timeline; }
namespace dartboard::sim { class Tape; class TraceHash; }

namespace dartboard::macos {

class DartDriver;

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
  bool refuse_unaligned = false;              ///< memory that does not start at a DART page is kNotAligned
  bool segment_per_page = false;              ///< every prepared command gets one segment a page, not one in all
  bool caller_places = false;                 ///< who maps may say where (Linux vfio); a Mac always chooses itself
};

struct MapperStats {
  uint64_t mapped_bytes = 0, mapped_bytes_peak = 0;   ///< whole pages, guards not counted
  uint64_t mappings = 0, mappings_peak = 0;
  uint64_t maps = 0, unmaps = 0, refusals = 0;
  uint64_t stale_unmaps = 0;                          ///< of mappings that were gone already (unplug, shutdown)
  uint64_t leaked_unmaps = 0;                         ///< that failed: range and budget stay taken (fault)
};

/// What a mapper works with. All outlive it.
struct MapperParts {
  DartDriver& dart;
  model::HostMemory& memory;
  model::Timeline& timeline;
  sim::Tape& tape;
  sim::TraceHash& hash;
  unsigned root;              ///< index of the root complex, for the trace
};

class Mapper {
 public:
  struct Mapping {
    Iova iova;              ///< of the first byte (page offset included)
    uint64_t length = 0;    ///< bytes asked for
    Iova page_base;
    uint64_t page_bytes = 0;  ///< whole pages mapped
    uint32_t slot = 0;        ///< opaque: the mapper's record of it
    uint64_t serial = 0;      ///< opaque: tells it from later mappings in the same slot
    Rid rid;
  };

  explicit Mapper(const MapperParts& parts);
  ~Mapper();
  /// Takes a profile's numbers; everything unmapped. The DART driver must be powered on with the same page.
  void configure(const MapperConfig& config);
  const MapperConfig& config() const;

  /// Maps [offset, offset+length) of `memory` for `rid`. One range of IOVA, however scattered the memory is: parts of
  /// it that meet inside a DART page, which no table can express, are kNotAligned.
  /// The first byte keeps its offset in the 4 KiB page. Only the 4 KiB pages that hold the range are wired: what is
  /// left of a larger DART page has no memory behind it.
  /// exhausted_code when a limit or the window is hit, kCannotWire without physical memory, kUnsupported for device
  /// memory, kOverrun past the end, kBadArgument for length 0. Nothing is left behind on failure (I-04).
  /// `address_bits`: pages above are avoided if the window has others; the caller checks what it got.
  io_return::Code map(Rid rid, const MemoryObject& memory, uint64_t offset, uint64_t length, bool device_reads,
                      bool device_writes, unsigned address_bits, Mapping* mapping);
  /// Clears the entries, invalidates, then lets the memory go. A mapping that is gone is ignored (and counted).
  /// False: the DART did not finish the invalidate; on a Mac that is a panic.
  bool unmap(const Mapping& mapping);

  /// Unmaps everything that is left, because the device is gone. The holders' unmaps are ignored later.
  void revoke_all();

  /// Policy kAsRecorded: where the next maps must go, in order; each map takes one. A map with no or an impossible
  /// placement fails with kNoSpace, and last_refusal() says why.
  void expect_placement(Iova iova);
  /// Placements that no map took are void.
  void forget_placements();
  /// A sentence about the last refusal of any kind; empty after reset().
  const std::string& last_refusal() const;

  const MapperStats& stats() const;
  /// Everything unmapped, statistics zero. Mappings handed out become stale.
  void reset();
  void inspect(InspectNode& node) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dartboard::macos
