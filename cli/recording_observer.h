// cli/recording_observer.h - records at the backend API: what a guest's backend is asked, and the interrupts it
// delivers.
//
// The event model has no kind for masking single vectors or for triggering them from the host's side: those calls make
// no event.
#pragma once

#include <bitset>
#include <memory>

#include "backend/observer.h"
#include "cli/recording_events.h"
#include "traces/device_description.h"
#include "traces/recorder.h"

namespace dartboard::cli {

class RecordingObserver final : public backend::Observer {
 public:
  explicit RecordingObserver(std::shared_ptr<traces::Recorder> recorder) : recorder_(std::move(recorder)) {}

  /// Requests are recorded by whoever makes them (a replay): interrupts alone are recorded here.
  void interrupts_only() { interrupts_only_ = true; }
  /// What the guest has read of configuration space and not written before.
  const traces::ConfigImage& config() const { return config_; }

  bool wants_calls() const override { return !interrupts_only_; }
  uint64_t on_begin() override { return recorder_->now_ns(); }
  void on_read(uint64_t begun, backend::Region region, uint64_t offset, std::span<const std::byte> data,
               const Result<void>& result) override;
  void on_write(uint64_t begun, backend::Region region, uint64_t offset, std::span<const std::byte> data,
                const Result<void>& result) override;
  void on_set_irqs(uint64_t begun, backend::IrqKind kind, backend::IrqAction action, uint32_t start, uint32_t count,
                   std::span<const backend::IrqSink> sinks, const Result<void>& result) override;
  void on_reset(uint64_t begun, const Result<void>& result) override;
  void on_dma_map(uint64_t begun, uint64_t key, uint64_t size, const Result<backend::DmaMapping>& result) override;
  void on_dma_unmap(uint64_t begun, uint64_t key, const Result<void>& result) override;
  void on_dma_buffer(uint64_t begun, uint64_t size, const Result<dext::DmaBuffer>& result) override;
  void on_dma_buffer_freed(uint64_t begun, const Result<void>& result) override;
  void on_interrupt(backend::IrqKind kind, uint32_t vector) override;

 private:
  template <class T>
  void end(traces::Event event, uint64_t begun, const Result<T>& result, traces::Reply reply = {});

  const std::shared_ptr<traces::Recorder> recorder_;
  DmaHandles handles_;
  bool interrupts_only_ = false;
  traces::ConfigImage config_;
  std::bitset<traces::ConfigImage::kBytes> config_written_;
};

}  // namespace dartboard::cli
