// tests/traces/dbt_test.cpp - the .dbt format: what goes in comes out, at any length, and damage ends at a whole chunk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xxhash.h>

#include <cstdio>
#include <functional>
#include <random>

#include "support.h"
#include "traces/dbt/layout.h"
#include "traces/dbt/metadata.h"
#include "traces/dbt/reader.h"
#include "traces/dbt/writer.h"

namespace dartboard::traces {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

std::string read_file(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "rb");
  std::string out(64 << 20, '\0');
  out.resize(std::fread(out.data(), 1, out.size(), file));
  std::fclose(file);
  return out;
}

TraceInfo some_info() {
  TraceInfo info;
  info.source = "dartboard";
  info.profile = "m4pro-tb5";
  info.clock = Clock::kSimulated;
  info.notes = {"a note"};
  info.devices = {{"0000:01:00.0", small_device()}, {"0000:02:00.0", small_device()}};
  info.devices[1].description.config.learn(0, 4, 0x56781234);
  return info;
}

bool same(const Payload& a, const Payload& b) {
  if (a.length != b.length || a.form != b.form || a.is_fill() != b.is_fill()) return false;
  if (a.is_whole()) {
    for (uint64_t i = 0; i < a.length; ++i) {
      if (a.at(i) != b.at(i)) return false;
    }
    return true;
  }
  return a.form == PayloadForm::kOmitted || std::memcmp(a.bytes, b.bytes, 8) == 0;
}
testing::AssertionResult same(const Event& a, const Reply* ra, const Event& b, const Reply* rb) {
  const bool fields = a.time_ns == b.time_ns && a.request == b.request && a.address == b.address &&
                      a.length == b.length && a.value == b.value && a.target == b.target && a.device == b.device &&
                      a.kind == b.kind && a.source == b.source && same(a.data, b.data);
  const bool replies =
      (ra == nullptr) == (rb == nullptr) &&
      (ra == nullptr || (ra->status == rb->status && ra->value0 == rb->value0 && ra->value1 == rb->value1 &&
                         ra->duration_ns == rb->duration_ns && same(ra->data, rb->data)));
  if (fields && replies) return testing::AssertionSuccess();
  return testing::AssertionFailure() << to_string(a.kind) << " of request " << a.request << " became "
                                     << to_string(b.kind) << " of request " << b.request;
}

/// Events of every kind, with every shape of payload, from a seed.
Session random_session(uint32_t seed, size_t count) {
  std::mt19937_64 random(seed);
  Session session;
  const auto bytes = [&](uint64_t length) {
    switch (random() % 8) {
      case 0: return Payload::filled(static_cast<std::byte>(random()), length);
      case 1: return Payload::omitted(length);
      case 2: {
        std::byte* const hash = session.arena.allocate(8);
        for (unsigned i = 0; i < 8; ++i) hash[i] = static_cast<std::byte>(random());
        return Payload::hash_of(hash, length);
      }
      default: {
        std::byte* const place = session.arena.allocate(length);
        for (uint64_t i = 0; i < length; ++i) place[i] = static_cast<std::byte>(random());
        return Payload::of({place, length});
      }
    }
  };
  for (size_t i = 0; i < count; ++i) {
    Event e;
    e.kind = static_cast<EventKind>(random() % kEventKindCount);
    e.source = static_cast<Source>(random() % 4);
    e.time_ns = random() >> (random() % 64);
    e.address = random() >> (random() % 64);
    e.value = random() >> (random() % 64);
    e.target = static_cast<uint32_t>(random() >> (32 + random() % 32));
    e.device = static_cast<uint16_t>(random() % 2);
    e.length = 1 + random() % (random() % 4 == 0 ? 300 : 8);
    e.request = session.requests;
    if (random() % 2 == 0) e.data = bytes(random() % 3 == 0 ? 1 + random() % 40 : e.length);
    session.requests += e.is_request() ? 1 : 0;
    if (random() % 2 == 0) {
      Reply reply{random() % 2, random() >> (random() % 64), random() >> (random() % 64), random() % 100000, {}};
      if (random() % 2 == 0) reply.data = bytes(random() % 3 == 0 ? 1 + random() % 40 : e.length);
      e.reply = static_cast<uint32_t>(session.replies.size());
      session.replies.push_back(reply);
    }
    session.events.push_back(e);
  }
  return session;
}

