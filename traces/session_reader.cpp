// traces/session_reader.cpp - see session_reader.h.
#include "traces/session_reader.h"

#include <algorithm>

namespace dartboard::traces {

SessionReader::SessionReader(const Session& session) : session_(session) {
  info_.devices.push_back({{}, session.device});
  report_.records = session.events.size();
}

Result<bool> SessionReader::next(EventBatch* batch) {
  batch->clear();
  batch->first_event = position_;
  const size_t end = std::min(session_.events.size(), position_ + kBatchEvents);
  if (position_ == end) return false;
  batch->events.assign(session_.events.begin() + static_cast<std::ptrdiff_t>(position_),
                       session_.events.begin() + static_cast<std::ptrdiff_t>(end));
  for (Event& event : batch->events) {
    if (event.reply == kNoReply) continue;
    batch->replies.push_back(session_.replies[event.reply]);
    event.reply = static_cast<uint32_t>(batch->replies.size() - 1);
  }
  position_ = end;
  return true;
}

}  // namespace dartboard::traces
