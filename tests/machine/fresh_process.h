// tests/machine/fresh_process.h - the same run in a process of its own.
#pragma once

#include <cstdint>
#include <string>

namespace dartboard::machine_test {

/// What the test program does when started as the fresh process: one run, its hash on stdout.
int print_random_run(uint64_t seed);

/// How the test program was started.
void set_program(const char* path);

/// Starts the program again for one run and returns what it printed; empty if it failed.
std::string hash_in_fresh_process(uint64_t seed);

}  // namespace dartboard::machine_test
