// traces/import/simpletrace.cpp - records in, lines to QemuEvents. See simpletrace.h.
#include "traces/import/simpletrace.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/types.h"
#include "traces/import/qemu_events.h"
#include "traces/import/qemu_line.h"
#include "traces/import/simpletrace_events.h"
#include "traces/import/tally.h"

namespace dartboard::traces {

namespace {

// QEMU's trace/simple.c. Version 4 puts a type before each record; 0 is a name, everything else an event.
constexpr uint64_t kHeaderEventId = UINT64_MAX;
constexpr uint64_t kHeaderMagic = 0xf2b177cb0aa429b4;
constexpr uint64_t kDroppedEventId = UINT64_MAX - 1;
constexpr uint64_t kMappingRecord = 0;
constexpr size_t kHeaderBytes = 24;
constexpr uint32_t kEventHeaderBytes = 24;  // counted in a record's length

constexpr uint32_t kArgumentBytesMax = 16 * 1024;  // of an event that we read; others are skipped
constexpr uint32_t kNameBytesMax = 256;
constexpr size_t kNamesMax = 65536;
constexpr uint64_t kNamesFileBytesMax = 16 * kMiB;

uint64_t little_endian(const std::byte* bytes, size_t count) {
  uint64_t value = 0;
  for (size_t i = count; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(bytes[i]);
  return value;
}
uint64_t big_endian(const std::byte* bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value = value << 8 | std::to_integer<uint64_t>(bytes[i]);
  return value;
}

/// Bytes of the source, some of them at hand.
class Window {
 public:
  explicit Window(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}
  ByteSource& source() { return *source_; }

  /// The next `count` bytes, at most kArgumentBytesMax; fewer at the end.
  Result<std::span<const std::byte>> peek(size_t count) {
    if (end_ - begin_ < count) {
      std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
      while (end_ < count) {
        const auto got = source_->read(std::span(bytes_).subspan(end_));
        if (!got) return tl::unexpected(got.error());
        if (*got == 0) break;
        end_ += *got;
      }
    }
    return std::span<const std::byte>(bytes_).subspan(begin_, std::min(count, end_ - begin_));
  }
  void take(size_t count) { begin_ += count; }
  /// False: the source ends before.
  Result<bool> skip(uint64_t count) {
    while (count != 0) {
      const auto bytes = peek(static_cast<size_t>(std::min<uint64_t>(count, kArgumentBytesMax)));
      if (!bytes) return tl::unexpected(bytes.error());
      if (bytes->empty()) return false;
      take(bytes->size());
      count -= bytes->size();
    }
    return true;
  }

 private:
  std::unique_ptr<ByteSource> source_;
  std::vector<std::byte> bytes_ = std::vector<std::byte>(256 * 1024);
  size_t begin_ = 0, end_ = 0;
};

/// Names of events in the order of a trace-events-all, which is that of their numbers before version 4.
Result<std::vector<std::string>> read_names(const std::string& path) {
  auto source = ByteSource::open(path);
  if (!source) return tl::unexpected(source.error());
  std::vector<std::string> names;
  Lines lines(std::move(*source));
  uint64_t bytes = 0;
  for (std::string_view line;;) {
    const auto more = lines.next(&line);
    if (!more) return tl::unexpected(more.error());
    if (!*more) break;
    bytes += line.size();
    const size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos || line[begin] == '#') continue;
    const std::string_view head = line.substr(begin, line.find('(', begin) - begin);
    if (line.find('(') == std::string_view::npos || names.size() == kNamesMax || bytes > kNamesFileBytesMax) {
      return fail(ErrorName::kFileCorrupt,
                  fmt::format("{}: line {} is no declaration of an event; expected QEMU's trace-events-all.", path,
                              lines.number()));
    }
    // Properties ("disable", "vcpu") stand before the name.
    names.emplace_back(head.substr(head.rfind(' ') + 1));
  }
  return names;
}

class SimpletraceReader final : public EventReader {
 public:
  SimpletraceReader(Window window, uint64_t version, const std::vector<std::string>& names)
      : window_(std::move(window)), version_(version) {
    info_.source = "simpletrace";
    info_.clock = Clock::kMonotonic;
    for (size_t id = 0; id < names.size(); ++id) names_.emplace(id, names[id]);
    named_ = version >= 4 || !names.empty();
  }

