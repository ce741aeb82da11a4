// cli/op_script.h - a script of operations on a passthrough device: one a line, as a guest would make them.
//
//   # comment
//   config.read OFFSET WIDTH [= VALUE]        config.write OFFSET WIDTH VALUE
//   barN.read OFFSET WIDTH [= VALUE]          barN.write OFFSET WIDTH VALUE
//   map KEY BYTES                             unmap KEY
//   fill KEY BYTE                             check KEY OFFSET BYTES BYTE
//   irq KIND FIRST COUNT                      irq.off KIND
//   pump        wait NS        reset
//
// Numbers are decimal or 0x hexadecimal; a VALUE may also be @KEY or @KEY+OFFSET, the bus address of a mapping. KIND is
// msi or msix. `= VALUE` and `check` are expectations: what differs is counted. A map that is refused ends the script,
// as it would end a driver.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/passthrough_device.h"
#include "base/error.h"
#include "cli/scenario.h"

namespace dartboard::cli {

struct OpValue {
  std::optional<uint64_t> mapping;   ///< key of the mapping whose address is meant
  uint64_t number = 0;               ///< value, or offset into the mapping
};

struct Op {
  enum class Kind : uint8_t { kRead, kWrite, kMap, kUnmap, kFill, kCheck, kIrq, kIrqOff, kPump, kWait, kReset };
  Kind kind = Kind::kPump;
  backend::Region region = backend::Region::kConfig;
  backend::IrqKind irq = backend::IrqKind::kMsix;
  uint64_t a = 0, b = 0, c = 0;      ///< offset, width; key, bytes; first, count; ns
  OpValue value;
  bool expected = false;             ///< a read with an expectation
  unsigned line = 0;
};

inline constexpr size_t kOpsMax = 1'000'000;
inline constexpr uint64_t kOpMapBytesMax = 64 * kMiB;

/// kFileCorrupt, with `origin` and the line.
Result<std::vector<Op>> parse_ops(std::string_view text, std::string_view origin);

/// Runs the operations and closes the device. `wait` moves the world's time.
ScenarioResult run_ops(const std::vector<Op>& ops, std::unique_ptr<backend::PassthroughDevice> device, World& world);

}  // namespace dartboard::cli
