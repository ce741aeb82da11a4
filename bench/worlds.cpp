// bench/worlds.cpp - see worlds.h.
#include "bench/worlds.h"

namespace dartboard::bench {

support::World& worlds() {
  static support::World* const world = [] {
    model::TestEndpointOptions options;
    options.msix_vectors = 8;              // a device with a few queues
    options.memory_bytes = 64 * kKiB;      // what the random run uses of it
    return new support::World("m4pro-tb5", options, 1, support::Ledgers::kOff);
  }();
  world->restart(1);
  return *world;
}

}  // namespace dartboard::bench
