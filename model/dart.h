// model/dart.h - the DART: Apple's IOMMU, between the root port and memory.
//
// A request names a stream; the stream's TTBR leads to page tables in host memory, which are walked for real and cached
// in a TLB. The TLB is dropped by the TLB command and by reset only: an entry changed without an invalidate keeps its
// old translation, as on the machine. Over the TLB lie direct-memory grants (see DartGrant), so that a long transfer is
// one comparison and one memcpy.
// Which of Apple's DARTs it is (registers, entry format, streams, TLB command) is a row of dart_variant.h; what the
// registers do is in dart_control.cpp, dart_t8020.cpp and dart_t8110.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/inspect.h"
#include "base/types.h"
#include "model/dart_registers.h"
#include "model/dart_tables.h"
#include "model/dart_variant.h"
#include "model/host_memory.h"
#include "model/observer.h"
#include "model/registers.h"
#include "model/timeline.h"
#include "model/tlp.h"

namespace dartboard::model {

class PlatformSink;

struct DartConfig {
  DartVariant variant = DartVariant::kT8110;
  unsigned page_shift = 14;            ///< 12 or 14
  unsigned sid_count = 16;             ///< 1..the variant's (t8110: 256, PARAMS_C.NUM_SIDS)
  unsigned va_width = 32;              ///< above what two tables reach, four TTBRs or TCR.FOUR_LEVELS do the rest
  unsigned pa_width = 42;              ///< at most 42 (t8110's TTBR has no more bits); 40 in DART1 entries
  unsigned tlb_sets = 64;              ///< power of two, at most 2048
  unsigned tlb_ways = 4;               ///< power of two, at most 128
  bool enforce_write_protect = true;   ///< false: NO_WRITE in an entry has no effect (seen on Apple silicon)
  bool enforce_read_protect = true;    ///< the same for NO_READ
  bool bypass_support = false;         ///< TCR.BYPASS_DART is writable; never on usb4
  bool lock_support = true;            ///< the older variants' CONFIG.LOCK is writable
  bool completer_abort = false;        ///< a refused request ends with CA instead of UR
  uint64_t tlb_flush_ns = 0;           ///< a flush takes effect, and BUSY goes low, after this time
};

/// What is wrong with a configuration as one clause ("page_shift must be 12 or 14"), or empty.
std::string_view problem(const DartConfig& config);

struct DartStats {
  uint64_t walks = 0;          ///< table walks; each is a TLB miss that got as far as the tables
  uint64_t tlb_hits = 0;       ///< per page of a request; a page under a grant counts too
  uint64_t tlb_misses = 0;
  uint64_t faults = 0;
  uint64_t flushes = 0;        ///< flush commands
  uint64_t grants = 0;         ///< direct-memory grants made or extended
  uint64_t grant_hits = 0;     ///< requests answered by one
  uint64_t bytes_read = 0;     ///< moved from memory to the device
  uint64_t bytes_written = 0;
};

/// A direct-memory grant: requests of `sid` in [first, first + bytes) with a permitted direction go straight to `host`.
/// It is made of pages that are in the TLB, side by side in this process, with one protection and no sub-page window.
/// Revoked before an invalidate that touches it reports idle; by every write to TCR, TTBR, remap or enable registers;
/// by reset; and unusable as soon as host memory lost a frame (`generation`).
struct DartGrant {
  Iova first;
  uint64_t bytes = 0;   ///< 0: no grant
  std::byte* host = nullptr;
  uint64_t generation = 0;
  Sid sid;
  Sid as;               ///< the stream that `sid` translates as (remap)
  bool readable = false;
  bool writable = false;
};

/// What the tables say of one address, TLB and grants aside.
struct DartLookup {
  DartError why = DartError::kNone;   ///< kNone: allowed
  Hpa address;
  friend bool operator==(const DartLookup&, const DartLookup&) = default;
};

class Dart {
 public:
  Dart(unsigned root, Timeline& timeline, HostMemory& memory);

