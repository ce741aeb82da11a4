// traces/import/mmiotrace.cpp - see mmiotrace.h.
#include "traces/import/mmiotrace.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/types.h"
#include "traces/import/assumed_bar.h"
#include "traces/import/scan.h"
#include "traces/import/tally.h"

namespace dartboard::traces {

namespace {

constexpr std::string_view kVersion = "20070824";
constexpr unsigned kSlots = 7;  // six BARs and the ROM
constexpr unsigned kRomSlot = 6;
constexpr uint64_t kFlagIo = 0x1, kFlag64Bit = 0x4, kFlagPrefetchable = 0x8, kFlagBits = 0xf;
constexpr size_t kListedMax = 4096;  // PCIDEV lines
constexpr size_t kNotesMax = 64;

struct Listed {
  uint8_t bus = 0, devfn = 0;
  uint16_t vendor_id = 0, device_id = 0;
  std::array<BarDescription, kRomSlot> bars;
  std::array<uint64_t, kRomSlot> starts{};  // with flag bits, of those BARs
  std::string driver;
  std::optional<uint16_t> device;  // its number, once one of its lines came
};

/// Addresses of a BAR or ROM.
struct Range {
  uint64_t size = 0;
  size_t listed = 0;  // index of the PCIDEV; kNobody: of the device without identity
  unsigned slot = 0;
};
constexpr size_t kNobody = SIZE_MAX;

struct Place {
  uint16_t device = 0;
  unsigned slot = 0;
  uint64_t offset = 0, start = 0, size = 0;
};

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
    if (info_.devices.empty()) {
      // Nobody's lines came: the first that is listed, so that the trace has a device.
      if (listed_.empty()) {
        info_.devices.emplace_back();
      } else {
        device_of(0);
      }
    }
    if (listed_.size() > 1) {
      note(fmt::format("The file lists {} devices; those with accesses or maps are kept.", listed_.size()));
    }
  }

