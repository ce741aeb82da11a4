// traces/recorder.cpp - see recorder.h.
#include "traces/recorder.h"

#include <algorithm>
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
/// What is handed to the writing thread at a time, and how many of them there are beside the one that is filled. Waking
/// the thread costs as much as recording some hundred events, and near its heels both cores wait for each other's
/// cache: a long recording hands over much at once. A short one hands over little, so that its end has little left.
constexpr uint64_t kFirstBufferBytes = 64 << 10;
constexpr unsigned kBuffersOfASize = 8;
constexpr uint64_t kBufferBytes = 256 << 10;
constexpr unsigned kBuffers = 3;
/// A buffer with less room than an event of values needs is full.
constexpr uint64_t kEventBytes = 128;
/// Large payloads make large buffers. Whoever records waits while the thread has more than this to write.
constexpr uint64_t kFullBytesMax = uint64_t{32} << 20;
/// A recording must not slow the run down: the columns do most of what a higher level would.
constexpr int kCompressionLevel = 1;
/// Fewer than in a file that is only read: a process that dies loses less, and a run that ends waits less for the file.
constexpr uint32_t kChunkEvents = 4096;

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

Recorder::Recorder(std::string path, const RecorderOptions& options, std::function<uint64_t()> now_ns, Recorders who)
    : path_(std::move(path)),
      options_(options),
      now_ns_(std::move(now_ns)),
      lock_(who),
      fill_to_(kFirstBufferBytes),
      buffer_(new EventBuffer(kBufferBytes)) {}

Recorder::~Recorder() {
  close(info_);
}

void Recorder::open(const TraceInfo& info) {
  const std::lock_guard lock(lock_);
  if (writer_ == nullptr && !failed_ && state_ != State::kClosed) start_writing(info);
}

void Recorder::record(const Event& event, const Reply* reply) {
  const std::lock_guard lock(lock_);
  settle_accesses();
  record_locked(event, reply);
}

void Recorder::record_access_slowly(EventKind kind, bool is_read, uint32_t target, uint64_t address,
                                    std::span<const std::byte> value, uint64_t from_ns, uint64_t duration_ns) {
  settle_accesses();
  grant_accesses();
  if (accesses_left_ != 0) {
    --accesses_left_;
    return buffer_->put_access(kind, is_read, target, address, value, from_ns, duration_ns);
  }
  Event event;
  event.kind = kind;
  event.target = target;
  event.address = address;
  event.length = value.size();
  event.time_ns = from_ns;
  Reply reply;
  reply.duration_ns = duration_ns;
  (is_read ? reply.data : event.data) = Payload::of(value);
  record_locked(event, is_read ? &reply : nullptr);
}

/// Lets as many accesses through as fit before there is something to decide.
void Recorder::grant_accesses() {
  if (state_ != State::kOpen || options_.bytes_max != UINT64_MAX || failed_.load(std::memory_order_relaxed)) return;
  if (buffer_->accesses_up_to(fill_to_) == 0) hand_over();
  accesses_granted_ = accesses_left_ =
      std::min(buffer_->accesses_up_to(fill_to_), options_.events_max - counts_.events);
}

/// Counts those that came, so that everything else need not know of them.
void Recorder::settle_accesses() {
  counts_.events += accesses_granted_ - accesses_left_;
  accesses_granted_ = accesses_left_ = 0;
}

void Recorder::record_locked(const Event& event, const Reply* reply) {
  switch (state_) {
    case State::kOpen:
      [[likely]] append(event, reply);
      if (buffer_->size_bytes() >= fill_to_ - kEventBytes) [[unlikely]]
        hand_over();
      return;
    case State::kWaiting:
      if (buffer_->events() < kWaitingEventsMax) {
        append(event, reply);
      } else {
        drop(event, reply);
      }
      return;
    case State::kFull: drop(event, reply); return;
    case State::kClosed: return;
  }
}

