// tests/model/one_fault.h - an injector that lets one kind of fault happen, for as long as it lives.
#pragma once

#include <optional>

#include "model/fault.h"

namespace dartboard::model::test {

class OneFault final : public FaultInjector {
 public:
  /// Strikes at the first `times` passes of a site of `kind`.
  explicit OneFault(FaultKind kind, unsigned times = 1, std::optional<uint64_t> how_much = {})
      : kind_(kind), left_(times), amount_(how_much) {
    install_faults(this);
  }
  ~OneFault() { install_faults(nullptr); }
  OneFault(const OneFault&) = delete;
  OneFault& operator=(const OneFault&) = delete;

  bool strikes(FaultKind kind, uint64_t) override {
    if (kind != kind_ || left_ == 0) return false;
    --left_;
    ++hits;
    return true;
  }
  uint64_t amount(FaultKind, uint64_t standard) override { return amount_.value_or(standard); }

  unsigned hits = 0;

 private:
  FaultKind kind_;
  unsigned left_;
  std::optional<uint64_t> amount_;
};

}  // namespace dartboard::model::test
