// sim/iokit/handle_table.h - port names: how user space refers to the kernel's objects.
//
// A name is an index and a generation, as in Mach (xnu ipc_entry.h), so that a name kept after its object is gone does
// not name the next one. Freed indices are used again in the order they were freed, which makes a name that comes back
// as late as possible. The table never restarts: names from before a machine reset stay invalid after it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/inspect.h"

namespace dartboard::iokit {

/// A port name (mach_port_name_t). 0 is MACH_PORT_NULL.
using PortName = uint32_t;

inline constexpr PortName kNoPort = 0;
inline constexpr unsigned kGenerationBits = 12;
inline constexpr uint32_t kHandlesMax = 1u << 18;     ///< live names; a client that leaks more is refused
inline constexpr uint32_t kUserReferencesMax = 65535; ///< MACH_PORT_UREFS_MAX

/// What a name stands for.
enum class PortKind : uint8_t { kFree, kEntry, kConnection, kIterator, kNotification, kReceive, kDeadName };

/// An object behind a name. The table owns it.
class PortObject {
 public:
  explicit PortObject(PortKind kind) : kind_(kind) {}
  PortObject(const PortObject&) = delete;
  PortObject& operator=(const PortObject&) = delete;
  virtual ~PortObject() = default;
  PortKind kind() const { return kind_; }

 private:
  PortKind kind_;
};

class HandleTable {
 public:
  HandleTable();
  ~HandleTable();
  HandleTable(const HandleTable&) = delete;
  HandleTable& operator=(const HandleTable&) = delete;

  /// Names `object` with one user reference and takes it over. kNoPort when the table is full (object is deleted).
  PortName insert(PortObject* object);

  /// The object of `name` if it is live and of `kind`, else null. The hot path.
  template <class T>
  T* find(PortName name, PortKind kind) const {
    const Slot* const at = slots_.data() + (name >> kGenerationBits);
    if (at >= slots_.data() + slots_.size()) [[unlikely]] return nullptr;
    const Slot& slot = *at;
    if (slot.name != name || slot.kind != kind) [[unlikely]] return nullptr;
    return static_cast<T*>(slot.object);
  }
  PortObject* find(PortName name) const;
  /// kFree if the name is not in the table.
  PortKind kind(PortName name) const;

  /// Adds `delta` user references (never above the maximum). False: no such name.
  bool retain(PortName name, uint32_t delta = 1);
  /// Drops one user reference; with the last one the name is freed and the object deleted. False: no such name.
  bool release(PortName name);
  uint32_t references(PortName name) const;

  /// Deletes the object; the name stays, as a dead name, until its last reference is dropped.
  void kill(PortName name);
  /// Frees the name whatever its references.
  void remove(PortName name);

  /// Frees every name of `kind`, in order of index.
  void remove_all(PortKind kind);

  /// Visits every live object of `kind`, in order of index. The visitor must not change the table.
  template <class F>
  void for_each(PortKind kind, F&& visit) {
    for (Slot& slot : slots_) {
      if (slot.name != kNoPort && slot.kind == kind) visit(*slot.object);
    }
  }

  uint32_t live() const { return live_; }
  void inspect(InspectNode& node) const;

 private:
  struct Slot {
    PortName name = kNoPort;      ///< 0 while free
    PortKind kind = PortKind::kFree;
    uint32_t references = 0;
    uint32_t generation = 0;
    uint32_t next_free = 0;
    PortObject* object = nullptr;
  };
  Slot* slot(PortName name);
  const Slot* slot(PortName name) const;
  void free_slot(Slot& slot);

  std::vector<Slot> slots_;       ///< slot 0 is never used: its names are constants (mach_task_self and such)
  uint32_t free_head_ = 0, free_tail_ = 0;
  uint32_t live_ = 0;
};

}  // namespace dartboard::iokit
