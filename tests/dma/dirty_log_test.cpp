// tests/dma/dirty_log_test.cpp - pages that may have been written: marks are told once, live mappings each time.
#include "backend/dma/dirty_log.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace dartboard::backend::dma {
namespace {

constexpr uint64_t kPage = 4096;
std::byte memory_behind;  // the log never looks at it
using Pages = std::set<uint64_t>;

struct Log {
  explicit Log(std::vector<std::pair<uint64_t, uint64_t>> ranges = {{0x4000'0000, 128 * kMiB}}) {
    for (const auto& [gpa, bytes] : ranges) EXPECT_TRUE(memory.add({Gpa(gpa), bytes, &memory_behind}));
    log.follow(memory);
  }
  /// By address of the page.
  Pages collect(uint64_t from, uint64_t bytes, uint64_t page_bytes = kPage) {
    std::vector<uint64_t> bitmap(bytes / page_bytes / 64 + 1);
    const auto collected = log.collect(Gpa(from), bytes, page_bytes, bitmap);
    EXPECT_TRUE(collected);
    Pages pages;
    for (uint64_t n = 0; n < bitmap.size() * 64; ++n) {
      if ((bitmap[n / 64] >> n % 64 & 1) != 0) pages.insert(from + n * page_bytes);
    }
    return pages;
  }
  Pages everything() { return collect(0x4000'0000, 128 * kMiB); }
  GuestMemory memory;
  DirtyLog log;
};

TEST(DirtyLog, AMarkIsToldOnce) {
  Log l;
  l.log.mark(Gpa(0x4000'1fff), 2);
  EXPECT_EQ(l.everything(), (Pages{0x4000'1000, 0x4000'2000}));
  EXPECT_EQ(l.everything(), Pages{});
  l.log.mark(Gpa(0x4000'1000), 0);
  EXPECT_EQ(l.everything(), Pages{}) << "no bytes";
}

TEST(DirtyLog, ALiveMappingIsToldEachTimeAndOnceAfter) {
  Log l;
  l.log.add_live(Gpa(0x4000'0800), kPage);
  l.log.add_live(Gpa(0x4000'1000), 1);
  EXPECT_EQ(l.everything(), (Pages{0x4000'0000, 0x4000'1000}));
  EXPECT_EQ(l.everything(), (Pages{0x4000'0000, 0x4000'1000}));
  l.log.remove_live(Gpa(0x4000'0800), kPage);
  EXPECT_EQ(l.everything(), (Pages{0x4000'0000, 0x4000'1000}));
  EXPECT_EQ(l.everything(), (Pages{0x4000'1000})) << "the other mapping of it lives";
  l.log.remove_live(Gpa(0x4000'1000), 1);
  EXPECT_EQ(l.everything(), (Pages{0x4000'1000}));
  EXPECT_EQ(l.everything(), Pages{});
}

TEST(DirtyLog, AQueryForgetsOnlyWhatItTold) {
  Log l;
  l.log.mark(Gpa(0x4000'0000), 128 * kMiB);
  EXPECT_EQ(l.collect(0x4000'3000, 2 * kPage), (Pages{0x4000'3000, 0x4000'4000}));
  const Pages rest = l.everything();
  EXPECT_EQ(rest.size(), 128 * kMiB / kPage - 2);
  EXPECT_EQ(rest.count(0x4000'3000), 0u);
  EXPECT_EQ(rest.count(0x4000'5000), 1u);
}

TEST(DirtyLog, TheBitmapOnlyGains) {
  Log l;
  std::vector<uint64_t> bitmap(2, 0x8000'0000'0000'0000);
  l.log.mark(Gpa(0x4000'0000), 1);
  ASSERT_TRUE(l.log.collect(Gpa(0x4000'0000), 128 * kPage, kPage, bitmap));
  EXPECT_EQ(bitmap, (std::vector<uint64_t>{0x8000'0000'0000'0001, 0x8000'0000'0000'0000}));
}

TEST(DirtyLog, LargerPagesGatherSmallerOnes) {
  Log l;
  l.log.mark(Gpa(0x4000'7000), 1);
  l.log.mark(Gpa(0x4010'0000), 1);
  EXPECT_EQ(l.collect(0x4000'0000, 2 * kMiB, 16 * kKiB), (Pages{0x4000'4000, 0x4010'0000}));
  l.log.mark(Gpa(0x4000'7000), 1);
  EXPECT_EQ(l.collect(0x4000'0000, 1, 2 * kMiB), (Pages{0x4000'0000})) << "the last page is told whole";
  EXPECT_EQ(l.everything(), Pages{});
}

TEST(DirtyLog, RangesNeedNotBeginOnPagesOrWords) {
  Log l({{0x1800, 0x1000}, {0x2800, 0x800}, {0x10'0000 - 0x3000, 0x9000}});
  l.log.mark(Gpa(0), 4 * kMiB);
  EXPECT_EQ(l.collect(0, 4 * kMiB), (Pages{0x1000, 0x2000, 0xfd000, 0xfe000, 0xff000, 0x100000, 0x101000, 0x102000,
                                           0x103000, 0x104000, 0x105000}))
      << "what is not RAM is not told";
  l.log.mark(Gpa(0), UINT64_MAX);
  EXPECT_EQ(l.collect(0x2000, kPage), (Pages{0x2000})) << "two ranges share this page";
  l.log.mark(Gpa(UINT64_MAX), 2);
  l.log.mark(Gpa(0) - kPage, kPage);
}

TEST(DirtyLog, FollowsMemoryThatComesAndGoes) {
  Log l;
  l.log.mark(Gpa(0x4000'0000), 1);
  ASSERT_TRUE(l.memory.add({Gpa(0x1'0000'0000), kMiB, &memory_behind}));
  l.log.follow(l.memory);
  l.log.mark(Gpa(0x1'0000'0000), 1);
  EXPECT_EQ(l.collect(0x1'0000'0000, kMiB), (Pages{0x1'0000'0000}));
  EXPECT_EQ(l.everything(), (Pages{0x4000'0000})) << "what stays keeps its marks";
  l.log.mark(Gpa(0x4000'0000), 1);
  ASSERT_TRUE(l.memory.remove(Gpa(0x4000'0000)));
  l.log.follow(l.memory);
  EXPECT_EQ(l.everything(), Pages{});
  ASSERT_TRUE(l.memory.add({Gpa(0x4000'0000), 128 * kMiB, &memory_behind}));
  l.log.follow(l.memory);
  EXPECT_EQ(l.everything(), Pages{}) << "new memory begins clean";
}

struct BadQuery {
  const char* why;
  uint64_t from, bytes, page_bytes;
  size_t words;
};

TEST(DirtyLog, RefusesQueriesThatAreNone) {
  Log l;
  l.log.mark(Gpa(0x4000'0000), kMiB);
  for (const BadQuery& q :
       {BadQuery{"page of 0", 0x4000'0000, kMiB, 0, 99}, BadQuery{"small page", 0x4000'0000, kMiB, 2048, 99},
        BadQuery{"odd page", 0x4000'0000, kMiB, 12288, 99}, BadQuery{"between pages", 0x4000'1000, kMiB, 8192, 99},
        BadQuery{"wraps", 0xffff'ffff'ffff'f000, 0x1001, 4096, 99},
        BadQuery{"short bitmap", 0x4000'0000, kMiB, 4096, 3},
        BadQuery{"one page too many", 0x4000'0000, 256 * kKiB + 1, 4096, 1},
        BadQuery{"huge", 0, UINT64_MAX, 4096, 99}}) {
    std::vector<uint64_t> bitmap(q.words);
    const auto collected = l.log.collect(Gpa(q.from), q.bytes, q.page_bytes, bitmap);
    ASSERT_FALSE(collected) << q.why;
    EXPECT_EQ(collected.error().name, ErrorName::kBadArgument) << q.why;
    EXPECT_EQ(std::count(bitmap.begin(), bitmap.end(), 0u), static_cast<std::ptrdiff_t>(q.words)) << q.why;
  }
  EXPECT_TRUE(l.log.collect(Gpa(0), 0, 4096, {})) << "nothing asked, nothing needed";
  std::vector<uint64_t> one(1);
  EXPECT_TRUE(l.log.collect(Gpa(0xffff'ffff'ffff'f000), 0x1000, 4096, one)) << "the last page there is";
  EXPECT_EQ(l.everything().size(), 256u) << "refused queries forgot nothing";
}

RC_GTEST_PROP(DirtyLogProperty, AgreesWithASetOfPages, ()) {
  const std::vector<std::pair<uint64_t, uint64_t>> ranges = {{0x3f'f000, 70 * kMiB + 0x2345}, {0x1000'0800, 0x80'0000}};
  Log l(ranges);
  const auto is_ram = [&](uint64_t page) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](const auto& r) { return page + kPage > r.first && page < r.first + r.second; });
  };
  Pages marked;
  std::map<uint64_t, unsigned> live;  // by page
  std::vector<std::pair<uint64_t, uint64_t>> mappings;
  const auto operations = *rc::gen::inRange(1, 40);
  for (int n = 0; n < operations; ++n) {
    const uint64_t base = *rc::gen::element<uint64_t>(0x3f'0000, 0x43f'0000, 0x4a0'0000, 0x1000'0000, 0x1080'0000);
    const uint64_t gpa = base + *rc::gen::inRange<uint64_t>(0, 0x40000);
    const uint64_t bytes = *rc::gen::inRange<uint64_t>(1, 0x30000);
    const auto pages = [](uint64_t from, uint64_t size, const auto& each) {
      for (uint64_t page = from / kPage * kPage; page < from + size; page += kPage) each(page);
    };
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        l.log.mark(Gpa(gpa), bytes);
        pages(gpa, bytes, [&](uint64_t page) { marked.insert(page); });
        break;
      case 1:
        l.log.add_live(Gpa(gpa), bytes);
        pages(gpa, bytes, [&](uint64_t page) { ++live[page]; });
        mappings.emplace_back(gpa, bytes);
        break;
      case 2:
        if (mappings.empty()) break;
        l.log.remove_live(Gpa(mappings.back().first), mappings.back().second);
        pages(mappings.back().first, mappings.back().second, [&](uint64_t page) {
          --live[page];
          marked.insert(page);
        });
        mappings.pop_back();
        break;
      default: {
        const uint64_t page_bytes = *rc::gen::element<uint64_t>(4096, 4096, 16384, 0x10'0000);
        const uint64_t from = round_down(gpa, page_bytes);
        const uint64_t end = from + round_up(bytes * 40, page_bytes);
        Pages expected;
        for (uint64_t page = from; page < end; page += kPage) {
          if (is_ram(page) && (marked.count(page) != 0 || (live.count(page) != 0 && live[page] != 0))) {
            expected.insert(round_down(page, page_bytes));
          }
          marked.erase(page);
        }
        RC_ASSERT(l.collect(from, end - from, page_bytes) == expected);
      }
    }
  }
}

TEST(DirtyLogThreads, NoMarkIsLost) {
  Log l;
  std::atomic<bool> stop{false};
  constexpr uint64_t kPages = 2000;
  std::atomic<uint64_t> marks{0};
  std::vector<uint64_t> generation(kPages);  // written before the mark, by one thread each
  std::vector<uint64_t> told(kPages);
  std::thread asks([&] {
    bool last = false;
    while (!last) {
      last = stop;
      for (const uint64_t page : l.collect(0x4000'0000, kPages * kPage)) ++told[(page - 0x4000'0000) / kPage];
    }
  });
  std::vector<std::thread> writers;
  for (uint64_t self = 0; self < 2; ++self) {
    writers.emplace_back([&, self] {
      for (uint64_t n = 0; n < 20'000; ++n) {
        const uint64_t page = (n * 2 + self) % kPages;
        ++generation[page];
        l.log.mark(Gpa(0x4000'0000 + page * kPage), 1);
        l.log.add_live(Gpa(0x4400'0000 + page * kPage), 1);
        l.log.remove_live(Gpa(0x4400'0000 + page * kPage), 1);
        ++marks;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  stop = true;
  asks.join();
  for (uint64_t page = 0; page < kPages; ++page) {
    EXPECT_GE(told[page], 1u) << page;
    EXPECT_LE(told[page], generation[page]) << page;
  }
  EXPECT_EQ(l.collect(0x4000'0000, kPages * kPage), Pages{});
  EXPECT_EQ(l.collect(0x4400'0000, kPages * kPage).size(), kPages);
  EXPECT_EQ(l.collect(0x4400'0000, kPages * kPage), Pages{});
}

}  // namespace
}  // namespace dartboard::backend::dma
