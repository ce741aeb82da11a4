// traces/dbt/reader.cpp - see reader.h and layout.h.
#include "traces/dbt/reader.h"

#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "traces/dbt/layout.h"
#include "traces/dbt/metadata.h"
#include "traces/dbt/writer.h"

namespace dartboard::traces {

namespace {

constexpr uint32_t kBlockBytesMax = 256u << 20;  // an index of 8 million chunks
constexpr std::string_view kCutShort = "the file ends inside it";
constexpr std::string_view kNoBlock = "something else stands there";
constexpr std::string_view kDamaged = "its checksum is wrong";

const std::byte* payload_of(const std::vector<std::byte>& content) {
  return content.data();
}

}  // namespace

void DbtReader::Freer::operator()(ZSTD_DCtx_s* context) const {
  ZSTD_freeDCtx(context);
}

DbtReader::DbtReader(std::unique_ptr<ByteSource> source) : source_(std::move(source)), zstd_(ZSTD_createDCtx()) {}
DbtReader::~DbtReader() = default;

Result<std::unique_ptr<DbtReader>> DbtReader::open(std::unique_ptr<ByteSource> source) {
  std::unique_ptr<DbtReader> reader(new DbtReader(std::move(source)));
  if (auto done = reader->read_header(); !done) return tl::unexpected(done.error());
  reader->read_footer_ahead();
  return reader;
}

Result<bool> DbtReader::read_fully(std::byte* to, uint64_t bytes, uint64_t* got) {
  *got = 0;
  while (*got < bytes) {
    const auto n = source_->read({to + *got, bytes - *got});
    if (!n) return tl::unexpected(n.error());
    if (*n == 0) return false;
    *got += *n;
  }
  return true;
}

/// The next block. Its problem is for the caller to judge; an Error is the system's.
Result<DbtReader::Block> DbtReader::read_block(uint32_t expected_bytes_max) {
  Block block;
  std::byte head[dbt::kBlockHeadBytes + 4];
  uint64_t got = 0;
  auto whole = read_fully(head, sizeof(head), &got);
  if (!whole) return tl::unexpected(whole.error());
  if (!*whole) {
    block.problem = got == 0 ? "the file ends before it" : kCutShort;
    return block;
  }
  const uint64_t bytes = dbt::get(head + 4, 4);
  if (dbt::get(head, 4) != dbt::kBlockMagic || bytes < 4 + dbt::kChecksumBytes || bytes > expected_bytes_max) {
    block.problem = kNoBlock;
    return block;
  }
  block.tag = static_cast<uint32_t>(dbt::get(head + dbt::kBlockHeadBytes, 4));
  // Grown as it comes: a size in a damaged file must not ask for memory that no bytes stand behind.
  for (uint64_t have = 0; have < bytes - 4;) {
    const uint64_t step = std::min<uint64_t>(bytes - 4 - have, 1 << 20);
    block.content.resize(have + step);
    whole = read_fully(block.content.data() + have, step, &got);
    if (!whole) return tl::unexpected(whole.error());
    if (!*whole) {
      block.problem = kCutShort;
      return block;
    }
    have += step;
  }
  // The checksum covers tag and body; the footer has its tail behind it.
  const uint64_t after = block.tag == dbt::kFooterTag ? dbt::kTailBytes : 0;
  if (block.content.size() < dbt::kChecksumBytes + after) {
    block.problem = kNoBlock;
    return block;
  }
  const uint64_t body = block.content.size() - dbt::kChecksumBytes - after;
  std::vector<std::byte> covered;
  covered.reserve(4 + body);
  dbt::put(covered, block.tag, 4);
  covered.insert(covered.end(), block.content.begin(), block.content.begin() + static_cast<std::ptrdiff_t>(body));
  if (XXH3_64bits(covered.data(), covered.size()) != dbt::get(block.content.data() + body, 8)) {
    block.problem = kDamaged;
    return block;
  }
  block.content.resize(body);
  offset_ += dbt::kBlockHeadBytes + bytes;
  return block;
}

Result<void> DbtReader::read_header() {
  auto block = read_block(dbt::kMetadataBytesMax);
  if (!block) return tl::unexpected(block.error());
  if (block->problem.empty() && (block->tag != dbt::kHeaderTag || block->content.size() < 8)) block->problem = kNoBlock;
  if (!block->problem.empty()) {
    return fail(ErrorName::kFileCorrupt, fmt::format("{}: the header of a .dbt was expected at its begin, and {}.",
                                                     source_->name(), block->problem));
  }
  const std::byte* const content = payload_of(block->content);
  const uint64_t major = dbt::get(content, 2);
  minor_ = static_cast<uint16_t>(dbt::get(content + 2, 2));
  if (major != dbt::kMajor) {
    return fail(ErrorName::kNotSupported,
                fmt::format("{}: is a .dbt of version {}.{}; this dartboard reads version {}. Use {} dartboard, or "
                            "have it convert the trace.",
                            source_->name(), major, minor_, dbt::kMajor, major > dbt::kMajor ? "a newer" : "an older"));
  }
  const uint64_t bytes = dbt::get(content + 4, 4);
  if (bytes > block->content.size() - 8) {
    return fail(ErrorName::kFileCorrupt, fmt::format("{}: the header says it has {} bytes of metadata, and has {}.",
                                                     source_->name(), bytes, block->content.size() - 8));
  }
  auto info = dbt::parse_metadata({reinterpret_cast<const char*>(content) + 8, bytes}, source_->name());
  if (!info) return tl::unexpected(info.error());
  info_ = std::move(*info);
  return {};
}

/// What the end of the file knows, when the source can go there and back. Anything odd is left for next() to meet.
void DbtReader::read_footer_ahead() {
  const auto size = source_->file_bytes();
  const uint64_t begin = offset_;
  if (!size || *size < begin + dbt::kTailBytes || !source_->seek(*size - dbt::kTailBytes)) return;
  std::byte tail[dbt::kTailBytes];
  uint64_t got = 0;
  const auto whole = read_fully(tail, sizeof(tail), &got);
  const uint64_t footer_offset = dbt::get(tail, 8);
  if (whole && *whole && std::memcmp(tail + 8, dbt::kTail.data(), 8) == 0 && footer_offset >= begin &&
      footer_offset < *size && source_->seek(footer_offset)) {
    auto footer = read_block(kBlockBytesMax);
    std::string problem;
    if (footer && footer->problem.empty() && footer->tag == dbt::kFooterTag && take_footer(*footer, &problem)) {
      const uint64_t index_offset = dbt::get(payload_of(footer->content) + footer->content.size() - 8, 8);
      if (index_offset >= begin && index_offset < footer_offset && source_->seek(index_offset)) {
        auto index = read_block(kBlockBytesMax);
        if (index && index->problem.empty() && index->tag == dbt::kIndexTag) static_cast<void>(take_index(*index));
      }
    }
  }
  static_cast<void>(source_->seek(begin));
  offset_ = begin;
}

bool DbtReader::take_footer(const Block& block, std::string* problem) {
  const std::byte* const content = payload_of(block.content);
  const uint64_t size = block.content.size();
  const uint64_t bytes = size >= 28 ? dbt::get(content, 4) : UINT64_MAX;
  if (bytes > size - std::min<uint64_t>(size, 28)) {
    *problem = "the footer is shorter than it says";
    return false;
  }
  auto info = dbt::parse_metadata({reinterpret_cast<const char*>(content) + 4, bytes}, source_->name());
  if (!info) {
    *problem = info.error().sentence;
    return false;
  }
  // Devices keep their numbers: the end may know more of them, never fewer.
  if (info->devices.size() >= info_.devices.size()) info_ = std::move(*info);
  totals_ = Totals{dbt::get(content + 4 + bytes, 8), dbt::get(content + 12 + bytes, 8), 0};
  return true;
}

bool DbtReader::take_index(const Block& block) {
  const std::byte* const content = payload_of(block.content);
  if (block.content.size() < 4) return false;
  const uint64_t count = dbt::get(content, 4);
  if (block.content.size() != 4 + count * dbt::kIndexEntryBytes) return false;
  chunks_.clear();
  chunks_.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    const std::byte* const at = content + 4 + i * dbt::kIndexEntryBytes;
    chunks_.push_back({dbt::get(at, 8), dbt::get(at + 8, 8), dbt::get(at + 16, 8), dbt::get(at + 24, 8)});
  }
  if (totals_) totals_->chunks = count;
  return true;
}

