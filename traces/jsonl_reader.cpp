// traces/jsonl_reader.cpp - records to events: each command's rules in one place, so that a replay can trust a session.
#include "traces/jsonl_reader.h"

#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "traces/jsonl_record.h"

namespace dartboard::traces {

namespace {

constexpr uint64_t kConfigBytes = 4096;
constexpr uint64_t kDamageSearchBytes = 64 * kMiB;
constexpr uint64_t kBarBytesMin = 16;
constexpr uint64_t kBarBytesMax = 64 * kGiB;
constexpr uint64_t kRegisterBarBytesMax = 16 * kMiB;  // above: nobody has that many registers
constexpr uint64_t kSysmemPageBytes = 4096;           // MAP_SYSMEM returns one bus address per 4 KiB

/// Whether a command is answered.
enum class Replies : uint8_t { kAlways, kNever };

/// No limit on what all of a file adds up to.
ReaderLimits streaming_limits() {
  ReaderLimits limits;
  limits.requests_max = limits.arena_bytes_max = limits.register_bytes_max = UINT64_MAX;
  return limits;
}

class Reader final : public EventReader {
 public:
  /// Without `device` it is described by what the requests show.
  Reader(std::unique_ptr<ByteSource> source, const DeviceDescription* device, const ReaderLimits& limits)
      : limits_(limits),
        described_(device != nullptr),
        origin_(source->name()),
        lines_(std::move(source), limits.line_bytes_max),
        parser_(limits.payload_bytes_max) {
    info_.source = "tinygpu-jsonl";
    info_.clock = Clock::kMonotonic;
    info_.devices.resize(1);
    if (described_) {
      device_ = *device;
      info_.devices[0].description = device_;
    } else {
      device_.name = "device of a TinyGPU recording";
      device_.vendor_id = device_.device_id = 0;
      device_.memory_decode_gated_by_command = false;  // the protocol does not show it being switched on
      info_.notes.push_back(
          "No description stands beside the recording: identity and BARs are what its requests show. Assumed are the "
          "device id (the first that was asked for), that a BAR above 16 MiB is memory, and that BARs answer whatever "
          "Command says.");
    }
  }

  const TraceInfo& info() const override { return info_; }
  const ReadReport& report() const override { return report_; }

  Result<bool> next(EventBatch* batch) override {
    batch->clear();
    batch->first_event = requests_;
    batch_ = batch;
    while (!ended_ && batch->events.size() < kBatchEvents && batch->arena.used_bytes() < kBatchPayloadBytes) {
      std::string_view line;
      const auto more = lines_.next(&line);
      if (!more) return tl::unexpected(more.error());
      if (!*more) {
        end();
        break;
      }
      ++report_.records;
      if (lines_.overlong()) {
        return fail(ErrorName::kFileCorrupt, fmt::format("{}: line {} is longer than {} bytes, the longest allowed.",
                                                         origin_, lines_.number(), limits_.line_bytes_max));
      }
      const bool cut = !lines_.complete() && lines_.source().damage().has_value();
      if (!cut && add(line)) continue;
      if (cut || damage_further_on()) {
        end();  // the compression is damaged: this line is what is left
        break;
      }
      const char* const hint = lines_.complete() ? "" : " (the file ends here without a newline: truncated?)";
      std::string sentence =
          fmt::format("{}: line {}{} {}{}.", origin_, lines_.number(),
                      problem_.rfind("field", 0) == 0 || problem_.rfind("unknown", 0) == 0 ? "," : "", problem_, hint);
      if (lines_.complete() || requests_ == 0) return fail(ErrorName::kFileCorrupt, std::move(sentence));
      // The recorder died, or the disk was full: what it had written before is whole.
      ended_ = report_.truncated = info_.lossy = true;
      report_.warnings.push_back(std::move(sentence));
      break;
    }
    if (ended_ && requests_ == 0) {
      return fail(ErrorName::kFileCorrupt, report_.warnings.empty() ? fmt::format("{}: has no request in it.", origin_)
                                                                    : report_.warnings.front());
    }
    info_.devices[0].description = device_;
    return !batch->events.empty();
  }

