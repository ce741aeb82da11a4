// tests/traces/byte_source_test.cpp - compression by content, damage, bombs, growing files; lines of any length.
#include "traces/byte_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lzma.h>
#include <zlib.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "support.h"
#include "traces/formats.h"

namespace dartboard::traces {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string gzip(std::string_view content) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, content.size()) + 64, '\0');
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// With a dictionary of `dictionary_bytes`, which a decoder must have room for.
std::string xz(std::string_view content, uint32_t dictionary_bytes = 1 << 20) {
  lzma_options_lzma options;
  lzma_lzma_preset(&options, 0);
  options.dict_size = dictionary_bytes;
  lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
  std::string out(lzma_stream_buffer_bound(content.size()), '\0');
  size_t size = 0;
  const auto* const in = reinterpret_cast<const uint8_t*>(content.data());
  auto* const to = reinterpret_cast<uint8_t*>(out.data());
  if (lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC64, nullptr, in, content.size(), to, &size, out.size()) !=
      LZMA_OK) {
    std::abort();
  }
  out.resize(size);
  return out;
}

/// Text that does not compress away.
std::string noise(size_t lines) {
  std::string out;
  uint32_t state = 1;
  for (size_t i = 0; i < lines; ++i) {
    for (int j = 0; j < 30; ++j) {
      state = state * 1664525 + 1013904223;
      out += static_cast<char>('a' + (state >> 24) % 26);
    }
    out += '\n';
  }
  return out;
}

std::unique_ptr<ByteSource> of(std::string_view bytes) {
  return ByteSource::of(std::as_bytes(std::span(bytes)), "memory");
}

struct Content {
  std::string bytes;
  std::string damage;
  std::string compression;
};
Content read_all(ByteSource& source, size_t step = 1 << 16) {
  Content out;
  out.compression = source.compression();
  std::vector<std::byte> buffer(step);
  for (;;) {
    const auto count = source.read(buffer);
    if (!count) {
      out.damage = count.error().sentence;
      return out;
    }
    if (*count == 0) break;
    out.bytes.append(reinterpret_cast<const char*>(buffer.data()), *count);
  }
  if (source.damage()) out.damage = source.damage()->sentence;
  return out;
}
Content read_bytes(std::string_view bytes, size_t step = 1 << 16) {
  return read_all(*of(bytes), step);
}

struct Packer {
  const char* name;
  std::function<std::string(std::string_view)> pack;
};
const Packer kPackers[] = {
    {"", [](std::string_view s) { return std::string(s); }},
    {"zstd", [](std::string_view s) { return zstd(s); }},
    {"gzip", [](std::string_view s) { return gzip(s); }},
    {"xz", [](std::string_view s) { return xz(s); }},
};

