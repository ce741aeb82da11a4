// model/observer.cpp - names of the kinds of reset.
#include "model/observer.h"

namespace dartboard::model {

std::string_view to_string(ResetKind kind) {
  constexpr std::string_view kNames[kResetKindCount] = {"power-on", "PERST",     "hot reset",
                                                        "FLR",      "D3hot->D0", "link down"};
  return kNames[static_cast<unsigned>(kind)];
}

}  // namespace dartboard::model
