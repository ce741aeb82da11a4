// sim/macos/interrupts.cpp - allocation and look-up of message vectors.
#include "sim/macos/interrupts.h"

#include <algorithm>

#include <fmt/format.h>

#include "sim/macos/pci_nub.h"

namespace dartboard::macos {

void VectorPool::reset(uint32_t count) {
  routes_.fill({});
  count_ = std::min(count, kVectorsMax);
  spurious_ = 0;
}

uint32_t VectorPool::allocate(PciNub& nub, uint32_t count, bool aligned) {
  if (count == 0 || count > count_) return kNone;
  const uint32_t step = aligned ? count : 1;
  for (uint32_t first = 0; first + count <= count_; first += step) {
    const auto begin = routes_.begin() + first;
    if (std::any_of(begin, begin + count, [](const Route& r) { return r.nub != nullptr; })) continue;
    for (uint32_t i = 0; i < count; ++i) routes_[first + i] = {&nub, i, 0};
    return first;
  }
  return kNone;
}

void VectorPool::release(uint32_t first, uint32_t count) {
  for (uint32_t i = first; i < first + count; ++i) routes_[i] = {};
}

bool VectorPool::deliver(uint32_t vector) {
  if (vector >= count_ || routes_[vector].nub == nullptr) {
    ++spurious_;
    return false;
  }
  Route& route = routes_[vector];
  ++route.delivered;
  route.nub->interrupt(route.index, vector);
  return true;
}

uint32_t VectorPool::free() const {
  return static_cast<uint32_t>(
      std::count_if(routes_.begin(), routes_.begin() + count_, [](const Route& r) { return r.nub == nullptr; }));
}

void VectorPool::inspect(InspectNode& node) const {
  node.child("vectors", fmt::format("{}", count_), fmt::format("{} free", free()));
  node.child("spurious", fmt::format("{}", spurious_), "messages for vectors that nobody has");
  for (uint32_t i = 0; i < count_; ++i) {
    if (routes_[i].nub == nullptr) continue;
    node.child(fmt::format("vector-{}", i), fmt::format("{} index {}", routes_[i].nub->name(), routes_[i].index),
               fmt::format("{} delivered", routes_[i].delivered));
  }
}

}  // namespace dartboard::macos