 private:
  struct Command {
    std::string_view name;
    EventKind kind;
    Replies replies;
    bool (Reader::*read)();
  };
  static const Command kCommands[];

  void end() {
    ended_ = true;
    if (!lines_.source().damage()) return;
    report_.truncated = true;
    info_.lossy = true;
    report_.warnings.push_back(lines_.source().damage()->sentence);
  }
  /// A line that made no sense may be the first sign of damage, since compression is only known to be sound at its
  /// checksum.
  bool damage_further_on() {
    std::vector<std::byte> piece(kMiB);
    for (uint64_t seen = 0; seen < kDamageSearchBytes && !lines_.source().damage();) {
      const auto count = lines_.source().read(piece);
      if (!count || *count == 0) break;
      seen += *count;
    }
    return lines_.source().damage().has_value();
  }

  bool wrong(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  bool wrong(Field field, const std::string& rest) {
    return wrong(fmt::format("field '{}': {}", to_string(field), rest));
  }
  uint64_t number(Field f) const { return record_.number(f); }
  bool succeeded() const { return number(Field::kSt) == 0; }

  bool add(std::string_view line) {
    const uint64_t arena_before = batch_->arena.used_bytes();
    if (!parser_.parse(line, batch_->arena, &record_)) return wrong(parser_.problem());
    arena_bytes_ += batch_->arena.used_bytes() - arena_before;
    if (requests_ == limits_.requests_max) {
      return wrong(fmt::format("is one too many: a session holds at most {} requests", limits_.requests_max));
    }
    if (arena_bytes_ > limits_.arena_bytes_max) {
      return wrong(fmt::format("brings the payloads above {} bytes, the most allowed", limits_.arena_bytes_max));
    }
    for (const Field f : {Field::kT, Field::kCmd}) {
      if (!record_.has(f)) return wrong(f, "is missing; every request has it");
    }
    if (number(Field::kDev) != 0) {
      return wrong(Field::kDev, fmt::format("is {}; expected 0: a session is of one device", number(Field::kDev)));
    }
    for (const Command* c = kCommands; !c->name.empty(); ++c) {
      if (c->name == record_.cmd) return add(*c);
    }
    return wrong(Field::kCmd,
                 fmt::format("unknown command '{:.32}'; expected one of {}", printable(record_.cmd), command_list()));
  }

  bool add(const Command& command) {
    event_ = Event{};
    event_.kind = command.kind;
    event_.time_ns = number(Field::kT);
    event_.request = requests_;
    const bool replied = record_.has(Field::kSt);
    if (command.replies == Replies::kAlways && !replied) {
      return wrong(Field::kSt, fmt::format("is missing; {} is answered", command.name));
    }
    if (command.replies == Replies::kNever && replied) {
      return wrong(Field::kSt, fmt::format("is there; expected none: {} is posted", command.name));
    }
    for (const Field f : {Field::kR0, Field::kR1, Field::kDt, Field::kRet}) {
      if (!replied && record_.has(f)) return wrong(f, "belongs to a reply, and there is no 'st'");
    }
    if (!(this->*command.read)()) return false;
    if (replied) {
      // A failure carries its text, whatever the command (resp0 = length of the text).
      if (!succeeded() && !check_length(Field::kRet, record_.ret, Field::kR0)) return false;
      batch_->add(event_,
                  {number(Field::kSt), number(Field::kR0), number(Field::kR1), number(Field::kDt), record_.ret});
    } else {
      batch_->events.push_back(event_);
    }
    ++requests_;
    return true;
  }

  static std::string printable(std::string_view text) {
    std::string out(text.substr(0, 32));
    for (char& c : out) {
      if (c < 0x20 || c >= 0x7f) c = '?';
    }
    return out;
  }
  static std::string command_list() {
    std::string out;
    for (const Command* c = kCommands; !c->name.empty(); ++c) out += (out.empty() ? "" : ", ") + std::string(c->name);
    return out;
  }

  // Checks that several commands share.
  bool check_length(Field payload_field, const Payload& payload, Field length_field) {
    if (payload.length == number(length_field)) return true;
    return wrong(payload_field, fmt::format("has {} bytes; expected {} ('{}')", payload.length, number(length_field),
                                            to_string(length_field)));
  }
  bool check_no_data() {
    return record_.has(Field::kData) ? wrong(Field::kData, fmt::format("is there; {} carries none", record_.cmd))
                                     : true;
  }
  bool check_bar() {
    if (!described_ && number(Field::kBar) < device_.bars.size()) return true;
    if (device_.has_bar(number(Field::kBar))) return true;
    return wrong(Field::kBar, fmt::format("is {}, which the device does not have; expected one of {}",
                                          number(Field::kBar), device_.bar_list()));
  }
  bool check_range(std::string_view what, uint64_t size) {
    if (event_.length == 0) return wrong(Field::kA1, "is 0; expected a length of at least 1");
    if (event_.length > limits_.payload_bytes_max) {
      return wrong(Field::kA1, fmt::format("is {}; expected at most {}", event_.length, limits_.payload_bytes_max));
    }
    if (in_range(event_.address, event_.length, size)) return true;
    return wrong(Field::kA0, fmt::format("offset 0x{:x} with length {} is outside {} (0x{:x} bytes)", event_.address,
                                         event_.length, what, size));
  }

  // One function per command: fills event_.
  bool read_probe() {
    event_.address = number(Field::kA0);
    event_.value = number(Field::kA2);
    event_.data = record_.data;
    if (event_.address > 0xff) {
      return wrong(Field::kA0, fmt::format("is {}; expected a base class, 0-255 (0: any)", event_.address));
    }
    if (event_.value > 0xffff) {
      return wrong(Field::kA2, fmt::format("is {}; expected a vendor id, 0-65535", event_.value));
    }
    if (!check_length(Field::kData, record_.data, Field::kA1)) return false;
    if (record_.data.length % 8 != 0) {
      return wrong(Field::kData,
                   fmt::format("has {} bytes; expected pairs of 32-bit mask and id", record_.data.length));
    }
    if (!described_ && succeeded() && number(Field::kR1) != 0) learn_probe();
    return !succeeded() || check_length(Field::kRet, record_.ret, Field::kR0);
  }
  void learn_probe() {
    if (device_.vendor_id != 0 || event_.value == 0 || event_.value == 0xffff) return;
    device_.vendor_id = static_cast<uint16_t>(event_.value);
    if (record_.data.length >= 8) device_.device_id = static_cast<uint16_t>(record_.data.le64(0) >> 32);
    if (event_.address != 0) device_.class_code = static_cast<uint32_t>(event_.address << 16);
  }
  bool read_map_bar() {
    event_.target = static_cast<uint32_t>(number(Field::kBar));
    if (!check_no_data() || !check_bar()) return false;
    if (described_ || !succeeded() || number(Field::kR1) == 0) return true;
    BarDescription& bar = device_.bars[event_.target];
    const uint64_t size = number(Field::kR1);
    if (!is_power_of_two(size) || size < kBarBytesMin || size > kBarBytesMax) {
      return wrong(Field::kR1, fmt::format("is {}; expected the size of a BAR, a power of two", size));
    }
    bar.size = size;
    bar.kind = size > kRegisterBarBytesMax ? BarKind::kMemory : BarKind::kRegisters;
    bar.is_64bit = bar.prefetchable = bar.kind == BarKind::kMemory && event_.target % 2 == 0;
    return true;
  }
  bool read_resize_bar() {
    event_.target = static_cast<uint32_t>(number(Field::kBar));
    event_.value = number(Field::kA0);
    return check_no_data() && check_bar();
  }
  bool read_config(bool is_write) {
    event_.address = number(Field::kA0);
    event_.length = number(Field::kA1);
    if (event_.length != 1 && event_.length != 2 && event_.length != 4) {
      return wrong(Field::kA1, fmt::format("is {}; expected a width of 1, 2 or 4", event_.length));
    }
    if (!check_range("configuration space", kConfigBytes)) return false;
    const uint64_t value_max = (uint64_t{1} << (8 * event_.length)) - 1;
    if (is_write) event_.value = number(Field::kA2);
    const Field f = is_write ? Field::kA2 : Field::kR0;
    if ((is_write || succeeded()) && number(f) > value_max) {
      return wrong(f, fmt::format("is 0x{:x}; expected a value of {} bytes", number(f), event_.length));
    }
    if (!described_ && !is_write && succeeded()) learn_identity();
    return check_no_data();
  }
  void learn_identity() {
    ConfigImage& config = device_.config;
    config.learn(event_.address, static_cast<unsigned>(event_.length), static_cast<uint32_t>(number(Field::kR0)));
    if (config.known(0, 4)) {
      device_.vendor_id = static_cast<uint16_t>(config.value(0, 2));
      device_.device_id = static_cast<uint16_t>(config.value(2, 2));
    }
    if (config.known(8, 4)) {
      device_.revision_id = config.at(8);
      device_.class_code = config.value(8, 4) >> 8;
    }
    if (config.known(0x2c, 4)) {
      device_.subsystem_vendor_id = static_cast<uint16_t>(config.value(0x2c, 2));
      device_.subsystem_id = static_cast<uint16_t>(config.value(0x2e, 2));
    }
  }
  bool read_config_read() { return read_config(false); }
  bool read_config_write() { return read_config(true); }
  bool read_mmio(bool is_write) {
    event_.target = static_cast<uint32_t>(number(Field::kBar));
    event_.address = number(Field::kA0);
    event_.length = number(Field::kA1);
    if (!check_bar()) return false;
    const BarDescription& bar = device_.bars[event_.target];
    if (!described_ && bar.kind == BarKind::kAbsent) {
      return wrong(Field::kBar, fmt::format("is {}, which no MAP_BAR before it showed", event_.target));
    }
    if (!check_range(fmt::format("BAR{}", event_.target), bar.size)) return false;
    if (bar.kind == BarKind::kRegisters) {
      register_bytes_ += event_.length;
      if (register_bytes_ > limits_.register_bytes_max) {
        return wrong(Field::kA1, fmt::format("brings the register accesses above {} bytes, the most allowed",
                                             limits_.register_bytes_max));
      }
    }
    return is_write ? take_data() : check_no_data() && check_read_reply();
  }
  bool read_mmio_read() { return read_mmio(false); }
  bool read_mmio_write() { return read_mmio(true); }
  bool take_data() {
    event_.data = record_.data;
    return check_length(Field::kData, record_.data, Field::kA1);
  }
  bool check_read_reply() { return !succeeded() || check_length(Field::kRet, record_.ret, Field::kA1); }
  bool read_map_sysmem() {
    event_.length = number(Field::kA0);
    event_.value = number(Field::kA1) != 0;
    if (event_.length == 0 || event_.length > limits_.memory_bytes_max - mapped_bytes_) {
      return wrong(Field::kA0, fmt::format("is {}; expected 1 to {} bytes of memory", event_.length,
                                           limits_.memory_bytes_max - mapped_bytes_));
    }
    if (!check_no_data()) return false;
    if (!succeeded()) return true;
    const uint64_t pages = (event_.length + kSysmemPageBytes - 1) / kSysmemPageBytes;
    if (record_.ret.length != 8 * pages) {
      return wrong(Field::kRet, fmt::format("has {} bytes; expected {}, a bus address for each of {} pages",
                                            record_.ret.length, 8 * pages, pages));
    }
    if (!check_length(Field::kRet, record_.ret, Field::kR0)) return false;
    for (uint64_t i = 0; i < pages; ++i) {
      const uint64_t page = record_.ret.le64(8 * i);
      if (page % kSysmemPageBytes != 0) {
        return wrong(Field::kRet,
                     fmt::format("page {} is at 0x{:x}; expected a multiple of {}", i, page, kSysmemPageBytes));
      }
    }
    const uint64_t handle = number(Field::kR1);
    if (handle > UINT32_MAX || !handles_.emplace(handle, event_.length).second) {
      return wrong(Field::kR1, fmt::format("handle {} is in use or too large; expected a new one", handle));
    }
    event_.target = static_cast<uint32_t>(handle);
    mapped_bytes_ += event_.length;
    return true;
  }
  bool read_sysmem(bool is_write) {
    event_.address = number(Field::kA0);
    event_.length = number(Field::kA1);
    const auto found = handles_.find(number(Field::kBar));
    if (found == handles_.end()) {
      return wrong(Field::kBar,
                   fmt::format("is {}; expected the handle of an earlier MAP_SYSMEM", number(Field::kBar)));
    }
    event_.target = static_cast<uint32_t>(found->first);
    if (!check_range(fmt::format("memory {}", found->first), found->second)) return false;
    return is_write ? take_data() : check_no_data() && check_read_reply();
  }
  bool read_sysmem_read() { return read_sysmem(false); }
  bool read_sysmem_write() { return read_sysmem(true); }
  bool read_plain() { return check_no_data(); }

  const ReaderLimits limits_;
  const bool described_;
  const std::string origin_;
  Lines lines_;
  TraceInfo info_;
  ReadReport report_;
  DeviceDescription device_;  // goes into info_ with each batch
  JsonlParser parser_;
  EventBatch* batch_ = nullptr;  // being filled
  uint64_t requests_ = 0, arena_bytes_ = 0;
  bool ended_ = false;
  JsonlRecord record_;
  Event event_;
  std::map<uint64_t, uint64_t> handles_;  // bytes of each
  uint64_t mapped_bytes_ = 0;
  uint64_t register_bytes_ = 0;
  std::string problem_;
};

const Reader::Command Reader::kCommands[] = {
    {"PROBE", EventKind::kProbe, Replies::kAlways, &Reader::read_probe},
    {"MAP_BAR", EventKind::kMapBar, Replies::kAlways, &Reader::read_map_bar},
    {"CFG_READ", EventKind::kConfigRead, Replies::kAlways, &Reader::read_config_read},
    {"CFG_WRITE", EventKind::kConfigWrite, Replies::kAlways, &Reader::read_config_write},
    {"RESET", EventKind::kReset, Replies::kAlways, &Reader::read_plain},
    {"MMIO_READ", EventKind::kMmioRead, Replies::kAlways, &Reader::read_mmio_read},
    {"MMIO_WRITE", EventKind::kMmioWrite, Replies::kNever, &Reader::read_mmio_write},
    {"MAP_SYSMEM", EventKind::kDmaMap, Replies::kAlways, &Reader::read_map_sysmem},
    {"SYSMEM_READ", EventKind::kHostRead, Replies::kAlways, &Reader::read_sysmem_read},
    {"SYSMEM_WRITE", EventKind::kHostWrite, Replies::kNever, &Reader::read_sysmem_write},
    {"RESIZE_BAR", EventKind::kResizeBar, Replies::kAlways, &Reader::read_resize_bar},
    {"PING", EventKind::kPing, Replies::kAlways, &Reader::read_plain},
    {"", EventKind::kMark, Replies::kNever, nullptr},
};

}  // namespace

Result<Session> read_jsonl(const std::string& path, const DeviceDescription& device, const ReaderLimits& limits) {
  auto source = ByteSource::open(path);
  if (!source) return tl::unexpected(source.error());
  Reader reader(std::move(*source), &device, limits);
  auto session = read_session(reader, path);
  if (session && reader.report().truncated) {
    return fail(ErrorName::kFileCorrupt, reader.report().warnings.front());
  }
  return session;
}

int detect_jsonl(std::string_view head) {
  // The first member of a request is its time or its command.
  const size_t brace = head.find_first_not_of(" \t\r\n");
  if (brace == std::string_view::npos || head[brace] != '{') return 0;
  const size_t end = head.find('\n', brace);
  const std::string_view line = head.substr(brace, end - brace);
  if (line.find("\"cmd\"") != std::string_view::npos) return 90;
  // Neither in a whole line: JSON of another kind, such as a device description.
  return end != std::string_view::npos && line.find("\"t\"") == std::string_view::npos ? 0 : 10;
}

Result<std::unique_ptr<EventReader>> open_jsonl(std::unique_ptr<ByteSource> source, const ReadOptions& options) {
  const bool asked = !options.device_description.empty();
  auto device = read_device_description(asked ? options.device_description : device_description_path(source->name()));
  const bool none = !device && device.error().name == ErrorName::kNotFound && !asked;
  if (!device && !none) return tl::unexpected(device.error());
  return std::make_unique<Reader>(std::move(source), none ? nullptr : &*device, streaming_limits());
}

}  // namespace dartboard::traces