Result<bool> DbtReader::seek(By by, uint64_t number) {
  if (chunks_.empty()) return false;
  const auto key = [by](const Chunk& chunk) {
    return by == By::kEvent ? chunk.first_event : by == By::kRequest ? chunk.first_request : chunk.first_time_ns;
  };
  const auto after = std::upper_bound(chunks_.begin(), chunks_.end(), number,
                                      [&](uint64_t n, const Chunk& chunk) { return n < key(chunk); });
  const Chunk& chunk = after == chunks_.begin() ? *after : *(after - 1);
  if (!source_->seek(chunk.offset)) return false;
  offset_ = chunk.offset;
  events_ = chunk.first_event;
  chunks_read_ = static_cast<uint64_t>(&chunk - chunks_.data());
  at_end_ = false;
  return true;
}

/// Nothing sensible follows. Always false, for return.
bool DbtReader::stop(std::string what) {
  at_end_ = true;
  report_.truncated = true;
  info_.lossy = true;
  std::string warning =
      fmt::format("{}; {} events in {} whole chunks before it were read.", what, events_, chunks_read_);
  if (source_->damage()) warning += ' ' + source_->damage()->sentence;
  report_.warnings.push_back(std::move(warning));
  return false;
}

Result<bool> DbtReader::next(EventBatch* batch) {
  while (!at_end_) {
    const uint64_t at = offset_;
    auto block = read_block(kBlockBytesMax);
    if (!block) return tl::unexpected(block.error());
    const std::string where = fmt::format("{}: at byte {} a chunk was expected, and ", source_->name(), at);
    if (!block->problem.empty()) {
      batch->clear();
      return stop(where + std::string(block->problem));
    }
    switch (block->tag) {
      case dbt::kChunkTag: {
        auto read = read_chunk(*block, batch);
        if (!read || *read) return read;
        batch->clear();
        return false;
      }
      case dbt::kFooterTag: {
        at_end_ = true;
        std::string problem;
        if (!take_footer(*block, &problem)) {
          report_.warnings.push_back(
              fmt::format("{}: {}; all {} events were read.", source_->name(), problem, events_));
        } else if (totals_->events != events_) {
          report_.truncated = true;
          report_.warnings.push_back(fmt::format("{}: {} events were read; the footer says there are {}.",
                                                 source_->name(), events_, totals_->events));
        }
        break;
      }
      default: break;  // the index is for seeking; what a newer minor version has is stepped over
    }
  }
  batch->clear();
  return false;
}

