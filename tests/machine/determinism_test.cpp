// tests/machine/determinism_test.cpp - reset() is proved: a run after any history hashes like the run in a new process.
#include <array>
#include <cstdio>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "tests/machine/fresh_process.h"
#include "tests/support/random_run.h"

namespace dartboard::machine_test {
namespace {

constexpr const char* kProfiles[] = {"linux-iommu", "m4pro-tb5", "m1-tb4"};
std::string program;

const char* profile_of(uint64_t seed) { return kProfiles[seed % std::size(kProfiles)]; }

}  // namespace

void set_program(const char* path) { program = path; }

int print_random_run(uint64_t seed) {
  support::World world(profile_of(seed));
  std::printf("%s\n", support::random_run(world, seed).hex().c_str());
  return 0;
}

std::string hash_in_fresh_process(uint64_t seed) {
  const std::string command = "'" + program + "' --random-run " + std::to_string(seed);
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return {};
  std::array<char, 64> line{};
  std::string text;
  if (std::fgets(line.data(), line.size(), pipe) != nullptr) text = line.data();
  if (::pclose(pipe) != 0) return {};
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

namespace {

TEST(Determinism, ThousandRunsAfterResetHashAsInAFreshProcess) {
  constexpr uint64_t kRuns = 1000;
  std::set<std::string> distinct;
  for (size_t p = 0; p < std::size(kProfiles); ++p) {
    support::World world(kProfiles[p]);
    for (uint64_t seed = p; seed < kRuns; seed += std::size(kProfiles)) {
      const std::string after_history = support::random_run(world, seed).hex();
      ASSERT_EQ(after_history, hash_in_fresh_process(seed)) << "profile " << kProfiles[p] << ", seed " << seed;
      distinct.insert(after_history);
    }
  }
  EXPECT_EQ(distinct.size(), kRuns) << "runs with different seeds must differ, or the hash sees nothing";
}

TEST(Determinism, RecordedTapeReplaysToTheSameHash) {
  support::World world("linux-iommu");
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::string seeded = support::random_run(world, seed).hex();
    const std::vector<sim::Draw> draws = world.machine().tape().recorded();
    world.close();
    sim::PowerOn what;
    what.profile = &world.profile();
    what.devices = {&world.endpoint()};
    what.tape = &draws;
    ASSERT_TRUE(world.machine().power_on(what).has_value());
    EXPECT_EQ(support::run_from_here(world).hex(), seeded) << "seed " << seed;
    EXPECT_FALSE(world.machine().tape().diverged());
  }
}

TEST(Determinism, AForgottenEventIsSeen) {
  // A canary: one register write more must change the hash, or the proof above proves nothing.
  support::World world("linux-iommu");
  const std::string plain = support::random_run(world, 7).hex();
  world.write32(model::test_register::kScratch, 1);
  EXPECT_NE(world.machine().hash().value().hex(), plain);
}

}  // namespace
}  // namespace dartboard::machine_test
