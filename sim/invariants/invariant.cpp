// sim/invariants/invariant.cpp - numbers and sentences.
#include "sim/invariants/invariant.h"

namespace dartboard::sim {
namespace {

struct Row {
  Invariant invariant;
  std::string_view number, statement;
};
constexpr Row kRows[] = {
    {Invariant::kDmaInsideMapping, "I-01", "a transfer that succeeds touches only what is mapped, in a permitted direction"},
    {Invariant::kNoDmaAfterUnmap, "I-02", "nothing reaches memory through a mapping that was taken away"},
    {Invariant::kRefusedLeavesFault, "I-03", "a transfer that the DART refuses is recorded once, with its address"},
    {Invariant::kMappingsDisjoint, "I-05", "no two live mappings of a root complex overlap"},
    {Invariant::kMappingsReturned, "I-07", "nothing stays mapped when the last client of the driver is gone"},
    {Invariant::kOneOutcome, "I-10", "every request has exactly one outcome"},
    {Invariant::kGatedByCommand, "I-14", "no transfer and no message succeeds while Bus Master is off"},
    {Invariant::kFailedReadsAllOnes, "I-15", "a read that failed is all-ones for the CPU"},
    {Invariant::kNoInterruptFromNowhere, "I-20", "not more interrupts are delivered than were sent"},
    {Invariant::kNoInterruptAfterStop, "I-21", "nothing is delivered to a driver that was terminated"},
    {Invariant::kVectorInRange, "I-22", "vectors are below the number that the platform has"},
    {Invariant::kServiceLife, "I-30", "a service is published once, then terminated once"},
    {Invariant::kQuietBeforeRelease, "I-31", "when a client dies, the device is quiet before its memory is given back"},
    {Invariant::kNoStaleHandle, "I-32", "connections are closed once, and only after they were opened"},
    {Invariant::kTimeMovesForward, "I-45", "simulated time never goes back, and nothing takes longer than an hour"},
};
constexpr bool in_order() {
  for (unsigned i = 0; i < kInvariantCount; ++i) {
    if (kRows[i].invariant != static_cast<Invariant>(i)) return false;
  }
  return sizeof kRows / sizeof kRows[0] == kInvariantCount;
}
static_assert(in_order(), "one row an invariant, in order");

}  // namespace

std::string_view number(Invariant invariant) { return kRows[static_cast<unsigned>(invariant)].number; }
std::string_view statement(Invariant invariant) { return kRows[static_cast<unsigned>(invariant)].statement; }

}  // namespace dartboard::sim
