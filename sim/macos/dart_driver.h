// sim/macos/dart_driver.h - drives one DART: streams, page tables in host memory, invalidation.
//
// Works like every DART driver does (m1n1 dart.c, Linux apple-dart.c): tables are plain memory, the registers are
// reached through the root complex's CPU socket, and an unmap is finished only when the TLB command reports idle.
// All streams of a root complex share one set of tables: there is one mapper, hence one IOVA space, per port.
#pragma once

#include <cstdint>
#include <vector>

#include "base/inspect.h"
#include "base/types.h"
#include "model/dart_tables.h"
#include "model/host_memory.h"

namespace dartboard::model {
class Timeline;
}

namespace dartboard::macos {

class CpuPort;

class DartDriver {
 public:
  DartDriver(CpuPort& port, model::HostMemory& memory, model::Timeline& timeline);
  ~DartDriver();

  /// Takes over a DART in power-on state. `page_shift` 12 or 14.
  void power_on(unsigned page_shift, unsigned pa_width, unsigned va_width);
  /// Frees the tables. The hardware is not touched: it may be gone or about to be reset.
  void power_off();

  /// Lets the stream through to the tables. False: no memory for the root table.
  bool attach(Sid sid);
  void detach(Sid sid);

  /// Maps `pages` DART pages at `iova` to consecutive memory at `address`; all entries must be free. False: no memory
  /// for a table; nothing is mapped then.
  bool map(Iova iova, uint64_t pages, Hpa address, bool device_reads, bool device_writes);
  /// Clears the entries. They may still be in the TLB until invalidate().
  void clear(Iova iova, uint64_t pages);
  /// Flushes the range from the TLB for every attached stream and waits until it is done. False: the DART stayed busy
  /// for 100 us.
  bool invalidate(Iova iova, uint64_t pages);

  struct ErrorReport {
    uint32_t error;  ///< ERROR register; bit 31 set if there was one
    uint64_t address;
  };
  /// Reads the error registers and acknowledges (write 1 to clear).
  ErrorReport take_error();

  const model::TableGeometry& geometry() const { return geometry_; }
  uint64_t table_count() const { return tables_; }
  void inspect(InspectNode& node) const;

 private:
  uint64_t read(uint32_t offset);
  void write(uint32_t offset, uint64_t value);
  // The leaf table for an IOVA in this process's memory, or null.
  uint64_t* leaf(Iova iova, bool create);
  Hpa new_table();
  void trim();
  uint64_t* entries(Hpa table) const;

  CpuPort& port_;
  model::HostMemory& memory_;
  model::Timeline& timeline_;
  model::TableGeometry geometry_;
  unsigned levels_ = 2;  // tables in a row: 2, or 3 with FOUR_LEVELS
  Hpa root_{0};
  std::vector<Hpa> blocks_;  // what tables are cut from
  std::vector<Hpa> free_tables_;
  std::vector<Sid> streams_;  // attached, in order
  uint64_t tables_ = 0;
  uint64_t pages_mapped_ = 0;
  uint64_t invalidates_ = 0;
  uint64_t cached_key_ = UINT64_MAX;  // leaf(): the last one used
  uint64_t* cached_leaf_ = nullptr;
};

}  // namespace dartboard::macos
