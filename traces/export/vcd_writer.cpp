// traces/export/vcd_writer.cpp - a few signals of each device as a value change dump (IEEE 1364-2005 s18), 1 ns a step.
//
//   irq           high from an interrupt to the driver's next access to the device
//   irq_vector    of the last interrupt
//   dma           high from a DMA transfer of the device to the next event of the device that is none
//   busy          high while a read is under way, where its round trip was recorded
//   mapped_bytes  of all mappings that live
//
// A dump begins with its signals, so only devices that are known when the first event is written get some. Time starts
// at the first event and never goes back.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include <fmt/compile.h>

#include "traces/export/exporters.h"
#include "traces/export/left_out.h"
#include "traces/export/output_file.h"
#include "traces/export/text.h"

namespace dartboard::traces {

namespace {

constexpr size_t kMappingsMax = 65536;
constexpr uint64_t kNsPerEvent = 1000;

enum Signal : unsigned { kIrq, kIrqVector, kDma, kBusy, kMappedBytes, kSignals };
struct SignalFacts {
  std::string_view name;
  unsigned bits;
};
constexpr SignalFacts kSignalFacts[kSignals] = {
    {"irq", 1}, {"irq_vector", 16}, {"dma", 1}, {"busy", 1}, {"mapped_bytes", 64}};

/// Short names of signals are printable characters, '!' to '~'.
std::string code_of(size_t n) {
  std::string code;
  for (;; n = n / 94 - 1) {
    code += static_cast<char>('!' + n % 94);
    if (n < 94) return code;
  }
}

/// A scope's name has no blanks.
std::string scope_of(const TraceInfo& info, size_t index) {
  std::string name = info.devices[index].address;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return fmt::format("device{}{}{}", index, name.empty() ? "" : "_", name);
}

class VcdWriter final : public EventWriter {
 public:
  VcdWriter(std::unique_ptr<OutputFile> file, const TraceInfo& info) : file_(std::move(file)), info_(info) {}

  Result<void> write(const EventBatch& batch) override {
    for (size_t i = 0; i < batch.events.size(); ++i) {
      const Event& event = batch.events[i];
      const bool has_times = info_.clock != Clock::kNone;
      add(has_times ? event.time_ns : (batch.first_event + i) * kNsPerEvent, event, batch.reply_of(event), has_times);
      file_->settle();
    }
    return file_->status();
  }
  Result<void> finish(const TraceInfo& info) override {
    if (!base_ns_) {
      info_ = info;
      begin(0);
    }
    end_reads(UINT64_MAX);
    return file_->close();
  }
  std::vector<RecordCount> left_out() const override { return left_out_.list(); }
  uint64_t events_left_out() const override { return left_out_.events(); }

 private:
  struct Device {
    uint64_t values[kSignals] = {};
    std::optional<uint64_t> busy_until_ns;
    std::map<uint32_t, uint64_t> mappings;  // bytes by handle
  };

  void begin(uint64_t time_ns) {
    base_ns_ = time_ns;
    const auto out = std::back_inserter(file_->buffer());
    fmt::format_to(out, "$comment Dartboard; time 0 is {} ns of the recording ({} clock) $end\n", time_ns,
                   to_string(info_.clock));
    if (info_.clock == Clock::kNone) {
      file_->put("$comment The recording has no times: an event is a microsecond here. $end\n");
    }
    file_->put("$timescale 1 ns $end\n");
    devices_.resize(info_.devices.size());
    for (size_t d = 0; d < devices_.size(); ++d) {
      fmt::format_to(out, "$scope module {} $end\n", scope_of(info_, d));
      for (unsigned s = 0; s < kSignals; ++s) {
        fmt::format_to(out, "$var wire {} {} {} $end\n", kSignalFacts[s].bits, code_of(d * kSignals + s),
                       kSignalFacts[s].name);
      }
      file_->put("$upscope $end\n");
    }
    file_->put("$enddefinitions $end\n#0\n$dumpvars\n");
    for (size_t d = 0; d < devices_.size(); ++d) {
      for (unsigned s = 0; s < kSignals; ++s) put(d, static_cast<Signal>(s));
    }
    file_->put("$end\n");
  }

