// cli/recording_client.h - records at the user-client seam: every call that reaches the dext, as an event.
//
// What goes through pointers (memory BARs, DMA memory) is no call and is not seen. Calls that the event model has no
// kind for (identity, claim, BAR info) make no event, but what they and the configuration reads told is kept: it
// describes the device.
#pragma once

#include <array>
#include <bitset>
#include <memory>
#include <optional>

#include "cli/recording_events.h"
#include "dext/client/client.h"
#include "traces/device_description.h"
#include "traces/recorder.h"

namespace dartboard::cli {

/// What the calls so far showed of the device. Nothing is asked for its sake.
struct SeenDevice {
  struct Bar {
    dext::BarInfo info;       ///< size 0: not asked, or not there
    bool accessible = false;  ///< its mapping may be touched
  };
  dext::Identity identity;
  std::array<Bar, 6> bars;
  traces::ConfigImage config;  ///< as the device showed it first

  void config_was_read(uint64_t offset, unsigned width, uint32_t value);
  void config_was_written(uint64_t offset, unsigned width);

 private:
  std::bitset<traces::ConfigImage::kBytes> written_;
};

/// Where MSI-X has its table and pending bits, as far as `config` shows it; entries 0: not there.
traces::MsixDescription msix_of(const traces::ConfigImage& config);

class RecordingClient final : public dext::Client {
 public:
  /// `recorder` null: nothing is recorded, `seen` is filled all the same.
  RecordingClient(std::unique_ptr<dext::Client> client, std::shared_ptr<SeenDevice> seen,
                  std::shared_ptr<traces::Recorder> recorder);

  Result<dext::Identity> identity() override;
  Result<void> claim() override { return client_->claim(); }
  Result<void> terminate() override { return client_->terminate(); }
  Result<dext::DmaBuffer> allocate_dma_buffer(uint64_t size, uint64_t alignment) override;
  Result<void> free_dma_buffer() override;
  Result<dext::DmaRegion> register_dma_region(uint64_t key, void* base, uint64_t size) override;
  Result<void> unregister_dma_region(uint64_t key) override;
  Result<uint64_t> probe_dma_region(uint64_t key, uint64_t offset) override {
    return client_->probe_dma_region(key, offset);
  }
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
  void on_gone(std::function<void()> sink) override { client_->on_gone(std::move(sink)); }
  bool gone() const override { return client_->gone(); }
  void pump() override { client_->pump(); }

 private:
  /// Records nothing when there is no recorder.
  uint64_t begin() const { return recorder_ != nullptr ? recorder_->now_ns() : 0; }
  void end(traces::Event event, uint64_t from_ns, const Error* error, traces::Reply reply = {});
  uint32_t bar_of(uint8_t memory_index) const;

  const std::unique_ptr<dext::Client> client_;
  const std::shared_ptr<SeenDevice> seen_;
  const std::shared_ptr<traces::Recorder> recorder_;
  DmaHandles handles_;
  traces::IrqKind irq_kind_ = traces::IrqKind::kMsi;  ///< what macOS made of the vectors
  dext::VectorSet enabled_{};
};

}  // namespace dartboard::cli
