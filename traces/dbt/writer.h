// traces/dbt/writer.h - writes a .dbt: events one at a time or in batches, in memory that does not grow with them (but
// for the index: 32 bytes for each chunk of 16,384 events).
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "traces/dbt/chunk.h"
#include "traces/event_stream.h"
#include "traces/formats.h"

struct ZSTD_CCtx_s;

namespace dartboard::traces {

class DbtWriter final : public EventWriter {
 public:
  /// Creates or replaces `path`. What `info` says goes into the header; what it says at finish() into the footer.
  /// kFileUnreadable when the system refuses.
  static Result<std::unique_ptr<DbtWriter>> create(const std::string& path, const TraceInfo& info,
                                                   const WriteOptions& options = {});
  ~DbtWriter() override;

  /// One event; its payloads and reply are copied.
  Result<void> append(const Event& event, const Reply* reply);
  Result<void> write(const EventBatch& batch) override;
  Result<void> finish(const TraceInfo& info) override;

  uint64_t bytes_written() const { return offset_; }

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  struct Freer {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  struct Chunk {
    uint64_t offset, first_event, first_request, first_time_ns;
  };

  DbtWriter(std::string path, std::FILE* file, const WriteOptions& options);
  Result<void> flush();
  Result<void> hand_to_system();
  Error refused() const;
  Result<void> put(const std::vector<std::byte>& bytes);
  Result<void> put_block(uint32_t tag, const std::vector<std::byte>& body, const std::vector<std::byte>& after = {});

  std::string path_;
  WriteOptions options_;
  std::unique_ptr<std::FILE, Closer> file_;
  std::unique_ptr<ZSTD_CCtx_s, Freer> zstd_;
  dbt::ChunkBuilder builder_;
  std::vector<Chunk> chunks_;
  uint64_t offset_ = 0, events_ = 0, requests_ = 0;
  std::vector<std::byte> raw_, frame_;
};

}  // namespace dartboard::traces
