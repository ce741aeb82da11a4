// traces/recording_target.h - records a replay: what it asks of its target and what that answers, so that the recording
// replays as the replay did.
//
// Marks and pings reach no target and are not in the recording.
#pragma once

#include <cstdint>
#include <map>

#include "traces/recorder.h"
#include "traces/replay.h"

namespace dartboard::traces {

class RecordingTarget final : public ReplayTarget {
 public:
  /// What the replay does in the device's name is recorded as `device_source`, or not at all if the device that answers
  /// acts by itself (kGuest). Both outlive this.
  RecordingTarget(ReplayTarget& target, Recorder& recorder, Source device_source)
      : target_(target), recorder_(recorder), device_source_(device_source) {}

  void start(MismatchSink& sink) override { target_.start(sink); }
  void resync(uint64_t next_request) override { target_.resync(next_request); }
  void finish() override { target_.finish(); }
  Result<uint64_t> probe(const ProbeQuery& query) override;
  Result<uint64_t> map_bar(unsigned bar) override;
  Result<void> resize_bar(unsigned bar, uint64_t size) override;
  Result<void> reset() override;
  Result<uint32_t> config_read(uint64_t offset, unsigned width) override;
  Result<void> config_write(uint64_t offset, unsigned width, uint32_t value) override;
  Result<void> region_read(unsigned bar, uint64_t offset, std::span<std::byte> data) override;
  Result<void> region_write(unsigned bar, uint64_t offset, std::span<const std::byte> data) override;
  Result<void> map_sysmem(uint32_t handle, uint64_t size, bool contiguous, const Payload& recorded,
                          std::span<uint64_t> pages) override;
  Result<void> unmap_sysmem(uint32_t handle) override;
  Result<void> sysmem_read(uint32_t handle, uint64_t offset, std::span<std::byte> data) override;
  Result<void> sysmem_write(uint32_t handle, uint64_t offset, std::span<const std::byte> data) override;
  Result<void> device_dma_write(Iova address, std::span<const std::byte> data) override;
  Result<void> device_memory_change(unsigned bar, uint64_t offset, std::span<const std::byte> data) override;
  Result<void> device_config_change(uint64_t offset, unsigned width, uint32_t value) override;
  Result<void> device_interrupt(IrqKind kind, uint32_t vector) override;
  Result<void> irq_setup(IrqKind kind, uint32_t first, uint32_t count, bool on) override;

  // What the target must know of the recording that is replayed is nothing that happens.
  Result<void> feed(const EventBatch& batch) override { return target_.feed(batch); }
  void expect_read(unsigned bar, uint64_t offset, const Payload& recorded) override {
    target_.expect_read(bar, offset, recorded);
  }
  void stands_for(unsigned bar, uint64_t offset, std::span<const std::byte> recorded) override {
    target_.stands_for(bar, offset, recorded);
  }
  ConfigVerdict judge_config(uint64_t offset, unsigned width, uint32_t recorded, uint32_t got) override {
    return target_.judge_config(offset, width, recorded, got);
  }
  void fill_begins() override {
    target_.fill_begins();
    in_fill_ = true;
  }
  void fill_ends() override {
    target_.fill_ends();
    record_fill();
    in_fill_ = false;
  }
  void pass_time(uint64_t ns) override { target_.pass_time(ns); }
  InterruptReport interrupts() override { return target_.interrupts(); }

 private:
  /// Neighbouring bus addresses of one memory: a device's write is recorded with the memory it goes to.
  struct Run {
    uint32_t handle;
    uint64_t offset, bytes;
  };

  template <class T>
  Result<T> answered(Event& event, uint64_t from_ns, Result<T>&& result, Reply reply = {});
  Result<void> read(EventKind kind, uint32_t target, uint64_t offset, std::span<std::byte> data, uint64_t from_ns,
                    Result<void>&& result);
  Result<void> written(EventKind kind, uint32_t target, uint64_t offset, std::span<const std::byte> data,
                       uint64_t from_ns, Result<void>&& result);
  void forget(uint32_t handle);
  void record_fill();

  ReplayTarget& target_;
  Recorder& recorder_;
  const Source device_source_;
  std::map<uint64_t, Run> runs_;  // by first bus address
  bool in_fill_ = false;
  Event fill_;  // as much of it as was written, while one is under way; length 0: nothing yet
};

}  // namespace dartboard::traces
