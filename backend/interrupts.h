// backend/interrupts.h - vectors from the dext to the guest, with vfio's SET_IRQS semantics.
//
// A vector that the dext reports goes to its sink unless it has none (dropped: the dext does the same), or somebody
// masked it (remembered, delivered on unmask, coalesced to one). Masking is a level, not a count: any number of masks
// is undone by one unmask. Only one of INTx, MSI and MSI-X is active at a time. INTx is made from the device's
// messages: it is masked by each delivery until unmasked (vfio's AUTOMASKED).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "backend/passthrough_device.h"
#include "base/inspect.h"
#include "dext/client/client.h"

namespace dartboard::backend {

class Interrupts {
 public:
  explicit Interrupts(dext::Client& client) : client_(client) {}

  /// Sets the vectors up in the dext and starts watching. A device without any keeps counts of 0. Call once.
  Result<void> open();
  uint32_t vectors() const { return vectors_; }

  /// What the guest may use: each is capped by vectors().
  void set_counts(bool intx, uint32_t msi, uint32_t msix);
  Result<IrqInfo> info(IrqKind kind) const;

  Result<void> set_irqs(IrqKind kind, IrqAction action, uint32_t start, uint32_t count, std::span<const IrqSink> sinks);

  // Masks that a guest sets in configuration space and in the MSI-X table.
  void set_guest_mask(IrqKind kind, uint32_t vector, bool masked);
  void set_msix_function_mask(bool masked);
  void set_intx_disable(bool disabled);
  bool pending(IrqKind kind, uint32_t vector) const;

  /// No delivery after this returns: all sinks gone, nothing pending. The local part cannot fail;
  /// the result is that of telling the dext.
  Result<void> disable_all();
  /// After a reset that the guest asked for in configuration space: sinks stay (the VMM was not told), pending and
  /// masks go, and the dext is told its enable mask again.
  Result<void> rearm();
  /// The registers that hold guest masks were reset.
  void clear_guest_masks();

  /// As disable_all(), without the dext: for a device that is gone or closing.
  void close();

  /// Who hears of deliveries; null: nobody. After this returns the one before hears of none.
  void set_observer(Observer* observer) {
    const std::lock_guard lock(mutex_);
    observer_ = observer;
  }

  void inspect(InspectNode& node) const;

 private:
  using Bits = dext::VectorSet;
  struct Vector {
    std::shared_ptr<const IrqSink> sink;
    bool masked = false;  ///< by set_irqs, or by INTx delivery
    bool pending = false;
    uint64_t reported = 0, delivered = 0, dropped = 0;
  };

  uint32_t count(IrqKind kind) const { return counts_[static_cast<size_t>(kind)]; }
  Result<void> check_range(IrqKind kind, uint32_t start, uint32_t count, const char* action) const;
  Result<void> assign(IrqKind kind, uint32_t start, std::span<const IrqSink> sinks);
  Result<void> disable(IrqKind kind);
  Result<void> set_masked(IrqKind kind, uint32_t start, uint32_t count, bool masked);
  void forget(Vector& vector);
  void on_reported(const Bits& reported);
  void raise(uint32_t vector);
  void deliver_due(uint32_t start, uint32_t count);
  bool blocked(uint32_t vector) const;
  Bits wanted_mask() const;
  Result<void> tell_mask();

  dext::Client& client_;
  // On a Mac reports come from the client's queue. Recursive: a sink may call set_irqs.
  mutable std::recursive_mutex mutex_;
  uint32_t vectors_ = 0;
  std::array<uint32_t, kIrqKindCount> counts_{};
  std::optional<IrqKind> active_;
  std::vector<Vector> table_;
  std::array<Bits, 3> guest_masked_{};  ///< by IrqKind: INTx (unused), MSI, MSI-X
  bool msix_function_mask_ = false, intx_disable_ = false;
  std::optional<Bits> told_;  ///< the enable mask the dext has; none: not known
  uint64_t generation_ = 0;   ///< changes whenever a kind is enabled or disabled
  Observer* observer_ = nullptr;
  uint64_t spurious_ = 0;     ///< reported with no kind active or beyond the count
};

}  // namespace dartboard::backend
