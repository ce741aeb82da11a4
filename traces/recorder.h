// traces/recorder.h - writes what happens to a device while it happens: events with their replies, from whoever sees
// them, into a .dbt.
//
// Whoever records calls record() at the end of each request and whenever the device did something. A file that cannot
// be written ends the recording, never the run: the error is kept, and what follows is counted as dropped. When the
// process dies the file is a truncated .dbt, readable up to its last whole chunk.
#pragma once

#include <atomic>
#include <cassert>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "traces/dbt/writer.h"
#include "traces/event_buffer.h"
#include "traces/trace_info.h"

namespace dartboard::traces {

struct RecorderOptions {
  PayloadPolicy payloads = PayloadPolicy::kFull;
  uint64_t events_max = UINT64_MAX;  ///< at either cap the recording ends; what comes after is counted
  uint64_t bytes_max = UINT64_MAX;   ///< of payloads, as they are kept, before compression
};

/// Who calls a recorder.
enum class Recorders : uint8_t {
  kOneThread,  ///< the one that made it: a simulated Mac is one thread
  kThreads,    ///< any: on a Mac interrupts arrive on a thread of their own
};

/// Held for some nanoseconds, or while the file is behind. A mutex would cost as much as all else that recording an
/// event does, and so does the atomic exchange here, which waits for every store before it: one thread does without.
class RecorderLock {
 public:
  explicit RecorderLock(Recorders who) : who_(who) {}
  void lock() {
    if (who_ == Recorders::kOneThread) return assert(std::this_thread::get_id() == thread_);
    while (taken_.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
  }
  void unlock() {
    if (who_ == Recorders::kThreads) taken_.store(false, std::memory_order_release);
  }

 private:
  const Recorders who_;
  std::atomic<bool> taken_ = false;
  const std::thread::id thread_ = std::this_thread::get_id();
};

/// What a recording has come to.
struct RecorderCounts {
  uint64_t events = 0;  ///< recorded, the mark where losses begin not counted
  uint64_t dropped_events = 0;
  uint64_t dropped_bytes = 0;  ///< of payloads
  uint64_t file_bytes = 0;
  std::optional<Error> error;  ///< why the file is not complete
};

/// Which events are in the file, and every byte of it, depends on the calls alone, not on the thread that writes it.
class Recorder {
 public:
  /// `now_ns` is the recording's clock.
  Recorder(std::string path, const RecorderOptions& options, std::function<uint64_t()> now_ns,
           Recorders who = Recorders::kThreads);
  ~Recorder();  ///< close(), if that was not called

  uint64_t now_ns() const { return now_ns_(); }

  /// Creates or replaces the file. Events recorded before wait until then, so that what opening a device takes can be
  /// recorded before it is known what the device is.
  void open(const TraceInfo& info);
  /// Appends an event with what came back for it (null: nothing does). Payloads are copied. Event::time_ns is the
  /// caller's; Event::request is counted by the file.
  void record(const Event& event, const Reply* reply);
  /// The same for a request that began at `from_ns`: sets the time and the reply's duration.
  void record_request(Event& event, uint64_t from_ns, Reply& reply) {
    event.time_ns = from_ns;
    reply.duration_ns = now_ns() - from_ns;
    record(event, &reply);
  }

  /// The same for an access of up to 8 bytes that succeeded. `value`: what a read returned, or a write wrote.
  [[gnu::always_inline]] void record_access(EventKind kind, uint32_t target, uint64_t address,
                                            std::span<const std::byte> value, uint64_t from_ns) {
    const bool is_read = kind == EventKind::kMmioRead || kind == EventKind::kHostRead;
    const uint64_t duration_ns = is_read ? now_ns() - from_ns : 0;
    const std::lock_guard lock(lock_);
    if (accesses_left_ == 0) [[unlikely]] {
      return record_access_slowly(kind, is_read, target, address, value, from_ns, duration_ns);
    }
    --accesses_left_;
    buffer_->put_access(kind, is_read, target, address, value, from_ns, duration_ns);
  }

  /// Completes the file; `info` is what is known in the end, losses apart. Nothing is recorded afterwards.
  void close(const TraceInfo& info);
  RecorderCounts counts() const;

 private:
  enum class State : uint8_t { kWaiting, kOpen, kFull, kClosed };

  void record_locked(const Event& event, const Reply* reply);
  void record_access_slowly(EventKind kind, bool is_read, uint32_t target, uint64_t address,
                            std::span<const std::byte> value, uint64_t from_ns, uint64_t duration_ns);
  void grant_accesses();
  void settle_accesses();
  void append(const Event& event, const Reply* reply);
  void drop(const Event& event, const Reply* reply);
  void end_here(const Event& event, const std::string& why);
  Payload kept(const Payload& payload, PayloadPolicy policy);
  TraceInfo with_losses(TraceInfo info) const;
  void start_writing(const TraceInfo& info);
  void hand_over();
  void write_buffers();
  void failed(const Error& error);

  const std::string path_;
  const RecorderOptions options_;
  const std::function<uint64_t()> now_ns_;

  mutable RecorderLock lock_;  ///< of everything up to the writing thread's
  State state_ = State::kWaiting;
  uint64_t fill_to_;  ///< bytes, and the buffer is handed over
  uint64_t buffers_handed_over_ = 0;
  std::unique_ptr<EventBuffer> buffer_;  ///< being filled
  /// Accesses that may be recorded without a look at state, caps and room, and how many of them are left.
  uint64_t accesses_granted_ = 0, accesses_left_ = 0;
  RecorderCounts counts_;
  uint64_t payload_bytes_ = 0;
  bool too_large_ = false;  ///< a payload was left out because no chunk can hold it

  // Columns and compression cost more than most of what is recorded: a thread of its own does them. What it touches is
  // on other cache lines than what each event touches.
  alignas(64) std::thread thread_;
  std::unique_ptr<DbtWriter> writer_;  ///< the thread's, until it has ended
  TraceInfo info_;                     ///< of open(), for a recorder that nobody closes; then of close()
  std::atomic<bool> failed_ = false;
  mutable std::mutex queue_mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<EventBuffer>> full_, empty_;
  uint64_t full_bytes_ = 0;  ///< of full_ and of what is being written
  bool ending_ = false;
  std::optional<Error> error_;
};

/// The text of a mark as an event of the recorder's own.
Event mark(std::string_view text, uint64_t time_ns);

/// `data`, as a fill if all its bytes are equal and there are many.
Payload compact(std::span<const std::byte> data);

}  // namespace dartboard::traces
