// bench/worlds.h - the one machine all benchmarks share (SystemC elaborates once per process).
#pragma once

#include "tests/support/random_run.h"
#include "tests/support/world.h"

namespace dartboard::bench {

/// The stack on a test endpoint, profile m4pro-tb5; freshly reset each time a benchmark asks for it.
support::World& worlds();

}  // namespace dartboard::bench
