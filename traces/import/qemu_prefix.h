// traces/import/qemu_prefix.h - what stands before the event in a line of a QEMU log, and the time in it.
//
//   2026-06-12T18:50:49.952317Z event ...     -msg timestamp=on; the fraction is missing when it is zero
//   4711@1718218249.952317:event ...          older QEMU: process, seconds since 1970
//   event ...                                 neither
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace dartboard::traces {

class QemuPrefix {
 public:
  /// Takes the prefix off `line`; nanoseconds since 1970, or nothing when the line has no time.
  std::optional<uint64_t> take(std::string_view* line);

 private:
  std::optional<uint64_t> take_iso(std::string_view* line);
  std::optional<uint64_t> take_process(std::string_view* line);

  // The date of the last line: of a million lines, few have another one.
  char date_[10] = {};
  uint64_t date_ns_ = 0;
};

}  // namespace dartboard::traces
