// traces/import/mmiotrace.cpp - lines of an mmiotrace to events (see mmiotrace.h). Whose addresses they name is for
// mmiotrace_devices.h.
#include "traces/import/mmiotrace.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/types.h"
#include "traces/import/mmiotrace_devices.h"
#include "traces/import/scan.h"
#include "traces/import/tally.h"

namespace dartboard::traces {

namespace {

constexpr std::string_view kVersion = "20070824";

class MmiotraceReader final : public EventReader {
 public:
  explicit MmiotraceReader(std::unique_ptr<ByteSource> source) : lines_(std::move(source)) {
    info_.source = "mmiotrace";
    info_.clock = Clock::kMonotonic;
    info_.notes.push_back(
        "mmiotrace records accesses to memory BARs only: no configuration space, interrupts, DMA or I/O ports.");
  }

  const TraceInfo& info() const override { return info_; }
  const ReadReport& report() const override { return tally_.report(); }

  Result<bool> next(EventBatch* batch) override {
    batch->clear();
    batch->first_event = events_;
    while (batch->events.size() < kBatchEvents) {
      std::string_view line;
      const auto more = lines_.next(&line);
      if (!more) return tl::unexpected(more.error());
      if (!*more) {
        end();
        break;
      }
      tally_.record();
      if (lines_.overlong() || !take(line, batch)) tally_.unknown(lines_.number(), line);
    }
    events_ += batch->events.size();
    return !batch->events.empty();
  }

 private:
  void end() {
    if (ended_) return;
    ended_ = true;
    tally_.source_ended(lines_.source());
    if (disorder_ != 0) {
      tally_.warn(
          fmt::format("Time runs backwards {} times, first in line {}; such an event has the time of the one before.",
                      disorder_, first_disorder_));
    }
    devices_.end();
  }

  /// False: not a line of this format.
  bool take(std::string_view line, EventBatch* batch) {
    Scan scan(line);
    std::string_view word;
    if (!scan.word(&word)) {
      if (!scan.done()) return false;
      tally_.kind("(empty line)", "says nothing");
      return true;
    }
    if (word == "R" || word == "W") return take_access(word == "R", scan, batch);
    if (word == "MAP") return take_map(scan, batch);
    if (word == "UNMAP") return take_unmap(scan);
    if (word == "MARK") return take_mark(scan, batch);
    if (word == "UNKNOWN") return take_unknown(scan);
    if (word == "PCIDEV") return take_device(scan);
    if (word == "VERSION") return take_version(scan);
    return false;
  }

  bool take_version(Scan& scan) {
    std::string_view version;
    scan.spaces();
    if (!scan.word(&version) || !scan.done()) return false;
    tally_.kind("VERSION", "tells about the file");
    if (version != kVersion) {
      tally_.warn(fmt::format("Line {} says another version of the format than {}; it is read as that.",
                              lines_.number(), kVersion));
    }
    return true;
  }

  /// " SECONDS.MICROSECONDS"
  static bool time(Scan& scan, uint64_t* time_ns) {
    uint64_t seconds = 0, us = 0;
    scan.spaces();
    if (!scan.dec(&seconds) || !scan.literal('.')) return false;
    const size_t before = scan.rest().size();
    if (!scan.dec(&us) || before - scan.rest().size() != 6) return false;
    if (seconds > UINT64_MAX / kNsPerS - 1) return false;
    *time_ns = seconds * kNsPerS + us * kNsPerUs;
    return true;
  }
  static bool number(Scan& scan, uint64_t* value) {
    scan.spaces();
    return scan.dec(value);
  }
  static bool hex(Scan& scan, uint64_t* value) {
    scan.spaces();
    return scan.hex0x(value);
  }
  /// What stands at the end of most lines: the program counter, and the process.
  static bool tail(Scan& scan) {
    uint64_t pc = 0;
    int64_t pid = 0;
    if (!hex(scan, &pc)) return false;
    scan.spaces();
    return scan.signed_dec(&pid) && scan.done();
  }

