// traces/lines.cpp - lines out of a ByteSource (traces/byte_source.h), in memory that a long line does not grow.
#include <cstdlib>
#include <cstring>
#include <new>

#include "traces/byte_source.h"

namespace dartboard::traces {

namespace {

constexpr size_t kChunkBytes = 256 * 1024;

/// Grows without a second copy of what is in it (the system moves its pages), and takes memory only for what was
/// written to it: a line of 100 MiB costs 100 MiB.
class Buffer {
 public:
  explicit Buffer(size_t size) { resize(size); }
  ~Buffer() { std::free(bytes_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void resize(size_t size) {
    void* const bytes = std::realloc(bytes_, size);
    if (bytes == nullptr) throw std::bad_alloc();  // as a vector does
    bytes_ = static_cast<char*>(bytes);
    size_ = size;
  }
  char* data() { return bytes_; }
  size_t size() const { return size_; }

 private:
  char* bytes_ = nullptr;
  size_t size_ = 0;
};

}  // namespace

struct Lines::Impl {
  std::unique_ptr<ByteSource> source;
  uint64_t line_bytes_max;
  Buffer buffer{2 * kChunkBytes};
  size_t begin = 0, end = 0;  // not handed out yet
  bool at_end = false;
  bool overlong = false;
  bool complete = true;
  uint64_t number = 0;

  /// More bytes at `end`; false at the end of the source.
  Result<bool> fill() {
    if (at_end) return false;
    if (buffer.size() - end < kChunkBytes) {
      if (begin > 0) {
        std::memmove(buffer.data(), buffer.data() + begin, end - begin);
        end -= begin;
        begin = 0;
      }
      if (buffer.size() - end < kChunkBytes) buffer.resize(buffer.size() * 2);
    }
    // A chunk at a time, not all there is room for: what is read is still in the cache when it is scanned.
    const auto count = source->read(std::as_writable_bytes(std::span(buffer.data() + end, kChunkBytes)));
    if (!count) return tl::unexpected(count.error());
    end += *count;
    at_end = *count == 0;
    return !at_end;
  }

  /// The first `kept` bytes from `begin` are a line; the rest of it goes, with its newline. Sets `complete`.
  Result<void> take_overlong(size_t kept, std::string_view* line) {
    size_t next = 0;  // what follows the line
    for (;;) {
      const size_t rest = begin + kept;
      if (const void* newline = std::memchr(buffer.data() + rest, '\n', end - rest)) {
        next = static_cast<size_t>(static_cast<const char*>(newline) - buffer.data()) + 1;
        complete = true;
        break;
      }
      end = rest;
      const auto more = fill();
      if (!more) return tl::unexpected(more.error());
      if (!*more) {
        next = end;
        complete = false;
        break;
      }
    }
    *line = std::string_view(buffer.data() + begin, kept);
    begin = next;
    overlong = true;
    ++number;
    return {};
  }
};

Lines::Lines(std::unique_ptr<ByteSource> source, uint64_t line_bytes_max) : impl_(std::make_unique<Impl>()) {
  impl_->source = std::move(source);
  impl_->line_bytes_max = line_bytes_max;
}
Lines::~Lines() = default;
Lines::Lines(Lines&&) noexcept = default;

Result<bool> Lines::next(std::string_view* line) {
  Impl& s = *impl_;
  s.overlong = false;
  size_t searched = 0;  // bytes from `begin` without a newline
  for (;;) {
    char* const from = s.buffer.data() + s.begin;
    const size_t size = s.end - s.begin;
    const auto* const newline = static_cast<const char*>(std::memchr(from + searched, '\n', size - searched));
    if (newline != nullptr) {
      auto length = static_cast<size_t>(newline - from);
      if (length > 0 && from[length - 1] == '\r') --length;
      if (length <= s.line_bytes_max) {
        *line = std::string_view(from, length);
        s.begin = static_cast<size_t>(newline - s.buffer.data()) + 1;
        s.complete = true;
        ++s.number;
        return true;
      }
    }
    // One more than the limit may be the CR of a line that is just within it.
    if (newline != nullptr || size > s.line_bytes_max + 1) {
      if (auto taken = s.take_overlong(s.line_bytes_max, line); !taken) return tl::unexpected(taken.error());
      return true;
    }
    searched = size;
    const auto more = s.fill();
    if (!more) return more;
    if (!*more) {
      if (s.begin == s.end) return false;
      if (size > s.line_bytes_max) {
        if (auto taken = s.take_overlong(s.line_bytes_max, line); !taken) return tl::unexpected(taken.error());
        return true;
      }
      *line = std::string_view(s.buffer.data() + s.begin, size);
      s.begin = s.end;
      s.complete = false;
      ++s.number;
      return true;
    }
  }
}

bool Lines::overlong() const {
  return impl_->overlong;
}
bool Lines::complete() const {
  return impl_->complete;
}
uint64_t Lines::number() const {
  return impl_->number;
}
ByteSource& Lines::source() {
  return *impl_->source;
}

}  // namespace dartboard::traces
