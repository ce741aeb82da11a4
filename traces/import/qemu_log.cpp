// traces/import/qemu_log.cpp - lines in, batches of events out.
#include "traces/import/qemu_log.h"

#include <algorithm>

#include <fmt/format.h>

#include "traces/import/qemu_events.h"
#include "traces/import/qemu_line.h"
#include "traces/import/qemu_prefix.h"

namespace dartboard::traces {

namespace {

constexpr size_t kUnknownBytesKept = 200;
constexpr uint64_t kJumpNs = 1'000'000'000;
constexpr uint64_t kLineBytesMax = uint64_t{64} << 10;

std::string printable(std::string_view line) {
  std::string out;
  for (const char c : line.substr(0, kUnknownBytesKept)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", byte);
    }
  }
  if (line.size() > kUnknownBytesKept) out += "...";
  return out;
}

/// Times that never go back.
class Timeline {
 public:
  uint64_t place(uint64_t time_ns) {
    const uint64_t moved = time_ns + shift_;  // modulo 2^64, like the shift
    if (!any_ || (moved >= last_ && moved - last_ <= INT64_MAX)) {
      any_ = true;
      return last_ = moved;
    }
    ++backwards_;
    if (last_ - moved > kJumpNs) shift_ += last_ - moved;
    return last_;
  }
  uint64_t last() const { return last_; }
  bool any() const { return any_; }
  uint64_t backwards() const { return backwards_; }

 private:
  uint64_t last_ = 0, shift_ = 0, backwards_ = 0;
  bool any_ = false;
};

class QemuLogReader final : public EventReader {
 public:
  explicit QemuLogReader(std::unique_ptr<ByteSource> source) : lines_(std::move(source), kLineBytesMax) {
    info_.source = "qemu-log";
  }

  const TraceInfo& info() const override { return info_; }
  const ReadReport& report() const override { return report_; }

  Result<bool> next(EventBatch* batch) override {
    batch->clear();
    batch->first_event = events_given_;
    bool drained = events_.drain(batch);
    while (batch->events.size() < kBatchEvents && !at_end_) {
      std::string_view line;
      const auto more = lines_.next(&line);
      if (!more) return tl::unexpected(more.error());
      if (!*more) {
        at_end_ = true;
        break;
      }
      take(line, batch);
    }
    if (at_end_) drained = events_.finish(batch);
    describe(at_end_ && drained);
    events_given_ += batch->events.size();
    return !batch->events.empty();
  }

 private:
  void take(std::string_view line, EventBatch* batch) {
    ++report_.records;
    if (lines_.overlong()) {
      ++overlong_;
      unknown(line);
      return;
    }
    if (!lines_.complete()) {
      report_.truncated = true;
      cut_ = true;
      unknown(line);
      return;
    }
    std::string_view rest = line;
    const auto time_ns = prefix_.take(&rest);
    QemuLine parsed;
    if (!parse_qemu_line(rest, &parsed)) {
      if (rest.find_first_not_of(' ') == std::string_view::npos) {
        ++blank_;
      } else {
        unknown(line);
      }
      return;
    }
    if (time_ns)
      timeline_.place(*time_ns);
    else
      ++untimed_;
    events_.take(parsed, timeline_.last(), batch);
  }

  void unknown(std::string_view line) {
    ++report_.unknown;
    if (report_.first_unknown.size() < kUnknownKept) {
      report_.first_unknown.emplace_back(lines_.number(), printable(line));
    }
  }

  void describe(bool done) {
    info_.clock = timeline_.any() ? Clock::kRealtime : Clock::kNone;
    events_.describe(&info_);
    if (!timeline_.any()) {
      info_.notes.push_back("The log has no times (-msg timestamp=on writes them): all are 0.");
    } else if (untimed_ != 0) {
      info_.notes.push_back(fmt::format("{} lines have no time; they have that of the line before.", untimed_));
    }
    report_.kinds = events_.kinds();
    if (blank_ != 0) report_.kinds.insert(report_.kinds.begin(), {"(empty line)", blank_, "nothing is in it"});
    if (!done || warned_) return;
    warned_ = true;
    if (info_.devices.empty()) {  // a trace has one at least
      TraceDevice none;
      none.description.name = "unknown";
      info_.devices.push_back(std::move(none));
    }
    const auto warn = [&](std::string text) { report_.warnings.push_back(std::move(text)); };
    if (const auto& damage = lines_.source().damage()) {
      report_.truncated = true;
      warn(damage->sentence);
    }
    if (cut_) warn(fmt::format("Line {}, the last, has no end; it may be cut short and is not used.", report_.records));
    if (overlong_ != 0) {
      warn(fmt::format("{} lines are longer than {} bytes, which no event is.", overlong_, kLineBytesMax));
    }
    if (timeline_.backwards() != 0) {
      warn(
          fmt::format("The time goes back {} times. Such an event has the time of the one before it; after a jump of "
                      "more than a second, the times that follow are moved.",
                      timeline_.backwards()));
    }
    if (info_.lossy) {
      warn(
          "BARs were mapped into the guest (vfio_region_mmap), so accesses to them are missing; record with "
          "x-no-mmap=on.");
    }
  }

  Lines lines_;
  QemuPrefix prefix_;
  Timeline timeline_;
  QemuEvents events_;
  TraceInfo info_;
  ReadReport report_;
  uint64_t overlong_ = 0, untimed_ = 0, blank_ = 0;
  uint64_t events_given_ = 0;
  bool at_end_ = false, cut_ = false, warned_ = false;
};

}  // namespace

int detect_qemu_log(std::string_view head) {
  // A launcher may say a lot first, so one line that is right is enough; how many are right says how sure it is.
  uint64_t right = 0, lines = 0;
  QemuPrefix prefix;
  while (!head.empty()) {
    const size_t newline = head.find('\n');
    if (newline == std::string_view::npos) break;
    std::string_view line = head.substr(0, newline);
    head.remove_prefix(newline + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++lines;
    prefix.take(&line);
    QemuLine parsed;
    if (parse_qemu_line(line, &parsed)) ++right;
  }
  if (right == 0) return 0;
  return right * 2 >= lines ? 95 : 60;
}

Result<std::unique_ptr<EventReader>> open_qemu_log(std::unique_ptr<ByteSource> source, const ReadOptions&) {
  return std::make_unique<QemuLogReader>(std::move(source));
}

}  // namespace dartboard::traces
