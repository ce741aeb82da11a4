// traces/export/jsonl_writer.cpp - requests and replies as lines of the TinyGPU recording (traces/jsonl_record.h), in
// the layout its recorder has: members in the order of Field, ", " and ": " between them, "data" and "ret" only where
// there are bytes. A session that is read and written again is the same file, byte for byte.
//
// The protocol is requests of one device and their replies. Interrupts, unmaps, marks and what the device did are left
// out, and so is what its reader would refuse.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>

#include <fmt/compile.h>

#include "base/types.h"
#include "traces/export/exporters.h"
#include "traces/export/left_out.h"
#include "traces/export/output_file.h"
#include "traces/export/text.h"
#include "traces/jsonl_record.h"

namespace dartboard::traces {

namespace {

constexpr uint64_t kFillBytesMin = 256;           // the recorder writes shorter runs of one byte as hex text
constexpr uint64_t kPageBytes = 4096;             // MAP_SYSMEM returns one bus address per page
constexpr uint64_t kPayloadBytesMax = 64 * kMiB;  // the protocol's bulk limit
constexpr unsigned kBarCount = 6;

constexpr std::string_view kNoKind = "the TinyGPU protocol has no such message";
constexpr std::string_view kOtherDevice = "a .jsonl session is of one device, the first";
constexpr std::string_view kNoPayload = "its bytes were not recorded";
constexpr std::string_view kRefused = "the TinyGPU protocol cannot ask for it";

/// Command of a kind, or nothing when the protocol lacks it.
std::string_view command_of(EventKind kind) {
  switch (kind) {
    case EventKind::kProbe: return "PROBE";
    case EventKind::kMapBar: return "MAP_BAR";
    case EventKind::kResizeBar: return "RESIZE_BAR";
    case EventKind::kConfigRead: return "CFG_READ";
    case EventKind::kConfigWrite: return "CFG_WRITE";
    case EventKind::kMmioRead: return "MMIO_READ";
    case EventKind::kMmioWrite: return "MMIO_WRITE";
    case EventKind::kDmaMap: return "MAP_SYSMEM";
    case EventKind::kHostRead: return "SYSMEM_READ";
    case EventKind::kHostWrite: return "SYSMEM_WRITE";
    case EventKind::kReset: return "RESET";
    case EventKind::kPing: return "PING";
    default: return {};
  }
}

/// All bytes the same, and enough of them for the recorder to say so.
bool is_long_fill(const Payload& payload) {
  if (payload.length < kFillBytesMin) return false;
  if (payload.is_fill()) return true;
  return std::all_of(payload.bytes, payload.bytes + payload.length,
                     [first = payload.bytes[0]](std::byte b) { return b == first; });
}

class JsonlWriter final : public EventWriter {
 public:
  explicit JsonlWriter(std::unique_ptr<OutputFile> file) : file_(std::move(file)) {}

  Result<void> write(const EventBatch& batch) override {
    for (const Event& event : batch.events) {
      add(event, batch.reply_of(event));
      file_->settle();
    }
    return file_->status();
  }

  Result<void> finish(const TraceInfo& info) override {
    if (const auto closed = file_->close(); !closed) return closed;
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(file_->path(), ignored)) {
      left_out_.add("device description", "it stands in a file beside the trace, and this is a pipe or device");
      return {};
    }
    auto description = OutputFile::create(device_description_path(file_->path()));
    if (!description) return tl::unexpected(description.error());
    (*description)
        ->put(format_device_description(info.devices.empty() ? DeviceDescription() : info.devices[0].description));
    (*description)->put("\n");
    return (*description)->close();
  }

  std::vector<RecordCount> left_out() const override { return left_out_.list(); }
  uint64_t events_left_out() const override { return left_out_.events(); }

 private:
  void add(const Event& event, const Reply* reply) {
    const std::string_view name = to_string(event.kind);
    const std::string_view command = event.is_request() ? command_of(event.kind) : std::string_view();
    if (command.empty()) return left_out_.add_event(name, kNoKind);
    if (event.device != 0) return left_out_.add_event(name, kOtherDevice);
    if (!event.data.is_whole() || (reply != nullptr && !reply->data.is_whole()))
      return left_out_.add_event(name, kNoPayload);
    if (!can_ask(event, reply)) return left_out_.add_event(name, kRefused);

    uint64_t bar = event.target, a0 = event.address, a1 = event.length, a2 = 0;
    switch (event.kind) {
      case EventKind::kProbe: bar = 0, a1 = event.data.length, a2 = event.value; break;
      case EventKind::kMapBar: a0 = 0, a1 = 0; break;
      case EventKind::kResizeBar: a0 = event.value, a1 = 0; break;
      case EventKind::kConfigRead: bar = 0; break;
      case EventKind::kConfigWrite: bar = 0, a2 = event.value; break;
      case EventKind::kDmaMap: bar = 0, a0 = event.length, a1 = event.value; break;
      case EventKind::kReset:
      case EventKind::kPing: bar = a0 = a1 = 0; break;
      default: break;
    }
    fmt::format_to(std::back_inserter(file_->buffer()),
                   FMT_COMPILE(R"({{"t": {}, "cmd": "{}", "dev": 0, "bar": {}, "a0": {}, "a1": {}, "a2": {})"),
                   event.time_ns, command, bar, a0, a1, a2);
    if (!event.data.empty()) add_payload("data", event.data);
    if (reply != nullptr) add_reply(event, *reply);
    file_->put("}\n");
  }

