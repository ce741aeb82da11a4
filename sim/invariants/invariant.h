// sim/invariants/invariant.h - what must hold in every run, by number, and how a breach is told.
//
// The numbers are those of docs/invariants.md. Ledgers check them from the stream of observable events alone: they
// share no code and no state with what they watch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dartboard::sim {

enum class Invariant : uint8_t {
  kDmaInsideMapping,       ///< I-01: a transfer that succeeds touches only what is mapped, in a permitted direction
  kNoDmaAfterUnmap,        ///< I-02: nothing reaches memory through a mapping that was taken away
  kRefusedLeavesFault,     ///< I-03: a transfer that the DART refuses is recorded once, with its address
  kMappingsDisjoint,       ///< I-05: no two live mappings of a root complex overlap
  kMappingsReturned,       ///< I-07: nothing stays mapped when the last client of the driver is gone
  kOneOutcome,             ///< I-10: every request has exactly one outcome
  kGatedByCommand,         ///< I-14: no transfer and no message succeeds while Bus Master is off
  kFailedReadsAllOnes,     ///< I-15: a read that failed is all-ones for the CPU
  kNoInterruptFromNowhere, ///< I-20: not more interrupts delivered than sent
  kNoInterruptAfterStop,   ///< I-21: nothing is delivered to a driver that was terminated
  kVectorInRange,          ///< I-22: vectors are below the number the platform has
  kServiceLife,            ///< I-30: a service is published once, then terminated once
  kQuietBeforeRelease,     ///< I-31: when a client dies, the device is quiet before its memory is given back
  kNoStaleHandle,          ///< I-32: connections are closed once, and only after they were opened
  kTimeMovesForward,       ///< I-45: simulated time never goes back, and no event takes longer than an hour
};
inline constexpr unsigned kInvariantCount = 15;

std::string_view number(Invariant invariant);     ///< "I-01"
std::string_view statement(Invariant invariant);  ///< one sentence

struct Violation {
  Invariant invariant;
  uint64_t time_ns = 0;
  std::string sentence;   ///< what was seen
};

/// Where ledgers put what they find. Keeps the first ones and counts all.
class Violations {
 public:
  static constexpr size_t kKept = 32;
  void add(Invariant invariant, uint64_t time_ns, std::string sentence) {
    ++count_;
    if (first_.size() < kKept) first_.push_back({invariant, time_ns, std::move(sentence)});
  }
  void clear() {
    count_ = 0;
    first_.clear();
  }
  uint64_t count() const { return count_; }
  const std::vector<Violation>& first() const { return first_; }

 private:
  uint64_t count_ = 0;
  std::vector<Violation> first_;
};

}  // namespace dartboard::sim
