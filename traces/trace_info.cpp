// traces/trace_info.cpp - names of what a trace says about itself.
#include "traces/trace_info.h"

namespace dartboard::traces {

std::string_view to_string(Clock clock) {
  switch (clock) {
    case Clock::kNone: return "none";
    case Clock::kMonotonic: return "monotonic";
    case Clock::kRealtime: return "realtime";
    case Clock::kSimulated: return "simulated";
  }
  return "none";
}

std::string_view to_string(PayloadPolicy policy) {
  switch (policy) {
    case PayloadPolicy::kFull: return "full";
    case PayloadPolicy::kHash: return "hash";
    case PayloadPolicy::kNone: return "none";
  }
  return "full";
}

}  // namespace dartboard::traces
