// tests/support/random_run.h - a run of random operations through the whole stack, driven by the machine's tape.
//
// The workload of the determinism proof and of the reset benchmark: configuration, registers, device memory, DMA maps,
// device DMA (good and bad addresses), interrupts, resets.
#pragma once

#include <cstdint>

#include "sim/core/trace_hash.h"
#include "tests/support/world.h"

namespace dartboard::support {

inline constexpr unsigned kOperationsPerRun = 64;

/// Draws and does `operations` operations. Everything it maps it leaves mapped: the next restart() has to cope.
void random_operations(World& world, unsigned operations);

/// restart(seed), random_operations(), and the hash of all that happened, the state at the end included.
sim::Hash128 random_run(World& world, uint64_t seed, unsigned operations = kOperationsPerRun);

/// The same on a machine that was just powered on (the device is opened if it is not).
sim::Hash128 run_from_here(World& world, unsigned operations = kOperationsPerRun);

}  // namespace dartboard::support
