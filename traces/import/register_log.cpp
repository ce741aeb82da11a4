// traces/import/register_log.cpp - see register_log.h.
#include "traces/import/register_log.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/types.h"
#include "traces/import/assumed_bar.h"
#include "traces/import/scan.h"
#include "traces/import/tally.h"

namespace dartboard::traces {

namespace {

constexpr uint64_t kRepeatsMax = 65536;  // of one line; 3,841 were seen
constexpr size_t kDevicesMax = 64;
constexpr unsigned kListBar = 0;

constexpr uint16_t kIntel = 0x8086, kAmd = 0x1002;

/// One line, understood.
struct Access {
  std::string_view name = {};  // of the kind of line
  bool is_read = false;
  uint16_t vendor_id = 0, device_id = 0;
  unsigned bar = 0;
  uint64_t offset = 0, width = 0, value = 0;
  uint64_t repeats = 1;
  std::optional<uint64_t> time_ns;
};

struct TracePoint {
  std::string_view name;
  bool is_intel, is_read;
};
constexpr TracePoint kTracePoints[] = {
    {"i915_reg_rw", true, false},    {"amdgpu_device_rreg", false, true}, {"amdgpu_device_wreg", false, false},
    {"amdgpu_mm_rreg", false, true}, {"amdgpu_mm_wreg", false, false},
};

/// "  task-123  [001] d..1  12345.678901: " as the time in it; nothing when there is none.
std::optional<uint64_t> time_of(std::string_view prefix) {
  while (prefix.ends_with(' ')) prefix.remove_suffix(1);
  if (!prefix.ends_with(':')) return std::nullopt;
  prefix.remove_suffix(1);
  Scan scan(prefix.substr(prefix.rfind(' ') + 1));
  uint64_t seconds = 0, fraction = 0;
  if (!scan.dec(&seconds) || !scan.literal('.')) return std::nullopt;
  const size_t digits = scan.rest().size();
  if (!scan.dec(&fraction) || !scan.at_end() || (digits != 6 && digits != 9)) return std::nullopt;
  if (seconds > UINT64_MAX / kNsPerS - 1) return std::nullopt;
  return seconds * kNsPerS + fraction * (digits == 6 ? kNsPerUs : 1);
}

bool fits(uint64_t value, uint64_t width) {
  return width >= 8 || value >> (8 * width) == 0;
}

/// " write reg=0x2030, len=4, val=(0x0, 0x1)"
bool parse_i915(Scan& scan, Access* a) {
  uint64_t low = 0, high = 0;
  scan.spaces();
  a->is_read = scan.literal("read ");
  if (!a->is_read && !scan.literal("write ")) return false;
  if (!scan.literal("reg=") || !scan.hex0x(&a->offset) || !scan.literal(", len=") || !scan.dec(&a->width) ||
      !scan.literal(", val=(") || !scan.hex0x(&low) || !scan.literal(", ") || !scan.hex0x(&high) ||
      !scan.literal(')') || !scan.done()) {
    return false;
  }
  if (low > UINT32_MAX || high > UINT32_MAX || a->offset > UINT32_MAX) return false;
  a->value = high << 32 | low;
  a->vendor_id = kIntel;
  a->bar = 0;
  return a->width != 0 && a->width <= 8 && is_power_of_two(a->width) && fits(a->value, a->width);
}

/// " 0x74a1, 0x00000de3, 0x00002000": device, 32-bit word, value
bool parse_amdgpu(Scan& scan, Access* a) {
  uint64_t device = 0, word = 0;
  scan.spaces();
  if (!scan.hex0x(&device) || !scan.literal(", ") || !scan.hex0x(&word) || !scan.literal(", ") ||
      !scan.hex0x(&a->value) || !scan.done()) {
    return false;
  }
  if (device > UINT16_MAX || word > UINT32_MAX || a->value > UINT32_MAX) return false;
  a->vendor_id = kAmd;
  a->device_id = static_cast<uint16_t>(device);
  a->bar = 5;
  a->offset = word * 4;
  a->width = 4;
  return true;
}

/// "3841 R 0000c108: 00000000"
bool parse_list(std::string_view line, Access* a) {
  Scan scan(line);
  scan.spaces();
  if (!scan.dec(&a->repeats)) return false;
  scan.spaces();
  a->is_read = scan.literal("R ");
  if (!a->is_read && !scan.literal("W ")) return false;
  scan.spaces();
  const size_t before = scan.rest().size();
  if (!scan.hex(&a->offset) || before - scan.rest().size() > 8 || !scan.literal(':')) return false;
  scan.spaces();
  const size_t value_before = scan.rest().size();
  if (!scan.hex(&a->value) || value_before - scan.rest().size() > 8 || !scan.done()) return false;
  a->name = a->is_read ? "count R" : "count W";
  a->bar = kListBar;
  a->width = 4;
  return a->repeats != 0 && a->repeats <= kRepeatsMax;
}

/// "name: " of a trace point that none of ours is, after a time.
std::optional<std::string_view> other_event(std::string_view line) {
  for (size_t at = line.find(": "); at != std::string_view::npos; at = line.find(": ", at + 1)) {
    if (!time_of(line.substr(0, at + 1))) continue;
    const std::string_view rest = line.substr(at + 2);
    const size_t begin = rest.find_first_not_of(' ');
    const size_t end = rest.find(": ", begin);
    if (begin == std::string_view::npos || end == std::string_view::npos) return std::nullopt;
    const std::string_view name = rest.substr(begin, end - begin);
    return name.find(' ') == std::string_view::npos ? std::optional(name) : std::nullopt;
  }
  return std::nullopt;
}

enum class Parsed : uint8_t { kAccess, kOther, kUnknown };

/// A trace point's line: finds the name, then parses from there.
Parsed parse_line(std::string_view line, Access* a) {
  for (const TracePoint& point : kTracePoints) {
    for (size_t at = line.find(point.name); at != std::string_view::npos; at = line.find(point.name, at + 1)) {
      const std::string_view rest = line.substr(at + point.name.size());
      if (!rest.starts_with(':')) continue;
      std::string_view prefix = line.substr(0, at);
      // perf puts the trace system before the name ("i915:i915_reg_rw").
      for (const std::string_view system : {"i915:", "amdgpu:"}) {
        if (prefix.ends_with(system)) prefix.remove_suffix(system.size());
      }
      if (!prefix.empty() && !prefix.ends_with(' ')) continue;
      a->name = point.name;
      a->is_read = point.is_read;
      a->time_ns = time_of(prefix);
      Scan scan(rest.substr(1));
      return (point.is_intel ? parse_i915(scan, a) : parse_amdgpu(scan, a)) ? Parsed::kAccess : Parsed::kUnknown;
    }
  }
  if (parse_list(line, a)) return Parsed::kAccess;
  return Parsed::kUnknown;
}

class RegisterLogReader final : public EventReader {
 public:
  explicit RegisterLogReader(std::unique_ptr<ByteSource> source) : lines_(std::move(source)) {
    info_.source = "register-log";
    info_.notes.push_back("A driver's register trace: no configuration space, interrupts or DMA.");
  }

