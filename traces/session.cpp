// traces/session.cpp - the usual way into a session: any trace, as a whole, with inference.
#include "traces/session.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "traces/formats.h"
#include "traces/inference.h"
#include "traces/jsonl_reader.h"

namespace dartboard::traces {

namespace {

Payload keep(const Payload& payload, Arena& arena) {
  if (payload.bytes == nullptr) return payload;
  Payload kept = payload;
  const uint64_t bytes = payload.is_whole() ? payload.length : 8;  // a hash
  std::byte* const place = arena.allocate(bytes);
  std::memcpy(place, payload.bytes, bytes);
  kept.bytes = place;
  return kept;
}

}  // namespace

Result<Session> read_session(EventReader& reader, const std::string& origin) {
  const ReaderLimits limits;
  Session session;
  session.origin = origin;
  EventBatch batch;
  for (;;) {
    const auto more = reader.next(&batch);
    if (!more) return tl::unexpected(more.error());
    if (!*more) break;
    for (Event event : batch.events) {
      event.data = keep(event.data, session.arena);
      if (const Reply* const reply = batch.reply_of(event)) {
        event.reply = static_cast<uint32_t>(session.replies.size());
        session.replies.push_back(*reply);
        session.replies.back().data = keep(reply->data, session.arena);
      }
      session.requests += event.is_request() ? 1 : 0;
      session.events.push_back(event);
    }
    if (session.requests > limits.requests_max || session.arena.used_bytes() > limits.arena_bytes_max) {
      return fail(ErrorName::kOutOfRange,
                  fmt::format("{}: is too long to be held in memory as a whole: more than {} requests or {} bytes of "
                              "payloads. Cut it with `dartboard trace cut`.",
                              origin, limits.requests_max, limits.arena_bytes_max));
    }
  }
  const TraceInfo& info = reader.info();
  if (info.devices.size() != 1) {
    return fail(ErrorName::kNotSupported,
                fmt::format("{}: is of {} devices; cut one of them out with `dartboard trace cut --device`.", origin,
                            info.devices.size()));
  }
  session.device = info.devices.front().description;
  return session;
}

Result<Session> load_session(const std::string& path) {
  auto reader = open_trace(path);
  if (!reader) return tl::unexpected(reader.error());
  auto session = read_session(**reader, path);
  if (!session) return session;
  const ReadReport& report = (*reader)->report();
  if (report.truncated) {
    return fail(ErrorName::kFileCorrupt, report.warnings.empty() ? path + ": is truncated." : report.warnings.front());
  }
  const bool done = std::any_of(session->events.begin(), session->events.end(),
                                [](const Event& event) { return event.source == Source::kInferred; });
  if (!done) {
    const auto inferred = infer_device_events(&*session);
    if (!inferred) return tl::unexpected(inferred.error());
  }
  return session;
}

}  // namespace dartboard::traces
