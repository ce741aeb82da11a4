// cli/sim_world.h - the world of a simulated Mac, with a replay endpoint or the test endpoint in its first slot.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/endpoint/replay.h"
#include "sim/profile.h"
#include "traces/session.h"

namespace dartboard::cli {

class World;

/// `endpoint` and `storage`: see WorldChoice. kProfileInvalid, kNotFound, kScriptInvalid.
Result<std::unique_ptr<World>> make_sim_world(const std::string& profile, const std::string& endpoint = {},
                                              const std::string& storage = {});
/// The same from a profile that is already read.
std::unique_ptr<World> make_sim_world(const sim::Profile& profile);

/// A session's device as the model declares one.
model::EndpointDeclaration declaration_of(const traces::DeviceDescription& device);
/// The accesses to register BARs of a session as TLPs would carry them: cut into naturally aligned words of at most
/// 8 bytes, which is what MMIORead and MMIOWrite move.
std::vector<model::ReplayAccess> register_accesses(const traces::Session& session);

}  // namespace dartboard::cli
