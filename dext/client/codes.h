// dext/client/codes.h - the Mach codes beside kIOReturn that a connection can answer with.
//
// Values: xnu osfmk/mach/message.h, mig_errors.h.
#pragma once

#include "base/io_return.h"

namespace dartboard::dext {

inline constexpr io_return::Code kSendInvalidDest = 0x10000003;                      ///< the port is dead
inline constexpr io_return::Code kServerDied = static_cast<io_return::Code>(-308);   ///< MIG_SERVER_DIED

/// The service behind the connection is away for good.
bool means_gone(io_return::Code code);

}  // namespace dartboard::dext
