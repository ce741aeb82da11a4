// traces/dbt/writer.cpp - see writer.h and layout.h.
#include "traces/dbt/writer.h"

#include <xxhash.h>
#include <zstd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "traces/dbt/layout.h"
#include "traces/dbt/metadata.h"

namespace dartboard::traces {

namespace {

void append_text(std::vector<std::byte>& out, std::string_view text) {
  const auto* const bytes = reinterpret_cast<const std::byte*>(text.data());
  out.insert(out.end(), bytes, bytes + text.size());
}

}  // namespace

void DbtWriter::Freer::operator()(ZSTD_CCtx_s* context) const {
  ZSTD_freeCCtx(context);
}

DbtWriter::DbtWriter(std::string path, std::FILE* file, const WriteOptions& options)
    : path_(std::move(path)),
      options_(options),
      file_(file),
      zstd_(ZSTD_createCCtx()),
      builder_(options.payloads, options.chunk_events != 0 ? options.chunk_events : dbt::kChunkEvents) {
  ZSTD_CCtx_setParameter(zstd_.get(), ZSTD_c_compressionLevel, options.compression_level);
  ZSTD_CCtx_setParameter(zstd_.get(), ZSTD_c_checksumFlag, 1);
}
DbtWriter::~DbtWriter() = default;

Result<std::unique_ptr<DbtWriter>> DbtWriter::create(const std::string& path, const TraceInfo& info,
                                                     const WriteOptions& options) {
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) {
    return fail(
        ErrorName::kFileUnreadable,
        fmt::format("{}: cannot be created: {}; choose another place for the trace.", path, std::strerror(errno)));
  }
  std::unique_ptr<DbtWriter> writer(new DbtWriter(path, file, options));
  TraceInfo said = info;
  if (options.payloads > said.payloads) said.payloads = options.payloads;
  const std::string metadata = dbt::format_metadata(said);
  std::vector<std::byte> body;
  dbt::put(body, dbt::kMajor, 2);
  dbt::put(body, dbt::kMinor, 2);
  dbt::put(body, metadata.size(), 4);
  append_text(body, metadata);
  if (auto done = writer->put_block(dbt::kHeaderTag, body); !done) return tl::unexpected(done.error());
  if (auto done = writer->hand_to_system(); !done) return tl::unexpected(done.error());
  return writer;
}

Result<void> DbtWriter::append(const Event& event, const Reply* reply) {
  builder_.add(event, reply);
  return builder_.full() ? flush() : Result<void>();
}

Result<void> DbtWriter::write(const EventBatch& batch) {
  for (const Event& event : batch.events) {
    if (auto done = append(event, batch.reply_of(event)); !done) return done;
  }
  return {};
}

Result<void> DbtWriter::finish(const TraceInfo& info) {
  if (builder_.events() != 0) {
    if (auto done = flush(); !done) return done;
  }
  const uint64_t index_offset = offset_;
  std::vector<std::byte> body;
  dbt::put(body, chunks_.size(), 4);
  for (const Chunk& chunk : chunks_) {
    for (const uint64_t number : {chunk.offset, chunk.first_event, chunk.first_request, chunk.first_time_ns}) {
      dbt::put(body, number, 8);
    }
  }
  if (auto done = put_block(dbt::kIndexTag, body); !done) return done;
  TraceInfo said = info;
  if (options_.payloads > said.payloads) said.payloads = options_.payloads;
  const std::string metadata = dbt::format_metadata(said);
  body.clear();
  dbt::put(body, metadata.size(), 4);
  append_text(body, metadata);
  for (const uint64_t number : {events_, requests_, index_offset}) dbt::put(body, number, 8);
  std::vector<std::byte> tail;
  dbt::put(tail, offset_, 8);
  append_text(tail, dbt::kTail);
  if (auto done = put_block(dbt::kFooterTag, body, tail); !done) return done;
  if (std::fclose(file_.release()) != 0) {
    return fail(ErrorName::kFileUnreadable,
                fmt::format("{}: cannot be written to the end: {}.", path_, std::strerror(errno)));
  }
  return {};
}

Result<void> DbtWriter::flush() {
  const Chunk chunk{offset_, events_, requests_, builder_.first_time_ns()};
  const uint32_t events = builder_.events();
  const uint64_t requests = builder_.requests();
  if (auto done = builder_.finish(&raw_); !done) return done;
  frame_.resize(ZSTD_compressBound(raw_.size()));
  const size_t bytes = ZSTD_compress2(zstd_.get(), frame_.data(), frame_.size(), raw_.data(), raw_.size());
  if (ZSTD_isError(bytes) != 0) {
    return fail(ErrorName::kInternal, fmt::format("{}: zstd says '{}'.", path_, ZSTD_getErrorName(bytes)));
  }
  frame_.resize(bytes);
  std::vector<std::byte> body;
  dbt::put(body, events, 4);
  dbt::put(body, chunk.first_event, 8);
  dbt::put(body, chunk.first_request, 8);
  dbt::put(body, chunk.first_time_ns, 8);
  dbt::put(body, raw_.size(), 4);
  dbt::put(body, frame_.size(), 4);
  if (auto done = put_block(dbt::kChunkTag, body); !done) return done;
  if (auto done = put(frame_); !done) return done;
  if (auto done = hand_to_system(); !done) return done;
  chunks_.push_back(chunk);
  events_ += events;
  requests_ += requests;
  return {};
}

Result<void> DbtWriter::put_block(uint32_t tag, const std::vector<std::byte>& body,
                                  const std::vector<std::byte>& after) {
  std::vector<std::byte> block;
  block.reserve(dbt::kBlockHeadBytes + 4 + body.size() + dbt::kChecksumBytes + after.size());
  dbt::put(block, dbt::kBlockMagic, 4);
  dbt::put(block, 4 + body.size() + dbt::kChecksumBytes + after.size(), 4);
  dbt::put(block, tag, 4);
  block.insert(block.end(), body.begin(), body.end());
  dbt::put(block, XXH3_64bits(block.data() + dbt::kBlockHeadBytes, 4 + body.size()), 8);
  block.insert(block.end(), after.begin(), after.end());
  return put(block);
}

Result<void> DbtWriter::put(const std::vector<std::byte>& bytes) {
  if (file_ == nullptr || std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) {
    return tl::unexpected(refused());
  }
  offset_ += bytes.size();
  return {};
}

/// A chunk that is complete survives this process.
Result<void> DbtWriter::hand_to_system() {
  if (std::fflush(file_.get()) != 0) return tl::unexpected(refused());
  return {};
}

Error DbtWriter::refused() const {
  return {ErrorName::kFileUnreadable, io_return::kSuccess,
          fmt::format("{}: cannot be written after {} bytes: {}.", path_, offset_, std::strerror(errno))};
}

}  // namespace dartboard::traces