  const TraceInfo& info() const override { return info_; }
  const ReadReport& report() const override {
    report_ = tally_.report();
    for (RecordCount& kind : events_.kinds()) report_.kinds.push_back(std::move(kind));
    std::stable_sort(report_.kinds.begin(), report_.kinds.end(),
                     [](const RecordCount& a, const RecordCount& b) { return a.name < b.name; });
    return report_;
  }

  Result<bool> next(EventBatch* batch) override {
    batch->clear();
    batch->first_event = events_given_;
    bool drained = events_.drain(batch);
    while (batch->events.size() < kBatchEvents && !at_end_) {
      const auto more = take_record(batch);
      if (!more) return tl::unexpected(more.error());
      at_end_ = !*more;
    }
    if (at_end_) drained = events_.finish(batch);
    describe(at_end_ && drained);
    events_given_ += batch->events.size();
    return !batch->events.empty();
  }

 private:
  /// The file ends inside a record, or what follows cannot be one.
  bool stop(std::string_view what) {
    tally_.unknown_record([&] { return fmt::format("a record that {}", what); });
    tally_.truncated(fmt::format("{}: record {} {}; what stands before it was read.", window_.source().name(),
                                 tally_.records(), what));
    return false;
  }

  /// One record; false at the end.
  Result<bool> take_record(EventBatch* batch) {
    if (version_ >= 4) {
      const auto type = window_.peek(8);
      if (!type) return tl::unexpected(type.error());
      if (type->empty()) return false;
      tally_.record();
      if (type->size() < 8) return stop("ends early");
      const bool is_mapping = little_endian(type->data(), 8) == kMappingRecord;
      window_.take(8);
      return is_mapping ? take_mapping() : take_event(batch);
    }
    const auto any = window_.peek(1);
    if (!any) return tl::unexpected(any.error());
    if (any->empty()) return false;
    tally_.record();
    return take_event(batch);
  }

  Result<bool> take_mapping() {
    const auto head = window_.peek(12);
    if (!head) return tl::unexpected(head.error());
    if (head->size() < 12) return stop("ends early");
    const uint64_t id = little_endian(head->data(), 8);
    const auto length = static_cast<uint32_t>(little_endian(head->data() + 8, 4));
    window_.take(12);
    if (length == 0 || length > kNameBytesMax || names_.size() == kNamesMax) {
      tally_.unknown_record([&] { return fmt::format("a name of {} bytes for event {}", length, id); });
      return skip(length);
    }
    const auto name = window_.peek(length);
    if (!name) return tl::unexpected(name.error());
    if (name->size() < length) return stop("ends early");
    tally_.kind("(name of an event)", "tells about the file");
    std::string text(length, '\0');
    std::memcpy(text.data(), name->data(), length);
    names_.emplace(id, std::move(text));  // the first stays: numbers do not change their meaning
    window_.take(length);
    return true;
  }

  Result<bool> take_event(EventBatch* batch) {
    const auto head = window_.peek(kEventHeaderBytes);
    if (!head) return tl::unexpected(head.error());
    if (head->size() < kEventHeaderBytes) return stop("ends early");
    const uint64_t id = little_endian(head->data(), 8);
    const uint64_t time_ns = little_endian(head->data() + 8, 8);
    const auto length = static_cast<uint32_t>(little_endian(head->data() + 16, 4));
    if (length < kEventHeaderBytes) return stop(fmt::format("says it has {} bytes, fewer than any has", length));
    const uint32_t argument_bytes = length - kEventHeaderBytes;
    window_.take(kEventHeaderBytes);
    if (argument_bytes > kArgumentBytesMax) {
      tally_.unknown_record(
          [&] { return fmt::format("event {} with {} bytes of arguments", label(id), argument_bytes); });
      return skip(argument_bytes);
    }
    const auto arguments = window_.peek(argument_bytes);
    if (!arguments) return tl::unexpected(arguments.error());
    if (arguments->size() < argument_bytes) return stop("ends early");
    if (!understand(id, time_ns, *arguments, batch)) {
      tally_.unknown_record(
          [&] { return fmt::format("event {} with {} bytes of arguments", label(id), argument_bytes); });
    }
    window_.take(argument_bytes);
    return true;
  }

  /// The bytes of a record that was counted already.
  Result<bool> skip(uint64_t count) {
    const auto skipped = window_.skip(count);
    if (!skipped) return tl::unexpected(skipped.error());
    if (!*skipped)
      tally_.truncated(fmt::format("{}: record {} ends early.", window_.source().name(), tally_.records()));
    return *skipped;
  }

