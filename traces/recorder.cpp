// traces/recorder.cpp - see recorder.h.
#include "traces/recorder.h"

#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "traces/dbt/layout.h"

namespace dartboard::traces {

namespace {

/// Opening a device takes some hundred accesses; more is not that.
constexpr uint64_t kWaitingEventsMax = uint64_t{1} << 16;
/// No source has larger ones (traces/dbt/layout.h); a chunk could not hold two.
constexpr uint64_t kPayloadBytesMax = uint64_t{64} << 20;
constexpr uint64_t kHashBytes = 8;
/// Shorter data are not worth a look: compression finds what is alike.
constexpr size_t kFillBytesMin = 256;
/// What is handed to the writing thread at a time, and how many of them there are beside the one that is filled. Small
/// enough to stay in a cache; together they bound the memory of a recording.
constexpr size_t kBatchEventsMax = 1024;
constexpr uint64_t kBatchBytesMax = uint64_t{1} << 20;
constexpr unsigned kBatches = 6;
/// A recording must not slow the run down: the columns do most of what a higher level would.
constexpr int kCompressionLevel = 1;

/// Payload bytes of an event that the file holds.
uint64_t kept_bytes(const Payload& payload, PayloadPolicy policy) {
  if (payload.is_whole() && payload.length <= kValueBytesMax) [[likely]]
    return payload.is_fill() && payload.length != 0 ? 1 : payload.length;
  if (payload.length > kValueBytesMax && policy == PayloadPolicy::kNone) return 0;
  if (payload.form == PayloadForm::kOmitted || (payload.is_whole() && payload.length > kPayloadBytesMax)) return 0;
  if (payload.form == PayloadForm::kHash || (payload.length > kValueBytesMax && policy == PayloadPolicy::kHash)) {
    return kHashBytes;
  }
  return payload.is_fill() && payload.length != 0 ? 1 : payload.length;
}

/// What a trace means by itself is no payload (traces/dbt/chunk_builder.cpp keeps these too).
PayloadPolicy policy_of(EventKind kind, PayloadPolicy policy) {
  const bool whole = kind == EventKind::kDmaMap || kind == EventKind::kProbe || kind == EventKind::kMark;
  return whole ? PayloadPolicy::kFull : policy;
}

uint64_t payload_bytes(const Event& event, const Reply* reply) {
  return event.data.length + (reply != nullptr ? reply->data.length : 0);
}

}  // namespace

Event mark(std::string_view text, uint64_t time_ns) {
  Event event;
  event.kind = EventKind::kMark;
  event.source = Source::kRecorder;
  event.time_ns = time_ns;
  event.data = Payload::of({reinterpret_cast<const std::byte*>(text.data()), text.size()});
  return event;
}

Payload compact(std::span<const std::byte> data) {
  // All alike if each is as its successor. The last is asked first: data that differ at all mostly do there too.
  if (data.size() < kFillBytesMin || data.front() != data.back() ||
      std::memcmp(data.data(), data.data() + 1, data.size() - 1) != 0) {
    return Payload::of(data);
  }
  return Payload::filled(data.front(), data.size());
}

Recorder::Recorder(std::string path, const RecorderOptions& options, std::function<uint64_t()> now_ns)
    : path_(std::move(path)), options_(options), now_ns_(std::move(now_ns)), batch_(new EventBatch) {}

Recorder::~Recorder() {
  close(info_);
}

void Recorder::open(const TraceInfo& info) {
  const std::lock_guard lock(lock_);
  if (writer_ == nullptr && !failed_ && state_ != State::kClosed) start_writing(info);
}

void Recorder::record(const Event& event, const Reply* reply) {
  const std::lock_guard lock(lock_);
  switch (state_) {
    case State::kOpen:
      [[likely]] append(event, reply);
      if (batch_->events.size() >= kBatchEventsMax || batch_->arena.used_bytes() >= kBatchBytesMax) hand_over();
      return;
    case State::kWaiting:
      if (batch_->events.size() < kWaitingEventsMax) {
        append(event, reply);
      } else {
        drop(event, reply);
      }
      return;
    case State::kFull: drop(event, reply); return;
    case State::kClosed: return;
  }
}

/// What of a payload goes into the file: copied into the batch.
Payload Recorder::kept(const Payload& payload, PayloadPolicy policy) {
  if (payload.bytes == nullptr) return payload;
  if (payload.is_whole() && payload.length > kValueBytesMax && policy == PayloadPolicy::kNone) {
    return Payload::omitted(payload.length);
  }
  if (payload.is_whole() && payload.length > kPayloadBytesMax) {
    too_large_ = true;
    counts_.dropped_bytes += payload.length;
    return Payload::omitted(payload.length);
  }
  const uint64_t bytes = payload.is_whole() ? payload.length : kHashBytes;
  Payload copy = payload;
  std::byte* const place = batch_->arena.allocate(bytes);
  std::memcpy(place, payload.bytes, bytes);
  copy.bytes = place;
  return copy;
}

void Recorder::add(const Event& event, const Reply* reply) {
  Event& copy = batch_->events.emplace_back(event);
  const PayloadPolicy policy = policy_of(event.kind, options_.payloads);
  copy.data = kept(event.data, policy);
  if (reply == nullptr) {
    copy.reply = kNoReply;
    return;
  }
  copy.reply = static_cast<uint32_t>(batch_->replies.size());
  batch_->replies.emplace_back(*reply).data = kept(reply->data, policy);
}

void Recorder::append(const Event& event, const Reply* reply) {
  if (failed_.load(std::memory_order_relaxed)) return drop(event, reply);
  if (counts_.events >= options_.events_max) {
    end_here(event, fmt::format("the recording ends here: it may hold {} events", options_.events_max));
    return drop(event, reply);
  }
  const PayloadPolicy policy = policy_of(event.kind, options_.payloads);
  uint64_t bytes = kept_bytes(event.data, policy);
  if (reply != nullptr) bytes += kept_bytes(reply->data, policy);
  if (bytes > options_.bytes_max - payload_bytes_) {
    end_here(event, fmt::format("the recording ends here: it may hold {} bytes of payloads", options_.bytes_max));
    return drop(event, reply);
  }
  add(event, reply);
  ++counts_.events;
  payload_bytes_ += bytes;
}

void Recorder::end_here(const Event& event, const std::string& why) {
  add(mark(why, event.time_ns), nullptr);
  // A file that is not open yet will be: what follows is dropped until then, too.
  state_ = State::kFull;
}

void Recorder::drop(const Event& event, const Reply* reply) {
  ++counts_.dropped_events;
  counts_.dropped_bytes += payload_bytes(event, reply);
}

TraceInfo Recorder::with_losses(TraceInfo info) const {
  info.lossy = info.lossy || counts_.dropped_events != 0 || too_large_;
  info.dropped_events += counts_.dropped_events;
  info.dropped_bytes += counts_.dropped_bytes;
  return info;
}

// The writing thread.
// ----------------------------------------------------------------------------------------------------------------

void Recorder::start_writing(const TraceInfo& info) {
  info_ = info;
  if (state_ == State::kWaiting) state_ = State::kOpen;
  auto writer = DbtWriter::create(path_, info, {options_.payloads, kCompressionLevel});
  if (!writer) return failed(writer.error());
  writer_ = std::move(*writer);
  for (unsigned i = 0; i < kBatches; ++i) {
    auto batch = std::make_unique<EventBatch>();
    batch->events.reserve(kBatchEventsMax + 1);  // and a mark
    batch->replies.reserve(kBatchEventsMax);
    empty_.push_back(std::move(batch));
  }
  thread_ = std::thread([this] { write_batches(); });
}

/// Gives the batch to the thread and takes an empty one. Waits if the thread has all of them.
void Recorder::hand_over() {
  if (writer_ == nullptr) {
    batch_->clear();  // there is no file
    return;
  }
  std::unique_lock lock(queue_mutex_);
  changed_.wait(lock, [this] { return !empty_.empty(); });
  full_.push_back(std::move(batch_));
  batch_ = std::move(empty_.front());
  empty_.pop_front();
  changed_.notify_all();
}

void Recorder::write_batches() {
  std::unique_lock lock(queue_mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return !full_.empty() || ending_; });
    if (full_.empty()) break;
    std::unique_ptr<EventBatch> batch = std::move(full_.front());
    full_.pop_front();
    lock.unlock();
    if (!failed_.load(std::memory_order_relaxed)) {
      if (auto written = writer_->write(*batch); !written) failed(written.error());
    }
    batch->clear();
    lock.lock();
    empty_.push_back(std::move(batch));
    changed_.notify_all();
  }
  lock.unlock();
  if (failed_) return;
  if (auto done = writer_->finish(info_); !done) failed(done.error());
}

void Recorder::failed(const Error& error) {
  const std::lock_guard lock(queue_mutex_);
  if (!error_) error_ = error;
  failed_ = true;
}

void Recorder::close(const TraceInfo& info) {
  const std::lock_guard lock(lock_);
  if (state_ == State::kClosed) return;
  if (writer_ == nullptr && !failed_) start_writing(info);
  state_ = State::kClosed;
  if (writer_ != nullptr) {
    hand_over();
    {
      const std::lock_guard ending(queue_mutex_);
      info_ = with_losses(info);
      ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
    counts_.file_bytes = writer_->bytes_written();
    writer_.reset();
  }
  batch_->clear();
  counts_.error = error_;
}

RecorderCounts Recorder::counts() const {
  const std::lock_guard lock(lock_);
  return counts_;
}

}  // namespace dartboard::traces
