// sim/iokit/handle_table.cpp - see handle_table.h.
#include "sim/iokit/handle_table.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>

namespace dartboard::iokit {

HandleTable::HandleTable() { slots_.resize(1); }

HandleTable::~HandleTable() {
  for (Slot& slot : slots_) delete slot.object;
}

PortName HandleTable::insert(PortObject* object) {
  std::unique_ptr<PortObject> owned(object);
  if (live_ >= kHandlesMax) return kNoPort;
  uint32_t index = free_head_;
  if (index != 0) {
    free_head_ = slots_[index].next_free;
    if (free_head_ == 0) free_tail_ = 0;
  } else {
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  }
  Slot& slot = slots_[index];
  slot.name = (index << kGenerationBits) | slot.generation;
  slot.kind = owned->kind();
  slot.references = 1;
  slot.object = owned.release();
  ++live_;
  return slot.name;
}

HandleTable::Slot* HandleTable::slot(PortName name) {
  return const_cast<Slot*>(static_cast<const HandleTable*>(this)->slot(name));
}

const HandleTable::Slot* HandleTable::slot(PortName name) const {
  const uint32_t index = name >> kGenerationBits;
  if (index == 0 || index >= slots_.size() || slots_[index].name != name) return nullptr;
  return &slots_[index];
}

PortObject* HandleTable::find(PortName name) const {
  const Slot* found = slot(name);
  return found != nullptr ? found->object : nullptr;
}

PortKind HandleTable::kind(PortName name) const {
  const Slot* found = slot(name);
  return found != nullptr ? found->kind : PortKind::kFree;
}

uint32_t HandleTable::references(PortName name) const {
  const Slot* found = slot(name);
  return found != nullptr ? found->references : 0;
}

bool HandleTable::retain(PortName name, uint32_t delta) {
  Slot* found = slot(name);
  if (found == nullptr) return false;
  found->references = std::min(kUserReferencesMax, found->references + std::min(delta, kUserReferencesMax));
  return true;
}

bool HandleTable::release(PortName name) {
  Slot* found = slot(name);
  if (found == nullptr) return false;
  if (--found->references == 0) free_slot(*found);
  return true;
}

void HandleTable::kill(PortName name) {
  Slot* found = slot(name);
  if (found == nullptr) return;
  // The destructor may come back to the table (closing a connection frees what belongs to it), so the slot is
  // consistent before it runs.
  std::unique_ptr<PortObject> object(found->object);
  found->object = nullptr;
  found->kind = PortKind::kDeadName;
}

void HandleTable::remove(PortName name) {
  if (Slot* found = slot(name)) free_slot(*found);
}

void HandleTable::remove_all(PortKind kind) {
  for (size_t index = 1; index < slots_.size(); ++index) {   // by index: destructors may add slots
    if (slots_[index].name != kNoPort && slots_[index].kind == kind) free_slot(slots_[index]);
  }
}

void HandleTable::free_slot(Slot& slot) {
  std::unique_ptr<PortObject> object(slot.object);
  const uint32_t index = slot.name >> kGenerationBits;
  const uint32_t generation = (slot.generation + 1) & ((1u << kGenerationBits) - 1);
  slot = Slot{};
  slot.generation = generation;
  if (free_tail_ != 0) {
    slots_[free_tail_].next_free = index;
  } else {
    free_head_ = index;
  }
  free_tail_ = index;
  --live_;
}

void HandleTable::inspect(InspectNode& node) const {
  static constexpr std::array<const char*, 7> kNames = {"free", "entries", "connections", "iterators",
                                                        "notifications", "receive rights", "dead names"};
  std::array<uint32_t, kNames.size()> counts{};
  for (const Slot& slot : slots_) {
    if (slot.name != kNoPort) ++counts[static_cast<size_t>(slot.kind)];
  }
  InspectNode& names = node.child("port names", std::to_string(live_), "live, of all kinds");
  for (size_t kind = 1; kind < kNames.size(); ++kind) names.child(kNames[kind], std::to_string(counts[kind]));
}

}  // namespace dartboard::iokit
