// bench/worlds.cpp - see worlds.h.
#include "bench/worlds.h"

namespace dartboard::bench {

support::World& worlds() {
  static support::World* const world = [] {
    model::TestEndpointOptions options;
    options.msix_vectors = 8;   // what an NVMe controller or a GPU of the field asks for on few queues
    return new support::World("m4pro-tb5", options, 1);
  }();
  world->restart(1);
  return *world;
}

}  // namespace dartboard::bench
