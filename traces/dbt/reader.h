// traces/dbt/reader.h - reads a .dbt, one chunk a batch. A file that can seek also starts anywhere; one that ends early
// or is damaged is read up to its last whole chunk, with a warning.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "traces/byte_source.h"
#include "traces/dbt/chunk.h"
#include "traces/event_stream.h"
#include "traces/formats.h"

struct ZSTD_DCtx_s;

namespace dartboard::traces {

class DbtReader final : public EventReader {
 public:
  /// Reads the header, and, where `source` can seek, what the footer knows. kNotSupported: another major version.
  /// kFileCorrupt: no header.
  static Result<std::unique_ptr<DbtReader>> open(std::unique_ptr<ByteSource> source);
  ~DbtReader() override;

  const TraceInfo& info() const override { return info_; }
  Result<bool> next(EventBatch* batch) override;
  const ReadReport& report() const override { return report_; }

  /// Events and requests of the whole file; none while the footer is not known.
  struct Totals {
    uint64_t events = 0, requests = 0, chunks = 0;
  };
  const std::optional<Totals>& totals() const { return totals_; }

  /// The next batch will be the last one that begins at or before event, request or time `number`. False: there is no
  /// index (the source cannot seek, or the file is not whole), and the reader stays where it is.
  enum class By : uint8_t { kEvent, kRequest, kTime };
  Result<bool> seek(By by, uint64_t number);

 private:
  struct Freer {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  struct Block {
    uint32_t tag = 0;
    std::vector<std::byte> content;  ///< after the tag, with checksum and what follows it
    std::string_view problem;        ///< not empty: it is not whole
  };
  struct Chunk {
    uint64_t offset, first_event, first_request, first_time_ns;
  };

  explicit DbtReader(std::unique_ptr<ByteSource> source);
  Result<bool> read_fully(std::byte* to, uint64_t bytes, uint64_t* got);
  Result<Block> read_block(uint32_t expected_bytes_max);
  Result<void> read_header();
  void read_footer_ahead();
  bool take_footer(const Block& block, std::string* problem);
  bool take_index(const Block& block);
  Result<bool> read_chunk(const Block& block, EventBatch* batch);
  bool stop(std::string what);

  std::unique_ptr<ByteSource> source_;
  std::unique_ptr<ZSTD_DCtx_s, Freer> zstd_;
  TraceInfo info_;
  ReadReport report_;
  std::optional<Totals> totals_;
  std::vector<Chunk> chunks_;
  std::vector<std::byte> frame_;
  uint64_t offset_ = 0;  ///< of the next block
  uint64_t events_ = 0, chunks_read_ = 0;
  uint64_t unknown_events_ = 0;
  uint16_t minor_ = 0;
  bool at_end_ = false;
};

/// For traces/formats.h.
int detect_dbt(std::string_view head);
Result<std::unique_ptr<EventReader>> open_dbt(std::unique_ptr<ByteSource> source, const ReadOptions& options);
Result<std::unique_ptr<EventWriter>> create_dbt(const std::string& path, const TraceInfo& info,
                                                const WriteOptions& options);

}  // namespace dartboard::traces
