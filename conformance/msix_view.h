// conformance/msix_view.h - the MSI-X structures of a function on the bench, as the rules use them.
#pragma once

#include <string>

#include "conformance/bench.h"
#include "conformance/rule.h"
#include "model/msix.h"

namespace dartboard::conformance {

/// Where table and pending bits are, as the capability says.
struct Msix {
  uint32_t at = 0;             ///< of the capability; 0: absent
  uint32_t vectors = 0;
  unsigned table_bar = 0, pba_bar = 0;
  uint32_t table_offset = 0, pba_offset = 0;
  uint32_t pba_bytes() const { return (vectors + 63) / 64 * 8; }
};
Msix find_msix(Target& target);

/// The same with the addresses that the bench gave. `problem`: why the rules about it cannot be tried.
struct MsixView : Msix {
  std::string problem;
  uint64_t table = 0, pba = 0;

  explicit MsixView(Bench& bench);
  uint64_t entry(uint32_t vector) const { return table + uint64_t{vector} * model::kMsixEntryBytes; }
  /// Fills an entry. `control`: 1 masks.
  void program(uint32_t vector, uint64_t address, uint32_t data, uint32_t control) const;
  void set_control(uint16_t bits) const;
  bool pending(uint32_t vector) const;

 private:
  Bench& bench_;
};

/// Exactly one message to `address`, 4 bytes, with `data`.
Verdict one_msix_message(Bench& bench, uint64_t address, uint32_t data);

}  // namespace dartboard::conformance
