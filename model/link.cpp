// model/link.cpp - the link's state.
#include "model/link.h"

#include <fmt/format.h>

#include "model/fault.h"

namespace dartboard::model {

void Link::update(bool tell) {
  const bool was_up = up_;
  // A link that does not train stays down until somebody tries again.
  up_ = present_ && !lost_ && holds_ == 0 && (was_up || !fault(FaultKind::kLinkTrainingTimeout));
  if (was_up == up_ || (!tell && !(up_ && loss_told_))) return;
  if (!up_) ++losses_;
  loss_told_ = !up_;
  owner_.link_changed(up_);
}

void Link::take_down() {
  lost_ = true;
  update(true);
}

void Link::bring_up() {
  lost_ = false;
  update(true);
}

void Link::set_present(bool present) {
  present_ = present;
  lost_ = false;
  update(true);
}

void Link::hold(Hold why) {
  holds_ |= why;
  update(false);
}

void Link::let_go(Hold why) {
  holds_ &= static_cast<uint8_t>(~why);
  update(false);
}

void Link::reset() {
  lost_ = loss_told_ = false;
  holds_ = 0;
  losses_ = 0;
  up_ = present_;
}

void Link::inspect(InspectNode& node) const {
  node.value = up_ ? "up" : "down";
  node.child("device", present_ ? "present" : "none");
  node.child("lost", lost_ ? "yes" : "no");
  node.child("held by", fmt::format("{}{}{}{}{}", (holds_ & kHotReset) != 0 ? "hot reset " : "",
                                    (holds_ & kPerst) != 0 ? "PERST " : "", (holds_ & kDisabled) != 0 ? "disable " : "",
                                    (holds_ & kTraining) != 0 ? "training " : "", holds_ == 0 ? "nobody" : ""));
  node.child("losses", fmt::format("{}", losses_));
}

}  // namespace dartboard::model
