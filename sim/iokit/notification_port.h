// sim/iokit/notification_port.h - the object behind an IONotificationPortRef.
//
// It is the client's memory, not the machine's: it survives a machine reset; only IONotificationPortDestroy ends it.
#pragma once

#include <IOKit/IOKitLib.h>

#include "sim/iokit/handle_table.h"

struct IONotificationPort {
  dartboard::iokit::PortName right = dartboard::iokit::kNoPort;
};

namespace dartboard::iokit {

/// The receive right behind a live port, kNoPort for anything else (NULL, destroyed).
PortName receive_right(IONotificationPortRef port);

}  // namespace dartboard::iokit
