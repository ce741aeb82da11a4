// traces/session.cpp - the usual way into a session: description, requests, inference.
#include "traces/session.h"

#include "traces/inference.h"
#include "traces/jsonl_reader.h"
#include "traces/line_source.h"

namespace dartboard::traces {

Result<Session> load_session(const std::string& path) {
  // The session first: whoever misspells its name should not read about a missing description.
  auto opened = LineSource::open(path, ReaderLimits{}.line_bytes_max);
  if (!opened) return tl::unexpected(opened.error());
  auto device = read_device_description(device_description_path(path));
  if (!device) return tl::unexpected(device.error());
  auto session = read_jsonl(path, *device);
  if (!session) return session;
  const auto inferred = infer_device_events(&*session);
  if (!inferred) return tl::unexpected(inferred.error());
  return session;
}

}  // namespace dartboard::traces
