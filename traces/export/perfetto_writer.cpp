// traces/export/perfetto_writer.cpp - the timeline (timeline.h) as a Perfetto trace for ui.perfetto.dev.
//
// A file is the repeated field 1 of Trace: one TracePacket each. Numbers of fields: Perfetto's published schema,
// protos/perfetto/trace/trace_packet.proto and track_event/*.proto. Packets need not be in order of time.
#include <memory>

#include "traces/export/exporters.h"
#include "traces/export/output_file.h"
#include "traces/export/protobuf.h"
#include "traces/export/text.h"
#include "traces/export/timeline.h"

namespace dartboard::traces {

namespace {

namespace trace {
constexpr uint32_t kPacket = 1;
}
namespace packet {
constexpr uint32_t kTimestamp = 8, kTrustedPacketSequenceId = 10, kTrackEvent = 11, kTrackDescriptor = 60;
}
namespace event {
constexpr uint32_t kDebugAnnotations = 4, kType = 9, kTrackUuid = 11, kName = 23, kCounterValue = 30, kFlowIds = 47;
enum Type : uint32_t { kSliceBegin = 1, kSliceEnd = 2, kInstant = 3, kCounter = 4 };
}  // namespace event
namespace annotation {
constexpr uint32_t kUint = 3, kString = 6, kPointer = 7, kName = 10;
}
namespace descriptor {
constexpr uint32_t kUuid = 1, kName = 2, kProcess = 3, kParentUuid = 5, kCounter = 8, kChildOrdering = 11,
                   kSiblingOrderRank = 12;
constexpr uint32_t kExplicit = 3;
constexpr uint32_t kProcessPid = 1, kProcessName = 6;
constexpr uint32_t kCounterUnit = 3, kUnitCount = 2, kUnitSizeBytes = 3;
}  // namespace descriptor

constexpr uint32_t kSequence = 1;  // all packets come from one writer

uint64_t process_uuid(uint16_t device) {
  return (uint64_t{device} + 1) << 32;
}
uint64_t track_uuid(uint16_t device, uint32_t track) {
  return process_uuid(device) + track + 1;
}

class PerfettoWriter final : public EventWriter, private TimelineSink {
 public:
  PerfettoWriter(std::unique_ptr<OutputFile> file, const TraceInfo& info)
      : file_(std::move(file)), timeline_(*this, info) {}

  Result<void> write(const EventBatch& batch) override {
    for (size_t i = 0; i < batch.events.size(); ++i) {
      timeline_.add(batch.first_event + i, batch.events[i], batch.reply_of(batch.events[i]));
    }
    return file_->status();
  }
  Result<void> finish(const TraceInfo& info) override {
    timeline_.finish(info);
    return file_->close();
  }
  std::vector<RecordCount> left_out() const override { return timeline_.left_out().list(); }

 private:
  template <class Fill>
  void packet(const Fill& fill) {
    out_.clear();
    out_.message(trace::kPacket, [&] {
      out_.number(packet::kTrustedPacketSequenceId, kSequence);
      fill();
    });
    file_->put(out_.bytes());
    file_->settle();
  }

  void process(uint16_t device, const std::string& name) override {
    packet([&] {
      out_.message(packet::kTrackDescriptor, [&] {
        out_.number(descriptor::kUuid, process_uuid(device));
        out_.message(descriptor::kProcess, [&] {
          out_.number(descriptor::kProcessPid, uint64_t{device} + 1);
          out_.text(descriptor::kProcessName, utf8(name));
        });
        out_.number(descriptor::kChildOrdering, descriptor::kExplicit);
      });
    });
  }

  void track(const TimelineTrack& t) override {
    packet([&] {
      out_.message(packet::kTrackDescriptor, [&] {
        out_.number(descriptor::kUuid, track_uuid(t.device, t.track));
        out_.number(descriptor::kParentUuid,
                    t.parent == kFixedTracks ? process_uuid(t.device) : track_uuid(t.device, t.parent));
        out_.text(descriptor::kName, t.name);
        if (t.is_counter) {
          out_.message(descriptor::kCounter, [&] {
            out_.number(descriptor::kCounterUnit, t.in_bytes ? descriptor::kUnitSizeBytes : descriptor::kUnitCount);
          });
        }
        if (t.track == kIrqTrack) out_.number(descriptor::kChildOrdering, descriptor::kExplicit);
        out_.number(descriptor::kSiblingOrderRank, t.rank);
      });
    });
  }

  void slice(const TimelineItem& item) override {
    add(item, event::kSliceBegin);
    add_end(item.device, item.track, item.end_ns);
  }
  void instant(const TimelineItem& item) override { add(item, event::kInstant); }
  void begin(const TimelineItem& item) override { add(item, event::kSliceBegin); }
  void end(const TimelineItem& item) override { add_end(item.device, item.track, item.begin_ns); }

  void counter(uint16_t device, uint32_t track, uint64_t time_ns, uint64_t value) override {
    packet([&] {
      out_.number(packet::kTimestamp, time_ns);
      out_.message(packet::kTrackEvent, [&] {
        out_.number(event::kType, event::kCounter);
        out_.number(event::kTrackUuid, track_uuid(device, track));
        out_.number(event::kCounterValue, value);
      });
    });
  }

  void add(const TimelineItem& item, event::Type type) {
    packet([&] {
      out_.number(packet::kTimestamp, item.begin_ns);
      out_.message(packet::kTrackEvent, [&] {
        for (const TimelineArgument& argument : item.arguments) {
          out_.message(event::kDebugAnnotations, [&] { add(argument); });
        }
        out_.number(event::kType, type);
        out_.number(event::kTrackUuid, track_uuid(item.device, item.track));
        out_.text(event::kName, item.name);
        if (item.flow != 0) out_.fixed64(event::kFlowIds, item.flow);
      });
    });
  }
  void add(const TimelineArgument& argument) {
    out_.text(annotation::kName, argument.name);
    switch (argument.form) {
      case TimelineArgument::Form::kNumber: out_.number(annotation::kUint, argument.number); break;
      case TimelineArgument::Form::kHex: out_.number(annotation::kPointer, argument.number); break;
      case TimelineArgument::Form::kText: out_.text(annotation::kString, utf8(argument.text)); break;
    }
  }
  void add_end(uint16_t device, uint32_t track, uint64_t time_ns) {
    packet([&] {
      out_.number(packet::kTimestamp, time_ns);
      out_.message(packet::kTrackEvent, [&] {
        out_.number(event::kType, event::kSliceEnd);
        out_.number(event::kTrackUuid, track_uuid(device, track));
      });
    });
  }

  std::unique_ptr<OutputFile> file_;
  ProtobufWriter out_;
  Timeline timeline_;
};

}  // namespace

Result<std::unique_ptr<EventWriter>> create_perfetto(const std::string& path, const TraceInfo& info,
                                                     const WriteOptions&) {
  auto file = OutputFile::create(path);
  if (!file) return tl::unexpected(file.error());
  return std::make_unique<PerfettoWriter>(std::move(*file), info);
}

}  // namespace dartboard::traces
