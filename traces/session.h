// traces/session.h - a recorded session: the device it was recorded on, everything that happened, in order, and what
// was answered.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "traces/arena.h"
#include "traces/device_description.h"
#include "traces/event.h"

namespace dartboard::traces {

/// Whoever makes one keeps to this: every request but a posted write has a reply, and the reply of a read that
/// succeeded has exactly as many bytes as the read asked for.
struct Session {
  std::string origin;  ///< the file, for messages
  DeviceDescription device;
  /// In order of time. Events of the device stand before the request that made them visible; requests are numbered
  /// from 0 without gaps in Event::request.
  std::vector<Event> events;
  std::vector<Reply> replies;
  uint64_t requests = 0;  ///< events that are requests
  Arena arena;            ///< owns the bytes behind every payload

  const Reply* reply_of(const Event& event) const { return event.reply == kNoReply ? nullptr : &replies[event.reply]; }
};

class EventReader;

/// All that is left of `reader`, of the trace's only device. kNotSupported: it has several.
Result<Session> read_session(EventReader& reader, const std::string& origin);

/// The usual way in: a trace of any format (traces/formats.h) that is not too long, with what the device did by itself
/// (traces/inference.h). kFileUnreadable, kFileCorrupt with file, line and field.
Result<Session> load_session(const std::string& path);

}  // namespace dartboard::traces