  bool take_access(bool is_read, Scan& scan, EventBatch* batch) {
    const std::string_view name = is_read ? "R" : "W";
    uint64_t width = 0, time_ns = 0, map = 0, address = 0, value = 0;
    if (!number(scan, &width) || !time(scan, &time_ns) || !number(scan, &map) || !hex(scan, &address) ||
        !hex(scan, &value) || !tail(scan)) {
      return false;
    }
    if (width == 0 || width > 8 || !is_power_of_two(width) || (width < 8 && value >> (8 * width) != 0)) return false;
    const auto place = devices_.find(address, width);
    if (!place) {
      tally_.kind(name, "its address is in no BAR and no map of the file");
      return true;
    }
    tally_.kind(name);
    Event event;
    event.kind = is_read ? EventKind::kMmioRead : EventKind::kMmioWrite;
    event.target = place->slot;
    event.address = place->offset;
    event.length = width;
    std::byte* const bytes = batch->arena.allocate(width);
    for (uint64_t i = 0; i < width; ++i) bytes[i] = static_cast<std::byte>(value >> (8 * i));
    Reply reply;
    (is_read ? reply.data : event.data) = Payload::of({bytes, width});
    add(event, time_ns, place->device, is_read ? &reply : nullptr, batch);
    return true;
  }

  bool take_map(Scan& scan, EventBatch* batch) {
    uint64_t time_ns = 0, address = 0, virt = 0, length = 0;
    int64_t id = 0;
    if (!time(scan, &time_ns)) return false;
    scan.spaces();
    if (!scan.signed_dec(&id) || !hex(scan, &address) || !hex(scan, &virt) || !hex(scan, &length) || !tail(scan)) {
      return false;
    }
    if (length == 0 || length - 1 > UINT64_MAX - address) return false;
    auto place = devices_.find(address, 1);
    if (!place) {
      if (!devices_.make_bar(address, length)) {
        tally_.kind("MAP", "it is in no BAR of the file, and cannot be one: there are six already, or it is too large");
        return true;
      }
      place = devices_.find(address, 1);
    }
    if (place->slot == MmiotraceDevices::kRomSlot) {
      tally_.kind("MAP", "a map of the ROM is no event");
      return true;
    }
    tally_.kind("MAP");
    if (length != place->size && !noted_partial_) {
      noted_partial_ = true;
      devices_.note("Some maps were of parts of a BAR; each stands as a map of the whole.");
    }
    Event event;
    event.kind = EventKind::kMapBar;
    event.target = place->slot;
    const Reply reply{0, place->start, place->size, 0, {}};
    add(event, time_ns, place->device, &reply, batch);
    return true;
  }

  bool take_unmap(Scan& scan) {
    uint64_t time_ns = 0;
    int64_t id = 0;
    if (!time(scan, &time_ns)) return false;
    scan.spaces();
    if (!scan.signed_dec(&id) || !tail(scan)) return false;
    tally_.kind("UNMAP", "no event says that a BAR is no longer mapped");
    return true;
  }

  bool take_unknown(Scan& scan) {
    uint64_t time_ns = 0, address = 0;
    int64_t id = 0;
    std::string_view opcode;
    if (!time(scan, &time_ns)) return false;
    scan.spaces();
    if (!scan.signed_dec(&id) || !hex(scan, &address)) return false;
    scan.spaces();
    if (!scan.word(&opcode) || !tail(scan)) return false;
    tally_.kind("UNKNOWN", "the kernel did not decode the instruction: neither direction nor value is known");
    lose(1);
    return true;
  }

  bool take_mark(Scan& scan, EventBatch* batch) {
    uint64_t time_ns = 0;
    if (!time(scan, &time_ns)) return false;
    scan.literal(' ');
    const std::string_view text = scan.rest();
    if (uint64_t lost = 0; time_ns == 0 && lost_events(text, &lost)) {
      tally_.kind("MARK", "tells of lost events; its time is none");
      tally_.warn(fmt::format("The kernel lost {} events before line {}.", lost, lines_.number()));
      lose(lost);
      return true;
    }
    tally_.kind("MARK");
    Event event;
    event.kind = EventKind::kMark;
    event.source = Source::kRecorder;
    std::byte* const bytes = batch->arena.allocate(text.size());
    std::memcpy(bytes, text.data(), text.size());
    event.data = Payload::of({bytes, text.size()});
    add(event, time_ns, 0, nullptr, batch);
    return true;
  }
  static bool lost_events(std::string_view text, uint64_t* count) {
    Scan scan(text);
    return scan.literal("Lost ") && scan.dec(count) && scan.literal(" events.") && scan.done();
  }
  void lose(uint64_t count) {
    info_.lossy = true;
    info_.dropped_events += std::min(count, UINT64_MAX - info_.dropped_events);
  }

