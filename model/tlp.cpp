// model/tlp.cpp - names of request kinds and outcomes, and the all-ones answer.
#include "model/tlp.h"

#include <cstring>

namespace dartboard::model {

std::string_view to_string(TlpKind kind) {
  constexpr std::string_view kNames[kTlpKindCount] = {"MRd",    "MWr",    "IORd",   "IOWr", "CfgRd0",
                                                      "CfgWr0", "CfgRd1", "CfgWr1", "Msg"};
  return kNames[static_cast<unsigned>(kind)];
}

std::string_view to_string(Outcome outcome) {
  constexpr std::string_view kNames[kOutcomeCount] = {"pending", "SC",       "UR",      "CA",
                                                      "RRS",     "timeout",  "poisoned", "link-down"};
  return kNames[static_cast<unsigned>(outcome)];
}

void complete_all_ones(tlm::tlm_generic_payload& payload, TlpExtension* extension, Outcome outcome) {
  if (payload.is_read()) std::memset(payload.get_data_ptr(), 0xff, payload.get_data_length());
  complete(payload, extension, outcome);
}

}  // namespace dartboard::model
