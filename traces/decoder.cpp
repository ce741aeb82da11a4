// traces/decoder.cpp - RFC 8878 (zstd), RFC 1952 (gzip) and the .xz format by their own libraries.
#include "traces/decoder.h"

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <climits>

namespace dartboard::traces {

namespace {

constexpr int kZstdWindowLogMax = 27;  // kDecoderBytesMax

class ZstdDecoder final : public Decoder {
 public:
  ZstdDecoder() : context_(ZSTD_createDCtx()) {
    if (context_ != nullptr) ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kZstdWindowLogMax);
  }
  ~ZstdDecoder() override { ZSTD_freeDCtx(context_); }
  ZstdDecoder(const ZstdDecoder&) = delete;
  ZstdDecoder& operator=(const ZstdDecoder&) = delete;

  std::string_view name() const override { return "zstd"; }
  Step step(std::span<const std::byte> in, std::span<std::byte> out, bool) override {
    Step step;
    if (context_ == nullptr) {
      step.problem = "out of memory";
      return step;
    }
    // A call that meets damage gives out nothing at all, also not what it decoded before. So one block at a time goes
    // in (as much as it asked for), and nothing while something is left to come out.
    ZSTD_inBuffer input{in.data(), flushing_ ? 0 : std::min(in.size(), wanted_), 0};
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    size_t hint = ZSTD_decompressStream(context_, &output, &input);
    if (flushing_ && output.pos == 0 && ZSTD_isError(hint) == 0) {
      input.size = std::min(in.size(), wanted_);
      hint = ZSTD_decompressStream(context_, &output, &input);
    }
    flushing_ = output.pos == output.size;
    if (ZSTD_isError(hint) != 0) {
      step.problem = ZSTD_getErrorName(hint);
    } else if (input.pos != 0 || output.pos != 0) {
      whole_ = hint == 0;
      wanted_ = whole_ ? kFrameBeginBytes : hint;
    }
    step.consumed = input.pos;
    step.produced = output.pos;
    step.whole = whole_;
    return step;
  }

 private:
  static constexpr size_t kFrameBeginBytes = 5;  // the magic number and what tells how long the header is

  ZSTD_DCtx* context_;
  size_t wanted_ = kFrameBeginBytes;
  bool whole_ = true;
  bool flushing_ = false;  // the last step had no room for all of it
};

class GzipDecoder final : public Decoder {
 public:
  GzipDecoder() { usable_ = inflateInit2(&stream_, kWindowBits) == Z_OK; }
  ~GzipDecoder() override {
    if (usable_) inflateEnd(&stream_);
  }
  GzipDecoder(const GzipDecoder&) = delete;
  GzipDecoder& operator=(const GzipDecoder&) = delete;

  std::string_view name() const override { return "gzip"; }
  Step step(std::span<const std::byte> in, std::span<std::byte> out, bool) override {
    Step step;
    if (!usable_) {
      step.problem = "out of memory";
      return step;
    }
    if (between_ && !in.empty()) {  // a file may have several members
      inflateReset(&stream_);
      between_ = false;
    }
    const auto in_bytes = static_cast<uInt>(std::min<size_t>(in.size(), UINT_MAX));
    const auto out_bytes = static_cast<uInt>(std::min<size_t>(out.size(), UINT_MAX));
    // zlib's interface has no const; it does not write to its input.
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(in.data()));
    stream_.avail_in = in_bytes;
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = out_bytes;
    if (!between_) {
      const int code = inflate(&stream_, Z_NO_FLUSH);
      if (code == Z_STREAM_END) {
        between_ = true;
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        step.problem = stream_.msg != nullptr ? stream_.msg : "it is not gzip data";
      }
    }
    step.consumed = in_bytes - stream_.avail_in;
    step.produced = out_bytes - stream_.avail_out;
    step.whole = between_;
    return step;
  }

 private:
  static constexpr int kWindowBits = 15 + 16;  // the largest window; 16: a gzip header is expected
  z_stream stream_{};
  bool usable_ = false;
  bool between_ = false;  // a member has ended, none has begun
};

class XzDecoder final : public Decoder {
 public:
  XzDecoder() { usable_ = lzma_stream_decoder(&stream_, kDecoderBytesMax, LZMA_CONCATENATED) == LZMA_OK; }
  ~XzDecoder() override { lzma_end(&stream_); }
  XzDecoder(const XzDecoder&) = delete;
  XzDecoder& operator=(const XzDecoder&) = delete;

  std::string_view name() const override { return "xz"; }
  Step step(std::span<const std::byte> in, std::span<std::byte> out, bool at_end) override {
    Step step;
    if (!usable_) {
      step.problem = "out of memory";
      return step;
    }
    stream_.next_in = reinterpret_cast<const uint8_t*>(in.data());
    stream_.avail_in = in.size();
    stream_.next_out = reinterpret_cast<uint8_t*>(out.data());
    stream_.avail_out = out.size();
    const lzma_ret code = done_ ? LZMA_STREAM_END : lzma_code(&stream_, at_end ? LZMA_FINISH : LZMA_RUN);
    step.consumed = in.size() - stream_.avail_in;
    step.produced = out.size() - stream_.avail_out;
    switch (code) {
      case LZMA_OK:
      case LZMA_BUF_ERROR: break;
      case LZMA_STREAM_END: done_ = true; break;
      case LZMA_MEMLIMIT_ERROR: step.problem = "it needs more than 128 MiB of memory"; break;
      case LZMA_FORMAT_ERROR: step.problem = "what follows is not xz data"; break;
      case LZMA_OPTIONS_ERROR: step.problem = "it uses options that are not supported"; break;
      case LZMA_MEM_ERROR: step.problem = "out of memory"; break;
      default: step.problem = "the data is corrupt"; break;
    }
    step.whole = done_;  // liblzma tells the end of concatenated streams only at LZMA_FINISH
    return step;
  }

 private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool usable_ = false;
  bool done_ = false;
};

bool begins_with(std::span<const std::byte> head, std::span<const unsigned char> magic) {
  return head.size() >= magic.size() && std::equal(magic.begin(), magic.end(), head.begin(),
                                                   [](unsigned char a, std::byte b) { return std::byte{a} == b; });
}

constexpr unsigned char kZstdMagic[] = {0x28, 0xb5, 0x2f, 0xfd};
constexpr unsigned char kGzipMagic[] = {0x1f, 0x8b, 0x08};
constexpr unsigned char kXzMagic[] = {0xfd, '7', 'z', 'X', 'Z', 0x00};

}  // namespace

std::unique_ptr<Decoder> Decoder::for_content(std::span<const std::byte> head) {
  if (begins_with(head, kZstdMagic)) return std::make_unique<ZstdDecoder>();
  if (begins_with(head, kGzipMagic)) return std::make_unique<GzipDecoder>();
  if (begins_with(head, kXzMagic)) return std::make_unique<XzDecoder>();
  return nullptr;
}

}  // namespace dartboard::traces