  /// Whether the protocol's reader takes it (traces/jsonl_reader.h).
  static bool can_ask(const Event& event, const Reply* reply) {
    const bool posted = event.kind == EventKind::kMmioWrite || event.kind == EventKind::kHostWrite;
    if (posted != (reply == nullptr)) return false;
    if (std::max(event.data.length, reply == nullptr ? 0 : reply->data.length) > kPayloadBytesMax) return false;
    switch (event.kind) {
      case EventKind::kMapBar:
      case EventKind::kResizeBar: return event.target < kBarCount;
      case EventKind::kMmioRead:
      case EventKind::kMmioWrite: return event.target < kBarCount && event.length != 0;
      case EventKind::kConfigRead:
      case EventKind::kConfigWrite: return event.length == 1 || event.length == 2 || event.length == 4;
      case EventKind::kDmaMap:
        if (reply->status != 0 || !reply->data.empty()) return true;
        return reply->value0 % kPageBytes == 0 && event.length != 0 && event.length / kPageBytes < kPayloadBytesMax / 8;
      default: return true;
    }
  }

  void add_reply(const Event& event, const Reply& reply) {
    uint64_t r0 = reply.value0, r1 = reply.value1;
    // Formats without this protocol's numbers: the first counts the bytes that follow, the second is the handle.
    if (r0 == 0 && !reply.data.empty()) r0 = reply.data.length;
    const bool pages_are_implied = event.kind == EventKind::kDmaMap && reply.status == 0 && reply.data.empty();
    const uint64_t pages = (event.length + kPageBytes - 1) / kPageBytes;
    if (event.kind == EventKind::kDmaMap && reply.status == 0) r1 = event.target;
    if (pages_are_implied) r0 = 8 * pages;
    fmt::format_to(std::back_inserter(file_->buffer()), FMT_COMPILE(R"(, "st": {}, "r0": {}, "r1": {}, "dt": {})"),
                   reply.status, r0, r1, reply.duration_ns);
    if (pages_are_implied) return add_pages(reply.value0, pages);
    if (!reply.data.empty()) add_payload("ret", reply.data);
  }

  /// Pages of a map that lies at one address.
  void add_pages(uint64_t address, uint64_t pages) {
    file_->put(R"(, "ret": ")");
    for (uint64_t i = 0; i < pages; ++i) {
      std::byte bytes[8];
      for (unsigned b = 0; b < 8; ++b) bytes[b] = static_cast<std::byte>((address + i * kPageBytes) >> (8 * b));
      append_hex(&file_->buffer(), Payload::of(bytes));
      file_->settle();
    }
    file_->put("\"");
  }

  void add_payload(std::string_view name, const Payload& payload) {
    const auto out = std::back_inserter(file_->buffer());
    if (is_long_fill(payload)) {
      fmt::format_to(out, FMT_COMPILE(R"(, "{}": {{"fill": {}, "len": {}}})"), name,
                     std::to_integer<unsigned>(payload.at(0)), payload.length);
      return;
    }
    fmt::format_to(out, FMT_COMPILE(R"(, "{}": ")"), name);
    append_hex(&file_->buffer(), payload);
    file_->put("\"");
  }

  std::unique_ptr<OutputFile> file_;
  LeftOut left_out_;
};

bool ends_in(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

}  // namespace

Result<std::unique_ptr<EventWriter>> create_jsonl(const std::string& path, const TraceInfo&,
                                                  const WriteOptions& options) {
  if (options.payloads != PayloadPolicy::kFull) {
    return fail(ErrorName::kBadArgument,
                fmt::format("{}: .jsonl has no place for payloads '{}'; write it with 'full', or choose .dbt or .csv.",
                            path, to_string(options.payloads)));
  }
  const int level = options.compression_level == 0 ? 3 : options.compression_level;  // 0 is zstd's name for 3
  auto file = OutputFile::create(path, ends_in(path, ".zst") ? level : 0);
  if (!file) return tl::unexpected(file.error());
  return std::make_unique<JsonlWriter>(std::move(*file));
}

}  // namespace dartboard::traces
