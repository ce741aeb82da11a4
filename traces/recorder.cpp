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
/// A recording must not slow the run down: the columns do most of what a higher level would.
constexpr int kCompressionLevel = 1;

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
  // All alike if the first is as each one's successor.
  if (data.size() <= kValueBytesMax || std::memcmp(data.data(), data.data() + 1, data.size() - 1) != 0) {
    return Payload::of(data);
  }
  return Payload::filled(data.front(), data.size());
}

Recorder::Recorder(std::string path, const RecorderOptions& options, std::function<uint64_t()> now_ns)
    : path_(std::move(path)), options_(options), now_ns_(std::move(now_ns)) {}

Recorder::~Recorder() {
  close(info_);
}

void Recorder::open(const TraceInfo& info) {
  const std::lock_guard lock(mutex_);
  if (state_ == State::kWaiting) create(info);
}

void Recorder::create(const TraceInfo& info) {
  info_ = info;
  state_ = State::kOpen;
  auto writer = DbtWriter::create(path_, info, {options_.payloads, kCompressionLevel});
  if (writer) {
    writer_ = std::move(*writer);
  } else {
    failed(writer.error());
  }
  for (const Event& event : waiting_.events) write(event, waiting_.reply_of(event));
  waiting_ = {};
}

void Recorder::record(const Event& event, const Reply* reply) {
  const std::lock_guard lock(mutex_);
  switch (state_) {
    case State::kOpen: [[likely]]
      write(event, reply);
      return;
    case State::kWaiting: {
      if (waiting_.events.size() == kWaitingEventsMax) {
        drop(event, reply);
        return;
      }
      const auto keep = [this](Payload payload) {
        if (payload.bytes == nullptr) return payload;
        const uint64_t bytes = payload.is_whole() ? payload.length : kHashBytes;
        std::byte* const place = waiting_.arena.allocate(bytes);
        std::memcpy(place, payload.bytes, bytes);
        payload.bytes = place;
        return payload;
      };
      Event copy = event;
      copy.data = keep(event.data);
      if (reply == nullptr) {
        copy.reply = kNoReply;
        waiting_.events.push_back(copy);
      } else {
        Reply answer = *reply;
        answer.data = keep(reply->data);
        waiting_.add(copy, answer);
      }
      return;
    }
    case State::kFull: drop(event, reply); return;
    case State::kClosed: return;
  }
}

/// What of a payload goes into the file; adds its bytes to `bytes`.
Payload Recorder::kept(const Payload& payload, uint64_t* bytes) {
  if (payload.length > kPayloadBytesMax && payload.is_whole() && !payload.is_fill()) {
    too_large_ = true;
    counts_.dropped_bytes += payload.length;
    return Payload::omitted(payload.length);
  }
  if (payload.is_fill()) {
    *bytes += payload.empty() ? 0 : 1;
  } else if (payload.form == PayloadForm::kHash ||
             (payload.length > kValueBytesMax && options_.payloads == PayloadPolicy::kHash)) {
    *bytes += kHashBytes;
  } else if (payload.is_whole() && (payload.length <= kValueBytesMax || options_.payloads == PayloadPolicy::kFull)) {
    *bytes += payload.length;
  }
  return payload;
}

void Recorder::write(const Event& event, const Reply* reply) {
  if (counts_.error) return drop(event, reply);
  if (counts_.events >= options_.events_max) {
    end_here(event, fmt::format("the recording ends here: it may hold {} events", options_.events_max));
    return drop(event, reply);
  }
  uint64_t bytes = 0;
  Event copy = event;
  copy.data = kept(event.data, &bytes);
  Reply answer;
  if (reply != nullptr) {
    answer = *reply;
    answer.data = kept(reply->data, &bytes);
  }
  if (bytes > options_.bytes_max - payload_bytes_) {
    end_here(event, fmt::format("the recording ends here: it may hold {} bytes of payloads", options_.bytes_max));
    return drop(event, reply);
  }
  if (auto done = writer_->append(copy, reply != nullptr ? &answer : nullptr); !done) {
    failed(done.error());
    return drop(event, reply);
  }
  ++counts_.events;
  payload_bytes_ += bytes;
}

void Recorder::end_here(const Event& event, const std::string& why) {
  state_ = State::kFull;
  if (auto done = writer_->append(mark(why, event.time_ns), nullptr); !done) failed(done.error());
}

void Recorder::drop(const Event& event, const Reply* reply) {
  ++counts_.dropped_events;
  counts_.dropped_bytes += payload_bytes(event, reply);
}

void Recorder::failed(const Error& error) {
  if (!counts_.error) counts_.error = error;
}

TraceInfo Recorder::with_losses(TraceInfo info) const {
  info.lossy = info.lossy || counts_.dropped_events != 0 || too_large_;
  info.dropped_events += counts_.dropped_events;
  info.dropped_bytes += counts_.dropped_bytes;
  return info;
}

void Recorder::close(const TraceInfo& info) {
  const std::lock_guard lock(mutex_);
  if (state_ == State::kClosed) return;
  if (state_ == State::kWaiting) create(info);
  state_ = State::kClosed;
  if (writer_ == nullptr) return;
  if (!counts_.error) {
    if (auto done = writer_->finish(with_losses(info)); !done) failed(done.error());
  }
  counts_.file_bytes = writer_->bytes_written();
  writer_.reset();
}

RecorderCounts Recorder::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace dartboard::traces
