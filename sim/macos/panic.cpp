// sim/macos/panic.cpp - the stable names of panic causes.
#include "sim/macos/kernel.h"

namespace dartboard::macos {

std::string_view to_string(PanicCause cause) {
  switch (cause) {
    case PanicCause::kDartFault: return "dart-fault";
    case PanicCause::kInboundAddress: return "inbound-address";
    case PanicCause::kStaleBarAccess: return "stale-bar-access";
    case PanicCause::kMapperRequire: return "mapper-require";
    case PanicCause::kDextWatchdog: return "dext-watchdog";
    case PanicCause::kMmioWrite: return "mmio-write";
  }
  return "unknown";
}

}  // namespace dartboard::macos