  /// Becomes this DART, in power-on state. The configuration has no problem(). Both listeners may be null.
  void configure(const DartConfig& config, Observer* observer, PlatformSink* sink);
  const DartConfig& config() const { return config_; }
  TableGeometry geometry() const { return geometry_; }

  /// The register file, as software sees it. `offset` in bytes; `length` 1..8. Beyond the file: 0 / ignored.
  uint64_t read(uint32_t offset, unsigned length) { return file_.read(offset, length); }
  void write(uint32_t offset, uint64_t value, unsigned length) { file_.write(offset, value, length); }

  /// Moves `length` bytes between `data` and the device's address space, page by page. A page that faults ends it: what
  /// came before has been moved (each page is its own TLPs), the rest of a read is all-ones, the rest of a write is
  /// dropped, the fault is latched and reported, and the answer is kUnsupportedRequest (or, by configuration,
  /// kCompleterAbort).
  Outcome access(Sid sid, Rid requester, Iova iova, void* data, uint64_t length, bool is_write);

  /// Where one address goes: what access() would do with the first byte, faults included. Hpa 0: refused.
  Hpa translate(Sid sid, Rid requester, Iova iova, bool is_write);

  /// The truth by a walk from the registers, without side effects: for observers that check the fast paths. It is what
  /// translate() must answer as soon as every invalidate that is due has been done.
  DartLookup lookup_slow(Sid sid, Iova iova, bool is_write) const;

  /// Grants in force; entries with 0 bytes are none.
  std::span<const DartGrant> grants() const { return grants_; }

  const DartLayout& layout() const { return *layout_; }
  const DartStats& stats() const { return stats_; }
  const RegisterFile& registers() const { return file_; }

  /// Power-on: registers at reset values, TLB empty, statistics zero.
  void reset();
  void inspect(InspectNode& node) const;

 private:
  enum class Mode : uint8_t { kRefuse, kTranslate, kBypass };
  /// What the registers say of a stream, worked out when they are written.
  struct Stream {
    Mode mode = Mode::kRefuse;
    uint8_t tables = 2;
    uint8_t roots_valid = 0;     // bit per TTBR
    Sid as;                      // whose TTBRs and TLB entries are used (remap)
    uint64_t bypass_base = 0;    // or-ed to the address in bypass
    std::array<Hpa, 4> roots{};
  };
  /// A cached translation. `host` saves the frame table's look-up while host memory's generation is the same.
  struct TlbEntry {
    std::byte* host = nullptr;
    uint64_t generation = 0;
    Hpa page;
    uint32_t host_bytes = 0;   // contiguous behind `host`
    uint32_t first = 0;        // sub-page window [first, end)
    uint32_t end = 0;
    bool readable = false;
    bool writable = false;
  };
  /// A TLB command under way.
  struct Flush {
    bool pending = false;
    bool dropped = false;   // by a fault: takes its time, changes nothing
    bool every_sid = false;
    bool ranged = false;
    uint64_t done_ns = 0;
    SidMask sids;
    uint64_t start_page = 0;
    uint64_t end_page = 0;
  };
  static constexpr unsigned kGrantsMax = 8;
  static constexpr uint64_t kTagValid = uint64_t{1} << 63;