  void add(uint64_t time_ns, const Event& event, const Reply* reply, bool has_times) {
    if (!base_ns_) begin(time_ns);
    if (time_ns < *base_ns_ + now_ns_) left_out_.add("time", "it runs backwards: drawn at the latest time before");
    time_ns = std::max(time_ns, *base_ns_ + now_ns_) - *base_ns_;
    end_reads(time_ns);
    if (event.device >= devices_.size()) {
      return left_out_.add_event(to_string(event.kind), "its device was not known when the signals were declared");
    }
    Device& d = devices_[event.device];
    const bool is_dma = event.kind == EventKind::kDeviceDmaRead || event.kind == EventKind::kDeviceDmaWrite;
    if (!is_dma) set(time_ns, event.device, kDma, 0);
    if (event.is_request()) set(time_ns, event.device, kIrq, 0);
    switch (event.kind) {
      case EventKind::kDeviceDmaRead:
      case EventKind::kDeviceDmaWrite: set(time_ns, event.device, kDma, 1); break;
      case EventKind::kInterrupt:
        set(time_ns, event.device, kIrq, 1);
        set(time_ns, event.device, kIrqVector, event.value & 0xffff);
        break;
      case EventKind::kDmaMap:
        if (reply != nullptr && reply->status != 0) {
          left_out_.add_event(to_string(event.kind), "it failed: nothing was mapped");
          break;
        }
        if (d.mappings.size() >= kMappingsMax || !d.mappings.emplace(event.target, event.length).second) {
          left_out_.add_event("map", "more than 65536 mappings live, or its handle is mapped already");
          break;
        }
        set(time_ns, event.device, kMappedBytes, d.values[kMappedBytes] + event.length);
        break;
      case EventKind::kDmaUnmap:
        if (const auto found = d.mappings.find(event.target); found != d.mappings.end()) {
          set(time_ns, event.device, kMappedBytes, d.values[kMappedBytes] - found->second);
          d.mappings.erase(found);
        } else {
          left_out_.add_event(to_string(event.kind), "its handle is not mapped");
        }
        break;
      case EventKind::kConfigRead:
      case EventKind::kMmioRead:
      case EventKind::kHostRead:
        if (reply == nullptr || reply->duration_ns == 0 || !has_times) {
          left_out_.add_event(to_string(event.kind), "it took no time in the recording: 'busy' cannot show it");
          break;
        }
        set(time_ns, event.device, kBusy, 1);
        if (reply->duration_ns < UINT64_MAX - time_ns) {
          d.busy_until_ns = std::max(d.busy_until_ns.value_or(0), time_ns + reply->duration_ns);
        }
        break;
      default: left_out_.add_event(to_string(event.kind), "no signal shows it"); break;
    }
  }

  /// Lowers `busy` of the reads that end by then, in order.
  void end_reads(uint64_t time_ns) {
    for (;;) {
      size_t first = devices_.size();
      for (size_t d = 0; d < devices_.size(); ++d) {
        const auto& until = devices_[d].busy_until_ns;
        if (until && *until <= time_ns && (first == devices_.size() || *until < *devices_[first].busy_until_ns))
          first = d;
      }
      if (first == devices_.size()) return;
      const uint64_t at_ns = *devices_[first].busy_until_ns;
      devices_[first].busy_until_ns.reset();
      set(std::max(at_ns, now_ns_), first, kBusy, 0);
    }
  }

  void set(uint64_t time_ns, size_t device, Signal signal, uint64_t value) {
    if (devices_[device].values[signal] == value) return;
    devices_[device].values[signal] = value;
    if (time_ns != now_ns_) fmt::format_to(std::back_inserter(file_->buffer()), FMT_COMPILE("#{}\n"), time_ns);
    now_ns_ = time_ns;
    put(device, signal);
  }
  void put(size_t device, Signal signal) {
    const uint64_t value = devices_[device].values[signal];
    const std::string code = code_of(device * kSignals + signal);
    const auto out = std::back_inserter(file_->buffer());
    if (kSignalFacts[signal].bits == 1) {
      fmt::format_to(out, FMT_COMPILE("{}{}\n"), value, code);
    } else {
      fmt::format_to(out, FMT_COMPILE("b{:b} {}\n"), value, code);
    }
  }

  std::unique_ptr<OutputFile> file_;
  TraceInfo info_;
  std::optional<uint64_t> base_ns_;
  uint64_t now_ns_ = 0;  // since base_ns_
  std::vector<Device> devices_;
  LeftOut left_out_;
};

}  // namespace

Result<std::unique_ptr<EventWriter>> create_vcd(const std::string& path, const TraceInfo& info, const WriteOptions&) {
  auto file = OutputFile::create(path);
  if (!file) return tl::unexpected(file.error());
  return std::make_unique<VcdWriter>(std::move(*file), info);
}

}  // namespace dartboard::traces
