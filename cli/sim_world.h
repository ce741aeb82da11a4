// cli/sim_world.h - the world of a simulated Mac, with a replay endpoint or the test endpoint in its first slot.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "sim/profile.h"

namespace dartboard::cli {

class World;

/// `endpoint` and `storage`: see WorldChoice. kProfileInvalid, kNotFound, kScriptInvalid.
Result<std::unique_ptr<World>> make_sim_world(const std::string& profile, const std::string& endpoint = {},
                                              const std::string& storage = {});
/// The same from a profile that is already read.
std::unique_ptr<World> make_sim_world(const sim::Profile& profile);

}  // namespace dartboard::cli
