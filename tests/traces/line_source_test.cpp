// tests/traces/line_source_test.cpp - files to lines: compression, damage, limits.
#include "traces/line_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support.h"

namespace dartboard::traces {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

struct Lines {
  std::vector<std::string> lines;
  std::string problem;
  bool complete = true;
};

Lines read_all(const std::string& path, uint64_t line_bytes_max = 1 << 20) {
  Lines out;
  auto source = LineSource::open(path, line_bytes_max);
  if (!source) {
    out.problem = source.error().sentence;
    return out;
  }
  for (;;) {
    std::string_view line;
    const auto more = source->next(&line);
    if (!more) {
      out.problem = more.error().sentence;
      return out;
    }
    if (!*more) return out;
    out.lines.emplace_back(line);
    out.complete = source->line_complete();
  }
}

/// Text that does not compress away, so that cutting the file cuts lines off.
std::string noise(size_t lines) {
  std::string out;
  uint32_t state = 1;
  for (size_t i = 0; i < lines; ++i) {
    out += '{';
    for (int j = 0; j < 30; ++j) {
      state = state * 1664525 + 1013904223;
      out += static_cast<char>('a' + (state >> 24) % 26);
    }
    out += "\n";
  }
  return out;
}

TEST(LineSource, ReadsPlainText) {
  EXPECT_THAT(read_all(write_file("plain", "{a\n{b\n")).lines, ElementsAre("{a", "{b"));
}

TEST(LineSource, ReadsZstd) {
  EXPECT_THAT(read_all(write_file("zstd", zstd("{a\n\n{b\n"))).lines, ElementsAre("{a", "", "{b"));
}

TEST(LineSource, ReadsSeveralFrames) {
  EXPECT_THAT(read_all(write_file("frames", zstd("{a\n{") + zstd("b\n"))).lines, ElementsAre("{a", "{b"));
}

TEST(LineSource, ALastLineWithoutNewlineIsToldApart) {
  const Lines lines = read_all(write_file("nonewline", "{a\n{b"));
  EXPECT_THAT(lines.lines, ElementsAre("{a", "{b"));
  EXPECT_FALSE(lines.complete);
}

TEST(LineSource, ReadsMoreThanOneBuffer) {
  const std::string text = noise(50'000);
  EXPECT_EQ(read_all(write_file("large", text)).lines.size(), 50'000u);
  EXPECT_EQ(read_all(write_file("large.zst", zstd(text))).lines.size(), 50'000u);
}

TEST(LineSource, AMissingFileIsNamed) {
  const auto source = LineSource::open("/nowhere/session.jsonl.zst", 100);
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().name, ErrorName::kNotFound);
  EXPECT_EQ(source.error().sentence, "/nowhere/session.jsonl.zst: cannot be opened: No such file or directory.");
}

TEST(LineSource, ADirectoryIsRefused) {
  const auto source = LineSource::open(testing::TempDir(), 100);
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().name, ErrorName::kFileUnreadable);
  EXPECT_THAT(source.error().sentence, HasSubstr("cannot be read: Is a directory."));
}

TEST(LineSource, EveryTruncationOfACompressedFileIsNoticed) {
  const std::string whole = zstd(noise(40));
  for (size_t size = 4; size < whole.size(); ++size) {
    const Lines lines = read_all(write_file("cut", whole.substr(0, size)));
    ASSERT_THAT(lines.problem, HasSubstr("the file is truncated: the compressed data ends inside a frame")) << size;
  }
}

TEST(LineSource, CorruptCompressionIsNoticed) {
  std::string damaged = zstd(noise(2000));
  for (size_t i = damaged.size() / 2; i < damaged.size() / 2 + 64; ++i) damaged[i] = '\xff';
  EXPECT_THAT(read_all(write_file("damaged", damaged)).problem, HasSubstr("the compressed data is corrupt after line"));
}

TEST(LineSource, TrailingGarbageIsCorrupt) {
  EXPECT_THAT(read_all(write_file("garbage", zstd("{a\n") + "garbage")).problem,
              HasSubstr("the compressed data is corrupt after line"));
}

TEST(LineSource, ALineOverTheLimitStopsBeforeItIsInMemory) {
  const std::string bomb = zstd("{" + std::string(64 << 20, ' '));
  ASSERT_LT(bomb.size(), 10'000u);
  EXPECT_THAT(read_all(write_file("bomb", bomb), 1000).problem,
              EndsWith("line 1 is longer than 1000 bytes, the longest allowed."));
}

}  // namespace
}  // namespace dartboard::traces
