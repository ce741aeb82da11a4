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
  struct Options {
    /// The driver was recorded on a device whose BARs answer whatever Command says, and another one answers here:
    /// Memory Space stays on below, and the driver's Command reads as it wrote it.
    bool keep_memory_space = false;
    /// Of the recorded device: whose BARs the guest may expect to find. Null: nothing is known of it. Must stay.
    const traces::DeviceDescription* recorded = nullptr;
    /// Memory goes where the mapper puts it when no place is asked for.
    bool rebase = false;
  };
  /// Opens the world's device. The world is powered on and outlives the target.
  static Result<std::unique_ptr<MachineReplayTarget>> open(World& world, const Options& options);
  static Result<std::unique_ptr<MachineReplayTarget>> open(World& world) { return open(world, Options()); }
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
  Result<void> device_config_change(uint64_t offset, unsigned width, uint32_t value) override;
  Result<void> device_interrupt(traces::IrqKind kind, uint32_t vector) override;
  Result<void> irq_setup(traces::IrqKind kind, uint32_t first, uint32_t count, bool on) override;
  Result<void> feed(const traces::EventBatch& batch) override;
  void expect_read(unsigned bar, uint64_t offset, const traces::Payload& recorded) override;
  void stands_for(unsigned bar, uint64_t offset, std::span<const std::byte> recorded) override;
  traces::ConfigVerdict judge_config(uint64_t offset, unsigned width, uint32_t recorded, uint32_t got) override;
  void pass_time(uint64_t ns) override;
  traces::InterruptReport interrupts() override;

  backend::PassthroughDevice& device() { return *device_; }
  /// What had to be assumed about the time before the recording.
  std::vector<std::string> notes() const;

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
  Result<void> map_anywhere(SystemMemory& memory, std::span<uint64_t> pages);
  bool has_resizable_bar();
  // replay_config.cpp
  void note_config_write(uint64_t offset, unsigned width, uint32_t value);
  uint32_t adopt(uint64_t offset, unsigned width, uint32_t recorded, uint32_t got);
  bool is_memory_bar(uint64_t offset) const;
  bool is_io_bar(uint64_t offset) const;
  void assume_bus_master();

  World& world_;
  dext::Client* client_ = nullptr;           // owned by device_
  std::map<uint32_t, SystemMemory> memory_;  // before device_: unmapped first, then freed
  std::unique_ptr<backend::PassthroughDevice> device_;
  Options options_;
  bool memory_space_ = false;  // as the driver wrote it
  /// Configuration space as the guest wrote it.
  struct Written {
    bool guest = false, adopted = false;
    uint8_t value = 0;
  };
  std::vector<Written> written_;
  uint64_t adopted_ = 0;
  bool bus_master_assumed_ = false;
  bool sinks_[backend::kIrqKindCount] = {};
  traces::InterruptReport interrupts_;
  uint64_t next_key_ = 0x1'0000'0000;  // keys are guest addresses by convention; nothing maps below 4 GiB
};

}  // namespace dartboard::cli
