// traces/lines.cpp - lines out of a ByteSource (traces/byte_source.h), in memory that a long line does not grow.
#include <algorithm>
#include <cstring>
#include <vector>

#include "traces/byte_source.h"

namespace dartboard::traces {

namespace {

constexpr size_t kChunkBytes = 256 * 1024;

}  // namespace

struct Lines::Impl {
  std::unique_ptr<ByteSource> source;
  uint64_t line_bytes_max;
  std::vector<char> buffer = std::vector<char>(2 * kChunkBytes);
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
    const auto count = source->read(std::as_writable_bytes(std::span(buffer)).subspan(end, kChunkBytes));
    if (!count) return tl::unexpected(count.error());
    end += *count;
    at_end = *count == 0;
    return !at_end;
  }

  /// Everything up to and with the next newline goes; false when there is none.
  Result<bool> skip_rest() {
    for (;;) {
      if (const void* newline = std::memchr(buffer.data() + begin, '\n', end - begin)) {
        begin = static_cast<size_t>(static_cast<const char*>(newline) - buffer.data()) + 1;
        return true;
      }
      end = begin;
      const auto more = fill();
      if (!more) return more;
      if (!*more) return false;
    }
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
  if (s.overlong) {  // the rest of the last one
    const auto found = s.skip_rest();
    if (!found) return found;
    s.overlong = false;
  }
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
      *line = std::string_view(from, s.line_bytes_max);
      s.begin += s.line_bytes_max;
      s.overlong = true;
      s.complete = true;
      ++s.number;
      return true;
    }
    searched = size;
    const auto more = s.fill();
    if (!more) return more;
    if (!*more) {
      if (s.begin == s.end) return false;
      const size_t left = s.end - s.begin;
      s.overlong = left > s.line_bytes_max;
      *line = std::string_view(s.buffer.data() + s.begin, std::min<uint64_t>(left, s.line_bytes_max));
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
