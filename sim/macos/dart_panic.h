// sim/macos/dart_panic.h - what macOS prints when DMA goes wrong for good.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/types.h"
#include "model/dart_variant.h"
#include "model/observer.h"

namespace dartboard::macos {

/// A DART fault. From the t8110 on the secure page-table monitor reports it (SPTM, err_mask = the ERROR register);
/// before, the DART's driver does. Followed by the port, the direction, the requester and the address.
std::string dart_panic_text(const model::DartLayout& layout, std::string_view port, const model::DartFault& fault);

/// REQADDR_GT32: `interrupt_status` is the port's INTSTAT, which macOS prints as pcielint.
std::string address_overflow_panic_text(std::string_view port, uint32_t interrupt_status, Rid requester,
                                        uint64_t address);

}  // namespace dartboard::macos