  bool take_device(Scan& scan) {
    MmiotraceListing listing;
    uint64_t place = 0, ids = 0, irq = 0;
    if (!fixed_hex(scan, 4, &place) || !fixed_hex(scan, 8, &ids)) return false;
    scan.spaces();
    if (!scan.hex(&irq)) return false;
    for (auto* const numbers : {&listing.starts, &listing.lengths}) {
      for (uint64_t& n : *numbers) {
        scan.spaces();
        if (!scan.hex(&n)) return false;
      }
    }
    scan.spaces();
    listing.driver = std::string(scan.rest().substr(0, 64));
    listing.bus = static_cast<uint8_t>(place >> 8);
    listing.devfn = static_cast<uint8_t>(place);
    listing.vendor_id = static_cast<uint16_t>(ids >> 16);
    listing.device_id = static_cast<uint16_t>(ids);
    for (unsigned slot = 0; slot < MmiotraceListing::kSlots; ++slot) {
      const uint64_t start = listing.starts[slot] & ~MmiotraceListing::kFlagBits;
      if (listing.lengths[slot] != 0 && listing.lengths[slot] - 1 > UINT64_MAX - start) return false;
    }
    tally_.kind("PCIDEV",
                devices_.list(std::move(listing)) ? "tells about a device" : "more than 4096 devices are listed");
    return true;
  }
  static bool fixed_hex(Scan& scan, size_t digits, uint64_t* value) {
    scan.spaces();
    const size_t before = scan.rest().size();
    return scan.hex(value) && before - scan.rest().size() == digits;
  }

  void add(Event event, uint64_t time_ns, uint16_t device, const Reply* reply, EventBatch* batch) {
    if (time_ns < time_ns_ && disorder_++ == 0) first_disorder_ = lines_.number();
    time_ns_ = std::max(time_ns_, time_ns);
    event.time_ns = time_ns_;
    event.device = device;
    event.request = event.is_request() ? requests_++ : requests_;
    if (reply != nullptr) {
      batch->add(event, *reply);
    } else {
      batch->events.push_back(event);
    }
  }

  Lines lines_;
  TraceInfo info_;
  MmiotraceDevices devices_{&info_};
  Tally tally_;
  uint64_t events_ = 0, requests_ = 0;
  uint64_t time_ns_ = 0, disorder_ = 0, first_disorder_ = 0;
  bool noted_partial_ = false, ended_ = false;
};

/// The first line of `text` that is not empty, and what follows it.
std::string_view take_line(std::string_view* text) {
  const size_t end = text->find('\n');
  std::string_view line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

int detect_mmiotrace(std::string_view head) {
  if (head.starts_with("VERSION 20070824")) return 100;
  // A file that was cut at its front: lines of accesses.
  int accesses = 0, lines = 0;
  while (!head.empty() && lines < 50) {
    const std::string_view line = take_line(&head);
    ++lines;
    Scan scan(line);
    uint64_t width = 0, seconds = 0;
    if ((scan.literal("R ") || scan.literal("W ")) && scan.dec(&width) && width <= 8 && scan.literal(' ') &&
        scan.dec(&seconds) && scan.literal('.')) {
      ++accesses;
    } else if (line.starts_with("PCIDEV ") || line.starts_with("MAP ")) {
      ++accesses;
    }
  }
  return accesses == 0 ? 0 : accesses * 2 > lines ? 90 : 40;
}

Result<std::unique_ptr<EventReader>> open_mmiotrace(std::unique_ptr<ByteSource> source, const ReadOptions&) {
  return std::make_unique<MmiotraceReader>(std::move(source));
}

}  // namespace dartboard::traces
