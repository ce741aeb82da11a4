// tests/backend/fake_client.h - a small faithful device behind the client interface, which records every call.
//
// The device (config space with per-bit write rules, memory and register BARs, vectors, a reset that restores it)
// outlives its client, so a test can look at it after the backend closed.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/passthrough_device.h"
#include "dext/client/client.h"

namespace dartboard::backend {

struct FakeDevice {
  struct Bar {
    uint64_t size = 0;
    dext::BarType type = dext::BarType::kM32;
    bool memory = false;          ///< mapping is accessible
    uint64_t mapped_bytes = 0;    ///< 0: all of it
    std::vector<uint64_t> words;  ///< backing, 8 bytes each
    std::byte* bytes() { return reinterpret_cast<std::byte*>(words.data()); }
  };

  FakeDevice();

  // Building. Positions are the caller's; `next` pointers too.
  void put(uint16_t offset, unsigned width, uint32_t value);
  uint32_t get(uint16_t offset, unsigned width) const;
  void writable(uint16_t offset, unsigned width, uint32_t mask);
  void w1c(uint16_t offset, unsigned width, uint32_t mask);
  void add_bar(unsigned bar, uint64_t size, dext::BarType type, bool memory);

  /// Everything usual: PM, MSI 64-bit masked, MSI-X (BAR2), PCIe with FLR, vendor, VPD; AER, ATS, DSN, SR-IOV, ReBAR.
  static std::shared_ptr<FakeDevice> usual();

  uint64_t calls_to(const std::string& name) const;
  /// Config writes that reached the device, as "offset/width=value".
  std::vector<std::string> config_writes() const;

  std::array<uint8_t, 4096> config{};
  std::array<uint8_t, 4096> write_mask{};
  std::array<uint8_t, 4096> w1c_mask{};
  std::array<uint8_t, 4096> reset_config{};
  std::array<Bar, 6> bars;
  uint32_t vectors = 8;
  bool setup_done = false;
  dext::VectorSet enabled{}, pending{};
  std::map<uint64_t, uint64_t> dma;  ///< key -> size
  uint64_t next_iova = 0x80000000;
  bool buffer = false;
  bool claimed = false, closed = false, gone = false;
  unsigned silent_polls_after_reset = 0;  ///< vendor id reads all-ones this often
  bool reset_fails = false;

  struct Call {
    std::string name;
    uint64_t a = 0, b = 0, c = 0;
  };
  std::vector<Call> calls;
  uint64_t fail_at = 0;  ///< this call (1 = next) fails; 0: none
  io_return::Code fail_with = io_return::kIOError;

  /// The device sends a message. Enabled vectors become pending; pump() of the client delivers.
  void raise(uint32_t vector);
  std::function<void()> gone_sink;
  std::function<void(const dext::VectorSet&)> watch_sink;
  void unplug();
  bool bus_master() const { return (config[4] & 4) != 0; }
};

class FakeClient final : public dext::Client {
 public:
  explicit FakeClient(std::shared_ptr<FakeDevice> device) : d_(std::move(device)) {}
  ~FakeClient() override;

  Result<dext::Identity> identity() override;
  Result<void> claim() override;
  Result<void> terminate() override;
  Result<dext::DmaBuffer> allocate_dma_buffer(uint64_t size, uint64_t alignment) override;
  Result<void> free_dma_buffer() override;
  Result<dext::DmaRegion> register_dma_region(uint64_t key, void* base, uint64_t size) override;
  Result<void> unregister_dma_region(uint64_t key) override;
  Result<uint64_t> probe_dma_region(uint64_t key, uint64_t offset) override;
  Result<uint32_t> config_read(uint64_t offset, unsigned width) override;
  Result<void> config_write(uint64_t offset, unsigned width, uint32_t value) override;
  Result<dext::BarInfo> bar_info(unsigned bar) override;
  Result<dext::Mapping> map_bar(unsigned bar) override;
  io_return::Code mmio_read(uint8_t memory_index, uint64_t offset, unsigned width, uint64_t* value) override;
  io_return::Code mmio_write(uint8_t memory_index, uint64_t offset, unsigned width, uint64_t value) override;
  Result<uint32_t> setup_interrupts() override;
  Result<dext::VectorSet> check_interrupts() override;
  Result<void> set_irq_mask(const dext::VectorSet& enabled) override;
  Result<void> watch_interrupts(std::function<void(const dext::VectorSet&)> sink) override;
  Result<void> reset() override;
  void on_gone(std::function<void()> sink) override;
  bool gone() const override { return d_->gone; }
  void pump() override;

 private:
  /// Records the call; the Error it must fail with, if any.
  std::optional<Error> record(const char* name, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0);
  std::shared_ptr<FakeDevice> d_;
};

/// Opens `device` and clears the record of calls.
std::unique_ptr<PassthroughDevice> open_fake(const std::shared_ptr<FakeDevice>& device, const Budget& budget = {});

/// Guest accesses by value; a failed access is a test failure.
uint64_t guest_read(PassthroughDevice& device, Region region, uint64_t offset, unsigned width);
void guest_write(PassthroughDevice& device, Region region, uint64_t offset, unsigned width, uint64_t value);
inline uint32_t cfg_read(PassthroughDevice& device, uint64_t offset, unsigned width) {
  return static_cast<uint32_t>(guest_read(device, Region::kConfig, offset, width));
}
inline void cfg_write(PassthroughDevice& device, uint64_t offset, unsigned width, uint32_t value) {
  guest_write(device, Region::kConfig, offset, width, value);
}

}  // namespace dartboard::backend
