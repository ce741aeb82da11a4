// bench/worlds.cpp - see worlds.h.
#include "bench/worlds.h"

namespace dartboard::bench {

support::World& worlds() {
  static support::World* const world = new support::World("m4pro-tb5");
  world->restart(1);
  return *world;
}

}  // namespace dartboard::bench