std::string write_dbt(const Session& session, const std::string& name, const WriteOptions& options = {},
                      const TraceInfo& info = some_info()) {
  const std::string path = write_file(name, "");
  auto writer = DbtWriter::create(path, info, options);
  EXPECT_TRUE(writer);
  for (const Event& event : session.events) EXPECT_TRUE((*writer)->append(event, session.reply_of(event)));
  EXPECT_TRUE((*writer)->finish(info));
  return path;
}

struct ReadBack {
  uint64_t events = 0, batches = 0;
  ReadReport report;
  TraceInfo info;
};
ReadBack read_back(EventReader& reader, const Session* expected = nullptr) {
  ReadBack out;
  EventBatch batch;
  for (;;) {
    const auto more = reader.next(&batch);
    EXPECT_TRUE(more) << more.error().sentence;
    if (!more || !*more) break;
    EXPECT_EQ(batch.first_event, out.events);
    ++out.batches;
    for (const Event& event : batch.events) {
      if (expected != nullptr) {
        const Event& there = expected->events[out.events];
        EXPECT_TRUE(same(there, expected->reply_of(there), event, batch.reply_of(event))) << out.events;
      }
      ++out.events;
    }
  }
  out.report = reader.report();
  out.info = reader.info();
  return out;
}

std::unique_ptr<DbtReader> open(const std::string& path) {
  auto source = ByteSource::open(path);
  EXPECT_TRUE(source);
  auto reader = DbtReader::open(std::move(*source));
  EXPECT_TRUE(reader) << reader.error().sentence;
  return reader ? std::move(*reader) : nullptr;
}