  const TraceInfo& info() const override { return info_; }
  const ReadReport& report() const override { return tally_.report(); }

  Result<bool> next(EventBatch* batch) override {
    batch->clear();
    batch->first_event = events_;
    while (batch->events.size() < kBatchEvents) {
      if (access_.repeats != 0) {
        --access_.repeats;
        add(batch);
        continue;
      }
      std::string_view line;
      const auto more = lines_.next(&line);
      if (!more) return tl::unexpected(more.error());
      if (!*more) {
        end();
        break;
      }
      tally_.record();
      take(line);
    }
    events_ += batch->events.size();
    return !batch->events.empty();
  }

 private:
  void end() {
    if (std::exchange(ended_, true)) return;
    tally_.source_ended(lines_.source());
    if (disorder_ != 0) {
      tally_.warn(
          fmt::format("Time runs backwards {} times, first in line {}; such an event has the time of the one before.",
                      disorder_, first_disorder_));
    }
    if (untimed_ != 0 && info_.clock != Clock::kNone) {
      tally_.warn(fmt::format("{} accesses have no time; each has that of the one before.", untimed_));
    }
    if (info_.devices.empty()) info_.devices.emplace_back();
  }

  /// Leaves what the line asks for in access_.
  void take(std::string_view line) {
    Access a;
    if (line.find_first_not_of(" \t") == std::string_view::npos) return tally_.kind("(empty line)", "says nothing");
    if (line.starts_with('#')) return tally_.kind("#", "a comment of the tool that traced");
    if (line.starts_with("CPU:") && line.ends_with(" EVENTS]")) return take_loss(line);
    const Parsed parsed = lines_.overlong() ? Parsed::kUnknown : parse_line(line, &a);
    // What no BAR can hold is no access, however well it reads.
    const bool fits_bar = parsed == Parsed::kAccess && a.offset + a.width <= bar_bytes_max(a.bar);
    if (parsed == Parsed::kAccess && !fits_bar) return tally_.unknown(lines_.number(), line);
    if (parsed != Parsed::kAccess) {
      if (const auto name = a.name.empty() && !lines_.overlong() ? other_event(line) : std::nullopt) {
        return tally_.named_kind(*name, "it is no access to a register");
      }
      return tally_.unknown(lines_.number(), line);
    }
    const auto device = device_of(a);
    if (!device) return tally_.kind(a.name, "more than 64 devices in one file");
    tally_.kind(a.name);
    if (a.time_ns) {
      if (*a.time_ns < time_ns_ && disorder_++ == 0) first_disorder_ = lines_.number();
      time_ns_ = std::max(time_ns_, *a.time_ns);
      info_.clock = Clock::kMonotonic;
    } else {
      untimed_ += a.repeats;
    }
    access_ = a;
    device_ = *device;
    BarDescription& bar = info_.devices[device_].description.bars[a.bar];
    if (bar.kind == BarKind::kAbsent || a.offset + a.width > bar.size) bar = bar_that_holds(a.offset + a.width, a.bar);
  }

