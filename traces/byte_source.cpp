// traces/byte_source.cpp - a file or some bytes, decoded as they are read.
//
// A file that grows while it is read (a log that is still being written) is read as it was when it was opened: up to
// the size it had then. A pipe is read to its end.
#include "traces/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "traces/decoder.h"

namespace dartboard::traces {

namespace {

constexpr size_t kInputBytes = 256 * 1024;

/// Where undecoded bytes come from.
class RawBytes {
 public:
  virtual ~RawBytes() = default;
  virtual Result<size_t> read(std::span<std::byte> to) = 0;  ///< 0 at the end
  virtual std::optional<uint64_t> size() const = 0;
  virtual bool shrank() const { return false; }  ///< ended before size()
  virtual bool seek(uint64_t offset) = 0;
};

class RawFile final : public RawBytes {
 public:
  RawFile(int fd, std::string name, std::optional<uint64_t> size) : fd_(fd), name_(std::move(name)), size_(size) {}
  ~RawFile() override { ::close(fd_); }
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;

  Result<size_t> read(std::span<std::byte> to) override {
    size_t want = to.size();
    if (size_) want = static_cast<size_t>(std::min<uint64_t>(want, *size_ - at_));
    if (want == 0) return size_t{0};
    for (;;) {
      const ssize_t count = ::read(fd_, to.data(), want);
      if (count >= 0) {
        at_ += static_cast<uint64_t>(count);
        shrank_ = count == 0 && size_.has_value();
        return static_cast<size_t>(count);
      }
      if (errno != EINTR) {
        return fail(ErrorName::kFileUnreadable, fmt::format("{}: cannot be read: {}.", name_, std::strerror(errno)));
      }
    }
  }
  std::optional<uint64_t> size() const override { return size_; }
  bool shrank() const override { return shrank_; }
  bool seek(uint64_t offset) override {
    if (!size_ || offset > *size_ || ::lseek(fd_, static_cast<off_t>(offset), SEEK_SET) < 0) return false;
    at_ = offset;
    return true;
  }

 private:
  int fd_;
  std::string name_;
  std::optional<uint64_t> size_;
  uint64_t at_ = 0;
  bool shrank_ = false;
};

class RawSpan final : public RawBytes {
 public:
  explicit RawSpan(std::span<const std::byte> bytes) : all_(bytes), bytes_(bytes) {}
  Result<size_t> read(std::span<std::byte> to) override {
    const size_t count = std::min(to.size(), bytes_.size());
    if (count != 0) std::memcpy(to.data(), bytes_.data(), count);
    bytes_ = bytes_.subspan(count);
    return count;
  }
  std::optional<uint64_t> size() const override { return all_.size(); }
  bool seek(uint64_t offset) override {
    if (offset > all_.size()) return false;
    bytes_ = all_.subspan(offset);
    return true;
  }

 private:
  std::span<const std::byte> all_;
  std::span<const std::byte> bytes_;  // not read yet
};

class Source final : public ByteSource {
 public:
  Source(std::unique_ptr<RawBytes> raw, std::string name) : raw_(std::move(raw)), name_(std::move(name)) {}

  /// Reads the first bytes and finds the compression; false when there are none.
  Result<bool> start() {
    input_.resize(kInputBytes);
    // A pipe may give a few bytes at a time; six are enough to know.
    constexpr size_t kMagicBytes = 6;
    while (input_end_ < kMagicBytes && !raw_ended_) {
      if (auto more = refill(); !more) return tl::unexpected(more.error());
    }
    decoder_ = Decoder::for_content(std::span(input_).first(input_end_));
    return input_end_ != 0;
  }

  Result<std::string_view> peek(size_t bytes_max) override {
    bytes_max = std::min(bytes_max, kPeekBytesMax);
    while (peeked_.size() - peeked_begin_ < bytes_max) {
      const size_t before = peeked_.size();
      peeked_.resize(peeked_begin_ + bytes_max);
      auto count = decode(std::as_writable_bytes(std::span(peeked_)).subspan(before));
      peeked_.resize(before + (count ? *count : 0));
      if (!count) return tl::unexpected(count.error());
      if (*count == 0) break;
    }
    return std::string_view(peeked_.data() + peeked_begin_, peeked_.size() - peeked_begin_);
  }

  Result<size_t> read(std::span<std::byte> to) override {
    size_t done = std::min(to.size(), peeked_.size() - peeked_begin_);
    if (done != 0) {
      std::memcpy(to.data(), peeked_.data() + peeked_begin_, done);
      peeked_begin_ += done;
      if (peeked_begin_ == peeked_.size()) {
        peeked_.clear();
        peeked_begin_ = 0;
      }
    }
    while (done < to.size()) {
      auto count = decode(to.subspan(done));
      if (!count) return tl::unexpected(count.error());
      if (*count == 0) break;
      done += *count;
    }
    return done;
  }

  bool seek(uint64_t offset) override {
    if (decoder_ != nullptr || !raw_->seek(offset)) return false;
    input_begin_ = input_end_ = 0;
    peeked_.clear();
    peeked_begin_ = 0;
    raw_ended_ = ended_ = false;
    bytes_read_ = bytes_out_ = offset;
    return true;
  }