TEST(ByteSource, FindsTheCompressionByContent) {
  const std::string text = noise(20'000);
  for (const Packer& packer : kPackers) {
    const Content content = read_bytes(packer.pack(text));
    EXPECT_EQ(content.compression, packer.name);
    EXPECT_EQ(content.bytes, text) << packer.name;
    EXPECT_EQ(content.damage, "") << packer.name;
  }
}

TEST(ByteSource, ATraceThatIsCutInItsFirstBlockIsTruncatedNotUnknown) {
  const std::string text = noise(20'000);
  for (const Packer& packer : kPackers) {
    if (*packer.name == '\0') continue;
    const std::string packed = packer.pack(text);
    for (const size_t size : {size_t{20}, size_t{1000}}) {
      const std::string path = write_file("cut", packed.substr(0, size));
      const auto reader = open_trace(path);
      ASSERT_FALSE(reader) << packer.name << size;
      EXPECT_EQ(reader.error().name, ErrorName::kFileCorrupt);
      const std::string& sentence = reader.error().sentence;
      EXPECT_THAT(sentence,
                  HasSubstr(std::string("the ") + packer.name + " data ends in its middle: the file is truncated"));
      EXPECT_THAT(sentence, HasSubstr(std::to_string(size) + " bytes into the file, "));
      EXPECT_THAT(sentence, HasSubstr("et the whole file")) << "what to do";
      EXPECT_EQ(sentence.find("before any") != sentence.npos, sentence.find("looks like") == sentence.npos) << sentence;
    }
  }
}

TEST(ByteSource, ReadsFilesAsItReadsMemory) {
  const std::string text = noise(20'000);
  for (const Packer& packer : kPackers) {
    const std::string packed = packer.pack(text);
    auto source = ByteSource::open(write_file("packed", packed));
    ASSERT_TRUE(source);
    EXPECT_EQ((*source)->file_bytes(), packed.size());
    EXPECT_EQ(read_all(**source).bytes, text) << packer.name;
    EXPECT_EQ((*source)->bytes_read(), packed.size()) << packer.name;
  }
}

TEST(ByteSource, ReadsSeveralFramesAsOne) {
  for (const Packer& packer : kPackers) {
    const Content content = read_bytes(packer.pack("one\n") + packer.pack("two\n"));
    EXPECT_EQ(content.bytes, "one\ntwo\n") << packer.name;
    EXPECT_EQ(content.damage, "") << packer.name;
  }
}

TEST(ByteSource, GivesTheSameInStepsOfAnySize) {
  const std::string text = noise(200);
  for (const Packer& packer : kPackers) {
    for (const size_t step : {1, 7, 4096}) EXPECT_EQ(read_bytes(packer.pack(text), step).bytes, text) << packer.name;
  }
}

TEST(ByteSource, PeekDoesNotMove) {
  const std::string text = noise(10'000);
  for (const Packer& packer : kPackers) {
    const std::string packed = packer.pack(text);
    auto source = of(packed);
    EXPECT_TRUE(source->peek(4)->starts_with(text.substr(0, 4)));
    EXPECT_EQ(source->peek(1 << 30)->substr(0, 1000), text.substr(0, 1000)) << packer.name;
    std::byte some[100];
    ASSERT_EQ(*source->read(some), 100u);
    EXPECT_EQ(source->peek(10)->substr(0, 10), text.substr(100, 10)) << packer.name;
    EXPECT_EQ(read_all(*source).bytes, text.substr(100)) << packer.name;
    EXPECT_EQ(source->peek(10)->size(), 0u);
  }
}

TEST(ByteSource, EveryTruncationOfACompressedFileIsNoticedAndWhatStandsBeforeIsRead) {
  const std::string text = noise(40);
  for (const Packer& packer : kPackers) {
    if (*packer.name == '\0') continue;
    const std::string whole = packer.pack(text);
    for (size_t size = 6; size < whole.size(); ++size) {
      const std::string cut = whole.substr(0, size);
      const Content content = read_bytes(cut);
      ASSERT_THAT(content.damage, HasSubstr("the file is truncated")) << packer.name << size;
      ASSERT_TRUE(text.starts_with(content.bytes)) << packer.name << size;
    }
  }
}

TEST(ByteSource, DamageEndsTheStream) {
  const std::string text = noise(20'000);
  for (const Packer& packer : kPackers) {
    if (*packer.name == '\0') continue;
    std::string damaged = packer.pack(text);
    for (size_t i = damaged.size() / 2; i < damaged.size() / 2 + 64; ++i) damaged[i] = '\xff';
    const Content content = read_bytes(damaged);
    EXPECT_THAT(content.damage, HasSubstr("data is damaged")) << packer.name;
    EXPECT_THAT(content.damage, HasSubstr("memory: the ")) << packer.name;
    EXPECT_NE(content.bytes, text) << packer.name;  // gzip only knows at its checksum, at the end
  }
}

TEST(ByteSource, WhatDecodesBeforeDamageIsReadInStepsOfAnySize) {
  const std::string text = noise(400);
  for (const Packer& packer : kPackers) {
    if (*packer.name == '\0') continue;
    std::string damaged = packer.pack(text);
    damaged[damaged.size() - (packer.name == std::string_view("xz") ? 28 : 3)] ^= 1;  // in the checksum at its end
    for (const size_t step : {1, 1000, 1 << 20}) {
      const Content content = read_bytes(damaged, step);
      EXPECT_EQ(content.bytes, text) << packer.name << step;
      EXPECT_THAT(content.damage, HasSubstr("data is damaged")) << packer.name << step;
    }
  }
}

TEST(ByteSource, GarbageBehindACompressedFileIsDamage) {
  for (const Packer& packer : kPackers) {
    if (*packer.name == '\0') continue;
    const Content content = read_bytes(packer.pack("text\n") + "garbage, not a frame");
    EXPECT_EQ(content.bytes, "text\n") << packer.name;
    EXPECT_THAT(content.damage, HasSubstr("data is damaged")) << packer.name;
  }
}

TEST(ByteSource, ADecoderMayNotTakeMoreThanItsShareOfMemory) {
  EXPECT_THAT(read_bytes(xz("text\n", 512u << 20)).damage, HasSubstr("more than 128 MiB"));
  // A zstd frame header that asks for a window of 2 GiB (RFC 8878 s3.1.1.1.2), and one empty block.
  EXPECT_THAT(read_bytes(std::string("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9)).damage,
              HasSubstr("the zstd data is damaged"));
}

TEST(ByteSource, AMissingFileADirectoryAndAnEmptyFileAreNamed) {
  EXPECT_EQ(ByteSource::open("/nowhere/x.log").error().sentence,
            "/nowhere/x.log: cannot be opened: No such file or directory.");
  EXPECT_EQ(ByteSource::open("/nowhere/x.log").error().name, ErrorName::kNotFound);
  EXPECT_EQ(ByteSource::open(testing::TempDir()).error().name, ErrorName::kFileUnreadable);
  const auto empty = ByteSource::open(write_file("empty", ""));
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().name, ErrorName::kFileCorrupt);
  EXPECT_THAT(empty.error().sentence, HasSubstr("is empty"));
}

TEST(ByteSource, AFileThatGrowsIsReadAsItWas) {
  const std::string path = write_file("growing", "before\n");
  auto source = ByteSource::open(path);
  ASSERT_TRUE(source);
  std::FILE* const file = std::fopen(path.c_str(), "ab");
  std::fputs("after\n", file);
  std::fclose(file);
  const Content content = read_all(**source);
  EXPECT_EQ(content.bytes, "before\n");
  EXPECT_EQ(content.damage, "");
}

TEST(ByteSource, AFileThatBecomesShorterIsDamage) {
  const std::string path = write_file("shrinking", noise(100'000));
  auto source = ByteSource::open(path);
  ASSERT_TRUE(source);
  write_file("shrinking", "short\n");
  EXPECT_THAT(read_all(**source).damage, HasSubstr("became shorter"));
}

struct Read {
  std::vector<std::string> lines;
  std::vector<bool> overlong;
  bool complete = true;
  uint64_t number = 0;
};
Read read_lines_of(std::string_view text, uint64_t line_bytes_max = 1 << 20) {
  Read out;
  Lines lines(of(text), line_bytes_max);
  std::string_view line;
  for (auto more = lines.next(&line); more && *more; more = lines.next(&line)) {
    out.lines.emplace_back(line);
    out.overlong.push_back(lines.overlong());
    out.complete = lines.complete();
    out.number = lines.number();
  }
  return out;
}

TEST(Lines, EndWithLfOrCrlfAndMayHoldAnything) {
  using namespace std::string_literals;
  EXPECT_THAT(read_lines_of("a\nb\r\n\n\r\nc").lines, ElementsAre("a", "b", "", "", "c"));
  EXPECT_THAT(read_lines_of("a\0b\n\r\r\n"s).lines, ElementsAre("a\0b"s, "\r"));
  EXPECT_EQ(read_lines_of("a\nb\n").number, 2u);
}

TEST(Lines, ALastLineWithoutItsEndIsToldApart) {
  EXPECT_TRUE(read_lines_of("a\nb\n").complete);
  const Read read = read_lines_of("a\nb\r");
  EXPECT_FALSE(read.complete);
  EXPECT_THAT(read.lines, ElementsAre("a", "b\r"));
}

TEST(Lines, AreCutAtTheLimitAndGoOnBehindTheLongOne) {
  for (const size_t length : {11, 12, 1000, 300'000, 3'000'000}) {
    const std::string text = "first\n" + std::string(length, 'x') + "\r\n1234567890\r\nlast\n";
    const Read read = read_lines_of(text, 10);
    EXPECT_THAT(read.lines, ElementsAre("first", "xxxxxxxxxx", "1234567890", "last")) << length;
    EXPECT_THAT(read.overlong, ElementsAre(false, true, false, false)) << length;
    EXPECT_EQ(read.number, 4u);
  }
  const Read unended = read_lines_of("0123456789abc", 10);
  EXPECT_THAT(unended.lines, ElementsAre("0123456789"));
  EXPECT_THAT(unended.overlong, ElementsAre(true));
  EXPECT_FALSE(unended.complete);
}

TEST(Lines, OfAHundredMegabytesAreSkippedOutOfASmallFile) {
  const std::string bomb = zstd("a\n" + std::string(100'000'000, ' ') + "\nb\n");
  ASSERT_LT(bomb.size(), 20'000u);
  const Read read = read_lines_of(bomb, 1000);
  EXPECT_EQ(read.lines.size(), 3u);
  EXPECT_EQ(read.lines.back(), "b");
}

TEST(Lines, ReadMoreThanOneBuffer) {
  const std::string text = noise(50'000);
  for (const Packer& packer : kPackers) EXPECT_EQ(read_lines_of(packer.pack(text)).lines.size(), 50'000u);
}

}  // namespace
}  // namespace dartboard::traces
