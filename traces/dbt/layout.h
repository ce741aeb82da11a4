// traces/dbt/layout.h - the bytes of a .dbt file: blocks, columns, numbers. docs/dbt.md tells the same for people.
//
// A .dbt is a sequence of zstd frames (RFC 8878): data frames hold the events, skippable frames everything else, so
// that `zstd -dc` and `zstd -t` accept any of them. All numbers are little-endian.
//
//   block    u32 kBlockMagic, u32 bytes of the content, content: u32 tag, body, u64 XXH3-64 of tag and body
//   file     header block, { chunk block, zstd frame }..., index block, footer block, kTail in the footer block
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace dartboard::traces::dbt {

inline constexpr uint16_t kMajor = 1;  ///< a reader refuses another one
inline constexpr uint16_t kMinor = 0;  ///< a reader skips what it does not know

inline constexpr uint32_t kBlockMagic = 0x184D2A5D;  ///< a skippable frame's, RFC 8878 s3.1.2
inline constexpr uint64_t kBlockHeadBytes = 8;
inline constexpr uint64_t kChecksumBytes = 8;

constexpr uint32_t tag_of(const char (&text)[5]) {
  uint32_t tag = 0;
  for (unsigned i = 4; i-- > 0;) tag = tag << 8 | static_cast<uint8_t>(text[i]);
  return tag;
}
/// u16 major, u16 minor, u32 bytes of JSON, JSON (traces/dbt/metadata.h).
inline constexpr uint32_t kHeaderTag = tag_of("DBTH");
/// u32 events, u64 number of the first event, u64 requests before it, u64 its time in ns, u32 bytes of the chunk
/// decompressed, u32 bytes of the zstd frame that follows the block.
inline constexpr uint32_t kChunkTag = tag_of("DBTC");
/// u32 chunks, and for each: u64 offset of its block in the file, u64 first event, u64 requests before, u64 time.
inline constexpr uint32_t kIndexTag = tag_of("DBTI");
/// u32 bytes of JSON, JSON as known at the end, u64 events, u64 requests, u64 offset of the index block. After the
/// checksum, at the end of the file: u64 offset of the footer block, kTail.
inline constexpr uint32_t kFooterTag = tag_of("DBTF");
inline constexpr std::string_view kTail = "DBT-END\n";
inline constexpr uint64_t kTailBytes = 16;

inline constexpr uint64_t kChunkBodyBytes = 36;
inline constexpr uint64_t kIndexEntryBytes = 32;

/// A chunk, decompressed:
///   u32 events, u32 replies, u32 columns, u32 bytes of short payloads, u32 bytes of long payloads
///   for each column: u8 id, u8 width in bytes (0-8), u8 coding, u8 zero, u32 values
///   the columns in that order, each as `width` planes: first all lowest bytes, then all second ones, ...
///   short payloads (at most kValueBytesMax bytes each), long payloads: one after another, in order of the events, an
///   event's own before its reply's
inline constexpr uint64_t kChunkPrefixBytes = 20;
inline constexpr uint64_t kColumnHeadBytes = 8;

enum class Column : uint8_t {
  kTag,  ///< kind in bits 0-4, source in 5-6, bit 7: has a reply
  kDevice,
  kTarget,
  kTime,     ///< delta; the one before the first is the chunk block's
  kAddress,  ///< delta from the event before, 0 before the first
  kLength,
  kValue,
  kDataForm,    ///< a Form
  kDataLength,  ///< for the events whose form has a length of its own
  kDataFill,    ///< for the events whose form is a fill
  kStatus,      ///< from here on: one value for each reply
  kValue0,
  kValue1,
  kDuration,
  kReplyForm,
  kReplyLength,
  kReplyFill,
};
inline constexpr unsigned kColumnCount = 17;

enum class Coding : uint8_t {
  kPlain,
  kDelta,  ///< differences modulo 2^64, zigzag: 0, -1, 1, -2, ... are 0, 1, 2, 3, ...
};

/// How a payload stands in the file. The first two are as long as the event says (Event::length).
enum class Form : uint8_t { kBytes, kFill, kNone, kBytesOfLength, kFillOfLength, kHash, kOmitted };
inline constexpr unsigned kFormCount = 7;

/// Most bytes of one chunk, decompressed: one payload of 64 MiB (the largest any source has) and room.
inline constexpr uint32_t kChunkBytesMax = 96u << 20;
inline constexpr uint32_t kMetadataBytesMax = 16u << 20;
/// A writer closes a chunk at either of these; a reader takes up to kChunkEventsMax.
inline constexpr uint32_t kChunkEvents = 16384;
inline constexpr uint64_t kChunkPayloadBytes = uint64_t{2} << 20;
inline constexpr uint32_t kChunkEventsMax = 1u << 20;

/// Appends `bytes` low bytes of `value`.
inline void put(std::vector<std::byte>& out, uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}
/// Reads `bytes` bytes (at most 8) at `from`.
inline uint64_t get(const std::byte* from, unsigned bytes) {
  uint64_t value = 0;
  std::memcpy(&value, from, bytes);
  return value;
}

}  // namespace dartboard::traces::dbt
