// backend/dma/identity_strategy.cpp - see identity_strategy.h.
#include "backend/dma/identity_strategy.h"

namespace dartboard::backend::dma {

Result<void> IdentityStrategy::check_host() const {
  if (mapper_.places()) return {};
  return fail(ErrorName::kNotSupported,
              "identity: it needs a host where the caller chooses device addresses, as vfio on Linux does; this host's "
              "mapper chooses them itself, so take companion, windows, pool or direct");
}

}  // namespace dartboard::backend::dma
