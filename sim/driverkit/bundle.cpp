// sim/driverkit/bundle.cpp - the list of linked dexts, sorted by identifier.
#include "sim/driverkit/bundle.h"

#include <cstring>

#include "sim/driverkit/runtime.h"

namespace dartboard::driverkit {
namespace {
Bundle* bundles = nullptr;
}

Bundle::Bundle(const char* identifier, const PlistValue& personalities)
    : identifier_(identifier), personalities_(personalities) {
  Bundle** link = &bundles;
  while (*link != nullptr && std::strcmp((*link)->identifier_, identifier) < 0) link = &(*link)->next_;
  next_ = *link;
  *link = this;
}

Bundle* Bundle::first() {
  return bundles;
}

bool set_dext_enabled(std::string_view bundle_identifier, bool enabled) {
  for (Bundle* b = bundles; b != nullptr; b = b->next()) {
    if (bundle_identifier != b->identifier()) continue;
    b->enabled = enabled;
    return true;
  }
  return false;
}

}  // namespace dartboard::driverkit
