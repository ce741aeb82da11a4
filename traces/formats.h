// traces/formats.h - every format that can be read or written, in one table; which one a file has is found by content.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "traces/byte_source.h"
#include "traces/event_stream.h"

namespace dartboard::traces {

struct ReadOptions {
  /// A device that a format cannot describe (.jsonl): its FILE.device.json. Empty: the one beside the trace, if any.
  std::string device_description;
  /// simpletrace before version 4, whose records have numbers for names: the trace-events-all of the QEMU that wrote
  /// it.
  std::string event_names;
};

struct WriteOptions {
  PayloadPolicy payloads = PayloadPolicy::kFull;
  int compression_level = 3;  ///< zstd's, for .dbt
  uint32_t chunk_events = 0;  ///< of a .dbt: at most so many in a chunk; 0: what suits reading (traces/dbt/layout.h)
};

struct Format {
  std::string_view name;         ///< as in --from and --to: "dbt", "jsonl", "qemu-log"
  std::string_view description;  ///< one line for people
  std::string_view suffix;       ///< that names it for writing: ".dbt"; may be empty
  /// How sure `head` (the first decoded bytes) looks like it: 0 no, 100 certain. Null: cannot be read.
  int (*detect)(std::string_view head);
  Result<std::unique_ptr<EventReader>> (*open)(std::unique_ptr<ByteSource> source, const ReadOptions& options);
  /// Creates or replaces `path`; `info` is what the reader knows by now. Null: cannot be written.
  Result<std::unique_ptr<EventWriter>> (*create)(const std::string& path, const TraceInfo& info,
                                                 const WriteOptions& options);
};

/// All of them, sorted by name.
std::span<const Format> formats();
const Format* find_format(std::string_view name);
/// The one whose suffix `path` ends in (longest first), or null.
const Format* format_of_path(std::string_view path);

/// Opens `path` in the format that its content shows, or that `format` names. kNotFound, kFileUnreadable; kFileCorrupt
/// when it looks like none of them.
Result<std::unique_ptr<EventReader>> open_trace(const std::string& path, std::string_view format = {},
                                                const ReadOptions& options = {});

}  // namespace dartboard::traces
