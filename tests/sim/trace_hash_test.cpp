// tests/sim/trace_hash_test.cpp - the hash depends on every field and on order, and on nothing else.
#include "sim/core/trace_hash.h"

#include <set>

#include <gtest/gtest.h>

namespace dartboard::sim {
namespace {

TEST(TraceHash, SameEventsSameHash) {
  TraceHash a, b;
  for (uint64_t i = 0; i < 1000; ++i) {
    a.add(i, TraceKind::kTlp, 1, i);
    b.add(i, TraceKind::kTlp, 1, i);
  }
  EXPECT_EQ(a.value(), b.value());
  EXPECT_EQ(a.events(), 1000u);
}

TEST(TraceHash, ReadingDoesNotEndTheStream) {
  TraceHash a, b;
  for (uint64_t i = 0; i < 200; ++i) {
    a.add(i, TraceKind::kTlp, 1, i);
    (void)a.value();
    b.add(i, TraceKind::kTlp, 1, i);
  }
  EXPECT_EQ(a.value(), b.value());
}

TEST(TraceHash, EveryFieldCounts) {
  std::set<std::string> seen;
  const auto one = [&](uint64_t time, TraceKind kind, uint8_t detail, uint64_t a, uint64_t b, uint64_t c) {
    TraceHash hash;
    hash.add(time, kind, detail, a, b, c);
    seen.insert(hash.value().hex());
  };
  one(0, TraceKind::kTlp, 0, 0, 0, 0);
  one(1, TraceKind::kTlp, 0, 0, 0, 0);
  one(0, TraceKind::kMsi, 0, 0, 0, 0);
  one(0, TraceKind::kTlp, 1, 0, 0, 0);
  one(0, TraceKind::kTlp, 0, 1, 0, 0);
  one(0, TraceKind::kTlp, 0, 0, 1, 0);
  one(0, TraceKind::kTlp, 0, 0, 0, 1);
  EXPECT_EQ(seen.size(), 7u);
}

TEST(TraceHash, AWordMoreIsAnotherStream) {
  TraceHash a, b;
  a.add(0, TraceKind::kMark, 0, uint64_t{1}, uint64_t{0});
  b.add(0, TraceKind::kMark, 0, uint64_t{1});
  b.add(0, TraceKind::kMark, 0);
  EXPECT_NE(a.value(), b.value());
}

TEST(TraceHash, OrderCounts) {
  TraceHash a, b;
  a.add(0, TraceKind::kTlp, 0, 1);
  a.add(0, TraceKind::kTlp, 0, 2);
  b.add(0, TraceKind::kTlp, 0, 2);
  b.add(0, TraceKind::kTlp, 0, 1);
  EXPECT_NE(a.value(), b.value());
}

TEST(TraceHash, PayloadBytesCount) {
  TraceHash a, b;
  a.add(0, TraceKind::kMark, 0, 1);
  b.add(0, TraceKind::kMark, 0, 1);
  a.add_bytes("x", 1);
  b.add_bytes("y", 1);
  EXPECT_NE(a.value(), b.value());
}

TEST(TraceHash, ResetStartsOver) {
  TraceHash a, b;
  a.add(0, TraceKind::kTlp, 0, 1);
  a.reset();
  EXPECT_EQ(a.value(), b.value());
  EXPECT_EQ(a.events(), 0u);
}

}  // namespace
}  // namespace dartboard::sim
