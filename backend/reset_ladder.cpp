// backend/reset_ladder.cpp
#include "backend/reset_ladder.h"

#include <fmt/format.h>

#include "backend/call_error.h"

namespace dartboard::backend {

namespace {
constexpr uint32_t kNoAnswer = 0xffff;
constexpr uint32_t kNotReadyYet = 0x0001;  // Request Retry Status with RRS software visibility (PCIe 6.0 s2.3.2)
}  // namespace

Result<void> climb_reset_ladder(dext::Client& client, ConfigVirtualisation& config, uint16_t vendor_id) {
  // No DMA may be under way when the reset drops what the device was told. A device too far gone to take this write
  // is exactly one that needs the reset, so only a missing device ends the climb here.
  if (auto quiesced = config.quiesce_device(); !quiesced && means_gone(quiesced.error())) {
    return tl::unexpected(because("reset", quiesced.error()));
  }
  if (auto reset = client.reset(); !reset) {
    return tl::unexpected(because("reset failed, function-level and hot; detach the device and attach it again",
                                  reset.error(), ErrorName::kResetFailed));
  }
  uint32_t last = kNoAnswer;
  for (unsigned poll = 0; poll < kResetPollsMax; ++poll) {
    const auto read = client.config_read(0, 2);
    if (!read) {
      return tl::unexpected(
          because("reset done, but the device cannot be read", read.error(), ErrorName::kResetFailed));
    }
    last = *read;
    if (last != kNoAnswer && last != kNotReadyYet) break;
  }
  if (last != vendor_id) {
    return fail(ErrorName::kResetFailed,
                fmt::format("reset done, but the device does not answer: vendor id reads {:#06x} after {} tries, "
                            "expected {:#06x}; detach it and attach it again",
                            last, kResetPollsMax, vendor_id));
  }
  if (auto restored = config.park_device(); !restored) {
    return tl::unexpected(
        because("reset done, but Command could not be set", restored.error(), ErrorName::kResetFailed));
  }
  return {};
}

}  // namespace dartboard::backend
