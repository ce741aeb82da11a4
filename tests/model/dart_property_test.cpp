// tests/model/dart_property_test.cpp - the DART against an oracle that knows nothing of tables, TLBs or grants.
//
// Random map, unmap, invalidate, DMA, stream switches and resets on every variant and granule. Three answers are
// compared for each request: the fast path (access: grants and TLB), the slow path (lookup_slow: a walk) and the oracle
// (std::map of what software mapped, and of what a TLB may still hold because nobody invalidated it).
// Invariants I-01, I-02, I-03, I-09. DARTBOARD_DART_OPS sets the number of operations in all.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "tests/model/dart_rig.h"

namespace dartboard::model::test {
namespace {

constexpr uint64_t kOperations = 1'000'000;
constexpr uint64_t kOperationsARound = 5000;   // then another TLB, other protections
constexpr unsigned kPages = 45, kFrames = 8, kSets = 3;
constexpr Sid kSids[] = {Sid(1), Sid(4), Sid(9)};   // the third translates as the first, by remap

struct Draws {
  uint64_t state;
  uint64_t operator()(uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % below;
  }
  bool one_in(uint64_t n) { return (*this)(n) == 0; }
};

struct Shape {
  const char* name;
  DartVariant variant;
  unsigned page_shift, va_width, pa_width;
};
void PrintTo(const Shape& s, std::ostream* out) { *out << s.name; }
constexpr Shape kShapes[] = {
    {"t8020_16K", DartVariant::kT8020, 14, 38, 36}, {"t8020_4K", DartVariant::kT8020, 12, 32, 36},
    {"t6000_16K", DartVariant::kT6000, 14, 38, 42}, {"t6000_4K", DartVariant::kT6000, 12, 32, 42},
    {"usb4_16K", DartVariant::kUsb4, 14, 38, 36},   {"usb4_4K", DartVariant::kUsb4, 12, 32, 36},
    {"t8110_16K", DartVariant::kT8110, 14, 42, 42}, {"t8110_4K", DartVariant::kT8110, 12, 39, 42},
};

uint64_t operations() {
  const char* const text = std::getenv("DARTBOARD_DART_OPS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : kOperations;
}

/// What a page says: where it leads and what it lets through.
struct Page {
  uint64_t frame;
  bool no_read, no_write;
  uint64_t first, end;   // bytes of the page
  friend auto operator<=>(const Page&, const Page&) = default;
};

class Machine {
 public:
  Machine(const Shape& shape, uint64_t seed) : shape_(shape), draw_{seed} {
    DartConfig config{.variant = shape.variant,
                      .page_shift = shape.page_shift,
                      .sid_count = 16,
                      .va_width = shape.va_width,
                      .pa_width = shape.pa_width,
                      .tlb_sets = 1u << draw_(5),
                      .tlb_ways = 1u << draw_(3),
                      .enforce_write_protect = !draw_.one_in(3),
                      .enforce_read_protect = !draw_.one_in(8),
                      .bypass_support = shape.variant != DartVariant::kUsb4,
                      .completer_abort = draw_.one_in(2),
                      .tlb_flush_ns = draw_.one_in(2) ? 500u : 0u};
    config_ = config;
    fabric_.start(RootComplexConfig{.dart = config});
    page_ = dart_.geometry().page_bytes();
    bytes_ = std::make_unique<Pages>(kFrames * page_);
    shadow_.assign(kFrames * page_, std::byte{0});
    memory_ = fabric_.memory.wire(bytes_->data(), bytes_->size(), page_);
    t8110_ = shape.variant == DartVariant::kT8110;
    for (unsigned i = 0; i < kSets; ++i) sets_.emplace_back(fabric_.memory, dart_, t8110_ ? 3 : 2, t8110_ ? 1 : 2);
    set_up_streams();
  }

  void step() {
    switch (draw_(20)) {
      case 0:
      case 1:
      case 2: return map();
      case 3: return unmap();
      case 5: return draw_.one_in(4) ? invalidate() : void();
      case 6: return draw_.one_in(8) ? switch_stream() : void();
      case 7:
        if (draw_.one_in(200)) reset();
        return;
      case 8: return draw_.one_in(8) ? disturb_memory() : void();
      default: return request();
    }
  }

  /// Once in a while: every byte and every grant.
  void check_all() {
    ASSERT_EQ(std::memcmp(bytes_->data(), shadow_.data(), shadow_.size()), 0) << "bytes that no request wrote";
    check_grants();
  }
  const DartStats& stats() const { return dart_.stats(); }
  uint64_t grant_hits = 0, faults = 0, hits = 0;   // over resets

 private:
  using Key = std::pair<unsigned, uint64_t>;   // table set or stream, page index
  enum class Mode { kTranslate, kStopped, kBypass };
  struct Stream {
    bool enabled = false;
    Mode mode = Mode::kStopped;
    unsigned set = 0;
  };

  // Pages in three places, so that more than one table of each height (or TTBR) is in use; the last place has none.
  Iova iova_of(uint64_t index) const {
    const unsigned reach = dart_.geometry().reach_bits(2);
    const uint64_t place = index % 3;
    uint64_t base = place << (t8110_ ? reach - 1 : reach);
    if (!t8110_ && place == 2) base = uint64_t{3} << reach;
    return Iova(base + (index / 3 + 5) * page_);
  }
  bool has_root(uint64_t index) const { return t8110_ || index % 3 != 2; }
  unsigned as(unsigned which) const { return which == 2 ? 0 : which; }

  void set_up_streams() {
    for (unsigned i = 0; i < 3; ++i) {
      if (i < 2) registers_.use_tables(kSids[i], sets_[i]);
      registers_.enable(kSids[i], true);
      streams_[i] = {true, Mode::kTranslate, as(i)};
    }
    registers_.remap(kSids[2], kSids[0]);
  }

  void map() {
    const unsigned set = static_cast<unsigned>(draw_(kSets));
    const uint64_t index = draw_(kPages);
    if (!has_root(index) || mapped_.contains({set, index})) return;
    Page page{draw_.one_in(2) ? (index / 3) % kFrames : draw_(kFrames), draw_.one_in(8), draw_.one_in(6), 0, page_};
    Pte pte{.address = memory_ + page.frame * page_, .no_read = page.no_read, .no_write = page.no_write};
    if (draw_.one_in(8)) {
      const uint64_t units = page_ / 4;
      pte.subpage_start = static_cast<uint16_t>(draw_(units));
      pte.subpage_end = static_cast<uint16_t>(pte.subpage_start + draw_(units - pte.subpage_start));
      page.first = pte.subpage_start * 4u;
      page.end = (pte.subpage_end + 1u) * 4u;
      if (dart_.layout().pte_format == PteFormat::kDart1 && draw_.one_in(2)) {
        pte.no_subpage = true;
        page.first = 0;
        page.end = page_;
      }
    }
    sets_[set].map(iova_of(index), pte);
    mapped_[{set, index}] = page;
    note_tables(set, index);
  }
  // Tables stay when their last entry goes, so the code for "no entry" depends on what was mapped before.
  void note_tables(unsigned set, uint64_t index) {
    const unsigned bits = dart_.geometry().index_bits();
    leaves_.insert({set, iova_of(index).value >> (shape_.page_shift + bits)});
    middles_.insert({set, iova_of(index).value >> (shape_.page_shift + 2 * bits)});
  }

  void unmap() {
    if (mapped_.empty()) return;
    auto at = mapped_.lower_bound({static_cast<unsigned>(draw_(kSets)), draw_(kPages)});
    if (at == mapped_.end()) at = mapped_.begin();
    const auto [set, index] = at->first;
    sets_[set].unmap(iova_of(index));
    for (unsigned s = 0; s < 2; ++s) {
      if (streams_[s].set == set) stale_[{s, index}].insert(at->second);
    }
    mapped_.erase(at);
    if (!draw_.one_in(4)) invalidate_page(set, index);
  }

  void wait_idle() {
    if (config_.tlb_flush_ns != 0) {
      ASSERT_TRUE(registers_.busy());
      for (uint64_t n = draw_(3); n != 0; --n) request();   // before BUSY is low, old and new are both right
      fabric_.timeline.advance(config_.tlb_flush_ns);
    }
    ASSERT_FALSE(registers_.busy());
  }
  void invalidate_page(unsigned set, uint64_t index) {
    for (unsigned s = 0; s < 2; ++s) {
      if (streams_[s].set != set) continue;
      if (t8110_) {
        const uint64_t page = iova_of(index).value >> shape_.page_shift;
        registers_.flush_range(kSids[s], page, page);
        wait_idle();
        stale_.erase({s, index});
      } else {
        registers_.flush_sid(kSids[s]);
        wait_idle();
        forget(s);
      }
    }
    check_grants();
  }
  void invalidate() {
    if (draw_.one_in(2)) {
      registers_.flush_all();
      wait_idle();
      stale_.clear();
    } else {
      const unsigned s = static_cast<unsigned>(draw_(2));
      registers_.flush_sid(kSids[s]);
      wait_idle();
      forget(s);
    }
    check_grants();
  }
  void forget(unsigned s) {
    std::erase_if(stale_, [s](const auto& entry) { return entry.first.first == s; });
  }

  // What a stream's TLB may hold of the tables it leaves.
  void keep_stale(unsigned s) {
    for (const auto& [key, page] : mapped_) {
      if (key.first == streams_[s].set) stale_[{s, key.second}].insert(page);
    }
  }
  void switch_stream() {
    const unsigned s = static_cast<unsigned>(draw_(2));
    Stream& stream = streams_[s];
    switch (draw_(12)) {
      case 0:
        registers_.enable(kSids[s], stream.enabled = !stream.enabled);
        break;
      case 1:
        registers_.stop(kSids[s]);
        stream.mode = Mode::kStopped;
        break;
      case 2:
        if (!config_.bypass_support) break;
        registers_.bypass(kSids[s]);
        stream.mode = Mode::kBypass;
        break;
      default:
        keep_stale(s);
        stream.set = static_cast<unsigned>(draw_(kSets));
        stream.mode = Mode::kTranslate;
        stream.enabled = true;
        registers_.use_tables(kSids[s], sets_[stream.set]);
        registers_.enable(kSids[s], true);
        streams_[2] = {streams_[2].enabled, streams_[0].mode, streams_[0].set};
        if (!draw_.one_in(4)) {
          registers_.flush_sid(kSids[s]);
          wait_idle();
          forget(s);
        }
    }
    streams_[2] = {streams_[2].enabled, streams_[0].mode, streams_[0].set};
  }

  void reset() {
    note_stats();
    dart_.reset();
    stale_.clear();
    set_up_streams();
  }
  void note_stats() {
    grant_hits += dart_.stats().grant_hits;
    faults += dart_.stats().faults;
    hits += dart_.stats().tlb_hits;
  }

 public:
  void finish() { note_stats(); }

 private:
  /// Frames come and go elsewhere: every pointer that the DART keeps is looked up again.
  void disturb_memory() {
    const Hpa block = fabric_.memory.allocate(kWiringBytes, kWiringBytes);
    fabric_.memory.release(block, kWiringBytes);
  }

  // The oracle ------------------------------------------------------------------------------------------------------

  DartError permits(const Page& page, uint64_t offset, uint64_t length, bool write) const {
    if (write && page.no_write && config_.enforce_write_protect) return DartError::kWriteFault;
    if (!write && page.no_read && config_.enforce_read_protect) return DartError::kReadFault;
    return offset < page.first || offset + length > page.end ? DartError::kRegionProtect : DartError::kNone;
  }
  /// By the tables as they are now.
  DartError truth(unsigned which, uint64_t index, uint64_t offset, uint64_t length, bool write, uint64_t* at) const {
    const Stream& stream = streams_[which];
    if (!stream.enabled || stream.mode != Mode::kTranslate || !has_root(index)) return DartError::kNoTtbr;
    const auto found = mapped_.find({stream.set, index});
    if (found == mapped_.end()) {
      const unsigned bits = dart_.geometry().index_bits();
      const uint64_t iova = iova_of(index).value;
      if (leaves_.contains({stream.set, iova >> (shape_.page_shift + bits)})) return DartError::kNoPte;
      if (!t8110_ || middles_.contains({stream.set, iova >> (shape_.page_shift + 2 * bits)})) return DartError::kNoPmd;
      return DartError::kNoPgd;
    }
    *at = found->second.frame * page_ + offset;
    return permits(found->second, offset, length, write);
  }

  void request() {
    if (draw_.one_in(6)) {   // a device stays with a stream and a buffer for a while
      last_stream_ = static_cast<unsigned>(draw_(3));
      last_index_ = draw_(kPages);
    }
    const unsigned which = last_stream_;
    const uint64_t index = last_index_;
    const bool write = draw_.one_in(2);
    const uint64_t offset = draw_.one_in(4) ? 0 : draw_(page_);
    const Stream& stream = streams_[which];
    if (stream.enabled && stream.mode == Mode::kBypass) return bypassed(which, write, offset);
    check_slow(which, index, offset, write);
    // Over several pages if what each of them must do is certain; pages 3 apart in `index` are neighbours.
    uint64_t pages = 1;
    while (pages < 4 && index + 3 * pages < kPages && !stale_.contains({as(which), index + 3 * (pages - 1)})) ++pages;
    if (stale_.contains({as(which), index + 3 * (pages - 1)})) pages = std::max<uint64_t>(pages, 2) - 1;
    const uint64_t most = draw_.one_in(3) ? pages * page_ - offset : std::min<uint64_t>(64, page_ - offset);
    const uint64_t length = 1 + draw_(most);
    data_.resize(length);
    const auto fill = static_cast<uint8_t>(draw_(251) + 1);
    for (uint64_t i = 0; i < length; ++i) data_[i] = static_cast<std::byte>(fill + i * 7);
    fabric_.observer->faults.clear();
    const uint64_t moved_before = write ? dart_.stats().bytes_written : dart_.stats().bytes_read;
    sent_ = data_;
    const Outcome outcome =
        dart_.access(kSids[which], Fabric::kRid, iova_of(index) + offset, data_.data(), length, write);
    const uint64_t moved = (write ? dart_.stats().bytes_written : dart_.stats().bytes_read) - moved_before;
    if (stale_.contains({as(which), index})) {
      check_either(which, index, offset, length, write, outcome);
    } else {
      check_exact(which, index, offset, length, write, outcome, moved);
    }
  }

  void check_slow(unsigned which, uint64_t index, uint64_t offset, bool write) {
    uint64_t at = 0;
    const DartError why = truth(which, index, offset, 1, write, &at);
    const DartLookup expected{why, why == DartError::kNone ? memory_ + at : Hpa(0)};
    const DartLookup got = std::as_const(dart_).lookup_slow(kSids[which], iova_of(index) + offset, write);
    ASSERT_TRUE(got == expected) << "slow path: " << static_cast<int>(got.why) << " at " << got.address.value
                                 << ", oracle: " << static_cast<int>(why);
  }

  void check_exact(unsigned which, uint64_t index, uint64_t offset, uint64_t length, bool write, Outcome outcome,
                   uint64_t moved) {
    uint64_t done = 0;
    DartError why = DartError::kNone;
    while (done < length) {
      const uint64_t in_page = (offset + done) % page_;
      const uint64_t part = std::min(length - done, page_ - in_page);
      uint64_t at = 0;
      why = truth(which, index + 3 * ((offset + done) / page_), in_page, part, write, &at);
      if (why != DartError::kNone) break;
      if (write) {
        std::memcpy(shadow_.data() + at, sent_.data() + done, part);
      } else {
        ASSERT_EQ(std::memcmp(shadow_.data() + at, data_.data() + done, part), 0) << "read: other bytes";
      }
      touched_.push_back({at, part});
      done += part;
    }
    for (const auto& [at, part] : touched_) {
      ASSERT_EQ(std::memcmp(bytes_->data() + at, shadow_.data() + at, part), 0) << "memory differs";
    }
    touched_.clear();
    ASSERT_EQ(moved, done);
    if (why == DartError::kNone) {
      ASSERT_EQ(outcome, Outcome::kSuccess);
      ASSERT_TRUE(fabric_.observer->faults.empty());
      return;
    }
    check_refusal(which, iova_of(index) + offset + done, write, outcome, done);
    ASSERT_EQ(fabric_.observer->faults[0].code & dart_.layout().bit_of(why), dart_.layout().bit_of(why));
  }

  /// A page that a TLB may still hold: everything that one of the answers explains is right.
  void check_either(unsigned which, uint64_t index, uint64_t offset, uint64_t length, bool write, Outcome outcome) {
    std::set<Page> answers = stale_[{as(which), index}];
    const Stream& stream = streams_[which];
    const auto now = mapped_.find({stream.set, index});
    const bool on = stream.enabled && stream.mode == Mode::kTranslate;
    if (now != mapped_.end() && has_root(index)) answers.insert(now->second);
    if (!on) answers.clear();
    if (outcome != Outcome::kSuccess) {
      const bool may_fail =
          !on || now == mapped_.end() ||
          std::any_of(answers.begin(), answers.end(),
                      [&](const Page& p) { return permits(p, offset, length, write) != DartError::kNone; });
      ASSERT_TRUE(may_fail) << "refused although every answer allows it";
      return check_refusal(which, iova_of(index) + offset, write, outcome, 0);
    }
    for (const Page& page : answers) {
      if (permits(page, offset, length, write) != DartError::kNone) continue;
      std::byte* const at = shadow_.data() + page.frame * page_ + offset;
      if (!write) {
        if (std::memcmp(at, data_.data(), length) == 0) return;
        continue;
      }
      // Written here if then every page that was a candidate is as it should be.
      const std::vector<std::byte> before(at, at + length);
      std::memcpy(at, sent_.data(), length);
      if (std::all_of(answers.begin(), answers.end(), [&](const Page& other) {
            const uint64_t place = other.frame * page_ + offset;
            return std::memcmp(bytes_->data() + place, shadow_.data() + place, length) == 0;
          })) {
        return;
      }
      std::memcpy(at, before.data(), length);
    }
    FAIL() << "an access that no mapping explains";
  }

  /// I-03: once, with address, stream and direction; the rest of a read is all-ones.
  void check_refusal(unsigned which, Iova at, bool write, Outcome outcome, uint64_t done) {
    ASSERT_EQ(outcome, config_.completer_abort ? Outcome::kCompleterAbort : Outcome::kUnsupportedRequest);
    ASSERT_EQ(fabric_.observer->faults.size(), 1u);
    const DartFault& fault = fabric_.observer->faults[0];
    ASSERT_EQ(fault.address, at);
    ASSERT_EQ(fault.sid, kSids[which]);
    ASSERT_EQ(fault.is_write, write);
    if (write) return;
    ASSERT_TRUE(std::all_of(data_.begin() + static_cast<std::ptrdiff_t>(done), data_.end(),
                            [](std::byte b) { return b == std::byte{0xff}; }));
  }

  void bypassed(unsigned which, bool write, uint64_t offset) {
    const uint64_t length = std::min<uint64_t>(32, page_ - offset);
    data_.assign(length, static_cast<std::byte>(draw_(256)));
    // The older variants' bus address is 32 bits; the rest comes from TCR.
    const Iova iova(t8110_ ? memory_.value + offset : (memory_.value + offset) & UINT32_MAX);
    ASSERT_EQ(dart_.lookup_slow(kSids[which], iova, write), (DartLookup{DartError::kNone, memory_ + offset}));
    ASSERT_EQ(dart_.access(kSids[which], Fabric::kRid, iova, data_.data(), length, write), Outcome::kSuccess);
    if (write) std::memcpy(shadow_.data() + offset, data_.data(), length);
    ASSERT_EQ(std::memcmp(bytes_->data() + offset, data_.data(), length), 0);
  }

  /// No grant shows more than the oracle allows.
  void check_grants() {
    for (const DartGrant& grant : dart_.grants()) {
      if (grant.bytes == 0 || grant.generation != fabric_.memory.generation()) continue;
      unsigned which = 0;
      while (kSids[which] != grant.sid) ++which;
      ASSERT_TRUE(streams_[which].enabled && streams_[which].mode == Mode::kTranslate);
      for (uint64_t index = 0; index < kPages; ++index) {
        const uint64_t at = iova_of(index).value - grant.first.value;
        if (at >= grant.bytes || !has_root(index)) continue;
        const auto explains = [&](const Page& page) {
          return grant.host + at == bytes_->data() + page.frame * page_ && page.first == 0 && page.end == page_ &&
                 (!grant.readable || permits(page, 0, page_, false) == DartError::kNone) &&
                 (!grant.writable || permits(page, 0, page_, true) == DartError::kNone);
        };
        const auto now = mapped_.find({streams_[which].set, index});
        const auto old = stale_.find({as(which), index});
        ASSERT_TRUE((now != mapped_.end() && explains(now->second)) ||
                    (old != stale_.end() && std::any_of(old->second.begin(), old->second.end(), explains)))
            << "a grant for a page that is not mapped so";
      }
    }
  }

  Shape shape_;
  Draws draw_;
  Fabric& fabric_ = Fabric::instance();
  Dart& dart_ = fabric_.root.dart();
  DartProgrammer registers_{dart_};
  DartConfig config_;
  bool t8110_ = false;
  uint64_t page_ = 0;
  std::unique_ptr<Pages> bytes_;
  std::vector<std::byte> shadow_, data_, sent_;
  Hpa memory_;
  std::vector<TableSet> sets_;
  Stream streams_[3];
  std::map<Key, Page> mapped_;              // by table set
  std::map<Key, std::set<Page>> stale_;     // by stream
  std::set<Key> leaves_, middles_;          // tables that exist
  std::vector<std::pair<uint64_t, uint64_t>> touched_;
  unsigned last_stream_ = 0;
  uint64_t last_index_ = 0;
};

class DartProperty : public testing::TestWithParam<Shape> {};
INSTANTIATE_TEST_SUITE_P(Variants, DartProperty, testing::ValuesIn(kShapes),
                         [](const auto& test) { return test.param.name; });

TEST_P(DartProperty, FastPathSlowPathAndOracleAgree) {
  const uint64_t total = operations() / std::size(kShapes);
  uint64_t seed = 0x9e37'79b9'7f4a'7c15ull ^ static_cast<uint64_t>(GetParam().variant) << 8 ^ GetParam().page_shift;
  uint64_t grant_hits = 0, faults = 0, hits = 0;
  for (uint64_t done = 0; done < total; done += kOperationsARound) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    Machine machine(GetParam(), seed | 1);
    for (uint64_t i = 0; i < kOperationsARound; ++i) {
      machine.step();
      if (testing::Test::HasFatalFailure()) FAIL() << "round seed " << seed << ", operation " << i;
      if (i % 500 == 0) machine.check_all();
    }
    machine.check_all();
    machine.finish();
    grant_hits += machine.grant_hits;
    faults += machine.faults;
    hits += machine.hits;
  }
  EXPECT_GT(grant_hits, total / 25) << "the fast path was hardly used";
  EXPECT_GT(hits, total / 10);
  EXPECT_GT(faults, total / 10);
}

}  // namespace
}  // namespace dartboard::model::test
