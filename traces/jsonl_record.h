// traces/jsonl_record.h - one line of a .jsonl session: a flat JSON object, taken apart strictly.
//
// Members: "t" time in ns, "cmd", "dev", "bar" (BAR, or memory handle for SYSMEM_*), "a0" "a1" "a2" arguments, "data"
// payload of the request, "st" status, "r0" "r1" results, "dt" round trip in ns, "ret" payload of the reply. Numbers
// are unsigned integers; payloads are hex text or {"fill": byte, "len": n}. No "st": the request had no reply (posted).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "traces/arena.h"
#include "traces/event.h"

namespace dartboard::traces {

enum class Field : uint8_t { kT, kCmd, kDev, kBar, kA0, kA1, kA2, kData, kSt, kR0, kR1, kDt, kRet };
inline constexpr unsigned kFieldCount = 13;
std::string_view to_string(Field field);

struct JsonlRecord {
  uint64_t numbers[kFieldCount] = {};
  std::string cmd;
  Payload data, ret;
  uint16_t present = 0;  ///< one bit per Field

  bool has(Field f) const { return (present >> static_cast<unsigned>(f)) & 1; }
  uint64_t number(Field f) const { return numbers[static_cast<unsigned>(f)]; }
};

/// Parses lines into records.
class JsonlParser {
 public:
  /// `payload_bytes_max`: longest payload of one record, fills included.
  explicit JsonlParser(uint64_t payload_bytes_max);
  ~JsonlParser();

  /// Payload bytes go to the arena. False: the line is not a record; problem() says what and what was expected
  /// ("field 'a1': ...").
  bool parse(std::string_view line, Arena& arena, JsonlRecord* record);
  const std::string& problem() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dartboard::traces
