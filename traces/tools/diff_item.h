// traces/tools/diff_item.h - an event reduced to what a comparison of traces needs: what it is, what came of it, and
// enough to show it. A constant number of bytes, whatever its payload.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "traces/event_stream.h"
#include "traces/tools/names.h"

namespace dartboard::traces {

struct DiffItem {
  uint64_t number = 0;       ///< of the event in its trace
  uint64_t shape = 0;        ///< hash of kind, device, target, address and length
  uint64_t outcome = 0;      ///< hash of value, payload and status, as recorded
  uint64_t relative = 0;     ///< the same with handed-out addresses as positions in their mapping (--rebase)
  bool any_payload = false;  ///< the payload was not kept: equal to any of its length
  bool failed = false;
  std::optional<uint64_t> value;  ///< for people
  Event event;                    ///< for people; without payload
  Named named;                    ///< for people

  bool same_shape(const DiffItem& other) const { return shape == other.shape; }
  bool same(const DiffItem& other) const {
    return shape == other.shape && (outcome == other.outcome || relative == other.relative ||
                                    ((any_payload || other.any_payload) && failed == other.failed));
  }
  uint64_t identity() const { return shape * 0x9e3779b97f4a7c15 + relative; }
};

struct DiffItemOptions {
  bool times = false;   ///< the time since the first event counts too
  bool rebase = false;  ///< handed-out addresses are the same if they are at the same place of their mapping
  const RegisterNames* names = nullptr;  ///< for DiffItem::named and ignore_values; not owned
  std::vector<std::string>
      ignore_values;  ///< globs for names: what these registers read or are written is all the same
};

/// The DMA mappings of one side as its trace goes on: address to place. A mapping is known by its size and how many
/// of that size came before, so that one mapping more elsewhere does not rename all that follow.
class AddressBook {
 public:
  void see(const Event& event, const Reply* reply);  ///< kDmaMap and kDmaUnmap; others are nothing to it
  /// A number for the place that `word` points to, if it points into a mapping. The upper 16 bits are kept as they are:
  /// page tables have flags there.
  std::optional<uint64_t> place_of(uint64_t word) const;
  /// A number for the mapping `handle`, or none.
  std::optional<uint64_t> mapping_of(uint16_t device, uint32_t handle) const;
  bool complete() const { return complete_; }  ///< false: there were more pieces than are followed

 private:
  static constexpr size_t kExtentsMax = 1 << 19;
  struct Extent {
    uint64_t bytes, mapping, offset;
  };
  struct Mapping {
    uint64_t id;
    std::vector<uint64_t> starts;  // of its extents
  };
  void unmap(uint16_t device, uint32_t handle);
  std::map<uint64_t, Extent> extents_;  // by address
  std::map<std::pair<uint16_t, uint32_t>, Mapping> live_;
  std::map<std::pair<uint16_t, uint64_t>, uint64_t> of_size_;  // mappings so far
  bool complete_ = true;
};

class DiffItemMaker {
 public:
  explicit DiffItemMaker(const DiffItemOptions& options) : options_(options), tracker_(options.names) {}
  DiffItem make(uint64_t number, const Event& event, const Reply* reply);
  bool complete() const { return book_.complete(); }

 private:
  uint64_t payload_hash(const Payload& data);
  uint64_t relative_payload_hash(const Payload& data);
  bool is_ignored(const Named& named) const;
  const DiffItemOptions& options_;
  NameTracker tracker_;
  AddressBook book_;
  std::optional<uint64_t> first_time_ns_;
  std::map<std::pair<uint64_t, std::byte>, uint64_t> fills_;  // hashes of fills seen, few
};

}  // namespace dartboard::traces
