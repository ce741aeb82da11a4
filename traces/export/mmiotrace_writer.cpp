// traces/export/mmiotrace_writer.cpp - Linux's mmiotrace text (Documentation/trace/mmiotrace.rst): PCIDEV, MAP, R, W,
// MARK and UNMAP lines, times in microseconds, absolute physical addresses.
//
// Configuration space, interrupts and DMA have no place in it and are counted. Accesses of more than 8 bytes become the
// widest aligned accesses that make them up, as copying loops of a driver would. A BAR stands where the trace showed it
// (map-bar, or its register in configuration space) before the first access to any; else at an address of our own,
// which a MARK tells.
#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <optional>

#include <fmt/compile.h>

#include "base/types.h"
#include "traces/export/exporters.h"
#include "traces/export/left_out.h"
#include "traces/export/output_file.h"
#include "traces/export/text.h"

namespace dartboard::traces {

namespace {

constexpr unsigned kSlots = 7;  // six BARs and the ROM
constexpr unsigned kRomSlot = 6;
constexpr uint64_t kUnknownBarBytes = 256 * kMiB;      // room for a BAR whose size the trace does not tell
constexpr uint64_t kOwnAddresses = uint64_t{1} << 40;  // above what machines put there
constexpr uint64_t kOwn32BitAddresses = uint64_t{1} << 31;
constexpr uint64_t kSplitBytesMax = 4096;
constexpr size_t kHeldMax = 1000;
constexpr size_t kDevicesMax = 256;
constexpr uint64_t kBarBytesMax = uint64_t{1} << 40;

constexpr uint64_t kFlag64Bit = 0x4, kFlagPrefetchable = 0x8;
constexpr unsigned kBar0Register = 0x10, kBar5Register = 0x24;

struct Slot {
  std::optional<uint64_t> address;
  uint64_t size = 0;
  bool is_64bit = false, prefetchable = false;
  bool own_address = false, own_size = false;
  bool declared = false;           // in the PCIDEV line
  std::optional<uint64_t> map_id;  // of its MAP line
};

struct Device {
  std::array<Slot, kSlots> slots;
  std::array<uint32_t, 6> bar_registers{};  // as the driver wrote them
  std::array<bool, 6> bar_register_known{};
};

/// "0000:01:00.0" as bus and devfn.
struct Place {
  unsigned bus, devfn;
};
std::optional<Place> place_of(std::string_view address) {
  unsigned parts[4] = {};
  const char* at = address.data();
  const char* const end = address.data() + address.size();
  for (unsigned i = 0; i < 4; ++i) {
    const auto [next, error] = std::from_chars(at, end, parts[i], 16);
    if (error != std::errc()) return std::nullopt;
    at = next;
    if (i == 3) break;
    if (at == end || *at != (i == 2 ? '.' : ':')) return std::nullopt;
    ++at;
  }
  if (at != end || parts[1] > 0xff || parts[2] > 0x1f || parts[3] > 7) return std::nullopt;
  return Place{parts[1], parts[2] << 3 | parts[3]};
}

class MmiotraceWriter final : public EventWriter {
 public:
  MmiotraceWriter(std::unique_ptr<OutputFile> file, const TraceInfo& info) : file_(std::move(file)), info_(info) {
    file_->put("VERSION 20070824\n");
    for (const TraceDevice& device : info_.devices) {
      if (devices_.size() < kDevicesMax) learn_device(device.description);
    }
    if (devices_.empty()) learn_device(DeviceDescription());
  }

  Result<void> write(const EventBatch& batch) override {
    for (size_t i = 0; i < batch.events.size(); ++i) {
      const Event& event = batch.events[i];
      time_us_ = info_.clock == Clock::kNone ? batch.first_event + i : event.time_ns / 1000;
      add(event, batch.reply_of(event));
      file_->settle();
    }
    return file_->status();
  }

