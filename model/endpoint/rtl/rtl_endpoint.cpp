// model/endpoint/rtl/rtl_endpoint.cpp - the bridge between transactions and the Verilated module's clock cycles.
// Verilator's headers first: after SystemC's they take its time for theirs, and look for it in the global namespace.
#include <VDmaEngine.h>
#include <verilated.h>
#include <verilated_vcd_c.h>

#include "model/endpoint/rtl/rtl_endpoint.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "model/endpoint/test.h"

namespace dartboard::model {
namespace {

constexpr uint32_t kBeatBytesMax = 64;
/// The longest command is 16 MiB of REVERSE: two beats for each 64 bytes, and a few cycles around them.
constexpr uint64_t kCyclesMax = 4 * (kTestDmaBytesMax / kBeatBytesMax) + 1024;
constexpr uint64_t kCycleNs = 10;   // of the wave file's time axis: 100 MHz
constexpr uint32_t kPbaOffset = 0x800;

EndpointDeclaration declare() {
  EndpointDeclaration d;
  d.vendor_id = kTestVendorId;
  d.device_id = kRtlDeviceId;
  d.subsystem_vendor_id = kTestVendorId;
  d.subsystem_id = 0x1100;
  d.revision = 1;
  d.class_code = 0xff'0000;
  d.interrupt_pin = 1;
  d.bars[kTestRegisterBar] = {BarKind::kMem32, 16 * kKiB, BarRole::kRegisters};
  d.bars[kTestMemoryBar] = {BarKind::kMem64Prefetchable, kRtlRamBytes, BarRole::kRegisters};
  d.bars[kTestMsixBar] = {BarKind::kMem32, 4 * kKiB, BarRole::kMsix};
  d.msix_vectors = kRtlMsixVectors;
  d.msix_table_bar = d.msix_pba_bar = kTestMsixBar;
  d.msix_pba_offset = kPbaOffset;
  d.msi_vectors = 8;
  d.serial_number = 0x0000'1b36'00dc'0001;
  return d;
}

}  // namespace

struct RtlEndpoint::Module {
  // The context goes last: the module and the wave file use it until their end.
  VerilatedContext context;
  std::unique_ptr<VDmaEngine> top;
  std::unique_ptr<VerilatedVcdC> wave;
  uint64_t cycles = 0;

