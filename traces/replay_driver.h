// traces/replay_driver.h - one replay under way: what replay() makes, and the state its parts share.
//
// Its functions are in replay.cpp (the loop and the requests of the guest), replay_requests.cpp (requests that need
// more than a call and a comparison), replay_device.cpp (what the recorded device did) and replay_compare.cpp
// (divergences). What every request passes through is here, inline.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "traces/event_stream.h"
#include "traces/replay.h"
#include "traces/replay_rebase.h"
#include "traces/replay_waits.h"

namespace dartboard::traces {

/// The events of a reader one after the other.
class EventCursor {
 public:
  explicit EventCursor(EventReader& reader) : reader_(reader) {}
  /// The next event, or null at the end. It stays until the cursor has moved past its batch. `loaded` is told of each
  /// batch that comes in.
  template <class F>
  Result<const Event*> peek(F loaded) {
    while (next_ == batch_.events.size()) {
      if (ended_) return nullptr;
      next_ = 0;
      auto more = reader_.next(&batch_);
      if (!more) return tl::unexpected(more.error());
      ended_ = !*more;
      if (ended_) {
        batch_.clear();
        return nullptr;
      }
      if (Result<void> told = loaded(batch_); !told) return tl::unexpected(told.error());
    }
    return &batch_.events[next_];
  }
  void advance() { ++next_; }
  const EventBatch& batch() const { return batch_; }

 private:
  EventReader& reader_;
  EventBatch batch_;
  size_t next_ = 0;
  bool ended_ = false;
};

/// One replay, once.
class ReplayDriver final : private MismatchSink {
 public:
  /// All of them outlive the driver. `device` may be null: the guest's recording has both sides then.
  ReplayDriver(EventReader& guest, EventReader* device, ReplayTarget& target, const ReplayOptions& options)
      : guest_(guest),
        device_(device),
        target_(target),
        options_(options),
        chunk_(new std::byte[kChunkBytes]()),
        scratch_(options.rebase ? new std::byte[kChunkBytes] : nullptr) {
    if (device != nullptr) device_cursor_.emplace(*device);
    const TraceInfo& info = (device != nullptr ? *device : guest).info();
    for (const TraceDevice& d : info.devices) {
      std::array<BarKind, 6> kinds{};
      for (unsigned bar = 0; bar < 6; ++bar) kinds[bar] = d.description.bars[bar].kind;
      bar_kinds_.push_back(kinds);
    }
  }

  ReplayReport run();

 private:
  /// Reads and fills go through a buffer of this size; writes of recorded bytes go as they are.
  static constexpr uint64_t kChunkBytes = 64 * kKiB;

  // The loop (replay.cpp). What every request passes through is inline in it: an access is a dozen calls deep, and a
  // processor predicts the returns of no more than about as many.
  /// One event of the guest's recording. False when the replay is to end here, by its options.
  [[gnu::always_inline]] bool step(const Event& event);
  bool reached(const ReplayPoint& point, const Event& event) const {
    switch (point.unit) {
      case ReplayPoint::Unit::kNowhere: return false;
      case ReplayPoint::Unit::kRequest: return event.request >= point.value;
      case ReplayPoint::Unit::kTime: return event.time_ns - first_ns_ >= point.value;
    }
    return false;
  }
  void pass_gap(const Event& event, bool waited);
  void stop(const Error& error) {
    report_.stopped = error;
    report_.stopped_at = last_request_;
  }
  BarKind bar_kind(const Event& event) const {
    if (event.device >= bar_kinds_.size() || event.target >= 6) return BarKind::kAbsent;
    return bar_kinds_[event.device][event.target];
  }

  // Requests (replay.cpp).
  [[gnu::always_inline]] void request(const Event& e);
  bool config_length(const Event& e);
  void config_read(const Event& e, const Reply& reply);
  void config_write(const Event& e);
  template <class Write>
  void write(const Event& e, Write put);
  template <class Read>
  void read(const Event& e, Read get);
  /// The next piece of [done, length) at `address`: a whole number of aligned 64-bit words unless it is the last, so
  /// that cutting never changes the accesses that a register BAR sees.
  static uint64_t piece(uint64_t address, uint64_t done, uint64_t length) {
    return std::min(kChunkBytes - ((address + done) & 7), length - done);
  }

