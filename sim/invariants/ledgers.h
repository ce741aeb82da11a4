// sim/invariants/ledgers.h - four independent book-keepers of a run: mappings, completions, interrupts, handles.
//
// Each hears every event (sim/core/trace_hash.h) and keeps just what its own rules need. What a word of an event means
// is written where the event is added: sim/machine.cpp (TLPs, DART faults, messages, resets), sim/macos/mapper.cpp
// (mappings), sim/macos/kernel.cpp (services, panic), sim/iokit (calls, clients).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>

#include "base/types.h"
#include "model/observer.h"
#include "sim/core/trace_hash.h"
#include "sim/invariants/invariant.h"

namespace dartboard::sim {

inline constexpr unsigned kLedgerRootsMax = 4;

/// What the ledgers must know of the platform.
struct LedgerPlatform {
  uint64_t page_bytes = 16 * kKiB;       ///< of the mapper: what a mapping exposes at least
  bool write_protection = true;          ///< the DART enforces mappings that the device may only read
  bool read_protection = true;           ///< ... or only write
  uint64_t doorbell_begin = 0, doorbell_end = 0;
  uint32_t vectors = 32;                 ///< messages a root complex can take
};

/// A TLP event with its words taken apart.
struct TlpSeen {
  explicit TlpSeen(const TraceEvent& event);
  model::TlpKind kind;
  model::Outcome outcome;
  model::Direction direction;
  unsigned root;
  Rid requester;
  uint64_t address, data;
  uint32_t length;
  bool upstream() const { return direction == model::Direction::kUpstream; }
};

/// The shadow DART: what the mapper gave out, and whether the device's transfers stay inside (I-01, 02, 03, 05, 07, 14, 31).
class ShadowDart {
 public:
  explicit ShadowDart(Violations& violations) : violations_(violations) {}
  void restart(const LedgerPlatform& platform);
  void on_event(const TraceEvent& event);
  /// No event is under way: what was waiting for the next one is judged.
  void settle();
  uint64_t live_bytes() const { return live_bytes_; }
  size_t live() const;
  /// Faults are being injected: what hardware does wrong by order is not held against it.
  void forgive_hardware(bool on) { forgiving_ = on; }

 private:
  struct Mapping {
    uint64_t end = 0;
    uint64_t bytes = 0;
    bool device_reads = false, device_writes = false;
  };
  struct Root {
    std::map<uint64_t, Mapping> live;        // by first exposed address
    std::map<uint64_t, uint64_t> retired;    // exposed ranges that were mapped once: begin -> end, disjoint
    bool bus_master = false;
    // A transfer while Bus Master was off, if there was one. A write that switches it on is recorded when it completes,
    // after the messages that it let go; so the next request to the device decides.
    struct Early {
      uint64_t time_ns, address;
      uint32_t length;
    };
    std::optional<Early> early;
    bool refused = false;                    // the last upstream transfer was refused by the DART: a fault must follow
    uint64_t refused_address = 0;
  };
  void on_map(const TraceEvent& event);
  void on_unmap(const TraceEvent& event);
  void on_tlp(const TraceEvent& event);
  void on_command_write(Root& root, const TlpSeen& tlp);
  void judge_early(Root& root);
  bool covered(const Root& root, uint64_t begin, uint64_t end, bool is_write) const;

  Violations& violations_;
  LedgerPlatform platform_;
  std::array<Root, kLedgerRootsMax> roots_;
  uint64_t live_bytes_ = 0;
  unsigned clients_ = 0, closing_ = 0;
  bool forgiving_ = false;
};

/// Requests and their outcomes (I-10, 15, 45).
class CompletionLedger {
 public:
  explicit CompletionLedger(Violations& violations) : violations_(violations) {}
  void restart() { last_ns_ = 0, requests_ = 0; }
  void on_event(const TraceEvent& event);
  uint64_t requests() const { return requests_; }

 private:
  Violations& violations_;
  uint64_t last_ns_ = 0;
  uint64_t requests_ = 0;
};

/// Messages sent and interrupts delivered (I-20, 21, 22).
class InterruptLedger {
 public:
  explicit InterruptLedger(Violations& violations) : violations_(violations) {}
  void restart(const LedgerPlatform& platform);
  void on_event(const TraceEvent& event);
  void forgive_hardware(bool on) { forgiving_ = on; }
  uint64_t sent() const { return sent_; }
  uint64_t delivered() const { return delivered_; }

 private:
  struct Vector {
    uint64_t sent = 0, delivered = 0;
    bool enabled = false;
  };
  Violations& violations_;
  uint32_t vectors_ = 32;
  std::map<uint32_t, Vector> by_vector_;   // root << 16 | vector
  uint64_t sent_ = 0, delivered_ = 0;
  bool forgiving_ = false;
};

/// Services and connections (I-30, 32).
class HandleLedger {
 public:
  explicit HandleLedger(Violations& violations) : violations_(violations) {}
  void restart();
  void on_event(const TraceEvent& event);
  size_t clients_open() const { return clients_.size(); }

 private:
  Violations& violations_;
  std::map<uint64_t, bool> services_;   // id -> alive
  std::map<uint64_t, uint64_t> clients_;   // id -> time opened
};

}  // namespace dartboard::sim