  Result<void> finish(const TraceInfo& info) override {
    declare();
    for (const Device& device : devices_) {
      for (const Slot& slot : device.slots) {
        if (slot.map_id) line("UNMAP {} {} 0x0 0\n", stamp(), *slot.map_id);
      }
    }
    if (info.lossy || info.dropped_events != 0) line("MARK 0.000000 Lost {} events.\n", info.dropped_events);
    return file_->close();
  }
  std::vector<RecordCount> left_out() const override { return left_out_.list(); }
  uint64_t events_left_out() const override { return left_out_.events(); }

 private:
  template <class... Arguments>
  void line(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    fmt::format_to(fmt::appender(file_->buffer()), format, std::forward<Arguments>(arguments)...);
  }
  std::string stamp() const { return fmt::format("{}.{:06}", time_us_ / 1'000'000, time_us_ % 1'000'000); }

  void learn_device(const DeviceDescription& description) {
    Device device;
    for (unsigned i = 0; i < kRomSlot; ++i) {
      const BarDescription& bar = description.bars[i];
      device.slots[i].size = bar.kind == BarKind::kAbsent || bar.size > kBarBytesMax ? 0 : bar.size;
      device.slots[i].is_64bit = bar.is_64bit;
      device.slots[i].prefetchable = bar.prefetchable;
    }
    devices_.push_back(device);
    for (unsigned i = 0; i < kRomSlot; ++i) {
      if (description.config.known(kBar0Register + 4 * i, 4)) {
        learn_register(&devices_.back(), i, description.config.value(kBar0Register + 4 * i, 4));
      }
    }
  }

  /// A BAR register was written: where the BAR is, unless the driver only asks for its size.
  static void learn_register(Device* device, unsigned index, uint32_t value) {
    device->bar_registers[index] = value;
    device->bar_register_known[index] = true;
    const unsigned low = index > 0 && device->slots[index - 1].is_64bit ? index - 1 : index;
    Slot& slot = device->slots[low];
    if (slot.size == 0 || slot.declared || !device->bar_register_known[low]) return;
    if (slot.is_64bit && (low + 1 >= 6 || !device->bar_register_known[low + 1])) return;
    const uint32_t high = slot.is_64bit ? device->bar_registers[low + 1] : 0;
    const uint64_t address = uint64_t{high} << 32 | (device->bar_registers[low] & ~uint32_t{0xf});
    const bool asks_for_size = device->bar_registers[low] >= 0xfffffff0 || high == UINT32_MAX;
    if (address != 0 && !asks_for_size && address % slot.size == 0) slot.address = address;
  }

  void add(const Event& event, const Reply* reply) {
    const std::string_view name = to_string(event.kind);
    if (event.device >= devices_.size())
      return left_out_.add_event(name, "its device was not known when the file was begun");
    switch (event.kind) {
      case EventKind::kMark: return add_mark(text_of(event.data));
      case EventKind::kMapBar: return add_map(event, reply);
      case EventKind::kMmioRead:
        if (reply == nullptr || reply->status != 0)
          return left_out_.add_event(name, "it failed; the format has no failures");
        return add_access(event, 'R', reply->data);
      case EventKind::kMmioWrite: return add_access(event, 'W', event.data);
      case EventKind::kConfigWrite:
        if (event.length == 4 && event.address >= kBar0Register && event.address <= kBar5Register &&
            event.address % 4 == 0) {
          learn_register(&devices_[event.device], static_cast<unsigned>(event.address - kBar0Register) / 4,
                         static_cast<uint32_t>(event.value));
        }
        [[fallthrough]];
      case EventKind::kConfigRead:
      case EventKind::kDeviceConfig: return left_out_.add_event(name, "the format has no configuration space");
      case EventKind::kInterrupt:
      case EventKind::kIrqSetup: return left_out_.add_event(name, "the format has no interrupts");
      case EventKind::kDmaMap:
      case EventKind::kDmaUnmap:
      case EventKind::kHostRead:
      case EventKind::kHostWrite:
      case EventKind::kDeviceDmaRead:
      case EventKind::kDeviceDmaWrite: return left_out_.add_event(name, "the format has no DMA");
      case EventKind::kDeviceMemory: return left_out_.add_event(name, "the format has only accesses of the CPU");
      case EventKind::kProbe:
      case EventKind::kResizeBar:
      case EventKind::kReset:
      case EventKind::kPing: return left_out_.add_event(name, "the format has no such record");
    }
  }

