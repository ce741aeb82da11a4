// cli/replay_target.h - answers a replay with the whole path: every request enters the backend as a guest's would.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "backend/passthrough_device.h"
#include "base/lazy_memory.h"
#include "cli/world.h"
#include "traces/replay.h"

namespace dartboard::cli {

class MachineReplayTarget final : public traces::ReplayTarget {
 public:
  /// Opens the world's device. The world is powered on and outlives the target.
  /// `keep_memory_space`: the driver was recorded on a device whose BARs answer whatever Command says, and another one
  /// answers here: Memory Space stays on below, and the driver's Command reads as it wrote it.
  static Result<std::unique_ptr<MachineReplayTarget>> open(World& world, bool keep_memory_space = false);
  ~MachineReplayTarget() override;

  void start(traces::MismatchSink& sink) override;
  void resync(uint64_t next_request) override;
  void finish() override;
  Result<uint64_t> probe(const traces::ProbeQuery& query) override;
  Result<uint64_t> map_bar(unsigned bar) override;
  Result<void> resize_bar(unsigned bar, uint64_t size) override;
  Result<void> reset() override;
  Result<uint32_t> config_read(uint64_t offset, unsigned width) override;
  Result<void> config_write(uint64_t offset, unsigned width, uint32_t value) override;
  Result<void> region_read(unsigned bar, uint64_t offset, std::span<std::byte> data) override;
  Result<void> region_write(unsigned bar, uint64_t offset, std::span<const std::byte> data) override;
  Result<void> map_sysmem(uint32_t handle, uint64_t size, bool contiguous, const traces::Payload& recorded,
                          std::span<uint64_t> pages) override;
  Result<void> unmap_sysmem(uint32_t handle) override;
  Result<void> sysmem_read(uint32_t handle, uint64_t offset, std::span<std::byte> data) override;
  Result<void> sysmem_write(uint32_t handle, uint64_t offset, std::span<const std::byte> data) override;
  Result<void> device_dma_write(Iova address, std::span<const std::byte> data) override;
  Result<void> device_memory_change(unsigned bar, uint64_t offset, std::span<const std::byte> data) override;

  backend::PassthroughDevice& device() { return *device_; }

 private:
  /// One MAP_SYSMEM: a buffer, and one DMA mapping for each run of consecutive bus addresses.
  struct SystemMemory {
    struct Run {
      uint64_t key, bus_address, bytes;
    };
    LazyMemory buffer;
    uint64_t size = 0;
    std::vector<Run> runs;
  };

  explicit MachineReplayTarget(World& world) : world_(world) {}
  /// After a failure: a panic of the host is the reason that counts.
  Error reason(Error error) const;
  Result<void> map_run(SystemMemory& memory, uint32_t handle, uint64_t first_page, uint64_t pages,
                       uint64_t bus_address);
  Result<std::byte*> host_bytes(uint32_t handle, uint64_t offset, uint64_t length);
  bool has_resizable_bar();

  World& world_;
  dext::Client* client_ = nullptr;           // owned by device_
  std::map<uint32_t, SystemMemory> memory_;  // before device_: unmapped first, then freed
  std::unique_ptr<backend::PassthroughDevice> device_;
  bool keep_memory_space_ = false;
  bool memory_space_ = false;  // as the driver wrote it
  uint64_t next_key_ = 0x1'0000'0000;  // keys are guest addresses by convention; nothing maps below 4 GiB
};

}  // namespace dartboard::cli
