// cli/iokit_world.h - the world of a real Mac: devices are reached through the installed dext.
#pragma once

#include <memory>

#include "base/error.h"
#include "dext/client/client.h"

namespace dartboard::cli {

class World;

/// kWrongPlatform with the reason where this program has no IOKit.
Result<void> iokit_available();
Result<std::unique_ptr<World>> make_iokit_world(const dext::Selector& device);

}  // namespace dartboard::cli
