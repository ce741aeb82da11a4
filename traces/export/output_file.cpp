// traces/export/output_file.cpp - see output_file.h.
#include "traces/export/output_file.h"

#include <cerrno>
#include <cstring>
#include <vector>

#include <zstd.h>

namespace dartboard::traces {

struct OutputFile::Compressor {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  std::vector<char> out = std::vector<char>(ZSTD_CStreamOutSize());
  ~Compressor() { ZSTD_freeCCtx(context); }
};

OutputFile::OutputFile(std::string path) : path_(std::move(path)) {}

OutputFile::~OutputFile() {
  if (file_ != nullptr) std::fclose(file_);
}

Result<std::unique_ptr<OutputFile>> OutputFile::create(const std::string& path, int zstd_level) {
  std::unique_ptr<OutputFile> out(new OutputFile(path));
  out->file_ = std::fopen(path.c_str(), "wb");
  if (out->file_ == nullptr) {
    return fail(ErrorName::kFileUnreadable, fmt::format("{}: cannot be created: {}.", path, std::strerror(errno)));
  }
  if (zstd_level != 0) {
    out->compressor_ = std::make_unique<Compressor>();
    ZSTD_CCtx* const context = out->compressor_->context;
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, zstd_level);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  }
  return out;
}

void OutputFile::write(const char* bytes, size_t count) {
  if (error_ != 0 || count == 0) return;
  if (std::fwrite(bytes, 1, count, file_) != count) error_ = errno != 0 ? errno : EIO;
}

void OutputFile::flush() {
  if (compressor_ == nullptr) {
    write(buffer_.data(), buffer_.size());
  } else {
    ZSTD_inBuffer in{buffer_.data(), buffer_.size(), 0};
    while (in.pos < in.size && error_ == 0) {
      ZSTD_outBuffer out{compressor_->out.data(), compressor_->out.size(), 0};
      if (ZSTD_isError(ZSTD_compressStream2(compressor_->context, &out, &in, ZSTD_e_continue)) != 0) error_ = EIO;
      write(compressor_->out.data(), out.pos);
    }
  }
  buffer_.clear();
}

Result<void> OutputFile::status() const {
  if (error_ == 0) return {};
  return fail(ErrorName::kFileUnreadable, fmt::format("{}: cannot be written: {}.", path_, std::strerror(error_)));
}

Result<void> OutputFile::close() {
  flush();
  if (compressor_ != nullptr) {
    for (size_t left = 1; left != 0 && error_ == 0;) {
      ZSTD_inBuffer in{nullptr, 0, 0};
      ZSTD_outBuffer out{compressor_->out.data(), compressor_->out.size(), 0};
      left = ZSTD_compressStream2(compressor_->context, &out, &in, ZSTD_e_end);
      if (ZSTD_isError(left) != 0) error_ = EIO;
      write(compressor_->out.data(), out.pos);
    }
  }
  if (file_ != nullptr && std::fclose(file_) != 0 && error_ == 0) error_ = errno;
  file_ = nullptr;
  return status();
}

}  // namespace dartboard::traces