  void add_mark(const std::string& text) {
    // The header has to know where BARs are, so marks before the first access wait for it.
    std::string mark = fmt::format("MARK {} {}\n", stamp(), one_line(text));
    if (declared_) return file_->put(mark);
    hold({std::move(mark), 0, kSlots});
  }

  void add_map(const Event& event, const Reply* reply) {
    if (event.target >= kSlots || reply == nullptr || reply->status != 0) {
      return left_out_.add_event(to_string(event.kind), "it failed; the format has no failures");
    }
    Slot& slot = devices_[event.device].slots[event.target];
    if (!slot.declared && !declared_) {
      if (reply->value1 != 0 && reply->value1 <= kBarBytesMax) slot.size = reply->value1;
      if (reply->value0 != 0) slot.address = reply->value0;
      hold({stamp(), event.device, event.target});
      return;
    }
    map_asked(&slot, stamp());
  }

  /// The recording has a map here.
  void map_asked(Slot* slot, const std::string& time) {
    if (!slot->declared)
      return left_out_.add_event("map-bar", "its BAR was not known when the first access was written");
    if (slot->map_id)
      return left_out_.add_event("map-bar", "its BAR is mapped already: a second map would not tell more");
    map(slot, time);
  }
  void map(Slot* slot, const std::string& time) {
    if (slot->map_id) return;
    slot->map_id = ++maps_;
    line("MAP {} {} 0x{:x} 0x{:x} 0x{:x} 0x0 0\n", time, *slot->map_id, *slot->address, *slot->address, slot->size);
  }

  void add_access(const Event& event, char direction, const Payload& payload) {
    const std::string_view name = to_string(event.kind);
    if (event.target >= kSlots) return left_out_.add_event(name, "its region is no BAR");
    if (!payload.is_whole()) return left_out_.add_event(name, "its bytes were not recorded");
    if (payload.empty()) return left_out_.add_event(name, "it has no bytes");
    Slot& slot = devices_[event.device].slots[event.target];
    if (!slot.declared && !declared_ && slot.size == 0) {
      slot.size = kUnknownBarBytes;
      slot.own_size = true;
    }
    declare();
    if (!slot.declared) return left_out_.add_event(name, "its BAR was not known when the first access was written");
    if (!in_range(event.address, payload.length, slot.size))
      return left_out_.add_event(name, "it lies outside its BAR");
    if (payload.length > kSplitBytesMax) return left_out_.add_event(name, "it has more than 4096 bytes");
    map(&slot, stamp());
    for (uint64_t done = 0; done < payload.length;) {
      const uint64_t address = *slot.address + event.address + done;
      uint64_t width = 8;
      // One access of the driver is one line, aligned or not; only longer ones are taken apart.
      if (payload.length <= 8 && is_power_of_two(payload.length)) {
        width = payload.length;
      } else {
        while (width > payload.length - done || address % width != 0) width /= 2;
      }
      fmt::format_to(fmt::appender(file_->buffer()), FMT_COMPILE("{} {} {}.{:06} {} 0x{:x} 0x{:x} 0x0 0\n"), direction,
                     width, time_us_ / 1'000'000, time_us_ % 1'000'000, *slot.map_id, address,
                     *value_of(payload.part(done, width)));
      done += width;
    }
  }

