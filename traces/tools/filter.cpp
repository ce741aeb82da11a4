// traces/tools/filter.cpp - see filter.h.
#include "traces/tools/filter.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/types.h"

namespace dartboard::traces {

namespace {

bool is_setup(EventKind kind) {
  switch (kind) {
    case EventKind::kMapBar:
    case EventKind::kResizeBar:
    case EventKind::kDmaMap:
    case EventKind::kDmaUnmap:
    case EventKind::kIrqSetup:
    case EventKind::kDeviceConfig: return true;
    default: return false;
  }
}

/// "1.5s", "20 ms", "7us", "100ns" in ns.
std::optional<uint64_t> parse_time(std::string_view text) {
  const size_t unit_at = text.find_first_not_of("0123456789.");
  if (unit_at == text.npos || unit_at == 0) return std::nullopt;
  std::string_view unit = text.substr(unit_at);
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  const uint64_t scale = unit == "s"    ? kNsPerS
                         : unit == "ms" ? kNsPerMs
                         : unit == "us" ? kNsPerUs
                         : unit == "ns" ? 1
                                        : 0;
  const std::string digits(text.substr(0, unit_at));
  if (scale == 0 || digits.size() > 20 || std::count(digits.begin(), digits.end(), '.') > 1) return std::nullopt;
  // Whole part and fraction apart, so that no digit is lost.
  const size_t dot = digits.find('.');
  const auto whole = parse_number(digits.substr(0, dot));
  if (!whole || *whole > UINT64_MAX / scale / 2) return std::nullopt;
  uint64_t ns = *whole * scale;
  uint64_t place = scale;
  for (size_t i = dot == digits.npos ? digits.size() : dot + 1; i < digits.size(); ++i) {
    place /= 10;
    ns += static_cast<uint64_t>(digits[i] - '0') * place;
  }
  return ns;
}

template <class Parse>
std::optional<NumberRange> parse_any_range(std::string_view text, Parse parse) {
  NumberRange range;
  const size_t plus = text.find('+');
  if (plus != text.npos) {
    const auto first = parse(text.substr(0, plus)), count = parse(text.substr(plus + 1));
    if (!first || !count || *count == 0 || *count - 1 > UINT64_MAX - *first) return std::nullopt;
    return NumberRange{*first, *first + (*count - 1)};
  }
  const size_t dash = text.find('-');
  const std::string_view left = text.substr(0, dash);
  if (dash == text.npos) {
    const auto only = parse(text);
    if (!only) return std::nullopt;
    return NumberRange{*only, *only};
  }
  const std::string_view right = text.substr(dash + 1);
  if (left.empty() && right.empty()) return std::nullopt;
  if (!left.empty()) {
    const auto first = parse(left);
    if (!first) return std::nullopt;
    range.first = *first;
  }
  if (!right.empty()) {
    const auto last = parse(right);
    if (!last) return std::nullopt;
    range.last = *last;
  }
  return range.first <= range.last ? std::optional(range) : std::nullopt;
}

}  // namespace

bool FilterSpec::is_everything() const {
  return spaces.empty() && offsets.empty() && registers.empty() && !direction && kinds.empty() && !value &&
         devices.empty() && events.first == 0 && events.last == UINT64_MAX && times_ns.first == 0 &&
         times_ns.last == UINT64_MAX && !invert;
}

Result<NumberRange> parse_range(std::string_view text, std::string_view what) {
  const auto range = parse_any_range(text, parse_number);
  if (range) return *range;
  return fail(ErrorName::kBadArgument,
              fmt::format("{} '{}': expected FIRST-LAST, FIRST-, -LAST, FIRST+COUNT or one number, decimal or 0x", what,
                          printable(text, 60)));
}

Result<NumberRange> parse_time_range(std::string_view text) {
  const auto range = parse_any_range(text, parse_time);
  if (range) return *range;
  return fail(
      ErrorName::kBadArgument,
      fmt::format("--time '{}': expected FROM-TO, FROM-, -TO or FROM+DURATION with a unit (s, ms, us, ns), such "
                  "as 1.5s-2s",
                  printable(text, 60)));
}

Result<EventKind> parse_kind(std::string_view text) {
  std::string list;
  for (unsigned i = 0; i < kEventKindCount; ++i) {
    const auto kind = static_cast<EventKind>(i);
    if (to_string(kind) == text) return kind;
    list += (list.empty() ? "" : ", ") + std::string(to_string(kind));
  }
  return fail(ErrorName::kBadArgument,
              fmt::format("there is no kind of event '{}'; there are {}", printable(text, 40), list));
}

Filter::Filter(FilterSpec spec) : spec_(std::move(spec)) {
  for (const EventKind kind : spec_.kinds) kinds_[static_cast<unsigned>(kind)] = true;
}

bool Filter::matches(const Event& event, const Reply* reply, const Named& named, const RegisterNames* names) const {
  if (!spec_.kinds.empty() && !kinds_[static_cast<unsigned>(event.kind)]) return false;
  if (spec_.direction && direction_of(event.kind) != *spec_.direction) return false;
  if (!spec_.devices.empty() &&
      std::find(spec_.devices.begin(), spec_.devices.end(), event.device) == spec_.devices.end()) {
    return false;
  }
  const uint32_t space = space_of(event);
  if (!spec_.spaces.empty() && std::find(spec_.spaces.begin(), spec_.spaces.end(), space) == spec_.spaces.end()) {
    return false;
  }
  if (!spec_.offsets.empty()) {
    if (space == kNoSpace) return false;
    const uint64_t end = event.address + std::max<uint64_t>(event.length, 1) - 1;
    const bool touched = std::any_of(spec_.offsets.begin(), spec_.offsets.end(), [&](const NumberRange& range) {
      return event.address <= range.last && std::max(end, event.address) >= range.first;
    });
    if (!touched) return false;
  }
  if (!spec_.registers.empty()) {
    std::string name = named ? named.text() : "";
    if (name.empty() && names != nullptr &&
        (event.kind == EventKind::kHostRead || event.kind == EventKind::kHostWrite ||
         event.kind == EventKind::kDmaMap || event.kind == EventKind::kDmaUnmap)) {
      name = names->memory_name(event.target);
    }
    if (name.empty()) return false;
    const bool fits = std::any_of(spec_.registers.begin(), spec_.registers.end(),
                                  [&](const std::string& glob) { return name_fits(glob, named, name); });
    if (!fits) return false;
  }
  if (spec_.value) {
    const auto value = value_of(event, reply);
    if (!value || (*value & spec_.mask.value_or(UINT64_MAX)) != *spec_.value) return false;
  }
  return true;
}

Filter::Verdict Filter::judge(uint64_t number, const Event& event, const Reply* reply, const Named& named,
                              const RegisterNames* names) {
  if (!first_time_ns_) first_time_ns_ = event.time_ns;
  if (number > spec_.events.last) return Verdict::kPast;
  // Times may go back a little (several threads), so a later event can still lie before the end of a range of times.
  const uint64_t since = event.time_ns > *first_time_ns_ ? event.time_ns - *first_time_ns_ : 0;
  if (!spec_.events.holds(number) || !spec_.times_ns.holds(since)) return Verdict::kNo;
  return matches(event, reply, named, names) != spec_.invert ? Verdict::kYes : Verdict::kNo;
}

FilteredReader::FilteredReader(EventReader* from, Filter filter, const RegisterNames* names, bool keep_setup)
    : from_(*from), filter_(std::move(filter)), tracker_(names, &from->info()), keep_setup_(keep_setup) {}

Result<bool> FilteredReader::next(EventBatch* batch) {
  numbers_.clear();
  named_.clear();
  while (!past_) {
    const auto more = from_.next(batch);
    if (!more) return tl::unexpected(more.error());
    if (!*more) break;
    replies_.clear();
    const uint64_t kept_before = kept_;
    size_t to = 0;
    for (size_t i = 0; i < batch->events.size() && !past_; ++i) {
      Event event = batch->events[i];
      const Reply* const reply = batch->reply_of(event);
      const Named named = tracker_.see(event, reply);
      const uint64_t number = seen_;
      const Filter::Verdict verdict = filter_.judge(number, event, reply, named, tracker_.names());
      past_ = verdict == Filter::Verdict::kPast;
      if (past_) break;
      ++seen_;
      const bool keep = verdict == Filter::Verdict::kYes || (keep_setup_ && is_setup(event.kind));
      if (!keep) continue;
      if (verdict == Filter::Verdict::kYes) ++matched_;
      if (reply != nullptr) {
        event.reply = static_cast<uint32_t>(replies_.size());
        replies_.push_back(*reply);
      }
      event.request = requests_;
      if (event.is_request()) ++requests_;
      batch->events[to++] = event;
      numbers_.push_back(number);
      named_.push_back(named);
      ++kept_;
    }
    batch->events.resize(to);
    batch->replies.swap(replies_);
    batch->first_event = kept_before;
    if (to != 0) return true;
  }
  batch->clear();
  return false;
}

}  // namespace dartboard::traces
