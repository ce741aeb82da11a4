// tests/traces/event_buffer_test.cpp - what is packed on one thread is what comes out on another.
#include "traces/event_buffer.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <deque>
#include <vector>

#include "support.h"

namespace dartboard::traces {
namespace {

/// An event with a reply or without, and the bytes of both.
struct Made {
  Event event;
  Reply reply;
  bool has_reply = false;
  std::vector<std::byte> bytes, reply_bytes;
};

void expect_same(const Payload& got, const Payload& wanted) {
  ASSERT_EQ(got.length, wanted.length);
  ASSERT_EQ(got.form, wanted.form);
  if (wanted.form == PayloadForm::kOmitted || wanted.length == 0) return;
  ASSERT_EQ(got.is_fill(), wanted.is_fill());
  const uint64_t bytes = wanted.form == PayloadForm::kHash ? 8 : wanted.is_fill() ? 1 : wanted.length;
  for (uint64_t i = 0; i < bytes; ++i) ASSERT_EQ(got.at(i), wanted.at(i)) << "byte " << i;
}

void expect_same(const Event& got, const Event& wanted) {
  EXPECT_EQ(got.time_ns, wanted.time_ns);
  EXPECT_EQ(got.address, wanted.address);
  EXPECT_EQ(got.length, wanted.length);
  EXPECT_EQ(got.value, wanted.value);
  EXPECT_EQ(got.target, wanted.target);
  EXPECT_EQ(got.device, wanted.device);
  EXPECT_EQ(got.kind, wanted.kind);
  EXPECT_EQ(got.source, wanted.source);
  expect_same(got.data, wanted.data);
}

void expect_same(const Reply& got, const Reply& wanted) {
  EXPECT_EQ(got.status, wanted.status);
  EXPECT_EQ(got.value0, wanted.value0);
  EXPECT_EQ(got.value1, wanted.value1);
  EXPECT_EQ(got.duration_ns, wanted.duration_ns);
  expect_same(got.data, wanted.data);
}

void expect_same(const EventBuffer& buffer, const std::deque<Made>& all) {
  ASSERT_EQ(buffer.events(), all.size());
  size_t i = 0;
  buffer.for_each([&](const Event& event, const Reply* reply) {
    const Made& wanted = all[i++];
    expect_same(event, wanted.event);
    EXPECT_EQ(reply != nullptr, wanted.has_reply);
    if (reply != nullptr && wanted.has_reply) expect_same(*reply, wanted.reply);
    return !testing::Test::HasFatalFailure();
  });
  EXPECT_EQ(i, all.size());
}

/// Numbers that are often 0, and of every size.
uint64_t number() {
  return *rc::gen::weightedOneOf<uint64_t>({{2, rc::gen::just(uint64_t{0})},
                                            {2, rc::gen::inRange<uint64_t>(0, 300)},
                                            {1, rc::gen::arbitrary<uint64_t>()},
                                            {1, rc::gen::just(UINT64_MAX)}});
}

Payload payload(std::vector<std::byte>* bytes, uint64_t event_length) {
  const uint64_t length =
      *rc::gen::element<uint64_t>(0, 1, 4, 8, 9, 255, 256, 700, event_length < 1000 ? event_length : 3);
  bytes->resize(length < 8 ? 8 : length);
  for (size_t i = 0; i < bytes->size(); ++i) (*bytes)[i] = static_cast<std::byte>(length + 3 * i);
  switch (*rc::gen::inRange(0, 5)) {
    case 0: return {};
    case 1: return Payload::filled(std::byte{0x5a}, *rc::gen::element(length, number()));
    case 2: return Payload::hash_of(bytes->data(), *rc::gen::element(length, number()));
    case 3: return Payload::omitted(*rc::gen::element(length, number()));
    default: return Payload::of(std::span(*bytes).first(length));
  }
}

RC_GTEST_PROP(EventBuffer, GivesBackWhatWasPut, ()) {
  const auto count = *rc::gen::inRange(0, 40);
  EventBuffer buffer(64);
  std::deque<Made> all;
  for (int i = 0; i < count; ++i) {
    Made& made = all.emplace_back();
    Event& e = made.event;
    e.kind = static_cast<EventKind>(*rc::gen::inRange(0u, kEventKindCount));
    e.source = static_cast<Source>(*rc::gen::inRange(0, 4));
    e.time_ns = number();
    e.address = number();
    e.length = number();
    e.value = number();
    e.target = static_cast<uint32_t>(number());
    e.device = static_cast<uint16_t>(number());
    e.data = payload(&made.bytes, e.length);
    made.has_reply = *rc::gen::arbitrary<bool>();
    if (made.has_reply) {
      made.reply = {number(), number(), number(), number(), payload(&made.reply_bytes, e.length)};
    }
    buffer.put(e, made.has_reply ? &made.reply : nullptr);
  }
  expect_same(buffer, all);
}

TEST(EventBuffer, AnAccessIsTheEventItStandsFor) {
  EventBuffer buffer(4096);
  std::deque<Made> all;
  for (const bool is_read : {false, true}) {
    for (uint64_t width = 1; width <= 8; ++width) {
      for (const uint64_t duration_ns : {0, 77}) {
        Made& made = all.emplace_back();
        made.bytes.resize(width, static_cast<std::byte>(0x11 * width));
        made.event.kind = is_read ? EventKind::kHostRead : EventKind::kMmioWrite;
        made.event.target = static_cast<uint32_t>(width);
        made.event.address = 0x1000 + width;
        made.event.length = width;
        made.event.time_ns = 1000 * width;
        made.has_reply = is_read;
        (is_read ? made.reply.data : made.event.data) = Payload::of(made.bytes);
        if (is_read) made.reply.duration_ns = duration_ns;
        buffer.put_access(made.event.kind, is_read, made.event.target, made.event.address, made.bytes,
                          made.event.time_ns, made.reply.duration_ns);
      }
    }
  }
  expect_same(buffer, all);
}

TEST(EventBuffer, EndsWhereAskedAndIsEmptyAfterClear) {
  EventBuffer buffer(128);
  Event event;
  for (int i = 0; i < 10; ++i) buffer.put(event, nullptr);
  unsigned seen = 0;
  buffer.for_each([&](const Event&, const Reply*) { return ++seen < 4; });
  EXPECT_EQ(seen, 4u);
  buffer.clear(128);
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.size_bytes(), 0u);
  buffer.for_each([&](const Event&, const Reply*) { return ++seen != 0; });
  EXPECT_EQ(seen, 4u);
}

TEST(EventBuffer, PromisesRoomForAccesses) {
  EventBuffer buffer(1000);
  const std::byte value[8] = {};
  for (uint64_t left; (left = buffer.accesses_up_to(1000)) != 0;) {
    for (; left != 0; --left) buffer.put_access(EventKind::kMmioRead, true, 0, 0, value, 1, 1);
  }
  EXPECT_LE(buffer.size_bytes(), 1000u);
  EXPECT_EQ(buffer.accesses_up_to(0), 0u);
}

}  // namespace
}  // namespace dartboard::traces