  void note(std::string sentence) {
    if (info_.notes.size() < kNotesMax) info_.notes.push_back(std::move(sentence));
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
    const auto place = find(address, width);
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
    auto place = find(address, 1);
    if (!place) {
      if (!make_bar(address, length)) {
        tally_.kind("MAP", "it is in no BAR of the file, and cannot be one: there are six already, or it is too large");
        return true;
      }
      place = find(address, 1);
    }
    if (place->slot == kRomSlot) {
      tally_.kind("MAP", "a map of the ROM is no event");
      return true;
    }
    tally_.kind("MAP");
    if (length != place->size && !noted_partial_) {
      noted_partial_ = true;
      note("Some maps were of parts of a BAR; each stands as a map of the whole.");
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
    Listed listed;
    uint64_t place = 0, ids = 0, irq = 0;
    std::array<uint64_t, kSlots> starts{}, lengths{};
    if (!fixed_hex(scan, 4, &place) || !fixed_hex(scan, 8, &ids)) return false;
    scan.spaces();
    if (!scan.hex(&irq)) return false;
    for (auto* const numbers : {&starts, &lengths}) {
      for (uint64_t& n : *numbers) {
        scan.spaces();
        if (!scan.hex(&n)) return false;
      }
    }
    scan.spaces();
    listed.driver = std::string(scan.rest().substr(0, 64));
    listed.bus = static_cast<uint8_t>(place >> 8);
    listed.devfn = static_cast<uint8_t>(place);
    listed.vendor_id = static_cast<uint16_t>(ids >> 16);
    listed.device_id = static_cast<uint16_t>(ids);
    for (unsigned slot = 0; slot < kSlots; ++slot) {
      if (lengths[slot] != 0 && lengths[slot] - 1 > UINT64_MAX - (starts[slot] & ~kFlagBits)) return false;
    }
    if (listed_.size() == kListedMax) {
      tally_.kind("PCIDEV", "more than 4096 devices are listed");
      return true;
    }
    tally_.kind("PCIDEV", "tells about a device");
    for (unsigned slot = 0; slot < kSlots; ++slot) add_slot(slot, starts[slot], lengths[slot], &listed);
    listed_.push_back(std::move(listed));
    return true;
  }
  static bool fixed_hex(Scan& scan, size_t digits, uint64_t* value) {
    scan.spaces();
    const size_t before = scan.rest().size();
    return scan.hex(value) && before - scan.rest().size() == digits;
  }

  void add_slot(unsigned slot, uint64_t start, uint64_t length, Listed* listed) {
    if (length == 0 || start == 0) return;
    if (slot != kRomSlot && (start & kFlagIo) != 0) return;  // ports are not traced
    const uint64_t address = start & ~kFlagBits;
    const std::string who = fmt::format("{:02x}:{:02x}.{}", listed->bus, listed->devfn >> 3, listed->devfn & 7);
    if (length > bar_bytes_max(slot)) {
      return note(fmt::format("BAR {} of {} has {} bytes, more than a device of the simulation can have: left out.",
                              slot, who, length));
    }
    if (!add_range(address, {length, listed_.size(), slot})) {
      return note(fmt::format("BAR {} of {} overlaps one that is listed before: left out.", slot, who));
    }
    if (slot == kRomSlot) return;
    listed->starts[slot] = start;
    BarDescription& bar = listed->bars[slot];
    bar = bar_that_holds(length, slot);
    if (is_power_of_two(length) && length >= 16) {
      bar.size = length;  // BARs may be smaller than a page
    } else {
      note(fmt::format("BAR {} of {} has {} bytes, which is no power of two: taken for {}.", slot, who, length,
                       bar.size));
    }
    bar.is_64bit = bar.is_64bit || ((start & kFlag64Bit) != 0 && slot < 5);
    bar.prefetchable = (start & kFlagPrefetchable) != 0;
    // Its upper half is no BAR of its own.
    if (slot > 0 && listed->bars[slot - 1].kind != BarKind::kAbsent && listed->bars[slot - 1].is_64bit) {
      bar = {};
      ranges_.erase(address);
      last_ = ranges_.end();
      note(fmt::format("BAR {} of {} is the upper half of the one before: left out.", slot, who));
    }
  }

  /// False: it overlaps another.
  bool add_range(uint64_t start, Range range) {
    const auto after = ranges_.lower_bound(start);
    if (after != ranges_.end() && after->first - start < range.size) return false;
    if (after != ranges_.begin()) {
      const auto before = std::prev(after);
      if (start - before->first < before->second.size) return false;
    }
    ranges_.emplace(start, range);
    return true;
  }

  /// A MAP of addresses that no PCIDEV has: a BAR of the device without identity.
  bool make_bar(uint64_t address, uint64_t length) {
    if (nobodys_bars_ == kRomSlot || length > bar_bytes_max(nobodys_bars_)) return false;
    if (!add_range(address, {length, kNobody, nobodys_bars_})) return false;
    if (!nobody_) {
      nobody_ = static_cast<uint16_t>(info_.devices.size());
      info_.devices.emplace_back();
      info_.devices.back().description.name = "mapped memory without a PCIDEV line";
    }
    info_.devices[*nobody_].description.bars[nobodys_bars_] = bar_that_holds(length, nobodys_bars_);
    // A 64-bit BAR needs the next one too.
    const bool is_64bit = info_.devices[*nobody_].description.bars[nobodys_bars_].is_64bit;
    note(fmt::format("No PCIDEV line has the {} bytes mapped at 0x{:x}: taken for BAR{} of a device without identity.",
                     length, address, nobodys_bars_));
    nobodys_bars_ += is_64bit ? 2 : 1;
    return true;
  }

  /// Number of a device that a PCIDEV line listed.
  uint16_t device_of(size_t index) {
    Listed& listed = listed_[index];
    if (!listed.device) {
      listed.device = static_cast<uint16_t>(info_.devices.size());
      TraceDevice device;
      device.address = fmt::format("0000:{:02x}:{:02x}.{}", listed.bus, listed.devfn >> 3, listed.devfn & 7);
      device.description.name =
          listed.driver.empty() ? device.address : fmt::format("{} ({})", device.address, listed.driver);
      device.description.vendor_id = listed.vendor_id;
      device.description.device_id = listed.device_id;
      ConfigImage& config = device.description.config;
      config.learn(0, 2, listed.vendor_id);
      config.learn(2, 2, listed.device_id);
      for (unsigned i = 0; i < kRomSlot; ++i) {
        const BarDescription& bar = device.description.bars[i] = listed.bars[i];
        if (bar.kind == BarKind::kAbsent) continue;
        config.learn(0x10 + 4 * i, 4, static_cast<uint32_t>(listed.starts[i]));
        if (bar.is_64bit) config.learn(0x14 + 4 * i, 4, static_cast<uint32_t>(listed.starts[i] >> 32));
      }
      // The format does not show the command register: the driver was at work when recording began.
      device.description.memory_decode_gated_by_command = false;
      info_.devices.push_back(std::move(device));
    }
    return *listed.device;
  }

  /// Whose bytes [address, address + width) are.
  std::optional<Place> find(uint64_t address, uint64_t width) {
    if (last_ == ranges_.end() || address < last_->first || address - last_->first >= last_->second.size) {
      auto after = ranges_.upper_bound(address);
      if (after == ranges_.begin()) return std::nullopt;
      last_ = std::prev(after);
    }
    const auto& [start, range] = *last_;
    if (!in_range(address - start, width, range.size)) return std::nullopt;
    const uint16_t device = range.listed == kNobody ? *nobody_ : device_of(range.listed);
    return Place{device, range.slot, address - start, start, range.size};
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
  Tally tally_;
  std::vector<Listed> listed_;
  std::map<uint64_t, Range> ranges_;  // by first address; none overlap
  std::map<uint64_t, Range>::iterator last_ = ranges_.end();
  std::optional<uint16_t> nobody_;  // the device without identity
  unsigned nobodys_bars_ = 0;
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