  std::string label(uint64_t id) const {
    const auto found = names_.find(id);
    return found == names_.end() ? fmt::format("{} (without a name)", id) : found->second;
  }

  bool understand(uint64_t id, uint64_t time_ns, std::span<const std::byte> arguments, EventBatch* batch) {
    if (id == kDroppedEventId) {
      if (arguments.size() != 8) return false;
      const uint64_t lost = little_endian(arguments.data(), 8);
      tally_.kind("(dropped)", "tells of events that QEMU lost");
      dropped_ += std::min(lost, UINT64_MAX - dropped_);
      lossy_ = true;
      return true;
    }
    const auto name = names_.find(id);
    if (name == names_.end()) return false;
    line_.clear();
    QemuLine parsed;
    if (!append_simpletrace_line(name->second, arguments, &line_)) return false;
    if (!parse_qemu_line({line_.data(), line_.size()}, &parsed)) return false;
    // Records of several threads come in the order in which they were finished.
    if (time_ns < time_ns_) ++disorder_;
    time_ns_ = std::max(time_ns_, time_ns);
    events_.take(parsed, time_ns_, batch);
    return true;
  }

  void describe(bool done) {
    events_.describe(&info_);
    info_.lossy = info_.lossy || lossy_;
    info_.dropped_events = dropped_;
    if (!named_) {
      info_.notes.push_back(
          fmt::format("Version {} of the format has numbers instead of names; only the trace-events-all of the QEMU "
                      "that wrote the file tells what they mean, and none was given.",
                      version_));
    }
    if (!done || std::exchange(warned_, true)) return;
    tally_.source_ended(window_.source());
    if (lossy_) tally_.warn(fmt::format("QEMU lost {} events.", dropped_));
    if (disorder_ != 0) {
      tally_.warn(
          fmt::format("The time goes back {} times; such an event has the time of the one before it.", disorder_));
    }
    if (info_.devices.empty()) {
      TraceDevice none;
      none.description.name = "unknown";
      info_.devices.push_back(std::move(none));
    }
  }

  Window window_;
  const uint64_t version_;
  std::map<uint64_t, std::string> names_;
  bool named_ = false;
  QemuEvents events_;
  TraceInfo info_;
  Tally tally_;
  mutable ReadReport report_;
  fmt::memory_buffer line_;
  uint64_t time_ns_ = 0, disorder_ = 0, dropped_ = 0;
  uint64_t events_given_ = 0;
  bool lossy_ = false, at_end_ = false, warned_ = false;
};

}  // namespace

int detect_simpletrace(std::string_view head) {
  if (head.size() < 16) return 0;
  const auto* const bytes = reinterpret_cast<const std::byte*>(head.data());
  if (little_endian(bytes, 8) != kHeaderEventId) return 0;
  return little_endian(bytes + 8, 8) == kHeaderMagic || big_endian(bytes + 8) == kHeaderMagic ? 100 : 0;
}

Result<std::unique_ptr<EventReader>> open_simpletrace(std::unique_ptr<ByteSource> source, const ReadOptions& options) {
  const std::string path = source->name();
  Window window(std::move(source));
  const auto header = window.peek(kHeaderBytes);
  if (!header) return tl::unexpected(header.error());
  if (header->size() < kHeaderBytes || little_endian(header->data(), 8) != kHeaderEventId) {
    return fail(ErrorName::kFileCorrupt, fmt::format("{}: has no header of a simpletrace file.", path));
  }
  if (big_endian(header->data() + 8) == kHeaderMagic) {
    return fail(ErrorName::kNotSupported,
                fmt::format("{}: was written on a big-endian machine; only little-endian files are read.", path));
  }
  if (little_endian(header->data() + 8, 8) != kHeaderMagic) {
    return fail(ErrorName::kFileCorrupt, fmt::format("{}: has no header of a simpletrace file.", path));
  }
  const uint64_t version = little_endian(header->data() + 16, 8);
  if (version < 2 || version > 4) {
    return fail(ErrorName::kNotSupported,
                fmt::format("{}: is version {} of simpletrace; versions 2 to 4 are read.", path, version));
  }
  window.take(kHeaderBytes);
  std::vector<std::string> names;
  if (version < 4 && !options.event_names.empty()) {
    auto read = read_names(options.event_names);
    if (!read) return tl::unexpected(read.error());
    names = std::move(*read);
  }
  return std::make_unique<SimpletraceReader>(std::move(window), version, names);
}

}  // namespace dartboard::traces
