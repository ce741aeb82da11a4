// traces/byte_source.h - the bytes of a trace file, decompressed if need be, in bounded memory.
//
// zstd, gzip and xz are found by their first bytes, never by the file's name. A file that ends inside its compression
// is truncated: what decodes before that is given out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace dartboard::traces {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// Opens `path`. kNotFound, kFileUnreadable; kFileCorrupt when it is empty.
  static Result<std::unique_ptr<ByteSource>> open(const std::string& path);
  /// Bytes of this process, as if they were a file's (for tests and fuzzing). `name` stands in messages.
  static std::unique_ptr<ByteSource> of(std::span<const std::byte> bytes, std::string name);

  /// The first decoded bytes, at least min(bytes_max, all there are) of them, without reading past them. bytes_max is
  /// at most kPeekBytesMax. For finding a format.
  static constexpr size_t kPeekBytesMax = 64 * 1024;
  virtual Result<std::string_view> peek(size_t bytes_max) = 0;
  /// Fills `to` from the front; returns how many bytes, 0 at the end. Damage ends the stream like a truncation:
  /// damage() then says what and where.
  virtual Result<size_t> read(std::span<std::byte> to) = 0;
  virtual const std::optional<Error>& damage() const = 0;

  /// Goes on at `offset` of the file. False: this source cannot (compressed, a pipe), and it stays where it is.
  virtual bool seek(uint64_t offset) {
    static_cast<void>(offset);
    return false;
  }

  virtual const std::string& name() const = 0;             ///< for messages
  virtual std::string_view compression() const = 0;        ///< "", "zstd", "gzip" or "xz"
  virtual uint64_t bytes_read() const = 0;                 ///< of the file itself, for progress
  virtual std::optional<uint64_t> file_bytes() const = 0;  ///< as large as the file is; none for a pipe
};

/// Lines out of a ByteSource, LF or CRLF, NUL bytes kept.
class Lines {
 public:
  /// A line of more than `line_bytes_max` is cut there: overlong() says so, and the rest is skipped.
  explicit Lines(std::unique_ptr<ByteSource> source, uint64_t line_bytes_max = uint64_t{1} << 20);
  ~Lines();
  Lines(Lines&&) noexcept;

  /// The next line without its end, valid until the next call; false at the end.
  Result<bool> next(std::string_view* line);
  bool overlong() const;    ///< the last line was cut
  bool complete() const;    ///< the last line had its newline
  uint64_t number() const;  ///< of the last line, from 1
  ByteSource& source();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dartboard::traces
