// backend/dma/companion_driver.h - the guest's part of the paravirtual mapper: a driver that fills the command page and
// rings the doorbell.
//
// It knows registers, guest memory and answers, nothing of the host. Each access to a register is one guest exit. The
// host knows a mapping by its first guest address and takes each address once; where it is taken, a mapping begins some
// bytes lower, which costs at most one page of the mapper's more. Only the first bytes of a range of RAM have nothing
// before them: a second mapping of another size that begins there is refused as busy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/dma/companion_device.h"
#include "backend/dma/strategy.h"
#include "backend/key_table.h"

namespace dartboard::backend::dma {

/// What the driver asks the host to map, and what became of it.
struct CompanionEntry {
  Gpa gpa;
  uint64_t bytes = 0;
  Gpa id;     ///< unmap by this
  Iova iova;  ///< of `gpa`
};

class CompanionDriver {
 public:
  /// `batch_max`: requests that one doorbell carries at most; the device's MAX_ENTRIES may be less.
  CompanionDriver(const GuestMemory& memory, GuestPages& pages, CompanionDevice& device,
                  const companion::WireLayout& layout, uint32_t batch_max)
      : memory_(memory), pages_(pages), device_(device), layout_(layout), batch_max_(batch_max) {}

  /// Looks at the device and gives it a command page. kNotSupported: not this protocol. kNotFound: no guest pages.
  Result<void> start();
  /// Gives the guest pages back and forgets what is mapped: unmapping it is the host's matter.
  void stop();
  bool started() const { return pages_bytes_ != 0; }

  /// All or none, in one doorbell for each `batch_max` of them. The error is the host's reason for the first refusal.
  Result<void> map(std::span<CompanionEntry> entries);
  /// Each of them is over, whatever the answer; the first refusal is the result.
  Result<void> unmap(std::span<const Gpa> ids);

  uint64_t exits() const { return exits_; }

 private:
  uint32_t read32(uint32_t offset);
  void write32(uint32_t offset, uint32_t value);
  companion::Status ring(companion::Command type, uint32_t count);
  Result<void> map_batch(std::span<CompanionEntry> entries);
  Result<void> unmap_batch(std::span<const Gpa> ids);
  Gpa free_id(Gpa gpa, uint64_t bytes);
  tl::unexpected<Error> reason() const;
  std::byte* request(uint32_t i, uint32_t bytes) { return base_ + requests_at_ + uint64_t{i} * bytes; }
  const std::byte* response(uint32_t i, uint32_t bytes) const { return base_ + responses_at_ + uint64_t{i} * bytes; }

  const GuestMemory& memory_;
  GuestPages& pages_;
  CompanionDevice& device_;
  const companion::WireLayout& layout_;
  const uint32_t batch_max_;

  Gpa gpa_;  ///< of the guest pages
  uint64_t pages_bytes_ = 0;
  std::byte* base_ = nullptr;
  uint64_t requests_at_ = 0, responses_at_ = 0;
  uint32_t batch_ = 0;  ///< entries of one doorbell
  KeyTable ids_;        ///< that are mapped
  std::vector<Gpa> undo_;
  uint64_t exits_ = 0;
};

}  // namespace dartboard::backend::dma
