// backend/dma/window_table.cpp - see window_table.h.
#include "backend/dma/window_table.h"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

namespace dartboard::backend::dma {

Result<void> WindowTable::check(const WindowOptions& options) {
  const bool page = is_power_of_two(options.page_bytes);
  const bool window = options.window_bytes == 0 || (is_power_of_two(options.window_bytes) && options.window_bytes > 1 &&
                                                    options.window_bytes >= options.page_bytes);
  if (page && window) return {};
  return fail(
      ErrorName::kBadArgument,
      fmt::format("windows of {:#x} bytes over pages of {:#x}: both are powers of two, and a window is not smaller "
                  "than a page",
                  options.window_bytes, options.page_bytes));
}

WindowTable::WindowTable(const GuestMemory& memory, const WindowOptions& options)
    : memory_(memory),
      window_bytes_(options.window_bytes),
      page_bytes_(options.page_bytes),
      idle_max_(options.idle_max),
      shift_(options.window_bytes == 0 ? 0 : static_cast<unsigned>(std::countr_zero(options.window_bytes))) {
  clear();
}

void WindowTable::clear() {
  reservations_.assign(1, {});
  free_.clear();
  windows_.clear();
  exact_.clear();
  idle_ = 0;
}

std::pair<uint64_t, uint64_t> WindowTable::clip(Gpa gpa, uint64_t from, uint64_t last) const {
  const auto ranges = memory_.ranges();
  const auto next =
      std::upper_bound(ranges.begin(), ranges.end(), gpa, [](Gpa g, const RamRange& r) { return g < r.gpa; });
  if (next == ranges.begin()) return {from, last - from + 1};
  const RamRange& range = *std::prev(next);
  from = std::max(from, range.gpa.value);
  last = std::min(last, range.gpa.value + (range.bytes - 1));
  return {from, last - from + 1};
}

WindowTable::Index WindowTable::add(const Reservation& reservation) {
  if (free_.empty()) {
    reservations_.push_back(reservation);
    return static_cast<Index>(reservations_.size() - 1);
  }
  const Index index = free_.back();
  free_.pop_back();
  reservations_[index] = reservation;
  return index;
}

WindowTable::Index WindowTable::add_window(uint64_t cell, Gpa gpa) {
  const uint64_t start = cell << shift_;
  const auto [from, bytes] = clip(gpa, start, start + (window_bytes_ - 1));
  const Index index = add({Gpa(from), bytes, {}, {}, 1, true, false, 0, 0});
  windows_.insert(cell, index);
  return index;
}

WindowTable::Index WindowTable::take_exact(Gpa gpa, uint64_t bytes) {
  const uint64_t last = gpa.value + (bytes - 1);
  const auto [from, length] = clip(gpa, round_down(gpa.value, page_bytes_), last | (page_bytes_ - 1));
  const auto [known, fresh] = exact_.try_emplace({from, length}, 0);
  if (fresh) {
    known->second = add({Gpa(from), length, {}, {}, 1, false, false, 0, 0});
  } else {
    ++reservations_[known->second].uses;
  }
  return known->second;
}

void WindowTable::set_mapped(Index index, Gpa id, Iova iova) {
  Reservation& r = reservations_[index];
  r.id = id;
  r.iova = iova;
  r.mapped = true;
}

std::optional<Gpa> WindowTable::unused(Index index) {
  if (reservations_[index].window && idle_max_ != 0) {
    join_idle(index);
    return idle_ > idle_max_ ? evict_idle() : std::nullopt;
  }
  const Gpa id = reservations_[index].id;
  erase(index);
  return id;
}

void WindowTable::drop(Index index) {
  if (--reservations_[index].uses == 0) erase(index);
}

std::optional<Gpa> WindowTable::evict_idle() {
  if (idle_ == 0) return std::nullopt;
  const Index oldest = reservations_[0].newer;
  const Gpa id = reservations_[oldest].id;
  leave_idle(oldest);
  erase(oldest);
  return id;
}

void WindowTable::erase(Index index) {
  const Reservation& r = reservations_[index];
  if (r.window) {
    windows_.erase(r.gpa.value >> shift_);
  } else {
    exact_.erase({r.gpa.value, r.bytes});
  }
  free_.push_back(index);
}

// A ring: the list's own place stands before the oldest and after the newest.
void WindowTable::join_idle(Index index) {
  Reservation& head = reservations_[0];
  reservations_[index].older = head.older;
  reservations_[index].newer = 0;
  reservations_[head.older].newer = index;
  reservations_[0].older = index;
  ++idle_;
}

void WindowTable::leave_idle(Index index) {
  const Reservation& r = reservations_[index];
  reservations_[r.older].newer = r.newer;
  reservations_[r.newer].older = r.older;
  --idle_;
}

void WindowTable::inspect(InspectNode& node) const {
  node.child("windows", fmt::format("{}", windows()), fmt::format("of {:#x} bytes; {} idle", window_bytes_, idle_));
  node.child("exact", fmt::format("{}", exact()), "reservations of their own pages");
}

}  // namespace dartboard::backend::dma