  static uint64_t tag_of(Sid sid, uint64_t page) { return kTagValid | uint64_t{sid.value} << 52 | page; }
  TlbEntry* find(uint64_t tag) {
    const size_t base = (tag & set_mask_) * config_.tlb_ways;
    for (size_t way = 0; way < config_.tlb_ways; ++way) {
      if (tags_[base + way] == tag) return &entries_[base + way];
    }
    return nullptr;
  }
  // Translation (dart.cpp, dart_tlb.cpp).
  Outcome access_slow(Sid sid, Rid requester, Iova iova, std::byte* data, uint64_t length, bool is_write);
  /// The translation of a page, from the TLB or by a walk; null with the reason in `why`.
  TlbEntry* look_up(const Stream& stream, Iova iova, DartError* why);
  TlbEntry* walk(const Stream& stream, Iova iova, DartError* why);
  bool root_of(const Stream& stream, Iova iova, Hpa* root) const;
  static DartError denial(const TlbEntry& entry, uint64_t offset, uint64_t length, bool is_write);
  void resolve_host(TlbEntry& entry);
  bool copy_scattered(Hpa address, std::byte* data, uint64_t length, bool is_write, uint64_t* done);
  Outcome bypass(const Stream& stream, Sid sid, Rid requester, Iova iova, std::byte* data, uint64_t length,
                 bool is_write);
  bool covers(const DartGrant& grant, Sid sid, Iova iova, uint64_t length, bool is_write) const {
    const uint64_t at = iova.value - grant.first.value;
    return grant.sid == sid && at < grant.bytes && length - 1 < grant.bytes - at &&
           (is_write ? grant.writable : grant.readable) && grant.generation == memory_.generation();
  }
  Outcome move_granted(const DartGrant& grant, Iova iova, void* data, uint64_t length, bool is_write);
  void remember(const DartGrant& grant);
  void revoke_all_grants();
  void revoke_grants(const Flush& flush);

  // Faults (dart_faults.cpp).
  Outcome refuse(Sid sid, Rid requester, Iova iova, std::byte* data, uint64_t length, bool is_write, DartError why);
  uint32_t latch_t8110(Sid sid, Iova iova, bool is_write, uint32_t code, bool* masked);
  uint32_t latch_t8020(Sid sid, Iova iova, bool is_write, uint32_t code, bool* masked);
  Outcome injected(Sid* sid, Rid requester, Iova iova, std::byte* data, uint64_t length, bool is_write);

  // Flushes (dart_tlb.cpp).
  void start_flush(const Flush& flush);
  void finish_flush();
  void settle() {
    if (flush_.pending && timeline_.now().value >= flush_.done_ns) finish_flush();
  }
  void drop_all();

  // Registers (dart_control.cpp; the two families in dart_t8020.cpp and dart_t8110.cpp).
  void build_registers();
  void build_t8020();
  void build_t8110();
  bool locked() const;
  void refresh_stream(unsigned sid);
  void refresh_streams();
  void stream_written(const RegisterWrite& write);
  bool enabled(unsigned sid) const;
  static void wrote_stream(void* self, const RegisterWrite& write);
  static void read_busy(void* self, uint32_t offset);
  static void read_counter(void* self, uint32_t offset);
  static void wrote_stream_command(void* self, const RegisterWrite& write);
  static void wrote_config(void* self, const RegisterWrite& write);
  static void wrote_locked_register(void* self, const RegisterWrite& write);
  static void wrote_tlb_cmd(void* self, const RegisterWrite& write);
  static void wrote_protection(void* self, const RegisterWrite& write);
  static void wrote_stream_enables(void* self, const RegisterWrite& write);

  unsigned root_;
  Timeline& timeline_;
  HostMemory& memory_;
  Observer* observer_ = nullptr;
  PlatformSink* sink_ = nullptr;
  DartConfig config_;
  const DartLayout* layout_;
  TableGeometry geometry_;
  RegisterFile file_;
  std::array<Stream, dart_reg::kSidsMax> streams_{};
  bool remap_used_ = false;
  bool switch_race_ = false;   // a TTBR write that takes effect with the next flush only (fault)

  std::array<DartGrant, kGrantsMax> grants_{};
  unsigned grant_last_ = 0;    // used last
  unsigned grant_next_ = 0;    // replaced next
  bool grants_live_ = false;
  uint64_t set_mask_ = 0;
  std::vector<uint64_t> tags_;       // sets * ways; 0: empty
  std::vector<TlbEntry> entries_;
  std::vector<uint8_t> next_way_;    // per set, round robin
  bool tlb_used_ = false;
  // Leaf table of the last walk of the request being answered; never outlives it.
  bool leaf_table_known_ = false;
  uint64_t leaf_index_ = 0;
  Hpa leaf_table_;
  Flush flush_;
  DartStats stats_;
};

}  // namespace dartboard::model
