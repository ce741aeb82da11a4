// model/msi.cpp - delivery and counting.
#include "model/msi.h"

#include <fmt/format.h>

#include "model/root_complex.h"

namespace dartboard::model {

void MsiController::configure(Observer* observer, PlatformSink* sink) {
  observer_ = observer;
  sink_ = sink;
}

void MsiController::deliver(uint32_t data) {
  if (data >= port_.msi_vectors()) {
    ++bad_data_;
    port_.raise(port_reg::kMsiBadData);
    return;
  }
  ++delivered_[data];
  ++total_;
  if (observer_ != nullptr) observer_->on_msi(static_cast<uint8_t>(root_), data);
  if (sink_ != nullptr) sink_->on_msi(root_, data);
}

void MsiController::reset() {
  delivered_.fill(0);
  total_ = 0;
  bad_data_ = 0;
}

void MsiController::inspect(InspectNode& node) const {
  node.child("delivered", fmt::format("{}", total_));
  node.child("bad data", fmt::format("{}", bad_data_), "written to the doorbell, no such vector");
  for (size_t vector = 0; vector < delivered_.size(); ++vector) {
    if (delivered_[vector] != 0) {
      node.child(fmt::format("vector {}", vector), fmt::format("{}", delivered_[vector]));
    }
  }
}

}  // namespace dartboard::model
