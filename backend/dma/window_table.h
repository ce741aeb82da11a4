// backend/dma/window_table.h - which reservations of device addresses the guest holds, and how many mappings use each.
//
// A mapping that lies inside one aligned window of guest memory shares that window with all others there; a larger one,
// or one that crosses a window's edge, has a reservation of its own pages, shared only by the same pages mapped again.
// The first mapping makes a reservation, the last one ends it, or leaves a window idle if some are kept warm. This is
// bookkeeping alone: the caller asks the host.
//
// A window shows the device all of itself for as long as one mapping in it lives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "backend/dma/guest_memory.h"
#include "backend/key_table.h"
#include "base/error.h"
#include "base/inspect.h"
#include "base/types.h"

namespace dartboard::backend::dma {

struct WindowOptions {
  uint64_t window_bytes = 256 * kKiB;  ///< 0: no windows, every mapping has a reservation of its own
  uint64_t page_bytes = 16 * kKiB;     ///< reservations are rounded out to these; 1: not rounded
  uint32_t idle_max = 0;               ///< windows without a mapping that are kept
};

class WindowTable {
 public:
  using Index = uint32_t;
  enum class Shape : uint8_t { kWindow, kExact };

  struct Reservation {
    Gpa gpa;
    uint64_t bytes = 0;
    Gpa id;     ///< what the host calls it
    Iova iova;  ///< of `gpa`
    uint32_t uses = 0;
    bool window = false, mapped = false;
    Index older = 0, newer = 0;  ///< among the idle; 0 is the list itself
  };

  /// kBadArgument: a page that is no power of two, or a window that is neither 0 nor a power of two of at least a page.
  static Result<void> check(const WindowOptions& options);

  WindowTable(const GuestMemory& memory, const WindowOptions& options);

  /// The reservation that serves [gpa, gpa+bytes), which is RAM in one piece; it has one use more. A window if that is
  /// asked for and possible. One that is new is not mapped: call mapped(), or drop() it.
  Index take(Gpa gpa, uint64_t bytes, Shape shape) {
    if (shape == Shape::kWindow && shift_ != 0 && bytes <= window_bytes_) {
      const uint64_t cell = gpa.value >> shift_;
      if (const uint64_t* known = windows_.find(cell)) {
        Reservation& window = reservations_[*known];
        if (gpa >= window.gpa && in_range(gpa - window.gpa, bytes, window.bytes)) {
          if (window.uses++ == 0 && window.mapped) leave_idle(static_cast<Index>(*known));
          return static_cast<Index>(*known);
        }
      } else if ((gpa.value + (bytes - 1)) >> shift_ == cell) {
        return add_window(cell, gpa);
      }
    }
    return take_exact(gpa, bytes);
  }
  const Reservation& operator[](Index index) const { return reservations_[index]; }
  Iova iova_of(Index index, Gpa gpa) const { return reservations_[index].iova + (gpa - reservations_[index].gpa); }
  void set_mapped(Index index, Gpa id, Iova iova);

  /// One use less. What is to be unmapped now, if anything, is no longer in the table: its id.
  std::optional<Gpa> give(Index index) {
    Reservation& r = reservations_[index];
    if (--r.uses != 0) return std::nullopt;
    return unused(index);
  }
  /// A reservation that the host did not map: takes one use away, and the last takes it with it.
  void drop(Index index);

  /// The window that has been idle for longest, to be unmapped: its id.
  std::optional<Gpa> evict_idle();

  void clear();

  uint64_t windows() const { return windows_.size(); }  ///< idle ones too
  uint64_t exact() const { return exact_.size(); }
  uint64_t idle() const { return idle_; }
  void inspect(InspectNode& node) const;

 private:
  Index add(const Reservation& reservation);
  Index add_window(uint64_t cell, Gpa gpa);
  Index take_exact(Gpa gpa, uint64_t bytes);
  std::optional<Gpa> unused(Index index);
  void erase(Index index);
  void leave_idle(Index index);
  void join_idle(Index index);
  /// [from, to) cut down to the range of RAM that holds `gpa`; its last byte is at to - 1.
  std::pair<uint64_t, uint64_t> clip(Gpa gpa, uint64_t from, uint64_t last) const;

  const GuestMemory& memory_;
  const uint64_t window_bytes_, page_bytes_;
  const uint32_t idle_max_;
  unsigned shift_ = 0;  ///< 0: no windows

  std::vector<Reservation> reservations_;  ///< [0] is the head of the idle list
  std::vector<Index> free_;
  KeyTable windows_;                                      ///< address / window_bytes -> Index
  std::map<std::pair<uint64_t, uint64_t>, Index> exact_;  ///< (address, bytes) -> Index
  uint64_t idle_ = 0;
};

}  // namespace dartboard::backend::dma
