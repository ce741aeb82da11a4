// tests/traces/tools_diff_test.cpp - what differs between two traces: found, named for what it is, and complete: the
// differences take the first trace into the second.
#include "traces/tools/diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include <fmt/format.h>
#include <rapidcheck/gtest.h>

#include "tools_support.h"
#include "traces/formats.h"

namespace dartboard::traces {
namespace {

using Entries = std::vector<TraceBuilder::Entry>;

struct Found {
  DiffSummary summary;
  std::vector<Difference> differences;
};

Found compare(const Entries& a, const Entries& b, const DiffOptions& options = {}, size_t batch = 100) {
  BuiltReader left(a, batch), right(b, batch + 3);
  Found found;
  const auto summary = diff(left, right, options, [&](const Difference& d) { found.differences.push_back(d); });
  EXPECT_TRUE(summary);
  if (summary) found.summary = *summary;
  return found;
}

/// "moved A3+1 B4+1"
std::vector<std::string> short_of(const Found& found) {
  std::vector<std::string> out;
  for (const Difference& d : found.differences) {
    out.push_back(fmt::format("{} A{}+{} B{}+{}", to_string(d.kind), d.a_first, d.a_count, d.b_first, d.b_count));
  }
  return out;
}

/// Takes A into B by the differences alone; says where that goes wrong, or "".
std::string apply(const Entries& a, const Entries& b, const std::vector<Difference>& differences,
                  const DiffItemOptions& options = {}) {
  DiffItemMaker maker_a(options), maker_b(options);
  std::vector<DiffItem> items_a, items_b;
  for (const auto& e : a) items_a.push_back(maker_a.make(items_a.size(), e.event, e.replied ? &e.reply : nullptr));
  for (const auto& e : b) items_b.push_back(maker_b.make(items_b.size(), e.event, e.replied ? &e.reply : nullptr));
  std::vector<bool> gone(a.size());
  std::map<uint64_t, const DiffItem*> added;  // by place in B
  std::map<uint64_t, uint64_t> changed;       // place in A to place in B
  for (const Difference& d : differences) {
    if (d.kind == DifferenceKind::kChanged) {
      if (d.a_count != 1 || d.b_count != 1) return "a change is of one event";
      changed[d.a_first] = d.b_first;
      if (items_a[d.a_first].same(items_b[d.b_first])) return "a change changes nothing";
      continue;
    }
    if (d.kind == DifferenceKind::kMoved && d.a_count != d.b_count) return "a move loses events";
    for (uint64_t i = 0; i < d.a_count; ++i) {
      if (d.a_first + i >= a.size() || gone[d.a_first + i]) return fmt::format("A#{} goes twice", d.a_first + i);
      gone[d.a_first + i] = true;
    }
    for (uint64_t i = 0; i < d.b_count; ++i) {
      if (d.b_first + i >= b.size()) return "an event beyond the end of B";
      const DiffItem& item = d.kind == DifferenceKind::kMoved ? items_a[d.a_first + i] : items_b[d.b_first + i];
      if (!added.emplace(d.b_first + i, &item).second) return fmt::format("B#{} comes twice", d.b_first + i);
    }
  }
  uint64_t at = 0;
  for (uint64_t place = 0; place < b.size(); ++place) {
    const DiffItem* item = nullptr;
    if (const auto found = added.find(place); found != added.end()) {
      item = found->second;
    } else {
      while (at < a.size() && gone[at]) ++at;
      if (at == a.size()) return fmt::format("nothing is left for B#{}", place);
      item = &items_a[at];
      if (const auto change = changed.find(at); change != changed.end()) {
        if (change->second != place) return fmt::format("A#{} became B#{}, not B#{}", at, place, change->second);
        item = &items_b[place];
      }
      ++at;
    }
    if (!item->same(items_b[place])) return fmt::format("B#{} is another event", place);
  }
  while (at < a.size() && gone[at]) ++at;
  return at == a.size() ? "" : fmt::format("A#{} is left over", at);
}

TraceBuilder base() {
  TraceBuilder t;
  for (uint64_t i = 0; i < 40; ++i) t.write(5, 0x100 + 4 * i, i);
  for (int i = 0; i < 5; ++i) t.read(5, 0, 0);  // #40..#44
  t.read(5, 0, 1);
  for (uint64_t i = 0; i < 40; ++i) t.write(2, 8 * i, i, 8);  // from #46
  return t;
}

TEST(Diff, ATraceIsEqualToItself) {
  const TraceBuilder t = base();
  const Found found = compare(t.entries, t.entries);
  EXPECT_EQ(found.summary.total(), 0u);
  EXPECT_EQ(found.summary.same, 86u);
}

TEST(Diff, TimesDoNotCountUnlessAskedFor) {
  const TraceBuilder t = base();
  Entries later = t.entries;
  for (auto& e : later) e.event.time_ns += 5'000;
  later[10].event.time_ns += 3;
  later[41].reply.duration_ns = 77;
  EXPECT_EQ(compare(t.entries, later).summary.total(), 0u);
  DiffOptions times;
  times.items.times = true;
  EXPECT_THAT(short_of(compare(t.entries, later, times)), testing::ElementsAre("changed A10+1 B10+1"));
}

struct EditCase {
  const char* what;
  void (*edit)(Entries&);
  std::vector<std::string> expected;
};
class OneEdit : public testing::TestWithParam<EditCase> {};

TEST_P(OneEdit, IsNamedForWhatItIs) {
  const TraceBuilder t = base();
  Entries other = t.entries;
  GetParam().edit(other);
  const Found found = compare(t.entries, other);
  EXPECT_EQ(short_of(found), GetParam().expected);
  EXPECT_EQ(apply(t.entries, other, found.differences), "");
  EXPECT_EQ(apply(other, t.entries, compare(other, t.entries).differences), "");
}

INSTANTIATE_TEST_SUITE_P(
    Diff, OneEdit,
    testing::Values(
        EditCase{"ValueWritten", [](Entries& e) { e[10].event.data = e[11].event.data; }, {"changed A10+1 B10+1"}},
        EditCase{"ValueRead", [](Entries& e) { e[45].reply.data = e[44].reply.data; }, {"changed A45+1 B45+1"}},
        EditCase{"StatusOfARead", [](Entries& e) { e[45].reply.status = 1; }, {"changed A45+1 B45+1"}},
        EditCase{"LastValue", [](Entries& e) { e[85].event.data = e[84].event.data; }, {"changed A85+1 B85+1"}},
        EditCase{"Order", [](Entries& e) { std::swap(e[10], e[11]); }, {"moved A10+1 B11+1"}},
        EditCase{"OrderOfABlock",
                 [](Entries& e) { std::rotate(e.begin() + 10, e.begin() + 13, e.begin() + 30); },
                 {"moved A10+3 B27+3"}},
        EditCase{"OnePollReadMore", [](Entries& e) { e.insert(e.begin() + 42, e[42]); }, {"count A45+0 B45+1"}},
        EditCase{
            "TwoPollReadsLess", [](Entries& e) { e.erase(e.begin() + 41, e.begin() + 43); }, {"count A43+2 B43+0"}},
        EditCase{"AnEventMore", [](Entries& e) { e.insert(e.begin() + 5, e[60]); }, {"inserted A5+0 B5+1"}},
        EditCase{"ThreeEventsLess", [](Entries& e) { e.erase(e.begin() + 5, e.begin() + 8); }, {"deleted A5+3 B5+0"}},
        EditCase{"TheFirst", [](Entries& e) { e.erase(e.begin()); }, {"deleted A0+1 B0+0"}},
        EditCase{"TheLast", [](Entries& e) { e.pop_back(); }, {"deleted A85+1 B85+0"}},
        EditCase{"Everything", [](Entries& e) { e.clear(); }, {"deleted A0+86 B0+0"}}),
    [](const auto& info) { return std::string(info.param.what); });

TEST(Diff, ABlockLongerThanASearchIsSteppedOver) {
  TraceBuilder t;
  for (uint64_t i = 0; i < 3000; ++i) t.write(5, 4 * (i % 7), i);
  Entries other = t.entries;
  TraceBuilder block;
  for (uint64_t i = 0; i < 5000; ++i) block.write(0, 8 * i, i, 8);
  other.insert(other.begin() + 1000, block.entries.begin(), block.entries.end());
  const Found found = compare(t.entries, other);
  EXPECT_THAT(short_of(found), testing::ElementsAre("inserted A1000+0 B1000+5000"));
  EXPECT_EQ(apply(t.entries, other, found.differences), "");
}

TEST(Diff, ManyChangedValuesInARowAreChanges) {
  TraceBuilder a, b;
  for (uint64_t i = 0; i < 3000; ++i) {
    a.read(5, 4 * (i % 7), i);
    b.read(5, 4 * (i % 7), i + 1'000'000);
  }
  const Found found = compare(a.entries, b.entries);
  EXPECT_EQ(found.summary.differences[static_cast<unsigned>(DifferenceKind::kChanged)], 3000u);
  EXPECT_EQ(found.summary.total(), 3000u);
}

TEST(Diff, NothingInCommonEnds) {
  TraceBuilder a, b;
  for (uint64_t i = 0; i < 3000; ++i) {
    a.write(5, 4 * i, i);
    b.write(2, 8 * i, i, 8);
  }
  DiffOptions small;
  small.window_events = 512;
  const Found found = compare(a.entries, b.entries, small);
  EXPECT_EQ(found.summary.events[static_cast<unsigned>(DifferenceKind::kDeleted)], 3000u);
  EXPECT_EQ(found.summary.events[static_cast<unsigned>(DifferenceKind::kInserted)], 3000u);
  EXPECT_EQ(apply(a.entries, b.entries, found.differences), "");
}

TEST(Diff, AFarMoveIsTwoDifferences) {
  TraceBuilder t;
  for (uint64_t i = 0; i < 200; ++i) t.write(5, 4 * i, i);
  Entries other = t.entries;
  std::rotate(other.begin() + 10, other.begin() + 11, other.begin() + 180);
  DiffOptions near;
  near.move_distance_max = 50;
  EXPECT_THAT(short_of(compare(t.entries, other, near)),
              testing::ElementsAre("deleted A10+1 B10+0", "inserted A180+0 B179+1"));
  EXPECT_THAT(short_of(compare(t.entries, other)), testing::ElementsAre("moved A10+1 B179+1"));
}

TEST(Diff, PayloadsAreComparedInWhateverFormTheyWereKept) {
  TraceBuilder a, b;
  const std::string& bytes = a.keep(std::string(100, 'x'));
  a.write_bytes(0, 0, Payload::of(std::as_bytes(std::span(bytes)))).write(5, 0, 0);
  b.write_bytes(0, 0, Payload::filled(std::byte{'x'}, 100)).write(5, 0, 0);
  EXPECT_EQ(compare(a.entries, b.entries).summary.total(), 0u) << "the bytes of a fill";
  b.entries[0].event.data = Payload::filled(std::byte{'y'}, 100);
  EXPECT_EQ(compare(a.entries, b.entries).summary.total(), 1u);
  b.entries[0].event.data = Payload::omitted(100);
  EXPECT_EQ(compare(a.entries, b.entries).summary.total(), 0u) << "what was not kept is taken as equal";
}

TEST(Diff, RebasedAddressesAreComparedByPlace) {
  const auto session = [](uint64_t base, uint64_t offset) {
    TraceBuilder t;
    t.map(1, 8192, base).map(2, 4096, base + 0x10000).write(5, 0x10, base + offset, 8).write(5, 0x18, 5);
    t.write(0, 0, (base + 0x10000) | 0x71 | uint64_t{3} << 60, 8);  // an entry of a page table, with flags
    const std::string& table = t.keep(std::string(16, '\0'));
    const uint64_t words[2] = {base + 0x1000, 42};
    std::memcpy(const_cast<char*>(table.data()), words, 16);
    t.write_bytes(0, 0x100, Payload::of(std::as_bytes(std::span(table))));
    return t;
  };
  DiffOptions rebase;
  rebase.items.rebase = true;
  const TraceBuilder a = session(0x100000, 0x40), b = session(0x80000000, 0x40), c = session(0x80000000, 0x44);
  EXPECT_EQ(compare(a.entries, b.entries).summary.total(), 5u) << "two maps, three places";
  EXPECT_EQ(compare(a.entries, b.entries, rebase).summary.total(), 0u);
  EXPECT_THAT(short_of(compare(a.entries, c.entries, rebase)), testing::ElementsAre("changed A2+1 B2+1"));
}

TEST(Diff, IgnoredRegistersMayReadAnything) {
  auto names = parse_register_names(
      R"({"schema":"dartboard-names-1","registers":[{"bar":5,"offset":0,"name":"TIMER_LO"}]})", "names");
  ASSERT_TRUE(names);
  TraceBuilder a, b;
  a.read(5, 0, 1).read(5, 4, 1);
  b.read(5, 0, 2).read(5, 4, 2);
  DiffOptions options;
  options.items.names = &*names;
  options.items.ignore_values = {"TIMER*"};
  EXPECT_THAT(short_of(compare(a.entries, b.entries, options)), testing::ElementsAre("changed A1+1 B1+1"));
}

/// The session that ships, with the batches its payloads live in.
struct Shipped {
  std::vector<std::unique_ptr<EventBatch>> batches;
  Entries entries;
};
const Shipped& shipped() {
  static const Shipped all = [] {
    Shipped s;
    auto reader = open_trace(DARTBOARD_SESSIONS "/amd-am-boot-copy.jsonl.zst");
    EXPECT_TRUE(reader);
    for (;;) {
      auto batch = std::make_unique<EventBatch>();
      const auto more = (*reader)->next(batch.get());
      EXPECT_TRUE(more);
      if (!more || !*more) break;
      for (const Event& event : batch->events) {
        const Reply* const reply = batch->reply_of(event);
        s.entries.push_back({event, reply == nullptr ? Reply{} : *reply, reply != nullptr});
      }
      s.batches.push_back(std::move(batch));
    }
    return s;
  }();
  return all;
}

TEST(Diff, OfARealSessionFindsExactlyTheThreeThatWereMade) {
  const Entries& a = shipped().entries;
  ASSERT_EQ(a.size(), 27207u);
  Entries b = a;
  const auto poll = [&] {  // a read of a register that was read once
    for (size_t i = 20'000; i + 1 < a.size(); ++i) {
      const Event &event = a[i].event, &next = a[i + 1].event;
      if (event.kind == EventKind::kMmioRead && event.target == 5 && next.address != event.address) return i;
    }
    return size_t{0};
  }();
  ASSERT_NE(poll, 0u);
  const std::byte changed[4] = {std::byte{0xde}, std::byte{0xad}, std::byte{0}, std::byte{1}};
  ASSERT_EQ(b[5].event.kind, EventKind::kMmioRead);
  ASSERT_EQ(b[5].event.length, 4u);
  b[5].reply.data = Payload::of(changed);
  std::swap(b[10'000], b[10'001]);
  b.insert(b.begin() + static_cast<std::ptrdiff_t>(poll), b[poll]);
  const Found found = compare(a, b, {}, kBatchEvents);
  EXPECT_THAT(short_of(found), testing::ElementsAre("changed A5+1 B5+1", "moved A10000+1 B10001+1",
                                                    fmt::format("count A{}+0 B{}+1", poll + 1, poll + 1)));
  EXPECT_EQ(found.summary.same, 27207u - 2);
  EXPECT_EQ(apply(a, b, found.differences), "");
}

/// A trace out of few registers and values, so that events repeat; then edits at random.
Entries random_trace(TraceBuilder* keeper) {
  const auto words = *rc::gen::container<std::vector<uint8_t>>(rc::gen::arbitrary<uint8_t>());
  for (const uint8_t w : words) {
    const unsigned repeat = (w & 0xc0) == 0xc0 ? 6 : 1;
    for (unsigned i = 0; i < repeat; ++i) {
      if ((w & 1) != 0) {
        keeper->read(5, 4 * (w >> 1 & 3), w >> 3 & 1);
      } else {
        keeper->write(5, 4 * (w >> 1 & 3), w >> 3 & 3);
      }
    }
  }
  return keeper->entries;
}

RC_GTEST_PROP(DiffProperty, TheDifferencesTakeOneTraceIntoTheOther, ()) {
  TraceBuilder keeper;
  const Entries a = random_trace(&keeper);
  Entries b = a;
  TraceBuilder others;
  for (const auto& [what, where] : *rc::gen::container<std::vector<std::pair<uint8_t, uint16_t>>>(
           rc::gen::pair(rc::gen::inRange<uint8_t>(0, 6), rc::gen::arbitrary<uint16_t>()))) {
    const auto at = b.begin() + static_cast<std::ptrdiff_t>(b.empty() ? 0 : where % b.size());
    if (what == 0 && !b.empty()) b.erase(at);
    if (what == 1) b.insert(at, others.write(5, 4 * (where & 3), where >> 2 & 3).last());
    if (what == 2 && !b.empty()) b.insert(at, *at);
    if (what == 3 && !b.empty() && at + 1 != b.end()) std::iter_swap(at, at + 1);
    if (what == 4 && !b.empty() && at->event.kind == EventKind::kMmioWrite) {
      at->event.data = others.bytes_of(where & 7, 4);
    }
    if (what == 5 && !b.empty()) std::rotate(at, at + 1, b.end());
  }
  DiffOptions options;
  options.window_events = *rc::gen::element<size_t>(64, 100, 65'536);
  options.move_distance_max = *rc::gen::element<uint64_t>(0, 3, 4096);
  const Found found = compare(a, b, options, *rc::gen::inRange<size_t>(1, 40));
  const std::string wrong = apply(a, b, found.differences);
  RC_ASSERT(wrong == "");
  // No difference exactly when there is none.
  RC_ASSERT((apply(a, b, {}) == "") == found.differences.empty());
  RC_ASSERT(found.summary.a_events == a.size());
  RC_ASSERT(found.summary.b_events == b.size());
}

}  // namespace
}  // namespace dartboard::traces