  /// "CPU:2 [LOST 120 EVENTS]"
  void take_loss(std::string_view line) {
    Scan scan(line);
    std::string_view cpu;
    uint64_t lost = 0;
    if (!scan.until("[LOST ", &cpu) || !scan.dec(&lost)) return tally_.unknown(lines_.number(), line);
    tally_.kind("LOST EVENTS", "tells of events that the tracer lost");
    tally_.warn(fmt::format("The tracer lost {} events before line {}.", lost, lines_.number()));
    info_.lossy = true;
    info_.dropped_events += std::min(lost, UINT64_MAX - info_.dropped_events);
  }

  std::optional<uint16_t> device_of(const Access& a) {
    for (size_t i = 0; i < info_.devices.size(); ++i) {
      const DeviceDescription& d = info_.devices[i].description;
      if (d.vendor_id == a.vendor_id && d.device_id == a.device_id) return static_cast<uint16_t>(i);
    }
    if (info_.devices.size() == kDevicesMax) return std::nullopt;
    TraceDevice device;
    device.description.vendor_id = a.vendor_id;
    device.description.device_id = a.device_id;
    device.description.memory_decode_gated_by_command = false;  // the log does not show the command register
    if (a.vendor_id == kIntel) {
      device.description.name = "i915";
      info_.notes.push_back("i915_reg_rw names neither device nor BAR: registers are taken for BAR0 of 8086:0000.");
    } else if (a.vendor_id == kAmd) {
      device.description.name = "amdgpu";
      info_.notes.push_back(
          fmt::format("amdgpu's trace names no BAR: registers of 1002:{:04x} are taken for BAR5.", a.device_id));
    } else {
      device.description.name = "register list";
      info_.notes.push_back(
          "The list names neither device nor BAR nor unit: registers are taken for byte offsets in BAR0, 32 bits "
          "wide.");
    }
    device.description.class_code = a.vendor_id == 0 ? device.description.class_code : 0x030000;
    info_.notes.push_back("The size of the BAR is the smallest power of two that holds the accesses.");
    info_.devices.push_back(std::move(device));
    return static_cast<uint16_t>(info_.devices.size() - 1);
  }

  void add(EventBatch* batch) {
    Event event;
    event.kind = access_.is_read ? EventKind::kMmioRead : EventKind::kMmioWrite;
    event.target = access_.bar;
    event.address = access_.offset;
    event.length = access_.width;
    event.time_ns = time_ns_;
    event.device = device_;
    event.request = requests_++;
    std::byte* const bytes = batch->arena.allocate(access_.width);
    for (uint64_t i = 0; i < access_.width; ++i) bytes[i] = static_cast<std::byte>(access_.value >> (8 * i));
    Reply reply;
    (access_.is_read ? reply.data : event.data) = Payload::of({bytes, access_.width});
    if (access_.is_read) {
      batch->add(event, reply);
    } else {
      batch->events.push_back(event);
    }
  }

  Lines lines_;
  TraceInfo info_;
  Tally tally_;
  Access access_{.repeats = 0};  // that is being repeated
  uint16_t device_ = 0;
  uint64_t events_ = 0, requests_ = 0;
  uint64_t time_ns_ = 0, disorder_ = 0, first_disorder_ = 0, untimed_ = 0;
  bool ended_ = false;
};

}  // namespace

int detect_register_log(std::string_view head) {
  int lists = 0, lines = 0;
  for (size_t begin = 0; begin < head.size() && lines < 200; ++lines) {
    const size_t end = std::min(head.find('\n', begin), head.size());
    std::string_view line = head.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    begin = end + 1;
    Access a;
    if (parse_line(line, &a) != Parsed::kAccess) continue;
    if (a.vendor_id != 0) return 90;
    ++lists;
  }
  return lists == 0 ? 0 : lists * 2 >= lines ? 70 : 30;
}

Result<std::unique_ptr<EventReader>> open_register_log(std::unique_ptr<ByteSource> source, const ReadOptions&) {
  return std::make_unique<RegisterLogReader>(std::move(source));
}

}  // namespace dartboard::traces