  /// The PCIDEV lines, and what waited for them.
  void declare() {
    if (declared_) return;
    declared_ = true;
    // Ours stand before what waited, so they have its time: times of a file do not run backwards.
    const std::string time = held_.empty() ? stamp() : held_time_;
    for (Device& device : devices_) place_bars(&device);
    for (size_t d = 0; d < devices_.size(); ++d) put_device(d);
    if (info_.clock == Clock::kNone) {
      line("MARK {} Dartboard: the recording has no times; an event is a microsecond here.\n", time);
    }
    for (size_t d = 0; d < devices_.size(); ++d) {
      for (unsigned i = 0; i < kSlots; ++i) {
        const Slot& slot = devices_[d].slots[i];
        if (slot.own_address) {
          line(
              "MARK {} Dartboard: device {} BAR {} is at 0x{:x} for this file only; the recording does not tell its "
              "address{}.\n",
              time, d, i, *slot.address, slot.own_size ? " nor its size" : "");
        }
      }
    }
    for (const Held& h : held_) {
      if (h.target == kSlots) {
        file_->put(h.text);
      } else {
        map_asked(&devices_[h.device].slots[h.target], h.text);
      }
    }
    held_.clear();
  }

  bool overlaps(uint64_t address, uint64_t size) const {
    for (const Device& device : devices_) {
      for (const Slot& slot : device.slots) {
        if (slot.address && address < *slot.address + slot.size && *slot.address < address + size) return true;
      }
    }
    return false;
  }
  /// The first aligned place from `begin` on that ends before `end`.
  std::optional<uint64_t> free_place(uint64_t begin, uint64_t size, uint64_t end) const {
    const uint64_t align = is_power_of_two(size) ? size : 4096;
    uint64_t address = round_up(begin, align);
    while (overlaps(address, size)) address = round_up(address + size, align);
    return in_range(address, size, end) ? std::optional(address) : std::nullopt;
  }
  void place_bars(Device* device) {
    for (Slot& slot : device->slots) {
      slot.declared = slot.size != 0;
      if (!slot.declared || (slot.address && *slot.address <= UINT64_MAX - slot.size)) continue;
      slot.address.reset();
      slot.address = slot.is_64bit ? std::nullopt : free_place(kOwn32BitAddresses, slot.size, uint64_t{1} << 32);
      if (!slot.address) slot.address = free_place(kOwnAddresses, slot.size, UINT64_MAX);
      slot.own_address = true;
    }
  }
  void put_device(size_t index) {
    const TraceDevice unknown;
    const TraceDevice& device = index < info_.devices.size() ? info_.devices[index] : unknown;
    const Place place = place_of(device.address).value_or(Place{static_cast<unsigned>(index) & 0xff, 0});
    line("PCIDEV {:02x}{:02x} {:04x}{:04x} 0", place.bus, place.devfn, device.description.vendor_id,
         device.description.device_id);
    for (const Slot& slot : devices_[index].slots) {
      const uint64_t flags = (slot.is_64bit ? kFlag64Bit : 0) | (slot.prefetchable ? kFlagPrefetchable : 0);
      line(" {:x}", slot.declared ? *slot.address | flags : 0);
    }
    for (const Slot& slot : devices_[index].slots) line(" {:x}", slot.declared ? slot.size : 0);
    file_->put(" \n");  // no driver
  }

  /// What came before the header could be written: a line of a mark, or the time of a map.
  struct Held {
    std::string text;
    uint16_t device;
    uint32_t target;  // kSlots: a mark
  };

  void hold(Held held) {
    if (held_.empty()) held_time_ = stamp();
    held_.push_back(std::move(held));
    if (held_.size() >= kHeldMax) declare();
  }

  std::unique_ptr<OutputFile> file_;
  const TraceInfo info_;
  std::vector<Device> devices_;
  uint64_t time_us_ = 0;
  uint64_t maps_ = 0;
  bool declared_ = false;
  std::vector<Held> held_;
  std::string held_time_;  // of the first
  LeftOut left_out_;
};

}  // namespace

Result<std::unique_ptr<EventWriter>> create_mmiotrace(const std::string& path, const TraceInfo& info,
                                                      const WriteOptions&) {
  auto file = OutputFile::create(path);
  if (!file) return tl::unexpected(file.error());
  return std::make_unique<MmiotraceWriter>(std::move(*file), info);
}

}  // namespace dartboard::traces
