// backend/dma/bounce_pool_layout.cpp - what the pool is made of: its checks, segments and areas, and what it tells.
#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>

#include <fmt/format.h>

#include "backend/dma/bounce_pool.h"

namespace dartboard::backend::dma {
namespace {

constexpr uint64_t kPageBytes = 4 * kKiB;
constexpr uint64_t kSlotsMax = uint64_t{1} << 31;  // 4 TiB; slot numbers have 32 bits
constexpr uint64_t kThreadsMax = 4096;             // remembered by name; later ones by their number

uint64_t max_mapping(const DeviceLimits& limits) {
  return kPoolSegmentBytes - round_up(limits.align_mask, kPoolSlotBytes);  // Linux swiotlb_max_mapping_size
}

/// Whether two stretches that do not wrap share a byte.
constexpr bool meet(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes) {
  return a <= b + (b_bytes - 1) && b <= a + (a_bytes - 1);
}

uint64_t next_serial() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

tl::unexpected<Error> bad(std::string sentence) {
  return fail(ErrorName::kBadArgument, std::move(sentence));
}

}  // namespace

Result<void> BouncePool::check(std::span<const PoolPiece> pieces, const DeviceLimits& limits, uint32_t areas) {
  if (pieces.empty() || areas == 0) {
    return bad(fmt::format("bounce pool: {} pieces, {} areas; it needs at least one of each", pieces.size(), areas));
  }
  const uint64_t mask = limits.align_mask;
  if ((mask & (mask + 1)) != 0 || mask >= kPoolSegmentBytes - kPoolSlotBytes) {
    return bad(
        fmt::format("bounce pool: an alignment mask of {:#x}; it must be one less than a power of two, of at most "
                    "{} bytes",
                    mask, kPoolSegmentBytes / 2));
  }
  const uint64_t same_below = std::max(kPageBytes, mask + 1);
  uint64_t slots = 0;
  bool reachable = false;
  for (size_t n = 0; n < pieces.size(); ++n) {
    const PoolPiece& piece = pieces[n];
    const auto what = [&] {
      return fmt::format("bounce pool, piece {} ({:#x} bytes, guest {:#x}, device {:#x}): ", n, piece.bytes,
                         piece.gpa.value, piece.iova.value);
    };
    if (piece.bytes == 0 || piece.bytes % kPoolSegmentBytes != 0 || piece.base == nullptr) {
      return bad(what() + fmt::format("it must have memory, a multiple of {} KiB: a run in a shorter segment would end "
                                      "outside of it",
                                      kPoolSegmentBytes / kKiB));
    }
    if (piece.gpa.value % kPageBytes != 0 || piece.iova.value % kPageBytes != 0) {
      return bad(what() + "it must begin on a 4 KiB page on both sides");
    }
    if (piece.bytes - 1 > UINT64_MAX - piece.gpa.value || piece.bytes - 1 > UINT64_MAX - piece.iova.value) {
      return bad(what() + "it wraps around");
    }
    if ((slots += piece.bytes / kPoolSlotBytes) > kSlotsMax) {
      return bad(what() + fmt::format("the pool would have more than {} slots", kSlotsMax));
    }
    if ((piece.iova - pieces[0].iova) % same_below != 0) {
      return bad(what() +
                 fmt::format("its device address differs from the first piece's below {:#x}; the guest's kernel "
                             "aligns by the first",
                             same_below));
    }
    for (uint64_t at = 0; at < piece.bytes; at += kPoolSegmentBytes) {
      if ((piece.iova.value + at) >> 32 != (piece.iova.value + at + kPoolSegmentBytes - 1) >> 32) {
        return bad(what() + "one of its segments crosses a multiple of 4 GiB, which a run must not");
      }
    }
    reachable = reachable || piece.iova.value + (kPoolSegmentBytes - 1) <= limits.address_max;
    for (size_t m = 0; m < n; ++m) {
      const PoolPiece& other = pieces[m];
      if (meet(piece.gpa.value, piece.bytes, other.gpa.value, other.bytes) ||
          meet(piece.iova.value, piece.bytes, other.iova.value, other.bytes)) {
        return bad(what() + fmt::format("it overlaps piece {}", m));
      }
    }
  }
  if (!reachable) {
    return fail(
        ErrorName::kOutOfRange,
        fmt::format("bounce pool: the device addresses up to {:#x} (its DMA mask), the pool begins at {:#x}; this "
                    "device needs a pool at lower addresses",
                    limits.address_max, pieces[0].iova.value));
  }
  return {};
}

Result<std::unique_ptr<BouncePool>> BouncePool::create(const GuestMemory& memory, std::span<const PoolPiece> pieces,
                                                       const DeviceLimits& limits, uint32_t areas) {
  if (auto good = check(pieces, limits, areas); !good) return tl::unexpected(good.error());
  return std::unique_ptr<BouncePool>(new BouncePool(memory, pieces, limits, areas));
}

BouncePool::BouncePool(const GuestMemory& memory, std::span<const PoolPiece> pieces, const DeviceLimits& limits,
                       uint32_t areas)
    : memory_(memory),
      pieces_(pieces.begin(), pieces.end()),
      limits_(limits),
      mapping_bytes_max_(max_mapping(limits)),
      gpa_first_(pieces[0].gpa),
      gpa_last_(pieces[0].gpa),
      area_count_([&] {
        uint64_t segments = 0;
        for (const PoolPiece& piece : pieces) segments += piece.bytes / kPoolSegmentBytes;
        return static_cast<uint32_t>(std::min<uint64_t>(areas, segments));
      }()),
      areas_(std::make_unique<Area[]>(area_count_)),
      serial_(next_serial()) {
  if (limits.align_mask >= kPoolSlotBytes) {
    const uint64_t stride = (limits.align_mask + 1) / kPoolSlotBytes;
    mask_stride_log2_ = static_cast<unsigned>(std::countr_zero(stride));
    mask_origin_ = static_cast<unsigned>((pieces[0].iova.value & limits.align_mask) / kPoolSlotBytes);
  }
  lay_out();
}

void BouncePool::lay_out() {
  for (const PoolPiece& piece : pieces_) {
    gpa_first_ = std::min(gpa_first_, piece.gpa);
    gpa_last_ = std::max(gpa_last_, piece.gpa + (piece.bytes - 1));
    by_iova_.push_back({piece.iova, piece.bytes, static_cast<uint32_t>(places_.size())});
    for (uint64_t at = 0; at < piece.bytes; at += kPoolSegmentBytes) {
      places_.push_back({piece.gpa + at, piece.iova + at, piece.base + at});
    }
  }
  std::sort(by_iova_.begin(), by_iova_.end(), [](const Span& a, const Span& b) { return a.iova < b.iova; });

  const uint64_t count = places_.size();
  segments_.resize(count);
  slots_.resize(count * kPoolSegmentSlots);
  for (uint64_t n = 0; n < count; ++n) {
    Segment& segment = segments_[n];
    segment.area = static_cast<uint32_t>(n * area_count_ / count);
    segment.usable = places_[n].iova.value + (kPoolSegmentBytes - 1) <= limits_.address_max;
    Area& area = areas_[segment.area];
    if (area.count++ == 0) area.first = area.hint = static_cast<uint32_t>(n);
    if (segment.usable) area.slots += kPoolSegmentSlots;
  }
  reset();
}

void BouncePool::reset() {
  for (const PoolPiece& piece : pieces_) std::memset(piece.base, 0, piece.bytes);
  for (uint32_t n = 0; n < area_count_; ++n) {
    Area& area = areas_[n];
    const std::lock_guard held(area.lock);
    area.used = 0;
    area.hint = area.first;
    for (uint32_t s = area.first; s < area.first + area.count; ++s) {
      Segment& segment = segments_[s];
      for (unsigned w = 0; w < 2; ++w) {
        segment.used[w] = segment.usable ? 0 : ~uint64_t{0};  // what was written until now is still to be told
      }
      const auto head = slots_.begin() + static_cast<std::ptrdiff_t>(s * kPoolSegmentSlots);
      for (auto slot = head; slot != head + kPoolSegmentSlots; ++slot) slot->what = 0;
    }
  }
}

uint32_t BouncePool::number_of_this_thread() {
  const std::lock_guard held(threads_mutex_);
  const std::thread::id self = std::this_thread::get_id();
  const auto known = std::find(threads_.begin(), threads_.end(), self);
  const auto number = static_cast<uint32_t>(known - threads_.begin());
  if (known == threads_.end() && threads_.size() < kThreadsMax) threads_.push_back(self);
  return number;
}

void BouncePool::collect_written(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<uint64_t> bitmap) {
  if (bytes == 0) return;
  const Gpa last = from + (bytes - 1);
  for (uint32_t s = 0; s < places_.size(); ++s) {
    const Place& place = places_[s];
    if (place.gpa > last || place.gpa + (kPoolSegmentBytes - 1) < from) continue;
    uint64_t touched[2];
    Segment& segment = segments_[s];
    {
      const std::lock_guard held(areas_[segment.area].lock);
      uint64_t live[2] = {};
      live_writable(s, live);
      for (unsigned w = 0; w < 2; ++w) {
        // Only slots inside the query are told, so only those are forgotten.
        uint64_t asked = ~uint64_t{0};
        const Gpa word = place.gpa + w * 64 * kPoolSlotBytes;
        if (word < from || word + (64 * kPoolSlotBytes - 1) > last) {
          asked = 0;
          for (unsigned b = 0; b < 64; ++b) {
            const Gpa slot = word + b * kPoolSlotBytes;
            if (slot >= from && slot <= last) asked |= uint64_t{1} << b;
          }
        }
        touched[w] = segment.written[w] & asked;
        segment.written[w] &= ~asked | live[w];
      }
    }
    for (unsigned w = 0; w < 2; ++w) {
      for (uint64_t rest = touched[w]; rest != 0; rest &= rest - 1) {
        const uint64_t slot = w * 64 + static_cast<uint64_t>(std::countr_zero(rest));
        const uint64_t page = (place.gpa + slot * kPoolSlotBytes - from) / page_bytes;
        bitmap[page / 64] |= uint64_t{1} << page % 64;
      }
    }
  }
}

PoolUse BouncePool::use() const {
  PoolUse use;
  for (uint32_t n = 0; n < area_count_; ++n) {
    const Area& area = areas_[n];
    const std::lock_guard held(area.lock);
    use.areas.push_back(
        {area.slots * kPoolSlotBytes, area.used * kPoolSlotBytes, area.used_peak * kPoolSlotBytes, area.full});
    use.bytes += use.areas.back().bytes;
    use.used_bytes += use.areas.back().used_bytes;
    use.used_bytes_peak += use.areas.back().used_bytes_peak;
    use.maps += area.maps;
    use.unmaps += area.unmaps;
    use.coherent_allocations += area.coherent;
    use.bytes_copied += area.bytes_copied;
    use.refusals += area.refusals;
  }
  return use;
}

uint64_t BouncePool::largest_free_bytes() const {
  uint64_t longest = 0;
  for (uint32_t s = 0; s < segments_.size(); ++s) {
    const std::lock_guard held(areas_[segments_[s].area].lock);
    uint64_t run = 0;
    for (unsigned slot = 0; slot < kPoolSegmentSlots; ++slot) {
      run = (segments_[s].used[slot / 64] >> slot % 64 & 1) != 0 ? 0 : run + 1;
      longest = std::max(longest, run);
    }
  }
  return longest * kPoolSlotBytes;
}

void BouncePool::inspect(InspectNode& node) const {
  const PoolUse now = use();
  node.child("used", fmt::format("{} of {} bytes", now.used_bytes, now.bytes),
             fmt::format("peak {}, largest free run {}", now.used_bytes_peak, largest_free_bytes()));
  node.child("largest mapping", fmt::format("{} bytes", mapping_bytes_max_),
             fmt::format("a segment without what the alignment mask {:#x} takes", limits_.align_mask));
  node.child("refusals", fmt::format("{}", now.refusals));
  InspectNode& pieces = node.child("pieces", fmt::format("{}", pieces_.size()));
  for (const PoolPiece& piece : pieces_) {
    pieces.child(fmt::format("{:#x}", piece.iova.value), fmt::format("{} bytes", piece.bytes),
                 fmt::format("guest address {:#x}", piece.gpa.value));
  }
  InspectNode& areas = node.child("areas", fmt::format("{}", now.areas.size()));
  for (size_t n = 0; n < now.areas.size(); ++n) {
    const PoolAreaUse& area = now.areas[n];
    areas.child(fmt::format("{}", n), fmt::format("{} of {} bytes", area.used_bytes, area.bytes),
                fmt::format("peak {}, full {} times", area.used_bytes_peak, area.full));
  }
}

}  // namespace dartboard::backend::dma
