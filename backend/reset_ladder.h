// backend/reset_ladder.h - resetting a device so that it always ends: quiesce, reset, see that it answers.
#pragma once

#include <cstdint>

#include "backend/config_virtualisation.h"
#include "base/error.h"
#include "dext/client/client.h"

namespace dartboard::backend {

/// Config reads of the vendor id after a reset before the device is given up. The dext returns from a reset only after
/// the waits the specification asks for, so a device that will answer does so at once.
inline constexpr unsigned kResetPollsMax = 64;

/// Bus master off; the dext's reset (function-level, else hot reset); the device must answer with its vendor id again
/// within kResetPollsMax reads; then Command as after open: memory on, bus master off.
/// kResetFailed or kDeviceGone, with a sentence; the device's bus master is off unless it does not answer.
Result<void> climb_reset_ladder(dext::Client& client, ConfigVirtualisation& config, uint16_t vendor_id);

}  // namespace dartboard::backend
