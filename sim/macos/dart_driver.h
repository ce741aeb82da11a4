// sim/macos/dart_driver.h - drives one DART: streams, page tables in host memory, invalidation.
//
// Works like every DART driver does (m1n1 dart.c, Linux apple-dart.c): tables are plain memory, the registers are
// reached through the root complex's CPU socket, and an unmap is finished only when the TLB command reports idle.
// Where the variants differ, model/dart_variant.h says how.
// All streams of a root complex share one set of tables: there is one mapper, hence one IOVA space, per port.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/inspect.h"
#include "base/types.h"
#include "model/dart_tables.h"
#include "model/dart_variant.h"
#include "model/host_memory.h"

namespace dartboard::model {
struct DartConfig;
class Timeline;
}  // namespace dartboard::model

namespace dartboard::macos {

class CpuPort;

class DartDriver {
 public:
  DartDriver(CpuPort& port, model::HostMemory& memory, model::Timeline& timeline);
  ~DartDriver();

  /// Takes over a DART in power-on state, or one that firmware set up and locked.
  void power_on(const model::DartConfig& config);
  /// Frees the tables. The hardware is not touched: it may be gone or about to be reset.
  void power_off();

  /// Lets the stream through to the tables. A locked DART keeps the TTBRs that it has, so their tables become ours
  /// (m1n1 does the same). False: no memory for a root table, or a locked DART whose stream does not translate, or
  /// translates with other tables than the streams attached before.
  bool attach(Sid sid);
  void detach(Sid sid);

  /// Starts a map of one or more pieces: rollback() undoes all of it, the tables that it needed included.
  void begin();
  /// Maps `pages` DART pages at `iova` to consecutive memory at `address`; all entries must be free. False: no memory
  /// for a table, or the memory is above what an entry can hold; rollback() is due.
  bool map(Iova iova, uint64_t pages, Hpa address, bool device_reads, bool device_writes);
  /// Back to the state at begin(): entries, tables and the memory that they were cut from.
  void rollback();
  /// Clears the entries. They may still be in the TLB until invalidate().
  void clear(Iova iova, uint64_t pages);
  /// Flushes the range from the TLB for every attached stream and waits until it is done. False: the DART stayed busy
  /// for 100 us.
  bool invalidate(Iova iova, uint64_t pages);

  struct ErrorReport {
    uint32_t error;  ///< ERROR register in the variant's format; bit 31 set if there was one
    uint64_t address;
  };
  /// Reads the error registers and acknowledges (write 1 to clear).
  ErrorReport take_error();

  const model::TableGeometry& geometry() const { return geometry_; }
  const model::DartLayout& layout() const { return *layout_; }
  uint64_t table_count() const { return tables_; }
  void inspect(InspectNode& node) const;

 private:
  // What a map has done so far, for rollback().
  struct NewTable {
    uint64_t* parent;  // entry that points at it
    Hpa table;
  };
  struct Filled {
    Iova iova;
    uint64_t pages;
  };

  uint64_t read(uint32_t offset);
  void write(uint32_t offset, uint64_t value);
  bool adopt(Sid sid);
  bool locked();
  bool wait_idle();
  // The leaf table for an IOVA in this process's memory, or null.
  uint64_t* leaf(Iova iova, bool create);
  Hpa new_table();
  Hpa new_root();
  void trim();
  uint64_t* entries(Hpa table) const;

  CpuPort& port_;
  model::HostMemory& memory_;
  model::Timeline& timeline_;
  const model::DartLayout* layout_ = &model::layout_of(model::DartVariant::kT8110);
  model::TableGeometry geometry_;
  unsigned levels_ = 2;             // tables in a row: 2, or 3 with FOUR_LEVELS
  unsigned roots_ = 1;              // TTBRs in use
  std::array<Hpa, 4> root_{};
  bool adopted_ = false;            // the root tables are firmware's
  std::vector<Hpa> blocks_;         // what tables are cut from
  std::vector<Hpa> free_tables_;
  std::vector<Sid> streams_;        // attached, in order
  std::vector<NewTable> new_tables_;
  std::vector<Filled> filled_;
  size_t blocks_before_ = 0;        // at begin()
  uint64_t tables_ = 0;
  uint64_t pages_mapped_ = 0;
  uint64_t invalidates_ = 0;
  uint64_t cached_key_ = UINT64_MAX;  // leaf(): the last one used
  uint64_t* cached_leaf_ = nullptr;
};

}  // namespace dartboard::macos