TEST(Dbt, WhatGoesInComesOut) {
  for (const size_t count : {size_t{0}, size_t{1}, size_t{255}, size_t{256}, size_t{257}, size_t{40'000}}) {
    const Session session = random_session(static_cast<uint32_t>(count), count);
    const auto reader = open(write_dbt(session, "random.dbt"));
    ASSERT_TRUE(reader->totals());
    EXPECT_EQ(reader->totals()->events, count);
    EXPECT_EQ(reader->totals()->requests, session.requests);
    EXPECT_EQ(reader->info(), some_info());
    const ReadBack back = read_back(*reader, &session);
    EXPECT_EQ(back.events, count);
    EXPECT_THAT(back.report.warnings, SizeIs(0));
    EXPECT_FALSE(back.report.truncated);
  }
}

TEST(Dbt, TheShippedSessionComesOut) {
  const Session& session = shipped_session();
  const auto reader = open(write_dbt(session, "amd.dbt"));
  EXPECT_EQ(read_back(*reader, &session).events, session.events.size());
}

TEST(Dbt, ZstdAcceptsTheFile) {
  const std::string path = write_dbt(random_session(1, 5000), "plain.dbt");
  EXPECT_EQ(std::system(("zstd -qt " + path).c_str()), 0);
}

TEST(Dbt, WhatIsKnownAtTheEndIsKnownAtTheBegin) {
  const std::string path = write_file("late.dbt", "");
  TraceInfo early = some_info(), late = some_info();
  early.devices.pop_back();
  late.lossy = true;
  late.dropped_events = 7;
  auto writer = DbtWriter::create(path, early);
  ASSERT_TRUE(writer);
  ASSERT_TRUE((*writer)->append(Event{}, nullptr));
  ASSERT_TRUE((*writer)->finish(late));
  EXPECT_EQ(open(path)->info(), late);
}

TEST(Dbt, SeeksByEventRequestAndTime) {
  Session session = random_session(3, 70'000);
  uint64_t time = 0;
  for (Event& e : session.events) e.time_ns = time += 10;
  const auto reader = open(write_dbt(session, "seek.dbt"));
  using By = DbtReader::By;
  for (const auto& [by, number] : std::vector<std::pair<By, uint64_t>>{
           {By::kEvent, 50'000}, {By::kEvent, 0}, {By::kRequest, 10'000}, {By::kTime, 333'333}, {By::kTime, 1}}) {
    const auto found = reader->seek(by, number);
    ASSERT_TRUE(found && *found);
    EventBatch batch;
    ASSERT_TRUE(*reader->next(&batch));
    const Event& first = batch.events.front();
    const Event& last = batch.events.back();
    EXPECT_TRUE(same(session.events[batch.first_event], session.reply_of(session.events[batch.first_event]), first,
                     batch.reply_of(first)));
    const auto key = [&, asked = by](const Event& e, uint64_t n) {
      return asked == By::kEvent ? n : asked == By::kRequest ? e.request : e.time_ns;
    };
    EXPECT_GE(key(last, batch.first_event + batch.events.size() - 1), number);
    if (number >= key(session.events.front(), 0)) EXPECT_LE(key(first, batch.first_event), number);
  }
}

struct Policy {
  PayloadPolicy policy;
  PayloadForm long_form;
};
class DbtPolicy : public testing::TestWithParam<Policy> {};

TEST_P(DbtPolicy, LeavesValuesAndTreatsLongPayloads) {
  Session session;
  std::byte* const bytes = session.arena.allocate(64);
  for (unsigned i = 0; i < 64; ++i) bytes[i] = static_cast<std::byte>(i);
  for (const Payload& data : {Payload::of({bytes, 4}), Payload::of({bytes, 64}), Payload::filled(std::byte{7}, 5000)}) {
    Event e;
    e.kind = EventKind::kMmioWrite;
    e.length = data.length;
    e.data = data;
    session.events.push_back(e);
  }
  const auto reader = open(write_dbt(session, "policy.dbt", {.payloads = GetParam().policy}));
  EXPECT_EQ(reader->info().payloads, GetParam().policy);
  EventBatch batch;
  ASSERT_TRUE(*reader->next(&batch));
  EXPECT_EQ(batch.events[0].data.form, PayloadForm::kWhole);
  EXPECT_EQ(batch.events[0].data.at(3), std::byte{3});
  for (const size_t i : {size_t{1}, size_t{2}}) {
    const Payload& data = batch.events[i].data;
    EXPECT_EQ(data.form, GetParam().long_form);
    EXPECT_EQ(data.length, session.events[i].length);
    if (data.form != PayloadForm::kHash) continue;
    std::string whole(data.length, '\0');
    session.events[i].data.copy_to(0, std::as_writable_bytes(std::span(whole)));
    EXPECT_EQ(dbt::get(data.bytes, 8), XXH3_64bits(whole.data(), whole.size()));
  }
}

INSTANTIATE_TEST_SUITE_P(Dbt, DbtPolicy,
                         testing::Values(Policy{PayloadPolicy::kFull, PayloadForm::kWhole},
                                         Policy{PayloadPolicy::kHash, PayloadForm::kHash},
                                         Policy{PayloadPolicy::kNone, PayloadForm::kOmitted}),
                         [](const auto& info) { return std::string(to_string(info.param.policy)); });

TEST_P(DbtPolicy, KeepsThePagesOfMappings) {
  Session session;
  std::byte* const pages = session.arena.allocate(64);
  std::fill_n(pages, 64, std::byte{5});
  Event e;
  e.kind = EventKind::kDmaMap;
  e.length = 8 * 4096;
  e.reply = 0;
  session.events.push_back(e);
  session.replies.push_back({0, 64, 1, 0, Payload::of({pages, 64})});
  const auto reader = open(write_dbt(session, "pages.dbt", {.payloads = GetParam().policy}));
  EXPECT_EQ(read_back(*reader, &session).events, 1u);
}

/// Reads a changed file from memory: whatever happens, it is a value.
ReadBack read_changed(const std::string& content, const Session* expected, std::string* refused) {
  refused->clear();
  auto reader = DbtReader::open(ByteSource::of(std::as_bytes(std::span(content)), "changed.dbt"));
  if (!reader) {
    *refused = reader.error().sentence;
    return {};
  }
  return read_back(**reader, expected);
}

TEST(Dbt, ATruncatedFileIsReadUpToTheLastWholeChunk) {
  const Session session = random_session(4, 35'000);  // three chunks
  const std::string whole = read_file(write_dbt(session, "whole.dbt"));
  std::string refused;
  ASSERT_EQ(read_changed(whole, &session, &refused).events, 35'000u);
  std::mt19937 random(1);
  uint64_t most = 0;
  for (int i = 0; i < 200; ++i) {
    const size_t length = i == 0 ? whole.size() - 1 : random() % whole.size();
    const ReadBack back = read_changed(whole.substr(0, length), &session, &refused);
    if (!refused.empty()) {
      EXPECT_THAT(refused, HasSubstr("header"));
      continue;
    }
    EXPECT_TRUE(back.report.truncated) << length;
    ASSERT_THAT(back.report.warnings, SizeIs(1)) << length;
    EXPECT_THAT(back.report.warnings[0], HasSubstr("whole chunks before it were read."));
    most = std::max(most, back.events);
  }
  EXPECT_EQ(most, 35'000u) << "a file that misses its last byte has all its chunks";
}

TEST(Dbt, DamageAnywhereIsNoticedAndEndsAtAWholeChunk) {
  const Session session = random_session(5, 20'000);
  const std::string whole = read_file(write_dbt(session, "whole.dbt"));
  std::mt19937 random(2);
  std::string refused;
  for (int i = 0; i < 300; ++i) {
    std::string changed = whole;
    const size_t at = random() % (changed.size() - dbt::kTailBytes);
    changed[at] = static_cast<char>(changed[at] ^ (1 << random() % 8));
    // Events that come out are the right ones, whatever was changed.
    const ReadBack back = read_changed(changed, &session, &refused);
    EXPECT_TRUE(!refused.empty() || !back.report.warnings.empty()) << "a changed byte at " << at << " went unnoticed";
  }
}

TEST(Dbt, AnotherMajorVersionIsRefusedByName) {
  std::string content = read_file(write_dbt(random_session(6, 10), "version.dbt"));
  const size_t body = dbt::kBlockHeadBytes;
  content[body + 4] = 2;
  uint32_t bytes = 0;
  std::memcpy(&bytes, content.data() + 4, 4);
  const uint64_t hash = XXH3_64bits(content.data() + body, bytes - 8);
  std::memcpy(content.data() + body + bytes - 8, &hash, 8);
  std::string refused;
  read_changed(content, nullptr, &refused);
  EXPECT_EQ(refused,
            "changed.dbt: is a .dbt of version 2.0; this dartboard reads version 1. Use a newer dartboard, or "
            "have it convert the trace.");
}

struct BadMetadata {
  const char* what;
  const char* text;
  const char* sentence;
};
class DbtMetadata : public testing::TestWithParam<BadMetadata> {};
TEST_P(DbtMetadata, IsRefusedNamingTheField) {
  const auto info = dbt::parse_metadata(GetParam().text, "x.dbt");
  ASSERT_FALSE(info);
  EXPECT_THAT(info.error().sentence, HasSubstr(GetParam().sentence));
}
INSTANTIATE_TEST_SUITE_P(
    Dbt, DbtMetadata,
    testing::Values(BadMetadata{"NotJson", "{", "is not JSON"}, BadMetadata{"NoDevices", "{}", "field 'devices'"},
                    BadMetadata{"Array", "[]", "is not a JSON object"},
                    BadMetadata{"Clock", R"({"clock": "sundial", "devices": []})", "field 'clock'"},
                    BadMetadata{"Notes", R"({"notes": [1], "devices": []})", "field 'notes'"},
                    BadMetadata{"Deep", "[[[[[[[[[[[[1]]]]]]]]]]]]", "is not JSON"},
                    BadMetadata{"Description", R"({"devices": [{"description": {}}]})", "field 'schema'"}),
    [](const auto& info) { return std::string(info.param.what); });

TEST(DbtMetadataText, LongListsTakeTimeInProportion) {
  std::string text = R"({"newer": [)";
  for (int i = 0; i < 200'000; ++i) text += "{},";
  text += R"({}], "devices": [{"description": )" + format_device_description(small_device()) + "}]}";
  const auto info = dbt::parse_metadata(text, "x.dbt");  // quadratic, it would outlast the test's time limit
  ASSERT_TRUE(info) << info.error().sentence;
  EXPECT_EQ(info->devices.size(), 1u);
}

}  // namespace
}  // namespace dartboard::traces
