// traces/export/chrome_writer.cpp - the timeline (timeline.h) as Chrome's JSON ("Trace Event Format"): for
// chrome://tracing, Speedscope and whatever else reads it. Perfetto shows more of the same.
//
// Times are microseconds from the first event, because readers keep them as floating point: an absolute time of a wall
// clock would lose its nanoseconds. otherData.base_ns tells what was taken off. Threads are tracks; their numbers give
// the order.
#include <memory>
#include <optional>
#include <utility>

#include <fmt/compile.h>

#include "traces/export/exporters.h"
#include "traces/export/output_file.h"
#include "traces/export/text.h"
#include "traces/export/timeline.h"

namespace dartboard::traces {

namespace {

class ChromeWriter final : public EventWriter, private TimelineSink {
 public:
  ChromeWriter(std::unique_ptr<OutputFile> file, const TraceInfo& info)
      : file_(std::move(file)), timeline_(*this, info) {
    file_->put("{\"traceEvents\":[");
  }

  Result<void> write(const EventBatch& batch) override {
    for (size_t i = 0; i < batch.events.size(); ++i) {
      timeline_.add(batch.first_event + i, batch.events[i], batch.reply_of(batch.events[i]));
    }
    return file_->status();
  }
  Result<void> finish(const TraceInfo& info) override {
    timeline_.finish(info);
    fmt::format_to(
        out(), FMT_COMPILE("\n],\"displayTimeUnit\":\"ns\",\"otherData\":{{\"base_ns\":\"{}\",\"clock\":\"{}\"}}}}\n"),
        base_ns_.value_or(0), to_string(info.clock));
    return file_->close();
  }
  std::vector<RecordCount> left_out() const override { return timeline_.left_out().list(); }

 private:
  using FlowStep = TimelineItem::FlowStep;

  fmt::appender out() { return fmt::appender(file_->buffer()); }

  /// Starts an event object: the members that all have.
  void open(std::string_view phase, std::string_view name, uint16_t device, uint32_t track) {
    file_->put(std::exchange(first_, false) ? "\n" : ",\n");
    fmt::format_to(out(), FMT_COMPILE("{{\"ph\":\"{}\",\"name\":{},\"pid\":{},\"tid\":{}"), phase, json_text(name),
                   device + 1, track + 1);
  }
  void close() {
    file_->put("}");
    file_->settle();
  }
  void microseconds(std::string_view member, uint64_t ns, bool negative = false) {
    fmt::format_to(out(), FMT_COMPILE(",\"{}\":{}{}.{:03}"), member, negative ? "-" : "", ns / 1000, ns % 1000);
  }
  void time(uint64_t time_ns) {
    if (!base_ns_) base_ns_ = time_ns;
    if (time_ns < *base_ns_) {
      microseconds("ts", *base_ns_ - time_ns, true);
    } else {
      microseconds("ts", time_ns - *base_ns_);
    }
  }
  void arguments(const TimelineItem& item) {
    if (item.arguments.empty()) return;
    file_->put(",\"args\":{");
    bool first = true;
    for (const TimelineArgument& a : item.arguments) {
      fmt::format_to(out(), FMT_COMPILE("{}\"{}\":"), std::exchange(first, false) ? "" : ",", a.name);
      switch (a.form) {
        case TimelineArgument::Form::kNumber: fmt::format_to(out(), FMT_COMPILE("{}"), a.number); break;
        case TimelineArgument::Form::kHex: fmt::format_to(out(), FMT_COMPILE("\"0x{:x}\""), a.number); break;
        case TimelineArgument::Form::kText: file_->put(json_text(a.text)); break;
      }
    }
    file_->put("}");
  }
  void flow(const TimelineItem& item) {
    if (item.flow_step == FlowStep::kNone) return;
    const std::string_view phase = item.flow_step == FlowStep::kStart  ? "s"
                                   : item.flow_step == FlowStep::kStep ? "t"
                                                                       : "f";
    open(phase, "doorbell to interrupt", item.device, item.track);
    fmt::format_to(out(), FMT_COMPILE(",\"cat\":\"flow\",\"bp\":\"e\",\"id\":{}"), item.flow);
    time(item.begin_ns);
    close();
  }

  void process(uint16_t device, const std::string& name) override {
    open("M", "process_name", device, 0);
    fmt::format_to(out(), FMT_COMPILE(",\"args\":{{\"name\":{}}}"), json_text(name));
    close();
  }
  void track(const TimelineTrack& t) override {
    // Lanes are async events of one track, counters go by name.
    if (t.is_counter || t.track >= kLaneTracks) return;
    open("M", "thread_name", t.device, t.track);
    fmt::format_to(out(), FMT_COMPILE(",\"args\":{{\"name\":{}}}"), json_text(t.name));
    close();
    open("M", "thread_sort_index", t.device, t.track);
    // Vectors stand where their parent does.
    fmt::format_to(out(), FMT_COMPILE(",\"args\":{{\"sort_index\":{}}}"),
                   t.track >= kVectorTracks ? kIrqTrack : t.rank);
    close();
  }
  void slice(const TimelineItem& item) override {
    open("X", item.name, item.device, item.track);
    time(item.begin_ns);
    microseconds("dur", item.end_ns - item.begin_ns);
    arguments(item);
    close();
    flow(item);
  }
  void instant(const TimelineItem& item) override {
    open("i", item.name, item.device, item.track);
    time(item.begin_ns);
    file_->put(",\"s\":\"t\"");
    arguments(item);
    close();
    flow(item);
  }
  void begin(const TimelineItem& item) override { async("b", item); }
  void end(const TimelineItem& item) override { async("e", item); }
  void async(std::string_view phase, const TimelineItem& item) {
    open(phase, item.name, item.device, kDmaTrack);
    fmt::format_to(out(), FMT_COMPILE(",\"cat\":\"DMA maps\",\"id2\":{{\"local\":\"0x{:x}\"}}"),
                   item.track - kLaneTracks);
    time(item.begin_ns);
    arguments(item);
    close();
  }
  void counter(uint16_t device, uint32_t track, uint64_t time_ns, uint64_t value) override {
    open("C",
         track == kMappedBytesTrack ? "mapped bytes"
         : track == kMmioRateTrack  ? "MMIO/s"
                                    : "outstanding reads",
         device, track);
    time(time_ns);
    fmt::format_to(out(), FMT_COMPILE(",\"args\":{{\"value\":{}}}"), value);
    close();
  }

  std::unique_ptr<OutputFile> file_;
  std::optional<uint64_t> base_ns_;
  bool first_ = true;
  Timeline timeline_;
};

}  // namespace

Result<std::unique_ptr<EventWriter>> create_chrome(const std::string& path, const TraceInfo& info,
                                                   const WriteOptions&) {
  auto file = OutputFile::create(path);
  if (!file) return tl::unexpected(file.error());
  return std::make_unique<ChromeWriter>(std::move(*file), info);
}

}  // namespace dartboard::traces
