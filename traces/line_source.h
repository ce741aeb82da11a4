// traces/line_source.h - lines of a text file that may be compressed with zstd, one at a time, in bounded memory.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

struct ZSTD_DCtx_s;

namespace dartboard::traces {

class LineSource {
 public:
  /// Opens `path` and looks at its first bytes. kFileUnreadable when the system refuses; kFileCorrupt when the file is
  /// empty or begins like neither zstd nor a JSON object. No line may be longer than `line_bytes_max`.
  static Result<LineSource> open(const std::string& path, uint64_t line_bytes_max);
  ~LineSource();
  LineSource(LineSource&&) noexcept;
  LineSource& operator=(LineSource&&) noexcept;

  /// The next line without its newline, valid until the next call; false at the end. kFileCorrupt for damaged or
  /// truncated compression and over-long lines.
  Result<bool> next(std::string_view* line);
  /// Reads on, at most `bytes_max`, to find damage that explains a line that made no sense: compression without an
  /// error of its own is only known to be sound at its checksum.
  std::optional<Error> damage_further_on(uint64_t bytes_max);

  uint64_t line_number() const { return line_number_; }  ///< of the last line, from 1
  /// The last line had its newline. A line without one may have been cut short.
  bool line_complete() const { return line_complete_; }

 private:
  LineSource();
  Result<bool> fill();  // appends decoded bytes to text_; false at the end

  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  struct Freer {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::string path_;
  std::unique_ptr<std::FILE, Closer> file_;
  std::unique_ptr<ZSTD_DCtx_s, Freer> zstd_;  // null: plain text
  bool in_frame_ = false;                     // a zstd frame is open
  bool at_end_ = false;
  bool line_complete_ = true;
  uint64_t line_bytes_max_ = 0;
  uint64_t line_number_ = 0;
  std::vector<char> input_;
  size_t input_begin_ = 0, input_end_ = 0;
  std::string text_;  // decoded, [line_begin_, ...) not yet handed out
  size_t line_begin_ = 0;
};

}  // namespace dartboard::traces
