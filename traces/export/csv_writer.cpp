// traces/export/csv_writer.cpp - a row for every event (RFC 4180: a header row, CRLF, quotes where a field needs them).
//
// Addresses and values are hexadecimal with 0x, counts and times decimal. A field that an event does not have is empty,
// and so is time_ns where the recording has no times. `value` is the number written or read; `data` holds payloads of
// more than 8 bytes: hex digits, "fill:BYTExLENGTH", "xxh3:HASH" or "omitted", and the text of a mark.
#include <memory>

#include <fmt/compile.h>

#include "traces/export/exporters.h"
#include "traces/export/output_file.h"
#include "traces/export/text.h"

namespace dartboard::traces {

namespace {

constexpr std::string_view kHeader =
    "event,request,time_ns,device,source,kind,target,address,length,value,status,result0,result1,duration_ns,data,"
    "reply_data"
    "\r\n";

std::string_view name_of(Source source) {
  switch (source) {
    case Source::kGuest: return "guest";
    case Source::kDevice: return "device";
    case Source::kInferred: return "inferred";
    case Source::kRecorder: return "recorder";
  }
  return "recorder";
}

/// Which columns a kind fills (the table of traces/event.h).
struct Columns {
  bool target, address, length, value;
};
Columns columns_of(EventKind kind) {
  switch (kind) {
    case EventKind::kProbe: return {false, true, false, true};
    case EventKind::kMapBar: return {true, false, false, false};
    case EventKind::kResizeBar: return {true, false, false, true};
    case EventKind::kConfigRead: return {false, true, true, false};
    case EventKind::kConfigWrite:
    case EventKind::kDeviceConfig: return {false, true, true, true};
    case EventKind::kMmioRead:
    case EventKind::kMmioWrite:
    case EventKind::kHostRead:
    case EventKind::kHostWrite:
    case EventKind::kDeviceMemory: return {true, true, true, false};
    case EventKind::kDmaMap:
    case EventKind::kDeviceDmaRead:
    case EventKind::kDeviceDmaWrite:
    case EventKind::kIrqSetup: return {true, true, true, true};
    case EventKind::kDmaUnmap: return {true, false, true, false};
    case EventKind::kInterrupt: return {true, false, false, true};
    case EventKind::kReset:
    case EventKind::kPing:
    case EventKind::kMark: return {};
  }
  return {};
}

class CsvWriter final : public EventWriter {
 public:
  CsvWriter(std::unique_ptr<OutputFile> file, const TraceInfo& info, PayloadPolicy payloads)
      : file_(std::move(file)), has_times_(info.clock != Clock::kNone), payloads_(payloads) {
    file_->put(kHeader);
  }

  Result<void> write(const EventBatch& batch) override {
    for (size_t i = 0; i < batch.events.size(); ++i) {
      add(batch.first_event + i, batch.events[i], batch.reply_of(batch.events[i]));
      file_->settle();
    }
    return file_->status();
  }
  Result<void> finish(const TraceInfo&) override { return file_->close(); }

 private:
  void comma() { file_->put(","); }
  void number(bool present, uint64_t value) {
    comma();
    if (present) fmt::format_to(std::back_inserter(file_->buffer()), FMT_COMPILE("{}"), value);
  }
  void hex(bool present, uint64_t value) {
    comma();
    if (present) fmt::format_to(std::back_inserter(file_->buffer()), FMT_COMPILE("0x{:x}"), value);
  }
  void text(std::string_view value) {
    if (value.find_first_of(",\"\r\n") == std::string_view::npos) return file_->put(value);
    file_->put("\"");
    for (const char c : value) file_->put(c == '"' ? std::string_view("\"\"") : std::string_view(&c, 1));
    file_->put("\"");
  }

  void add(uint64_t index, const Event& event, const Reply* reply) {
    const Columns has = columns_of(event.kind);
    fmt::format_to(std::back_inserter(file_->buffer()), FMT_COMPILE("{}"), index);
    number(event.is_request(), event.request);
    number(has_times_, event.time_ns);
    number(true, event.device);
    comma();
    file_->put(name_of(event.source));
    comma();
    file_->put(to_string(event.kind));
    comma();
    if (event.kind == EventKind::kInterrupt || event.kind == EventKind::kIrqSetup) {
      file_->put(to_string(static_cast<IrqKind>(event.target)));
    } else if (has.target) {
      fmt::format_to(std::back_inserter(file_->buffer()), FMT_COMPILE("{}"), event.target);
    }
    hex(has.address, event.address);
    number(has.length, event.length);
    add_value(event, reply, has.value);
    number(reply != nullptr, reply == nullptr ? 0 : reply->status);
    hex(reply != nullptr, reply == nullptr ? 0 : reply->value0);
    hex(reply != nullptr, reply == nullptr ? 0 : reply->value1);
    number(reply != nullptr && has_times_, reply == nullptr ? 0 : reply->duration_ns);
    comma();
    if (event.kind == EventKind::kMark) {
      text(text_of(event.data));
    } else if (event.data.length > kValueBytesMax) {
      add_payload(event.data);
    }
    comma();
    if (reply != nullptr && reply->data.length > kValueBytesMax) add_payload(reply->data);
    file_->put("\r\n");
  }

  void add_value(const Event& event, const Reply* reply, bool in_event) {
    if (in_event) return hex(true, event.value);
    if (event.kind == EventKind::kConfigRead) return hex(reply != nullptr, reply == nullptr ? 0 : reply->value0);
    const auto value = event.kind == EventKind::kMark ? std::nullopt
                       : !event.data.empty()          ? value_of(event.data)
                       : reply != nullptr             ? value_of(reply->data)
                                                      : std::nullopt;
    hex(value.has_value(), value.value_or(0));
  }

  void add_payload(const Payload& payload) {
    const auto out = std::back_inserter(file_->buffer());
    if (payload.form == PayloadForm::kOmitted || payloads_ == PayloadPolicy::kNone) {
      file_->put("omitted");
    } else if (payload.form == PayloadForm::kHash || payloads_ == PayloadPolicy::kHash) {
      fmt::format_to(out, FMT_COMPILE("xxh3:{:016x}"), *hash_of(payload));
    } else if (payload.is_fill()) {
      fmt::format_to(out, FMT_COMPILE("fill:{:02x}x{}"), std::to_integer<unsigned>(payload.fill), payload.length);
    } else {
      append_hex(&file_->buffer(), payload);
    }
  }

  std::unique_ptr<OutputFile> file_;
  const bool has_times_;
  const PayloadPolicy payloads_;
};

}  // namespace

Result<std::unique_ptr<EventWriter>> create_csv(const std::string& path, const TraceInfo& info,
                                                const WriteOptions& options) {
  auto file = OutputFile::create(path);
  if (!file) return tl::unexpected(file.error());
  return std::make_unique<CsvWriter>(std::move(*file), info, options.payloads);
}

}  // namespace dartboard::traces