Result<bool> DbtReader::read_chunk(const Block& block, EventBatch* batch) {
  const auto damaged = [&](std::string_view what) {
    return stop(fmt::format("{}: chunk {} is damaged: {}", source_->name(), chunks_read_, what));
  };
  if (block.content.size() < dbt::kChunkBodyBytes) return damaged("its head is too short");
  const std::byte* const content = payload_of(block.content);
  dbt::ChunkHead head;
  head.events = static_cast<uint32_t>(dbt::get(content, 4));
  head.first_event = dbt::get(content + 4, 8);
  head.first_request = dbt::get(content + 12, 8);
  head.first_time_ns = dbt::get(content + 20, 8);
  head.raw_bytes = static_cast<uint32_t>(dbt::get(content + 28, 4));
  head.frame_bytes = static_cast<uint32_t>(dbt::get(content + 32, 4));
  if (head.raw_bytes > dbt::kChunkBytesMax || head.frame_bytes > ZSTD_compressBound(dbt::kChunkBytesMax)) {
    return damaged(fmt::format("it says it has {} bytes in {}", head.raw_bytes, head.frame_bytes));
  }
  for (uint64_t have = 0; have < head.frame_bytes;) {
    const uint64_t step = std::min<uint64_t>(head.frame_bytes - have, 4 << 20);
    frame_.resize(std::max<uint64_t>(frame_.size(), have + step));
    uint64_t got = 0;
    const auto whole = read_fully(frame_.data() + have, step, &got);
    if (!whole) return tl::unexpected(whole.error());
    if (!*whole) return damaged(kCutShort);
    have += step;
  }
  offset_ += head.frame_bytes;
  // The frame says itself how large it is; no more is made room for than that.
  if (ZSTD_getFrameContentSize(frame_.data(), head.frame_bytes) != head.raw_bytes) {
    return damaged("its frame is of another size than its head says");
  }
  batch->arena.clear();
  std::byte* const raw = batch->arena.allocate(head.raw_bytes);
  const size_t bytes = ZSTD_decompressDCtx(zstd_.get(), raw, head.raw_bytes, frame_.data(), head.frame_bytes);
  if (ZSTD_isError(bytes) != 0) return damaged(fmt::format("zstd says '{}'", ZSTD_getErrorName(bytes)));
  uint64_t unknown = 0;
  if (auto decoded = dbt::decode_chunk({raw, bytes}, head, batch, &unknown); !decoded) {
    return damaged(decoded.error().sentence);
  }
  if (unknown != 0 && unknown_events_ == 0) {
    report_.warnings.push_back(
        fmt::format("{}: has kinds of events of version {}.{} that this dartboard does not know; "
                    "they are left out.",
                    source_->name(), dbt::kMajor, minor_));
  }
  unknown_events_ += unknown;
  report_.unknown += unknown;
  report_.records += head.events;
  events_ += head.events;
  ++chunks_read_;
  return true;
}

int detect_dbt(std::string_view head) {
  if (head.size() < dbt::kBlockHeadBytes + 4) return 0;
  const auto* const bytes = reinterpret_cast<const std::byte*>(head.data());
  return dbt::get(bytes, 4) == dbt::kBlockMagic && dbt::get(bytes + 8, 4) == dbt::kHeaderTag ? 100 : 0;
}

Result<std::unique_ptr<EventReader>> open_dbt(std::unique_ptr<ByteSource> source, const ReadOptions&) {
  auto reader = DbtReader::open(std::move(source));
  if (!reader) return tl::unexpected(reader.error());
  return std::unique_ptr<EventReader>(std::move(*reader));
}

Result<std::unique_ptr<EventWriter>> create_dbt(const std::string& path, const TraceInfo& info,
                                                const WriteOptions& options) {
  auto writer = DbtWriter::create(path, info, options);
  if (!writer) return tl::unexpected(writer.error());
  return std::unique_ptr<EventWriter>(std::move(*writer));
}

}  // namespace dartboard::traces
