// model/dart.h - the DART (t8110): Apple's IOMMU, between the root port and memory.
//
// A request names a stream; the stream's TTBR leads to page tables in host memory, which are walked for real and cached
// in a TLB. The TLB is dropped by TLB_CMD and by reset only: an entry changed without an invalidate keeps its old
// translation, as on the machine. Registers and table format are data: dart_registers.h, dart_tables.h.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/inspect.h"
#include "base/types.h"
#include "model/dart_registers.h"
#include "model/dart_tables.h"
#include "model/host_memory.h"
#include "model/observer.h"
#include "model/registers.h"
#include "model/timeline.h"
#include "model/tlp.h"

namespace dartboard::model {

class PlatformSink;

struct DartConfig {
  unsigned page_shift = 14;            ///< 12 or 14
  unsigned sid_count = 16;             ///< 1..256 (PARAMS_C.NUM_SIDS)
  unsigned va_width = 32;              ///< above what two tables reach, TCR.FOUR_LEVELS exists
  unsigned pa_width = 42;              ///< at most 42: TTBR has no more bits
  unsigned tlb_sets = 64;              ///< power of two, at most 2048
  unsigned tlb_ways = 4;               ///< power of two, at most 128
  bool enforce_write_protect = true;   ///< false: NO_WRITE in an entry has no effect (seen on Apple silicon)
  bool bypass_support = false;         ///< TCR.BYPASS_DART is writable
  uint64_t tlb_flush_ns = 0;           ///< a flush takes effect, and BUSY goes low, after this time
};

/// What is wrong with a configuration as one clause ("page_shift must be 12 or 14"), or empty.
std::string_view problem(const DartConfig& config);

struct DartStats {
  uint64_t walks = 0;          ///< table walks; each is a TLB miss that got as far as the tables
  uint64_t tlb_hits = 0;       ///< per page of a request
  uint64_t tlb_misses = 0;
  uint64_t faults = 0;
  uint64_t flushes = 0;        ///< flush commands
  uint64_t bytes_read = 0;     ///< moved from memory to the device
  uint64_t bytes_written = 0;
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
  /// dropped, the fault is latched and reported, and the answer is kUnsupportedRequest.
  Outcome access(Sid sid, Rid requester, Iova iova, void* data, uint64_t length, bool is_write);

  /// Where one address goes: what access() would do with the first byte, faults included. Hpa 0: refused.
  Hpa translate(Sid sid, Rid requester, Iova iova, bool is_write);

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
    Sid as;                 // whose TTBR and TLB entries are used (REMAP)
    bool has_root = false;
    Hpa root;
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
  struct Flush {
    bool pending = false;
    uint64_t done_ns = 0;
    uint32_t command = 0;
    uint64_t start_page = 0;
    uint64_t end_page = 0;
  };
  static constexpr uint64_t kTagValid = uint64_t{1} << 63;

  static uint64_t tag_of(Sid sid, uint64_t page) { return kTagValid | uint64_t{sid.value} << 52 | page; }
  TlbEntry* find(uint64_t tag) {
    const size_t base = (tag & set_mask_) * config_.tlb_ways;
    for (size_t way = 0; way < config_.tlb_ways; ++way) {
      if (tags_[base + way] == tag) return &entries_[base + way];
    }
    return nullptr;
  }
  /// The translation of a page, from the TLB or by a walk; null with the error's code bits in `code`.
  TlbEntry* look_up(const Stream& stream, Iova iova, uint32_t* code);
  TlbEntry* walk(const Stream& stream, Iova iova, uint32_t* code);
  static uint32_t denial(const TlbEntry& entry, uint64_t offset, uint64_t length, bool is_write);
  void resolve_host(TlbEntry& entry);
  bool copy_scattered(Hpa address, std::byte* data, uint64_t length, bool is_write, uint64_t* done);
  Outcome refuse(Sid sid, Rid requester, Iova iova, std::byte* data, uint64_t length, bool is_write, uint32_t code);
  Outcome bypass(Sid sid, Rid requester, Iova iova, std::byte* data, uint64_t length, bool is_write);

  // Behaviour of registers.
  void build_registers();
  void refresh_stream(unsigned sid);
  void refresh_streams();
  void start_flush(uint32_t command);
  void finish_flush();
  void settle() {
    if (flush_.pending && timeline_.now().value >= flush_.done_ns) finish_flush();
  }
  void drop_all();
  static void read_tlb_cmd(void* self, uint32_t offset);
  static void wrote_tlb_cmd(void* self, const RegisterWrite& write);
  static void wrote_protection(void* self, const RegisterWrite& write);
  static void wrote_stream_enables(void* self, const RegisterWrite& write);
  static void wrote_stream(void* self, const RegisterWrite& write);

  unsigned root_;
  Timeline& timeline_;
  HostMemory& memory_;
  Observer* observer_ = nullptr;
  PlatformSink* sink_ = nullptr;
  DartConfig config_;
  TableGeometry geometry_;
  RegisterFile file_;
  std::array<Stream, dart_reg::kSidsMax> streams_{};
  bool remap_used_ = false;

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
