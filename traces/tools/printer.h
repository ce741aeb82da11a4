// traces/tools/printer.h - events as lines that people of the field can read: `=>` for what was read, `<=` for what was
// written, names and fields, SLEEP lines for gaps, and one line for a poll.
//
//      #6     3.850 ms  BAR5+0x378c  R32 => 0x00000200  MEMSIZE
//             SLEEP 1180.4 ms
//      #9  1190.314 ms  BAR5+0x58a68 R32 => 0x00000000  SMU_STATUS { } x 3841, last 0x00000001 { READY }, 12.3 ms
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "traces/event_stream.h"
#include "traces/tools/names.h"

namespace dartboard::traces {

/// Escape sequences around parts of a line; all empty: no colours.
struct Palette {
  std::string faint, name, write, failure, note, off;
};

struct PrintOptions {
  bool fold_polls = true;
  uint64_t sleep_ns = 100'000;        ///< gaps above get a SLEEP line; UINT64_MAX: none
  unsigned payload_bytes = 16;        ///< shown of a payload that is no value
  bool show_devices = false;          ///< [n] in front: a trace of several
  bool show_times = true;             ///< in seconds since `origin_ns`
  std::optional<uint64_t> origin_ns;  ///< none: the first event printed
  Palette palette;
};

inline constexpr uint64_t kFoldedReadsMin = 3;

class Printer {
 public:
  /// `out` takes whole lines, several at once. `names` may be null; it is not owned.
  Printer(const RegisterNames* names, PrintOptions options, std::function<void(std::string_view)> out);

  /// The next event, number `number` of its trace. Polls and gaps are seen between events whose numbers follow.
  void print(uint64_t number, const Event& event, const Reply* reply, const Named& named);
  void finish();  ///< prints what was held back to be folded

 private:
  struct Line {  // a read that may become a poll: everything needed to print it later
    uint64_t number = 0;
    Event event;
    Reply reply;
    Named named;
    uint64_t value = 0;
  };
  void print_line(const Line& line, bool folded);
  void print_gap_before(const Event& event);
  void flush_poll();
  bool continues_poll(uint64_t number, const Event& event) const;
  void put(std::string_view text) { text_ += text; }
  void head(uint64_t number, const Event& event);
  void access(const Line& line);
  void value(const Line& line, uint64_t value);
  void payload(const Payload& data);
  void failure(const Reply& reply);

  const RegisterNames* const names_;
  const PrintOptions options_;
  const std::function<void(std::string_view)> out_;
  std::string text_;
  std::optional<uint64_t> first_time_ns_;
  uint64_t last_number_ = 0, last_end_ns_ = 0;  // of the event before
  bool has_last_ = false;
  Line first_, second_, last_;  // of the poll that is held back
  uint64_t poll_reads_ = 0;
};

/// One event as a JSON object without a newline: event, time_ns, device, source (unless guest), kind, and what the kind
/// has of target, address, length, value, data, status, duration_ns, name and fields.
std::string event_json(uint64_t number, const Event& event, const Reply* reply, const Named& named,
                       const RegisterNames* names, unsigned payload_bytes);

/// "64", "1.5 ms": short, for lines of text.
std::string short_duration(uint64_t ns);
std::string short_bytes(uint64_t bytes);

}  // namespace dartboard::traces
