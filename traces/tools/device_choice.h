// traces/tools/device_choice.h - some devices of a trace as a trace of their own: numbered anew, the others forgotten.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "traces/event_stream.h"

namespace dartboard::traces {

/// Passes on what `reader` has of the devices `chosen` (indices of its trace) and nothing else; `reader` outlives this.
class DeviceChoiceReader final : public EventReader {
 public:
  DeviceChoiceReader(EventReader& reader, std::vector<uint64_t> chosen) : reader_(reader), chosen_(std::move(chosen)) {
    std::sort(chosen_.begin(), chosen_.end());
    chosen_.erase(std::unique(chosen_.begin(), chosen_.end()), chosen_.end());
    take_info();
  }

  const TraceInfo& info() const override { return info_; }
  const ReadReport& report() const override { return reader_.report(); }
  Result<bool> next(EventBatch* batch) override {
    auto more = reader_.next(batch);
    take_info();
    if (!more || !*more) return more;
    std::erase_if(batch->events, [&](Event& event) {
      const auto place = std::lower_bound(chosen_.begin(), chosen_.end(), event.device);
      if (place == chosen_.end() || *place != event.device) return true;
      event.device = static_cast<uint16_t>(place - chosen_.begin());
      return false;
    });
    batch->first_event = events_;
    events_ += batch->events.size();
    return more;
  }

 private:
  void take_info() {
    info_ = reader_.info();
    std::vector<TraceDevice> devices;
    for (const uint64_t device : chosen_) {
      // Not known yet, perhaps: its number is kept for it.
      devices.push_back(device < info_.devices.size() ? info_.devices[device] : TraceDevice{});
    }
    info_.devices = std::move(devices);
  }

  EventReader& reader_;
  std::vector<uint64_t> chosen_;
  TraceInfo info_;
  uint64_t events_ = 0;
};

}  // namespace dartboard::traces
