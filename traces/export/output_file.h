// traces/export/output_file.h - a file that is written front to back through a buffer, compressed if asked.
//
// The first refusal of the system sticks: whoever writes asks status() once a batch instead of after every field.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/error.h"

namespace dartboard::traces {

class OutputFile {
 public:
  /// Creates or replaces `path`. `zstd_level` 0: not compressed. kFileUnreadable.
  static Result<std::unique_ptr<OutputFile>> create(const std::string& path, int zstd_level = 0);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// What is written next is appended here; call settle() now and then.
  fmt::memory_buffer& buffer() { return buffer_; }
  void put(std::string_view text) { buffer_.append(text.data(), text.data() + text.size()); }
  /// Gives a full buffer to the system.
  void settle() {
    if (buffer_.size() >= kBufferBytes) flush();
  }

  /// kFileUnreadable since the system refused something.
  Result<void> status() const;
  /// Writes what is left and closes.
  Result<void> close();
  const std::string& path() const { return path_; }

 private:
  static constexpr size_t kBufferBytes = 64 * 1024;
  struct Compressor;

  explicit OutputFile(std::string path);
  void flush();
  void write(const char* bytes, size_t count);

  std::string path_;
  std::FILE* file_ = nullptr;
  std::unique_ptr<Compressor> compressor_;
  fmt::memory_buffer buffer_;
  int error_ = 0;  // errno of the first refusal
};

}  // namespace dartboard::traces