  const std::optional<Error>& damage() const override { return damage_; }
  const std::string& name() const override { return name_; }
  std::string_view compression() const override { return decoder_ == nullptr ? std::string_view() : decoder_->name(); }
  uint64_t bytes_read() const override { return bytes_read_; }
  std::optional<uint64_t> file_bytes() const override { return raw_->size(); }

 private:
  Result<void> refill() {
    if (input_begin_ == input_end_) input_begin_ = input_end_ = 0;
    auto count = raw_->read(std::span(input_).subspan(input_end_));
    if (!count) return tl::unexpected(count.error());
    input_end_ += *count;
    bytes_read_ += *count;
    if (*count == 0) {
      raw_ended_ = true;
      if (raw_->shrank()) damaged("the file became shorter while it was read");
    }
    return {};
  }

  void damaged(std::string_view what) {
    ended_ = true;
    if (damage_) return;
    const std::string got = bytes_out_ == 0
                                ? "before any of its content could be read."
                                : fmt::format("after {} bytes of content. What stands before was read.", bytes_out_);
    damage_ = Error{
        ErrorName::kFileCorrupt, io_return::kSuccess,
        fmt::format("{}: {}, {} bytes into the file, {}", name_, what, bytes_read_ - (input_end_ - input_begin_), got)};
  }

  /// At least one byte, or 0 at the end.
  Result<size_t> decode(std::span<std::byte> to) {
    if (to.empty()) return size_t{0};
    while (!ended_) {
      if (input_begin_ == input_end_ && !raw_ended_) {
        // Nothing is in between: plain bytes go where they are wanted.
        if (decoder_ == nullptr && to.size() >= kInputBytes) {
          auto count = raw_->read(to);
          if (!count) return count;
          bytes_read_ += *count;
          bytes_out_ += *count;
          if (*count != 0) return count;
          raw_ended_ = true;
          if (raw_->shrank()) damaged("the file became shorter while it was read");
          break;
        }
        if (auto more = refill(); !more) return tl::unexpected(more.error());
        continue;
      }
      const auto in = std::span<const std::byte>(input_).subspan(input_begin_, input_end_ - input_begin_);
      if (decoder_ == nullptr) {
        const size_t count = std::min(in.size(), to.size());
        if (count == 0) break;
        std::memcpy(to.data(), in.data(), count);
        input_begin_ += count;
        bytes_out_ += count;
        return count;
      }
      const Decoder::Step step = decoder_->step(in, to, raw_ended_);
      input_begin_ += step.consumed;
      bytes_out_ += step.produced;
      if (step.problem != nullptr) {
        damaged(fmt::format("the {} data is damaged ({})", decoder_->name(), step.problem));
      } else if (step.produced == 0 && step.consumed == 0) {
        if (!raw_ended_) {
          if (auto more = refill_behind(); !more) return tl::unexpected(more.error());
        } else if (step.whole && input_begin_ == input_end_) {
          ended_ = true;
        } else {
          damaged(fmt::format("the {} data ends in its middle: the file is truncated", decoder_->name()));
        }
      }
      if (step.produced != 0) return step.produced;
    }
    ended_ = true;
    return size_t{0};
  }

  /// More input behind what the decoder left.
  Result<void> refill_behind() {
    std::copy(input_.begin() + static_cast<ptrdiff_t>(input_begin_),
              input_.begin() + static_cast<ptrdiff_t>(input_end_), input_.begin());
    input_end_ -= input_begin_;
    input_begin_ = 0;
    if (input_end_ == input_.size()) {  // a decoder that takes nothing of so much never will
      damaged(fmt::format("the {} data cannot be decoded", decoder_->name()));
      return {};
    }
    return refill();
  }

  std::unique_ptr<RawBytes> raw_;
  std::string name_;
  std::unique_ptr<Decoder> decoder_;  // null: plain
  std::vector<std::byte> input_;      // [input_begin_, input_end_) is not decoded yet
  size_t input_begin_ = 0, input_end_ = 0;
  std::vector<char> peeked_;  // [peeked_begin_, ...) is decoded and not read yet
  size_t peeked_begin_ = 0;
  bool raw_ended_ = false, ended_ = false;
  std::optional<Error> damage_;
  uint64_t bytes_read_ = 0, bytes_out_ = 0;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> ByteSource::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return fail(errno == ENOENT ? ErrorName::kNotFound : ErrorName::kFileUnreadable,
                fmt::format("{}: cannot be opened: {}.", path, std::strerror(errno)));
  }
  struct stat status {};
  std::optional<uint64_t> size;
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) size = static_cast<uint64_t>(status.st_size);
  auto source = std::make_unique<Source>(std::make_unique<RawFile>(fd, path, size), path);
  const auto any = source->start();
  if (!any) return tl::unexpected(any.error());
  if (!*any) return fail(ErrorName::kFileCorrupt, fmt::format("{}: is empty; expected a trace.", path));
  return source;
}

std::unique_ptr<ByteSource> ByteSource::of(std::span<const std::byte> bytes, std::string name) {
  auto source = std::make_unique<Source>(std::make_unique<RawSpan>(bytes), std::move(name));
  (void)source->start();  // memory cannot fail
  return source;
}

}  // namespace dartboard::traces
