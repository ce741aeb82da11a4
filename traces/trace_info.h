// traces/trace_info.h - what a trace says about itself, whatever format it came from: devices, clock, origin, losses;
// and what a reader can tell about the file it read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "traces/device_description.h"

namespace dartboard::traces {

/// What Event::time_ns counts. Of any clock only differences mean something.
enum class Clock : uint8_t {
  kNone,       ///< the recording has no times: all are 0
  kMonotonic,  ///< of the recording machine
  kRealtime,   ///< wall clock of the recording machine, since 1970
  kSimulated,  ///< of a simulated machine
};
std::string_view to_string(Clock clock);

/// Which payloads of more than 8 bytes were kept. Shorter ones are values of registers and always are, and so are the
/// page addresses of mappings.
enum class PayloadPolicy : uint8_t { kFull, kHash, kNone };
std::string_view to_string(PayloadPolicy policy);
inline constexpr uint64_t kValueBytesMax = 8;

struct TraceDevice {
  std::string address;  ///< "0000:01:00.0", or what the recording calls it, without paths; may be empty
  DeviceDescription description;
  bool operator==(const TraceDevice&) const = default;
};

struct TraceInfo {
  std::vector<TraceDevice> devices;  ///< Event::device is an index; at least one once a trace is read
  std::string profile;               ///< of the simulated Mac it was recorded on; empty: none or unknown
  std::string source;                ///< tool and format: "dartboard", "qemu-log", "simpletrace", "mmiotrace", ...
  Clock clock = Clock::kNone;
  PayloadPolicy payloads = PayloadPolicy::kFull;
  bool lossy = false;              ///< the recording misses events
  uint64_t dropped_events = 0;     ///< that are known to be missing
  uint64_t dropped_bytes = 0;      ///< of payloads, by a cap
  std::vector<std::string> notes;  ///< sentences for people: what is assumed, what the format lacks
  bool operator==(const TraceInfo&) const = default;
};

/// A kind of line or record that a reader met.
struct RecordCount {
  std::string name;  ///< "vfio_region_read"
  uint64_t count = 0;
  std::string why;  ///< why it makes no event; empty: it does
};

inline constexpr size_t kUnknownKept = 10;

/// What a reader found in its file, beside events. Nothing is skipped without being counted here.
struct ReadReport {
  uint64_t records = 0;            ///< lines, or records of a binary format
  std::vector<RecordCount> kinds;  ///< sorted by name
  uint64_t unknown = 0;            ///< records that were not understood
  std::vector<std::pair<uint64_t, std::string>>
      first_unknown;                  ///< number (from 1) and printable text, at most kUnknownKept
  std::vector<std::string> warnings;  ///< truncation, damage, losses, disorder
  bool truncated = false;             ///< the file ends early; what stood before was read
};

}  // namespace dartboard::traces
