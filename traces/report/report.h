// traces/report/report.h - a report of a trace: figures, and one HTML page that needs nothing else.
//
//   ReportBuilder builder(options);
//   while (reader.next(&batch)) builder.add(batch);
//   ReportData data = builder.finish(reader.info(), reader.report());
//   data.figures.replay = ...;                                           // if it was replayed
//   write_report("page.html", data);
//
// Memory is bounded: 40 bytes for each event that is shown one by one (ReportOptions::detailed_events_max), about 200
// for each different register, up to kRegistersMax, and fixed sizes for the rest.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "traces/event_stream.h"
#include "traces/report/figures.h"
#include "traces/session.h"

namespace dartboard::traces {

struct ReportOptions {
  std::string file;  ///< for the title; directories are left out
  /// Name of a register in a space of registers (traces/tools/access.h) of a device. Empty: it has none.
  std::function<std::string(const TraceDevice& device, uint32_t space, uint64_t address)> name_of;
  uint64_t detailed_events_max = 2'000'000;
};

inline constexpr size_t kRegistersMax = size_t{1} << 20;
inline constexpr size_t kRegistersShown = 50;
inline constexpr size_t kPollsShown = 50;
inline constexpr size_t kWaitsShown = 50;
inline constexpr size_t kNotablesKept = 200;
inline constexpr size_t kNamesKept = 16384;  ///< of registers, for the timeline
inline constexpr size_t kTracksMax = 96;     ///< devices beyond that share one
inline constexpr size_t kVectorsMax = 4096;
inline constexpr size_t kMappingPointsMax = 65536;

/// The events as columns, and counts over time for what is not in them: what the page draws from.
struct ReportTimeline {
  /// Of class c: how its events look. Events name their class.
  struct EventClass {
    uint32_t track = 0;
    EventKind kind = EventKind::kMark;
    bool has_value = false, failed = false;
    Source source = Source::kGuest;
    auto operator<=>(const EventClass&) const = default;
  };
  std::vector<EventClass> classes;
  std::vector<uint64_t> time_steps_ns;  ///< since the event before
  std::vector<uint64_t> addresses;      ///< XOR of the address before on the same track: small for neighbours
  std::vector<uint64_t> lengths;
  std::vector<uint64_t> values;  ///< register values, vectors, handles
  std::vector<uint16_t> class_of;

  struct Name {
    uint32_t track = 0;
    uint64_t address = 0;
    std::string name;
  };
  std::vector<Name> names;  ///< of registers that were accessed, by track and address

  /// Events that are not in the columns, by track, direction and slice of time (of events, if there are no times).
  uint64_t slice_width = 1;                   ///< ns or events
  std::vector<std::vector<uint32_t>> slices;  ///< [2 * track + outward][slice]
};

struct ReportData {
  Figures figures;
  ReportTimeline timeline;
};

class ReportBuilder {
 public:
  explicit ReportBuilder(ReportOptions options);
  ~ReportBuilder();
  ReportBuilder(ReportBuilder&&) noexcept;

  void add(std::span<const Event> events, std::span<const Reply> replies);
  void add(const EventBatch& batch) { add(batch.events, batch.replies); }
  /// Once, at the end.
  ReportData finish(const TraceInfo& info, const ReadReport& read);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Reads all of it. Errors are the reader's.
Result<ReportData> build_report(EventReader& reader, ReportOptions options);

/// The same of a session in memory, which a replay has.
ReportData build_report(const Session& session, ReportOptions options);

/// The page, complete.
std::string report_page(const ReportData& data);
/// Replaces `path` as a whole or not at all. kFileUnreadable when the system refuses.
Result<void> write_report(const std::string& path, const ReportData& data);

}  // namespace dartboard::traces
