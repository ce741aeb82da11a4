// traces/line_source.cpp - zstd stream to lines. The window is bounded by zstd's default limit (128 MiB), so that a
// small file cannot ask for unbounded memory (RFC 8878 s3.1.1.1.2).
#include "traces/line_source.h"

#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace dartboard::traces {

namespace {

constexpr size_t kInputBytes = 128 * 1024;
constexpr size_t kOutputStep = 256 * 1024;
constexpr int kWindowLogMax = 27;
constexpr unsigned char kZstdMagic[4] = {0x28, 0xb5, 0x2f, 0xfd};

}  // namespace

void LineSource::Freer::operator()(ZSTD_DCtx_s* context) const {
  ZSTD_freeDCtx(context);
}

LineSource::LineSource() = default;
LineSource::~LineSource() = default;
LineSource::LineSource(LineSource&&) noexcept = default;
LineSource& LineSource::operator=(LineSource&&) noexcept = default;

Result<LineSource> LineSource::open(const std::string& path, uint64_t line_bytes_max) {
  LineSource source;
  source.path_ = path;
  source.line_bytes_max_ = line_bytes_max;
  source.file_.reset(std::fopen(path.c_str(), "rb"));
  if (source.file_ == nullptr) {
    return fail(errno == ENOENT ? ErrorName::kNotFound : ErrorName::kFileUnreadable,
                fmt::format("{}: cannot be opened: {}.", path, std::strerror(errno)));
  }
  source.input_.resize(kInputBytes);
  source.input_end_ = std::fread(source.input_.data(), 1, kInputBytes, source.file_.get());
  if (std::ferror(source.file_.get()) != 0) {
    return fail(ErrorName::kFileUnreadable, fmt::format("{}: cannot be read: {}.", path, std::strerror(errno)));
  }
  if (source.input_end_ == 0) {
    return fail(ErrorName::kFileCorrupt, fmt::format("{}: is empty; expected a recorded session.", path));
  }
  if (source.input_end_ >= 4 && std::memcmp(source.input_.data(), kZstdMagic, 4) == 0) {
    source.zstd_.reset(ZSTD_createDCtx());
    if (source.zstd_ == nullptr) return fail(ErrorName::kInternal, "zstd: out of memory.");
    ZSTD_DCtx_setParameter(source.zstd_.get(), ZSTD_d_windowLogMax, kWindowLogMax);
  } else if (source.input_[0] != '{') {
    return fail(ErrorName::kFileCorrupt,
                fmt::format("{}: is not a recorded session: its first byte is 0x{:02x}; expected zstd-compressed or "
                            "plain lines of JSON.",
                            path, static_cast<unsigned char>(source.input_[0])));
  }
  return source;
}

Result<bool> LineSource::next(std::string_view* line) {
  size_t searched = line_begin_;
  for (;;) {
    const void* newline = std::memchr(text_.data() + searched, '\n', text_.size() - searched);
    const size_t end =
        newline != nullptr ? static_cast<size_t>(static_cast<const char*>(newline) - text_.data()) : text_.size();
    if (end - line_begin_ > line_bytes_max_) {
      return fail(ErrorName::kFileCorrupt, fmt::format("{}: line {} is longer than {} bytes, the longest allowed.",
                                                       path_, line_number_ + 1, line_bytes_max_));
    }
    if (newline != nullptr) {
      *line = std::string_view(text_).substr(line_begin_, end - line_begin_);
      line_begin_ = end + 1;
      ++line_number_;
      line_complete_ = true;
      return true;
    }
    text_.erase(0, line_begin_);
    line_begin_ = 0;
    searched = text_.size();
    auto more = fill();
    if (!more) return tl::unexpected(more.error());
    if (!*more) {
      if (text_.empty()) return false;
      *line = text_;
      line_begin_ = text_.size();
      ++line_number_;
      line_complete_ = false;
      return true;
    }
  }
}

std::optional<Error> LineSource::damage_further_on(uint64_t bytes_max) {
  for (uint64_t seen = 0; zstd_ != nullptr && seen < bytes_max; seen += text_.size()) {
    text_.clear();
    line_begin_ = 0;
    const auto more = fill();
    if (!more) return more.error();
    if (!*more) break;
  }
  return std::nullopt;
}

Result<bool> LineSource::fill() {
  const size_t before = text_.size();
  while (text_.size() == before) {
    if (input_begin_ == input_end_ && !at_end_) {
      input_begin_ = 0;
      input_end_ = std::fread(input_.data(), 1, input_.size(), file_.get());
      if (std::ferror(file_.get()) != 0) {
        return fail(ErrorName::kFileUnreadable, fmt::format("{}: cannot be read: {}.", path_, std::strerror(errno)));
      }
      at_end_ = input_end_ == 0;
    }
    if (zstd_ == nullptr) {
      if (at_end_) return false;
      text_.append(input_.data() + input_begin_, input_end_ - input_begin_);
      input_begin_ = input_end_;
      return true;
    }
    if (at_end_ && !in_frame_) return false;
    const size_t step = std::min<uint64_t>(kOutputStep, line_bytes_max_ + 1);
    text_.resize(before + step);
    ZSTD_inBuffer in{input_.data(), input_end_, input_begin_};
    ZSTD_outBuffer out{text_.data() + before, step, 0};
    const size_t hint = ZSTD_decompressStream(zstd_.get(), &out, &in);
    text_.resize(before + out.pos);
    if (ZSTD_isError(hint) != 0) {
      return fail(ErrorName::kFileCorrupt,
                  fmt::format("{}: the compressed data is corrupt after line {}: zstd says '{}'.", path_, line_number_,
                              ZSTD_getErrorName(hint)));
    }
    in_frame_ = hint != 0;
    // No input left and no output made, but the frame wants more: the file ends inside it.
    if (at_end_ && in_frame_ && out.pos == 0) {
      return fail(ErrorName::kFileCorrupt,
                  fmt::format("{}: the file is truncated: the compressed data ends inside a frame after line {}.",
                              path_, line_number_));
    }
    input_begin_ = in.pos;
  }
  return true;
}

}  // namespace dartboard::traces
