// model/endpoint/rtl/rtl_endpoint.h - an endpoint whose registers and DMA engine are SystemVerilog (dma_engine.sv).
//
// The PCIe side (configuration space, BARs, MSI-X table) is model/endpoint's, as it is a hard block in an FPGA. Behind it
// stands the Verilated module: a register access is one clock cycle, a DMA beat a request on its DMA port. The clock
// runs while the module has something to do and stops otherwise, so that simulated time costs nothing and the same
// accesses always give the same cycles.
//   BAR0  mem32, 16 KiB               registers, as in model/endpoint/test.h
//   BAR2  mem64 prefetchable, 4 KiB   the module's RAM
//   BAR4  mem32, 4 KiB                MSI-X table at 0, PBA at 800h
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "model/endpoint.h"

namespace dartboard::model {

inline constexpr uint16_t kRtlDeviceId = 0x00dc;
inline constexpr uint32_t kRtlMsixVectors = 8;
inline constexpr uint64_t kRtlRamBytes = 4 * kKiB;

struct RtlEndpointOptions {
  std::string wave_file;   ///< value change dump of every signal; empty: none
};

class RtlEndpoint final : public Endpoint {
 public:
  /// kFileUnreadable: the wave file cannot be written.
  static Result<std::unique_ptr<RtlEndpoint>> make(const RtlEndpointOptions& options = {});
  ~RtlEndpoint() override;

  std::string_view kind() const override { return "RTL endpoint"; }
  void attach(Upstream* upstream) override;
  void reset(ResetKind kind) override;
  void inspect(InspectNode& node) const override;

  /// Clock cycles since it was made.
  uint64_t cycles() const;

 protected:
  Outcome read_bar(unsigned bar, uint64_t offset, std::byte* data, uint32_t length) override;
  Outcome write_bar(unsigned bar, uint64_t offset, const std::byte* data, uint32_t length) override;

 private:
  struct Module;
  struct EngineTimer final : Timer {
    explicit EngineTimer(RtlEndpoint& owner_in) : owner(owner_in) {}
    void expire() override { owner.timer_expired(); }
    RtlEndpoint& owner;
  };

  explicit RtlEndpoint(const RtlEndpointOptions& options);
  void clock();
  uint32_t peek(uint32_t offset) const;
  void work();
  void serve_dma();
  void serve_interrupt();
  void follow_outputs();
  void timer_expired();
  void stop_timer();

  std::unique_ptr<Module> module_;
  EngineTimer timer_;
  uint64_t resets_ = 0;      ///< tells a beat that was under way that there was a reset
  bool working_ = false;
};

}  // namespace dartboard::model
