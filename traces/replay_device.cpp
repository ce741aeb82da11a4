// traces/replay_device.cpp - what the recorded device did by itself, from the guest's recording or one of its own.
#include <algorithm>

#include <fmt/format.h>

#include "traces/replay_driver.h"

namespace dartboard::traces {

void ReplayDriver::follow_device(const Event& event) {
  while (!report_.stopped) {
    const auto next = device_cursor_->peek([&](const EventBatch& batch) { return target_.feed(batch); });
    if (!next) return stop(next.error());
    if (*next == nullptr || (*next)->request > event.request) return;
    const Event& there = **next;
    if (!there.is_request()) {
      device_event(there);
    } else if (there.request == event.request) {
      device_request_ = &there;
      device_reply_ = device_cursor_->batch().reply_of(there);
      if (!options_.by_register) compare_memory_write(event, there);
      // The last one of this number. It is needed for a while: to look further may bring in the next batch.
      return device_cursor_->advance();
    }
    device_cursor_->advance();
  }
}

void ReplayDriver::drain_device() {
  if (device_ == nullptr) return;
  for (;;) {
    const auto next = device_cursor_->peek([&](const EventBatch& batch) { return target_.feed(batch); });
    if (!next) return stop(next.error());
    if (*next == nullptr) return;
    device_cursor_->advance();
  }
}

void ReplayDriver::device_event(const Event& e) {
  if (report_.stopped) return;
  waits_.device_event(e);
  switch (e.kind) {
    case EventKind::kDeviceDmaWrite:
      ++report_.device_dma_writes;
      perform(e);
      break;
    case EventKind::kDeviceMemory:
      ++report_.device_memory_changes;
      perform(e);
      break;
    case EventKind::kDeviceConfig:
      ++report_.device_config_changes;
      done(e, target_.device_config_change(e.address, static_cast<unsigned>(std::min<uint64_t>(e.length, 4)),
                                           static_cast<uint32_t>(e.value)));
      break;
    case EventKind::kInterrupt:
      ++report_.interrupts.recorded;
      if (e.target <= static_cast<uint32_t>(IrqKind::kRequest)) {
        done(e, target_.device_interrupt(static_cast<IrqKind>(e.target), static_cast<uint32_t>(e.value)));
      }
      break;
    default: break;
  }
}

void ReplayDriver::perform(const Event& e) {
  if (!e.data.is_whole()) return refuse_payload(e);
  if (e.data.is_fill()) prepare_fill(e.data);
  for (uint64_t at = 0; at < e.length;) {
    uint64_t count = e.data.is_fill() ? std::min(kChunkBytes, e.length - at) : e.length - at;
    uint64_t address = e.address + at;
    if (options_.rebase && e.kind == EventKind::kDeviceDmaWrite) {
      if (const auto place = rebaser_.place_of(address)) {
        address = place->first;
        count = std::min(count, place->second);
      }
    }
    const std::span<const std::byte> data(e.data.is_fill() ? chunk_.get() : e.data.bytes + at, count);
    if (!done(e, e.kind == EventKind::kDeviceDmaWrite ? target_.device_dma_write(Iova(address), data)
                                                      : target_.device_memory_change(e.target, address, data))) {
      return;
    }
    at += count;
  }
}

bool ReplayDriver::done(const Event& e, const Result<void>& result) {
  if (result) [[likely]]
    return true;
  if (ends_replay(result.error().name)) {
    stop(result.error());
    report_.stopped_at = e.request;
  } else {
    diverge_device(e, result.error().sentence);
  }
  return false;
}

void ReplayDriver::diverge_device(const Event& e, const std::string& got) {
  if (device_ == nullptr) {
    // It belongs to the request that is about to come: that one diverges, once.
    event_ = &e;
    compared_ = options_.from.unit == ReplayPoint::Unit::kNowhere || reached(options_.from, e);
    diverged_ = device_diverged_ && device_diverged_at_ == e.request;
    device_diverged_ = true;
    device_diverged_at_ = e.request;
  }
  diverge(Layer::kDevice, fmt::format("{} of {} bytes at 0x{:x}", to_string(e.kind), e.length, e.address), got);
}

}  // namespace dartboard::traces
