// bench/mmio_bench.cpp - a register read through every layer, a memory BAR read, and the bare transport they stand against.
#include <cstdint>
#include <span>

#include <benchmark/benchmark.h>
#include <systemc>
#include <tlm>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include "bench/worlds.h"
#include "sim/invariants/watch.h"

namespace dartboard::bench {
namespace {

/// The least a TLM-2.0 access can be: two simple sockets, a target that copies four bytes and says OK.
struct BareTarget : sc_core::sc_module {
  tlm_utils::simple_target_socket<BareTarget> socket{"socket"};
  uint32_t value = 7;
  explicit BareTarget(sc_core::sc_module_name name) : sc_module(name) {
    socket.register_b_transport(this, &BareTarget::b_transport);
  }
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time&) {
    std::memcpy(payload.get_data_ptr(), &value, sizeof value);
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
  }
};
struct BareInitiator : sc_core::sc_module {
  tlm_utils::simple_initiator_socket<BareInitiator> socket{"socket"};
  explicit BareInitiator(sc_core::sc_module_name name) : sc_module(name) {}
};
struct BarePair {
  BareInitiator initiator{"bare_initiator"};
  BareTarget target{"bare_target"};
  BarePair() { initiator.socket.bind(target.socket); }
};
// Modules must exist before the machine elaborates, so this one is static.
BarePair& bare() {
  static BarePair* const pair = new BarePair();
  return *pair;
}
const bool kElaborated = (bare(), true);

void bare_b_transport(benchmark::State& state) {
  (void)kElaborated;
  worlds();   // elaborates
  tlm::tlm_generic_payload payload;
  sc_core::sc_time delay;
  uint32_t data = 0;
  payload.set_command(tlm::TLM_READ_COMMAND);
  payload.set_data_ptr(reinterpret_cast<unsigned char*>(&data));
  payload.set_data_length(sizeof data);
  payload.set_streaming_width(sizeof data);
  for (auto _ : state) {
    payload.set_address(0);
    payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    bare().initiator.socket->b_transport(payload, delay);
    benchmark::DoNotOptimize(data);
  }
}
BENCHMARK(bare_b_transport);

void mmio_read_4(benchmark::State& state) {
  support::World& world = worlds();
  backend::PassthroughDevice& device = world.device();
  uint32_t value = 0;
  for (auto _ : state) {
    auto result = device.read(backend::Region::kBar0, model::test_register::kId, std::as_writable_bytes(std::span(&value, 1)));
    benchmark::DoNotOptimize(result);
    benchmark::DoNotOptimize(value);
  }
  if (value != model::test_register::kIdValue) state.SkipWithError("the register did not answer");
}
BENCHMARK(mmio_read_4);

/// The same with every ledger of sim/invariants listening.
void mmio_read_4_watched(benchmark::State& state) {
  support::World& world = worlds();
  sim::Watch watch(world.machine());
  backend::PassthroughDevice& device = world.device();
  uint32_t value = 0;
  for (auto _ : state) {
    auto result = device.read(backend::Region::kBar0, model::test_register::kId, std::as_writable_bytes(std::span(&value, 1)));
    benchmark::DoNotOptimize(result);
    benchmark::DoNotOptimize(value);
  }
  if (value != model::test_register::kIdValue) state.SkipWithError("the register did not answer");
  if (watch.violations().count() != 0) state.SkipWithError("a ledger found a violation");
}
BENCHMARK(mmio_read_4_watched);

void direct_read_4(benchmark::State& state) {
  support::World& world = worlds();
  backend::PassthroughDevice& device = world.device();
  uint32_t value = 0x1234'5678;
  (void)device.write(backend::Region::kBar2, 64, std::as_bytes(std::span(&value, 1)));
  value = 0;
  for (auto _ : state) {
    auto result = device.read(backend::Region::kBar2, 64, std::as_writable_bytes(std::span(&value, 1)));
    benchmark::DoNotOptimize(result);
    benchmark::DoNotOptimize(value);
  }
  if (value != 0x1234'5678) state.SkipWithError("the memory did not answer");
}
BENCHMARK(direct_read_4);

}  // namespace
}  // namespace dartboard::bench