/// What of a payload goes to the writing thread, which makes hashes itself.
Payload Recorder::kept(const Payload& payload, PayloadPolicy policy) {
  if (payload.bytes == nullptr || !payload.is_whole()) return payload;
  if (payload.length > kValueBytesMax && policy == PayloadPolicy::kNone) return Payload::omitted(payload.length);
  if (payload.length <= kPayloadBytesMax) return payload;
  too_large_ = true;
  counts_.dropped_bytes += payload.length;
  return Payload::omitted(payload.length);
}

void Recorder::append(const Event& event, const Reply* reply) {
  if (failed_.load(std::memory_order_relaxed)) return drop(event, reply);
  if (counts_.events >= options_.events_max) {
    end_here(event, fmt::format("the recording ends here: it may hold {} events", options_.events_max));
    return drop(event, reply);
  }
  const PayloadPolicy policy = policy_of(event.kind, options_.payloads);
  if (options_.bytes_max != UINT64_MAX) {
    uint64_t bytes = kept_bytes(event.data, policy);
    if (reply != nullptr) bytes += kept_bytes(reply->data, policy);
    if (bytes > options_.bytes_max - payload_bytes_) {
      end_here(event, fmt::format("the recording ends here: it may hold {} bytes of payloads", options_.bytes_max));
      return drop(event, reply);
    }
    payload_bytes_ += bytes;
  }
  ++counts_.events;
  if (event.data.length <= kValueBytesMax && (reply == nullptr || reply->data.length <= kValueBytesMax)) [[likely]] {
    return buffer_->put(event, reply);
  }
  Event event_kept = event;
  event_kept.data = kept(event.data, policy);
  Reply reply_kept;
  if (reply != nullptr) {
    reply_kept = *reply;
    reply_kept.data = kept(reply->data, policy);
  }
  buffer_->put(event_kept, reply != nullptr ? &reply_kept : nullptr);
}

void Recorder::end_here(const Event& event, const std::string& why) {
  buffer_->put(mark(why, event.time_ns), nullptr);
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
  auto writer = DbtWriter::create(path_, info, {options_.payloads, kCompressionLevel, kChunkEvents});
  if (!writer) return failed(writer.error());
  writer_ = std::move(*writer);
  for (unsigned i = 0; i < kBuffers; ++i) empty_.push_back(std::make_unique<EventBuffer>(kBufferBytes));
  thread_ = std::thread([this] { write_buffers(); });
}

/// Gives the buffer to the thread and takes an empty one. Waits while the thread has too much.
void Recorder::hand_over() {
  if (writer_ == nullptr) {
    buffer_->clear(kBufferBytes);  // there is no file
    return;
  }
  std::unique_lock lock(queue_mutex_);
  changed_.wait(lock, [this] { return !empty_.empty() && full_bytes_ <= kFullBytesMax; });
  full_bytes_ += buffer_->size_bytes();
  full_.push_back(std::move(buffer_));
  buffer_ = std::move(empty_.front());
  empty_.pop_front();
  changed_.notify_all();
  if (++buffers_handed_over_ % kBuffersOfASize == 0) fill_to_ = std::min(2 * fill_to_, kBufferBytes);
}

void Recorder::write_buffers() {
  std::unique_lock lock(queue_mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return !full_.empty() || ending_; });
    if (full_.empty()) break;
    std::unique_ptr<EventBuffer> buffer = std::move(full_.front());
    full_.pop_front();
    lock.unlock();
    if (!failed_.load(std::memory_order_relaxed)) {
      buffer->for_each([this](const Event& event, const Reply* reply) {
        const auto written = writer_->append(event, reply);
        if (!written) failed(written.error());
        return written.has_value();
      });
    }
    const uint64_t bytes = buffer->size_bytes();
    buffer->clear(kBufferBytes);
    lock.lock();
    full_bytes_ -= bytes;
    empty_.push_back(std::move(buffer));
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
  settle_accesses();
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
  buffer_->clear(kBufferBytes);
  counts_.error = error_;
}

RecorderCounts Recorder::counts() const {
  const std::lock_guard lock(lock_);
  RecorderCounts counts = counts_;
  counts.events += accesses_granted_ - accesses_left_;
  return counts;
}

}  // namespace dartboard::traces
