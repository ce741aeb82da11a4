// traces/tools/filter.h - which events of a trace are meant: conditions that all have to hold.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "traces/event.h"
#include "traces/event_stream.h"
#include "traces/tools/access.h"
#include "traces/tools/names.h"

namespace dartboard::traces {

/// From `first` to `last`, both inside.
struct NumberRange {
  uint64_t first = 0;
  uint64_t last = UINT64_MAX;
  bool holds(uint64_t value) const { return value >= first && value <= last; }
};

struct FilterSpec {
  std::vector<uint32_t> spaces;        ///< BARs, ROM, config; empty: any, and events of no space
  std::vector<NumberRange> offsets;    ///< an access that touches one of them
  std::vector<std::string> registers;  ///< globs for names ("SCRATCH*"); also of a DMA handle
  std::optional<Direction> direction;
  std::vector<EventKind> kinds;
  std::optional<uint64_t> value, mask;  ///< (value of the access & mask) == value
  NumberRange events;                   ///< by number in the trace, from 0
  NumberRange times_ns;                 ///< since the first event
  std::vector<uint64_t> devices;        ///< indices
  bool invert = false;                  ///< what does not match; ranges of events and times are kept as they are

  bool is_everything() const;
};

/// Parts of a FilterSpec out of what people write; each error says what was expected.
Result<NumberRange> parse_range(std::string_view text, std::string_view what);  ///< "A-B", "A-", "-B", "A", "A+COUNT"
Result<NumberRange> parse_time_range(std::string_view text);  ///< the same in time: "1.5s-2s", "100ms-", "2us+10us"
Result<EventKind> parse_kind(std::string_view text);          ///< "mmio-read"

class Filter {
 public:
  explicit Filter(FilterSpec spec);

  enum class Verdict : uint8_t { kNo, kYes, kPast };
  /// To be called in order; `named` is what a NameTracker says. kPast: neither this nor any later event can match.
  Verdict judge(uint64_t number, const Event& event, const Reply* reply, const Named& named,
                const RegisterNames* names);
  const FilterSpec& spec() const { return spec_; }
  uint64_t first_time_ns() const { return first_time_ns_.value_or(0); }  ///< of the first event judged

 private:
  bool matches(const Event& event, const Reply* reply, const Named& named, const RegisterNames* names) const;

  FilterSpec spec_;
  std::array<bool, kEventKindCount> kinds_{};
  std::optional<uint64_t> first_time_ns_;
};

/// A reader of what a filter lets through. The batches it gives have no gaps in Event::request; numbers() says where
/// each event stood.
class FilteredReader final : public EventReader {
 public:
  /// `keep_setup`: also what comes before and later events need: MapBar, ResizeBar, DmaMap, DmaUnmap, IrqSetup and
  /// DeviceConfig. `names` may be null; neither is owned.
  FilteredReader(EventReader* from, Filter filter, const RegisterNames* names, bool keep_setup);

  const TraceInfo& info() const override { return from_.info(); }
  Result<bool> next(EventBatch* batch) override;
  const ReadReport& report() const override { return from_.report(); }

  const std::vector<uint64_t>& numbers() const { return numbers_; }   ///< in the trace it reads, of the last batch
  const std::vector<Named>& names() const { return named_; }          ///< of the last batch
  uint64_t first_time_ns() const { return filter_.first_time_ns(); }  ///< of the trace it reads
  uint64_t seen() const { return seen_; }                             ///< events judged
  uint64_t kept() const { return kept_; }
  uint64_t matched() const { return matched_; }  ///< of those kept; the others are set-up
  bool stopped_early() const { return past_; }  ///< nothing after could match, so it was not read

 private:
  EventReader& from_;
  Filter filter_;
  NameTracker tracker_;
  const bool keep_setup_;
  std::vector<uint64_t> numbers_;
  std::vector<Named> named_;
  std::vector<Reply> replies_;
  uint64_t seen_ = 0, kept_ = 0, matched_ = 0, requests_ = 0;
  bool past_ = false;
};

}  // namespace dartboard::traces
