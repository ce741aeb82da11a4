// sim/macos/dart_panic.cpp - the texts, in the words of panic logs that people published.
#include "sim/macos/dart_panic.h"

#include <fmt/format.h>

namespace dartboard::macos {
namespace {

std::string rid_text(Rid rid) {
  return fmt::format("{:02x}:{:02x}.{}", rid.bus(), rid.device(), rid.function());
}

/// The exception's name for the lowest code bit that is set.
std::string_view exception(const model::DartLayout& layout, uint32_t code) {
  using model::DartError;
  constexpr struct {
    DartError error;
    std::string_view name;
  } kNames[] = {
      {DartError::kNoTtbr, "TTBR invalid"},         {DartError::kNoPmd, "L2E invalid"},
      {DartError::kNoPte, "PTE invalid"},           {DartError::kWriteFault, "write protection"},
      {DartError::kReadFault, "read protection"},   {DartError::kAxiDecode, "AXI decode"},
      {DartError::kAxiError, "AXI slave error"},    {DartError::kRegionProtect, "region protection"},
  };
  for (const auto& row : kNames) {
    if ((code & layout.bit_of(row.error)) != 0) return row.name;
  }
  return "unknown";
}

}  // namespace

std::string dart_panic_text(const model::DartLayout& layout, std::string_view port, const model::DartFault& fault) {
  const uint32_t error = 1u << 31 | fault.code;  // FLAG is bit 31 in every variant
  const std::string_view direction = fault.is_write ? "write" : "read";
  if (layout.variant == model::DartVariant::kT8110) {
    return fmt::format("VIOLATION_T8110_DART_INVALID_ERR_MASK {:#010x}: {} {} of {} at {:#x}", error, port, direction,
                       rid_text(fault.requester), fault.address.value);
  }
  return fmt::format("DART({}) error: SID {} {} exception on {} of DVA {:#x} ERROR_STATUS {:#010x}: {}", port,
                     fault.sid.value, exception(layout, fault.code), direction, fault.address.value, error,
                     rid_text(fault.requester));
}

std::string address_overflow_panic_text(std::string_view port, uint32_t interrupt_status, Rid requester,
                                        uint64_t address) {
  return fmt::format("handleInterrupt: Request address is greater than 32 bits: {} {} asked for {:#x}, "
                     "pcielint={:#010x} @AppleT8103PCIeCPort.cpp:1301",
                     port, rid_text(requester), address, interrupt_status);
}

}  // namespace dartboard::macos