  // Requests that need more (replay_requests.cpp).
  /// A configuration read that did not return the recorded value.
  void config_differs(const Event& e, uint32_t recorded, uint32_t got);
  void note_policy(const Event& e, PolicyDifference difference);
  void map_sysmem(const Event& e, const Reply* reply);
  /// Ends the replay: bytes are missing that it needs.
  void refuse_payload(const Event& e);
  void write_fill(const Event& e);
  /// Recorded bus addresses among the bytes become those of this run.
  void write_rebased(const Event& e);
  /// Compares by hash, if the recording kept that.
  void read_not_kept(const Event& e, const Reply& reply);
  void prepare_fill(const Payload& data);
  /// The guest's request after this one, as far as this batch knows.
  const Event* next_request() const;
  /// What `e` asks for, at `offset`.
  Result<void> write_at(const Event& e, uint64_t offset, std::span<const std::byte> data);
  Result<void> read_at(const Event& e, uint64_t offset, std::span<std::byte> data);

  // The device's side (replay_device.cpp).
  /// Does what the device did up to the guest's request.
  void follow_device(const Event& event);
  /// What the device's recording still holds is fed, so that the device can tell what never came.
  void drain_device();
  void device_event(const Event& e);
  void perform(const Event& e);
  /// False, with the divergence or the end noted, if it could not be done.
  bool done(const Event& e, const Result<void>& result);
  void diverge_device(const Event& e, const std::string& got);

  // Divergences (replay_compare.cpp).
  /// An error that is no answer to a request but the end.
  static bool ends_replay(ErrorName name);
  /// Compares how the request ended; true when it succeeded here and in the recording.
  template <class T>
  bool ended(const Result<T>& result) {
    const Reply* const reply = batch_.reply_of(*event_);
    const uint64_t recorded = reply == nullptr ? 0 : reply->status;
    if (result.has_value() && recorded == 0) [[likely]]
      return true;
    failed(result.has_value() ? nullptr : &result.error(), recorded);
    return false;
  }
  /// What ended() does when it failed, here (`error`) or in the recording.
  void failed(const Error* error, uint64_t recorded_status);
  void compare_bytes(const Payload& expected, std::span<const std::byte> got, uint64_t at) {
    const uint64_t first = expected.first_difference(got);
    if (first == expected.length) [[likely]]
      return;
    bytes_differ(expected, got, at, first);
  }
  /// `at`: of these bytes in the request; `first`: of the difference in them.
  void bytes_differ(const Payload& expected, std::span<const std::byte> got, uint64_t at, uint64_t first);
  void compare(std::string_view what, uint64_t expected, uint64_t got);
  template <class Got>
  void diverge_at(Layer layer, uint64_t first, uint64_t at, const Payload& expected, Got got);
  void diverge(Layer layer, std::string expected, std::string got);
  void device_mismatch(std::string_view expected, std::string_view got) override;
  /// Nobody but the two recordings can tell that a write to memory differs: the device does not see it.
  void compare_memory_write(const Event& got, const Event& expected);
  bool equal_rebased(const Payload& expected, std::span<const std::byte> got, uint64_t at);

  EventReader& guest_;
  EventReader* const device_;  // null: the guest's recording has both sides
  ReplayTarget& target_;
  const ReplayOptions& options_;
  const std::unique_ptr<std::byte[]> chunk_;
  const std::unique_ptr<std::byte[]> scratch_;  // for rewritten bytes
  std::vector<std::array<BarKind, 6>> bar_kinds_;
  EventBatch batch_;     // of the guest
  size_t position_ = 0;  // in it
  std::optional<EventCursor> device_cursor_;
  std::vector<uint64_t> pages_, recorded_;
  const Event* event_ = nullptr;           // the guest's request under way
  const Event* previous_ = nullptr;        // the one before, in the same batch
  const Event* device_request_ = nullptr;  // the same request in the device's recording (or the guest's own)
  const Reply* device_reply_ = nullptr;
  uint64_t last_request_ = 0;
  uint64_t first_ns_ = 0, last_ns_ = 0;
  bool diverged_ = false;         // this request already has its divergence
  bool compared_ = true;          // --from is behind us
  bool resync_ = false;           // the device saw this request differently
  bool device_diverged_ = false;  // what the device did before this request went wrong:
  uint64_t device_diverged_at_ = 0;
  WaitFinder waits_;
  Rebaser rebaser_;
  ReplayReport report_;
};

}  // namespace dartboard::traces
