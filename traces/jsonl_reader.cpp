// traces/jsonl_reader.cpp - records to events: each command's rules in one place, so that a replay can trust a session.
#include "traces/jsonl_reader.h"

#include <map>

#include <fmt/format.h>

#include "traces/jsonl_record.h"
#include "traces/line_source.h"

namespace dartboard::traces {

namespace {

constexpr uint64_t kConfigBytes = 4096;
constexpr uint64_t kDamageSearchBytes = 64 * kMiB;
constexpr uint64_t kSysmemPageBytes = 4096;  // MAP_SYSMEM returns one bus address per 4 KiB

/// Whether a command is answered.
enum class Replies : uint8_t { kAlways, kNever };

class Reader {
 public:
  Reader(const std::string& path, const DeviceDescription& device, const ReaderLimits& limits)
      : limits_(limits), parser_(session_.arena, limits.payload_bytes_max) {
    session_.origin = path;
    session_.device = device;
  }

  Result<Session> run() {
    auto source = LineSource::open(session_.origin, limits_.line_bytes_max);
    if (!source) return tl::unexpected(source.error());
    for (;;) {
      std::string_view line;
      const auto more = source->next(&line);
      if (!more) return tl::unexpected(more.error());
      if (!*more) break;
      if (!add(line)) {
        // Damaged compression that still decodes is the better explanation.
        if (auto damage = source->damage_further_on(kDamageSearchBytes)) return tl::unexpected(std::move(*damage));
        const char* const cut = source->line_complete() ? "" : " (the file ends here without a newline: truncated?)";
        return fail(ErrorName::kFileCorrupt,
                    fmt::format("{}: line {}{} {}{}.", session_.origin, source->line_number(),
                                problem_.rfind("field", 0) == 0 || problem_.rfind("unknown", 0) == 0 ? "," : "",
                                problem_, cut));
      }
    }
    if (session_.requests == 0) {
      return fail(ErrorName::kFileCorrupt, fmt::format("{}: has no request in it.", session_.origin));
    }
    return std::move(session_);
  }

 private:
  struct Command {
    std::string_view name;
    EventKind kind;
    Replies replies;
    bool (Reader::*read)();
  };
  static const Command kCommands[];

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
    if (!parser_.parse(line, &record_)) return wrong(parser_.problem());
    if (session_.requests == limits_.requests_max) {
      return wrong(fmt::format("is one too many: a session holds at most {} requests", limits_.requests_max));
    }
    if (session_.arena.used_bytes() > limits_.arena_bytes_max) {
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
    event_.request = session_.requests;
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
      event_.reply = static_cast<uint32_t>(session_.replies.size());
      session_.replies.push_back(
          {number(Field::kSt), number(Field::kR0), number(Field::kR1), number(Field::kDt), record_.ret});
    }
    session_.events.push_back(event_);
    ++session_.requests;
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
    if (session_.device.has_bar(number(Field::kBar))) return true;
    return wrong(Field::kBar, fmt::format("is {}, which the device does not have; expected one of {}",
                                          number(Field::kBar), session_.device.bar_list()));
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
    return !succeeded() || check_length(Field::kRet, record_.ret, Field::kR0);
  }
  bool read_map_bar() {
    event_.target = static_cast<uint32_t>(number(Field::kBar));
    return check_no_data() && check_bar();
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
    return check_no_data();
  }
  bool read_config_read() { return read_config(false); }
  bool read_config_write() { return read_config(true); }
  bool read_mmio(bool is_write) {
    event_.target = static_cast<uint32_t>(number(Field::kBar));
    event_.address = number(Field::kA0);
    event_.length = number(Field::kA1);
    if (!check_bar()) return false;
    const BarDescription& bar = session_.device.bars[event_.target];
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
  Session session_;
  JsonlParser parser_;
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
  return Reader(path, device, limits).run();
}

}  // namespace dartboard::traces