  Module() {
    context.threads(1);   // the default is a pool of workers, one a processor, which a module of one clock has no use for
    context.randReset(0);
    context.traceEverOn(true);
    top = std::make_unique<VDmaEngine>(&context, "rtl");
  }
  ~Module() {
    if (wave != nullptr) wave->close();
    top->final();
  }
};

Result<std::unique_ptr<RtlEndpoint>> RtlEndpoint::make(const RtlEndpointOptions& options) {
  std::unique_ptr<RtlEndpoint> made(new RtlEndpoint(options));
  if (made->module_->wave != nullptr && !made->module_->wave->isOpen()) {
    return fail(ErrorName::kFileUnreadable,
                fmt::format("The wave file {} cannot be written: name a file in a directory that is writable",
                            options.wave_file));
  }
  return made;
}

RtlEndpoint::RtlEndpoint(const RtlEndpointOptions& options)
    : Endpoint(declare()), module_(std::make_unique<Module>()), timer_(*this) {
  if (!options.wave_file.empty()) {
    module_->wave = std::make_unique<VerilatedVcdC>();
    module_->top->trace(module_->wave.get(), 99);
    module_->wave->set_time_unit("ns");
    module_->wave->set_time_resolution("ns");
    module_->wave->open(options.wave_file.c_str());
  }
  module_->top->eval();
}

RtlEndpoint::~RtlEndpoint() = default;

uint64_t RtlEndpoint::cycles() const { return module_->cycles; }

void RtlEndpoint::attach(Upstream* upstream) {
  stop_timer();
  ++resets_;
  Endpoint::attach(upstream);
}

void RtlEndpoint::reset(ResetKind kind) {
  stop_timer();
  ++resets_;
  VDmaEngine& top = *module_->top;
  top.req = 0;
  top.dma_ack = top.timer_ack = top.irq_ack = 0;
  // The classes of the test endpoint's registers: STICKY is sticky, FLR_KEPT survives FLR, RAM is device memory.
  top.rst = 1;
  top.rst_link = resets(kind, ResetClass::kSurvivesFlr);
  top.rst_sticky = resets(kind, ResetClass::kSticky);
  top.rst_power = resets(kind, ResetState::kDeviceMemory);
  clock();
  top.rst = top.rst_link = top.rst_sticky = top.rst_power = 0;
  top.eval();
  Endpoint::reset(kind);
}

// Accesses ------------------------------------------------------------------------------------------------------------

Outcome RtlEndpoint::read_bar(unsigned bar, uint64_t offset, std::byte* data, uint32_t length) {
  VDmaEngine& top = *module_->top;
  top.now_ns = upstream() != nullptr ? upstream()->timeline().now().value : 0;
  for (uint32_t done = 0; done < length;) {
    const uint64_t at = offset + done;
    const auto in_dword = static_cast<uint32_t>(at % 4);
    const uint32_t count = std::min(length - done, 4 - in_dword);
    top.req = 1;
    top.write = 0;
    top.ram_select = bar == kTestMemoryBar;
    top.addr = static_cast<uint16_t>(at & ~uint64_t{3});
    top.eval();
    const uint32_t value = top.rdata;
    std::memcpy(data + done, reinterpret_cast<const std::byte*>(&value) + in_dword, count);
    clock();
    top.req = 0;
    done += count;
  }
  top.eval();
  return Outcome::kSuccess;
}

Outcome RtlEndpoint::write_bar(unsigned bar, uint64_t offset, const std::byte* data, uint32_t length) {
  VDmaEngine& top = *module_->top;
  for (uint32_t done = 0; done < length;) {
    const uint64_t at = offset + done;
    const auto in_dword = static_cast<uint32_t>(at % 4);
    const uint32_t count = std::min(length - done, 4 - in_dword);
    uint32_t value = 0;
    std::memcpy(reinterpret_cast<std::byte*>(&value) + in_dword, data + done, count);
    top.req = 1;
    top.write = 1;
    top.ram_select = bar == kTestMemoryBar;
    top.addr = static_cast<uint16_t>(at & ~uint64_t{3});
    top.wdata = value;
    top.wstrb = static_cast<uint8_t>(((1u << count) - 1) << in_dword);
    clock();
    top.req = top.write = 0;
    top.eval();
    work();
    done += count;
  }
  return Outcome::kSuccess;
}

// The clock -----------------------------------------------------------------------------------------------------------

/// One cycle: the inputs as they are, a rising edge, a falling one.
void RtlEndpoint::clock() {
  Module& m = *module_;
  m.top->clk = 0;
  m.top->eval();
  if (m.wave != nullptr) m.wave->dump(m.cycles * kCycleNs);
  m.top->clk = 1;
  m.top->eval();
  if (m.wave != nullptr) m.wave->dump(m.cycles * kCycleNs + kCycleNs / 2);
  ++m.cycles;
}

/// Clocks the module until it is idle or waits for its timer. An access that comes back from the host in the middle of a
/// beat does not start the clock again: the loop that sent the beat goes on.
void RtlEndpoint::work() {
  if (working_) return;
  working_ = true;
  const uint64_t resets_before = resets_;
  VDmaEngine& top = *module_->top;
  for (uint64_t i = 0; i < kCyclesMax && resets_ == resets_before; ++i) {
    follow_outputs();
    top.bus_master = bus_master();
    top.eval();
    if (top.irq_req) {
      serve_interrupt();
    } else if (top.dma_req) {
      serve_dma();
    } else if (top.timer_req) {
      if (upstream() == nullptr) break;
      if (!timer_.scheduled()) upstream()->timeline().schedule(timer_, top.timer_ns);
      break;
    } else if (top.active == 0) {
      break;
    } else {
      clock();
    }
  }
  if (resets_ == resets_before) follow_outputs();
  working_ = false;
}

/// A beat of the engine's DMA.
void RtlEndpoint::serve_dma() {
  VDmaEngine& top = *module_->top;
  const uint64_t resets_before = resets_;
  std::array<std::byte, kBeatBytesMax> data{};
  const Iova address(top.dma_addr);
  const uint32_t bytes = std::min<uint32_t>(top.dma_bytes, kBeatBytesMax);
  Outcome outcome;
  if (top.dma_write) {
    std::memcpy(data.data(), top.dma_wdata.m_storage, data.size());
    outcome = dma_write(address, data.data(), bytes);
  } else {
    outcome = dma_read(address, data.data(), bytes);
  }
  if (resets_ != resets_before) return;   // the engine that asked is no more
  std::memcpy(top.dma_rdata.m_storage, data.data(), data.size());
  top.dma_error = static_cast<uint8_t>(test_dma_error(outcome));
  top.dma_ns = static_cast<uint32_t>(std::min<uint64_t>(last_dma_ns(), UINT32_MAX));
  top.dma_ack = 1;
  clock();
  top.dma_ack = 0;
}

void RtlEndpoint::serve_interrupt() {
  VDmaEngine& top = *module_->top;
  const uint64_t resets_before = resets_;
  raise(top.irq_vector);
  if (resets_ != resets_before) return;
  top.irq_ack = 1;
  top.irq_was_level = intx();   // raise() fell back to the level; software clears it at the register
  clock();
  top.irq_ack = top.irq_was_level = 0;
}

/// What the module drives all the time: the INTx condition and Transactions Pending.
void RtlEndpoint::follow_outputs() {
  VDmaEngine& top = *module_->top;
  top.eval();
  if ((top.intx != 0) != intx() && !top.irq_req) set_intx(top.intx != 0);
  set_transactions_pending(top.pending != 0);
}

void RtlEndpoint::timer_expired() {
  VDmaEngine& top = *module_->top;
  if (!top.timer_req) return;
  top.timer_ack = 1;
  clock();
  top.timer_ack = 0;
  work();
}

void RtlEndpoint::stop_timer() {
  if (timer_.scheduled() && upstream() != nullptr) upstream()->timeline().cancel(timer_);
}

void RtlEndpoint::inspect(InspectNode& node) const {
  Endpoint::inspect(node);
  InspectNode& engine = node.child("engine", fmt::format("{} cycles", module_->cycles));
  for (const RegisterDecl& decl : kTestEndpointRegisters) {
    if (decl.count > 1 || decl.offset == test_register::kTime) continue;
    uint64_t value = peek(decl.offset);
    if (decl.width_bytes == 8) value |= uint64_t{peek(decl.offset + 4)} << 32;
    engine.child(std::string(decl.name), fmt::format("{:#x}", value));
  }
}

/// A register as a read would see it, without a clock cycle.
uint32_t RtlEndpoint::peek(uint32_t offset) const {
  VDmaEngine& top = *module_->top;
  top.ram_select = 0;
  top.addr = static_cast<uint16_t>(offset);
  top.eval();
  return top.rdata;
}

}  // namespace dartboard::model
