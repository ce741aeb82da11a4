// model/link.h - the link between root port and slot: up or not, and why not.
//
// While it is down nothing passes: the root complex answers reads with all-ones and drops writes both ways. Two ways
// down are kept apart. A link that is lost (unplugged, cable, fault) is reported: the platform sees a link change. A
// link that software holds in reset or disables is quiet: the one who did it knows. A loss that was told is followed by
// a return that is told, even if software held the link in between.
#pragma once

#include <cstdint>

#include "base/inspect.h"

namespace dartboard::model {

/// Who is told. Implemented by the root complex.
class LinkOwner {
 public:
  /// The link was lost, other than by hold(), or came up, other than by let_go() without a loss before.
  virtual void link_changed(bool up) = 0;

 protected:
  ~LinkOwner() = default;
};

class Link {
 public:
  /// What holds the link down without its being lost; independent of each other. All but training are software's.
  enum Hold : uint8_t { kHotReset = 1, kPerst = 2, kDisabled = 4, kTraining = 8 };

  explicit Link(LinkOwner& owner) : owner_(owner) {}

  /// True if packets pass.
  bool up() const { return up_; }
  bool present() const { return present_; }
  uint8_t holds() const { return holds_; }

  /// The link is lost, as by a pulled cable; the device stays in its slot and can be brought up again.
  void take_down();
  /// Trains again after take_down(). Nothing happens if the slot is empty.
  void bring_up();

  // For the root complex.
  /// A device is plugged in or gone. Tells the owner if that changes up().
  void set_present(bool present);
  void hold(Hold why);
  void let_go(Hold why);
  /// Power-on: nothing held or lost; up if a device is present. Tells nobody.
  void reset();

  uint64_t losses() const { return losses_; }
  void inspect(InspectNode& node) const;

 private:
  void update(bool tell);

  LinkOwner& owner_;
  bool up_ = false;
  bool present_ = false;
  bool lost_ = false;
  bool loss_told_ = false;   // and the return not yet
  uint8_t holds_ = 0;
  uint64_t losses_ = 0;
};

}  // namespace dartboard::model
