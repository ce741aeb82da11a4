// backend/dma/identity_strategy.h - *identity*: what vfio does on Linux. The caller chooses device addresses, so guest
// RAM is for the device where it is for the guest, and nobody has to translate anything.
//
// The baseline to compare with. No Mac can do it: there the mapper chooses, and start() says so.
#pragma once

#include "backend/dma/whole_ram.h"

namespace dartboard::backend::dma {

class IdentityStrategy final : public WholeRam {
 public:
  IdentityStrategy(const GuestMemory& memory, Mapper& mapper, GuestPages& pages, const DeviceLimits& limits)
      : WholeRam(memory, mapper, pages, limits, UINT64_MAX) {}
  ~IdentityStrategy() override { (void)stop(); }
  std::string_view name() const override { return "identity"; }

 private:
  Result<void> check_host() const override;
  Result<DmaMapping> map_chunk(const RamRange& chunk) override {
    return mapper_.map_at(chunk.gpa.value, chunk.base, chunk.bytes, Iova(chunk.gpa.value));
  }
};

}  // namespace dartboard::backend::dma
