// backend/interrupts.cpp
#include "backend/interrupts.h"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

#include "base/format.h"
#include "backend/call_error.h"
#include "backend/observer.h"

namespace dartboard::backend {

namespace {

constexpr uint32_t kVectorsMax = 256;  // bits of a dext::VectorSet

const char* to_text(IrqKind kind) {
  switch (kind) {
    case IrqKind::kIntx: return "INTx";
    case IrqKind::kMsi: return "MSI";
    case IrqKind::kMsix: return "MSI-X";
    case IrqKind::kErr: return "ERR";
    case IrqKind::kReq: return "REQ";
  }
  return "unknown interrupt kind";
}

bool is_set(const dext::VectorSet& bits, uint32_t vector) {
  return (bits[vector / 64] >> (vector % 64)) & 1;
}
void set_bit(dext::VectorSet* bits, uint32_t vector, bool on) {
  const uint64_t bit = uint64_t{1} << (vector % 64);
  (*bits)[vector / 64] = on ? (*bits)[vector / 64] | bit : (*bits)[vector / 64] & ~bit;
}

}  // namespace

Result<void> Interrupts::open() {
  auto vectors = client_.setup_interrupts();
  if (!vectors) return tl::unexpected(because("setting up interrupts", vectors.error()));
  if (auto told = client_.set_irq_mask(Bits{}); !told) {
    return tl::unexpected(because("masking interrupts", told.error()));
  }
  if (auto watched = client_.watch_interrupts([this](const Bits& reported) { on_reported(reported); }); !watched) {
    return tl::unexpected(because("watching interrupts", watched.error()));
  }
  told_ = Bits{};
  vectors_ = std::min(*vectors, kVectorsMax);
  table_.resize(vectors_);
  return {};
}

void Interrupts::set_counts(bool intx, uint32_t msi, uint32_t msix) {
  counts_[static_cast<size_t>(IrqKind::kIntx)] = intx && vectors_ != 0 ? 1 : 0;
  counts_[static_cast<size_t>(IrqKind::kMsi)] = std::min(msi, vectors_);
  counts_[static_cast<size_t>(IrqKind::kMsix)] = std::min(msix, vectors_);
}

Result<IrqInfo> Interrupts::info(IrqKind kind) const {
  if (static_cast<size_t>(kind) >= kIrqKindCount) {
    return fail(ErrorName::kBadArgument,
                fmt::format("interrupt kind {}: kinds are 0 to 4", static_cast<unsigned>(kind)));
  }
  IrqInfo info;
  info.count = count(kind);
  info.maskable = kind == IrqKind::kIntx || kind == IrqKind::kMsi || kind == IrqKind::kMsix;
  info.automasked = kind == IrqKind::kIntx;
  return info;  // never noresize: vectors may be added one by one
}

Result<void> Interrupts::set_irqs(IrqKind kind, IrqAction action, uint32_t start, uint32_t count_asked,
                                  std::span<const IrqSink> sinks) {
  const std::lock_guard lock(mutex_);
  if (static_cast<size_t>(kind) >= kIrqKindCount) {
    return fail(ErrorName::kBadArgument,
                fmt::format("interrupt kind {}: kinds are 0 to 4", static_cast<unsigned>(kind)));
  }
  if (!sinks.empty() && (action != IrqAction::kTrigger || sinks.size() != count_asked)) {
    return fail(ErrorName::kBadArgument,
                fmt::format("{}: {} sinks for count {}; sinks come with trigger only, one a vector", to_text(kind),
                            sinks.size(), count_asked));
  }
  switch (action) {
    case IrqAction::kMask:
    case IrqAction::kUnmask: return set_masked(kind, start, count_asked, action == IrqAction::kMask);
    case IrqAction::kTrigger: break;
    default: return fail(ErrorName::kBadArgument, fmt::format("{}: unknown interrupt action", to_text(kind)));
  }
  if (!sinks.empty()) return assign(kind, start, sinks);
  if (count_asked == 0) return disable(kind);
  // Loopback: as if the device had raised them.
  if (auto checked = check_range(kind, start, count_asked, "trigger"); !checked) return checked;
  if (active_ != kind) {
    return fail(ErrorName::kBadArgument,
                compiled_text(FMT_COMPILE("{} is not enabled: assign sinks before triggering"), to_text(kind)));
  }
  const uint64_t generation = generation_;
  for (uint32_t i = 0; i < count_asked && generation == generation_; ++i) raise(start + i);
  return {};
}

Result<void> Interrupts::check_range(IrqKind kind, uint32_t start, uint32_t asked, const char* action) const {
  const uint32_t available = count(kind);
  if (available == 0) {
    return fail(ErrorName::kNotSupported, fmt::format("{}: this device offers none", to_text(kind)));
  }
  if (start > available || asked > available - start) {  // start + asked may wrap
    return fail(ErrorName::kOutOfRange,
                compiled_text(FMT_COMPILE("{} {}: vectors {} to {} asked, the device has {}"), to_text(kind), action,
                              start, uint64_t{start} + asked - 1, available));
  }
  return {};
}

Result<void> Interrupts::assign(IrqKind kind, uint32_t start, std::span<const IrqSink> sinks) {
  const auto asked = static_cast<uint32_t>(std::min<size_t>(sinks.size(), UINT32_MAX));
  if (auto checked = check_range(kind, start, asked, "assign"); !checked) return checked;
  if (active_ && active_ != kind) {
    return fail(ErrorName::kBusy,
                fmt::format("{} cannot be enabled while {} is: disable that first", to_text(kind), to_text(*active_)));
  }
  const auto active_before = active_;
  std::vector<Vector> before;
  bool any_sink = false;
  if (!active_) {
    active_ = kind;
    ++generation_;
  }
  for (uint32_t i = 0; i < asked; ++i) {
    Vector& vector = table_[start + i];
    before.push_back(vector);
    if (sinks[i]) {
      any_sink = true;
      vector.sink = std::make_shared<const IrqSink>(sinks[i]);
    } else {
      forget(vector);
    }
  }
  auto told = tell_mask();
  if (told) {
    deliver_due(start, asked);
    return {};
  }
  // De-assigning holds whatever the dext says (nothing is delivered without a sink); assigning is all or nothing.
  if (any_sink && active_ == kind) {
    for (uint32_t i = 0; i < asked; ++i) {
      table_[start + i].sink = before[i].sink;
      table_[start + i].masked = before[i].masked;
      table_[start + i].pending = before[i].pending;
    }
    if (!active_before) {
      active_.reset();
      ++generation_;
    }
  }
  return told;
}

void Interrupts::forget(Vector& vector) {
  vector.sink.reset();
  vector.masked = vector.pending = false;
}

Result<void> Interrupts::disable(IrqKind kind) {
  if (active_ != kind) return {};  // idempotent: QEMU disables what it never enabled
  return disable_all();
}

Result<void> Interrupts::disable_all() {
  const std::lock_guard lock(mutex_);
  // Guest masks live in registers that the guest still sees: only a reset of those clears them.
  close();
  return tell_mask();
}

void Interrupts::close() {
  const std::lock_guard lock(mutex_);
  for (Vector& vector : table_) forget(vector);
  active_.reset();
  ++generation_;
}

Result<void> Interrupts::rearm() {
  const std::lock_guard lock(mutex_);
  for (Vector& vector : table_) vector.pending = vector.masked = false;
  clear_guest_masks();
  told_.reset();
  return tell_mask();
}

void Interrupts::clear_guest_masks() {
  const std::lock_guard lock(mutex_);
  guest_masked_ = {};
  msix_function_mask_ = intx_disable_ = false;
}

Result<void> Interrupts::set_masked(IrqKind kind, uint32_t start, uint32_t asked, bool masked) {
  if (auto checked = check_range(kind, start, asked, masked ? "mask" : "unmask"); !checked) return checked;
  if (active_ != kind) {
    return fail(ErrorName::kBadArgument, compiled_text(FMT_COMPILE("{} is not enabled: there is nothing to {}"),
                                                       to_text(kind), masked ? "mask" : "unmask"));
  }
  for (uint32_t i = 0; i < asked; ++i) table_[start + i].masked = masked;
  if (!masked) deliver_due(start, asked);
  return {};
}

void Interrupts::set_guest_mask(IrqKind kind, uint32_t vector, bool masked) {
  const std::lock_guard lock(mutex_);
  if (vector >= kVectorsMax || static_cast<size_t>(kind) >= guest_masked_.size()) return;
  set_bit(&guest_masked_[static_cast<size_t>(kind)], vector, masked);
  if (!masked && active_ == kind && vector < table_.size()) deliver_due(vector, 1);
}

void Interrupts::set_msix_function_mask(bool masked) {
  const std::lock_guard lock(mutex_);
  msix_function_mask_ = masked;
  if (!masked && active_ == IrqKind::kMsix) deliver_due(0, static_cast<uint32_t>(table_.size()));
}

void Interrupts::set_intx_disable(bool disabled) {
  const std::lock_guard lock(mutex_);
  intx_disable_ = disabled;
  if (!disabled && active_ == IrqKind::kIntx) deliver_due(0, 1);
}

bool Interrupts::pending(IrqKind kind, uint32_t vector) const {
  const std::lock_guard lock(mutex_);
  return active_ == kind && vector < table_.size() && table_[vector].pending;
}

bool Interrupts::blocked(uint32_t vector) const {
  assert(active_);
  if (table_[vector].masked) return true;
  switch (*active_) {
    case IrqKind::kIntx: return intx_disable_;
    case IrqKind::kMsix: return msix_function_mask_ || is_set(guest_masked_[2], vector);
    case IrqKind::kMsi: return is_set(guest_masked_[1], vector);
    default: return true;
  }
}

void Interrupts::on_reported(const Bits& reported) {
  const std::lock_guard lock(mutex_);
  const uint64_t generation = generation_;
  for (uint32_t vector = 0; vector < kVectorsMax; ++vector) {
    if (!is_set(reported, vector)) continue;
    // A sink that switched to another kind ended what these vectors meant.
    if (!active_ || generation != generation_ || vector >= table_.size()) {
      ++spurious_;
      continue;
    }
    // INTx is one wire: whatever message the device sent pulls it.
    raise(active_ == IrqKind::kIntx ? 0 : vector);
  }
}

void Interrupts::raise(uint32_t index) {
  Vector& vector = table_[index];
  ++vector.reported;
  if (!vector.sink) {
    ++vector.dropped;
    return;
  }
  vector.pending = true;
  deliver_due(index, 1);
}

void Interrupts::deliver_due(uint32_t start, uint32_t asked) {
  const uint64_t generation = generation_;
  for (uint32_t i = start; i < start + asked && generation == generation_; ++i) {
    Vector& vector = table_[i];
    if (!active_ || !vector.pending || !vector.sink || blocked(i)) continue;
    vector.pending = false;
    if (active_ == IrqKind::kIntx) vector.masked = true;
    ++vector.delivered;
    if (observer_ != nullptr) observer_->on_interrupt(*active_, i);
    const auto sink = vector.sink;  // it may de-assign itself
    (*sink)(i);
  }
}

dext::VectorSet Interrupts::wanted_mask() const {
  Bits bits{};
  if (!active_) return bits;
  for (uint32_t vector = 0; vector < table_.size(); ++vector) {
    const bool used = active_ == IrqKind::kIntx ? table_[0].sink != nullptr : table_[vector].sink != nullptr;
    if (used) set_bit(&bits, vector, true);
  }
  return bits;
}

Result<void> Interrupts::tell_mask() {
  const Bits wanted = wanted_mask();
  if (vectors_ == 0 || wanted == told_) return {};
  auto told = client_.set_irq_mask(wanted);
  if (!told) {
    told_.reset();  // the dext may have taken it all the same
    return tl::unexpected(because("setting the interrupt mask", told.error()));
  }
  told_ = wanted;
  return {};
}

void Interrupts::inspect(InspectNode& node) const {
  const std::lock_guard lock(mutex_);
  node.child("active", active_ ? to_text(*active_) : "none");
  node.child("vectors", fmt::format("{}", vectors_), "set up in the dext");
  for (const IrqKind kind : {IrqKind::kIntx, IrqKind::kMsi, IrqKind::kMsix, IrqKind::kErr, IrqKind::kReq}) {
    node.child(to_text(kind), fmt::format("{}", count(kind)));
  }
  node.child("spurious", fmt::format("{}", spurious_), "reported while nothing was enabled");
  for (size_t i = 0; i < table_.size(); ++i) {
    const Vector& vector = table_[i];
    if (!vector.sink && vector.reported == 0) continue;
    node.child(fmt::format("vector {}", i),
               fmt::format("{}{}{}", vector.sink ? "assigned" : "free", vector.masked ? ", masked" : "",
                           vector.pending ? ", pending" : ""),
               fmt::format("{} reported, {} delivered, {} dropped", vector.reported, vector.delivered, vector.dropped));
  }
}

}  // namespace dartboard::backend
