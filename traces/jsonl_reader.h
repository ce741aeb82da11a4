// traces/jsonl_reader.h - reads a .jsonl or .jsonl.zst session: one request with its reply per line, checked strictly.
//
// Origin of the format: a recording of the TinyGPU remote protocol (one request in flight, no interrupts).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/types.h"
#include "traces/formats.h"
#include "traces/session.h"

namespace dartboard::traces {

/// What a file may ask of this process. Generous for recordings, small enough to refuse a bomb.
struct ReaderLimits {
  uint64_t payload_bytes_max = 64 * kMiB;  ///< of one request or reply: the protocol's bulk limit
  uint64_t line_bytes_max = 2 * 64 * kMiB + 64 * kKiB;
  uint64_t memory_bytes_max = 64 * kGiB;  ///< all MAP_SYSMEM together: address space, not memory
  // Of a session that is held in memory as a whole.
  uint64_t requests_max = 8'000'000;
  uint64_t arena_bytes_max = kGiB;          ///< all payloads that are not fills
  uint64_t register_bytes_max = 64 * kMiB;  ///< all register accesses together, fills spelt out
};

/// Reads the requests and replies of `path`; every one fits `device`. Errors name file, line and field.
/// kFileUnreadable, kNotFound, kFileCorrupt (a truncated file, too).
Result<Session> read_jsonl(const std::string& path, const DeviceDescription& device, const ReaderLimits& limits = {});

/// For traces/formats.h. Without a FILE.device.json the device is described by what its requests show, and a note says
/// so. A line that is no request is kFileCorrupt; a file that ends in the middle of one is truncated.
int detect_jsonl(std::string_view head);
Result<std::unique_ptr<EventReader>> open_jsonl(std::unique_ptr<ByteSource> source, const ReadOptions& options);

}  // namespace dartboard::traces
