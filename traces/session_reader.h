// traces/session_reader.h - a session that is wholly in memory, read as a trace is: in batches.
#pragma once

#include <cstddef>

#include "traces/event_stream.h"
#include "traces/session.h"

namespace dartboard::traces {

/// Payloads stay in the session, which outlives the reader and what it filled.
class SessionReader final : public EventReader {
 public:
  explicit SessionReader(const Session& session);

  const TraceInfo& info() const override { return info_; }
  Result<bool> next(EventBatch* batch) override;
  const ReadReport& report() const override { return report_; }

 private:
  const Session& session_;
  size_t position_ = 0;
  TraceInfo info_;
  ReadReport report_;
};

}  // namespace dartboard::traces
