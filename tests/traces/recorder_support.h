// tests/traces/recorder_support.h - what tests of recordings share: a trace's head, and reading a file back whole.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "support.h"
#include "traces/formats.h"
#include "traces/recorder.h"

namespace dartboard::traces {

inline TraceInfo some_info() {
  TraceInfo info;
  info.source = "dartboard";
  info.clock = Clock::kSimulated;
  info.devices = {{"0000:01:00.0", small_device()}};
  return info;
}

/// A file, read to its end.
struct Read {
  Session session;
  TraceInfo info;
  ReadReport report;
};
inline Read read_back(const std::string& path) {
  Read out;
  auto reader = open_trace(path);
  EXPECT_TRUE(reader) << reader.error().sentence;
  if (!reader) return out;
  auto session = read_session(**reader, path);
  EXPECT_TRUE(session) << session.error().sentence;
  if (session) out.session = std::move(*session);
  out.info = (*reader)->info();
  out.report = (*reader)->report();
  return out;
}

}  // namespace dartboard::traces
