// backend/devicetree/gpa_range.cpp - see gpa_range.h.
#include "backend/devicetree/gpa_range.h"

#include <algorithm>

namespace dartboard::devicetree {

GpaSet::GpaSet(std::vector<GpaRange> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const GpaRange& a, const GpaRange& b) { return a.start < b.start; });
  for (const GpaRange& range : ranges) {
    if (!ranges_.empty() && range.start <= ranges_.back().end()) {
      const Gpa end = std::max(ranges_.back().end(), range.end());
      ranges_.back().bytes = end - ranges_.back().start;
    } else {
      ranges_.push_back(range);
    }
  }
}

bool GpaSet::contains(GpaRange range) const {
  const auto own = overlap(range.start.value, range.bytes);
  return own && range.start >= own->start && in_range(range.start - own->start, range.bytes, own->bytes);
}

std::optional<GpaRange> GpaSet::overlap(uint64_t start, uint64_t bytes) const {
  const auto own =
      std::partition_point(ranges_.begin(), ranges_.end(), [&](const GpaRange& r) { return r.end().value <= start; });
  if (own == ranges_.end() || !ranges_overlap(own->start.value, own->bytes, start, bytes)) return std::nullopt;
  return *own;
}

GpaSet GpaSet::without(GpaRange range) const {
  GpaSet out;
  for (const GpaRange& own : ranges_) {
    if (!ranges_overlap(own.start.value, own.bytes, range.start.value, range.bytes)) {
      out.ranges_.push_back(own);
      continue;
    }
    if (own.start < range.start) out.ranges_.push_back({own.start, range.start - own.start});
    if (range.end() < own.end()) out.ranges_.push_back({range.end(), own.end() - range.end()});
  }
  return out;
}

}  // namespace dartboard::devicetree
