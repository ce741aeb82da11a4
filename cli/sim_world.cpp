// cli/sim_world.cpp - see sim_world.h.
#include "cli/sim_world.h"

#include <fmt/format.h>

#include "cli/endpoints.h"
#include "cli/selectors.h"
#include "cli/world.h"
#include "model/endpoint/test.h"
#include "sim/machine.h"

namespace dartboard::cli {

namespace {

model::BarKind bar_kind(const traces::BarDescription& bar) {
  if (bar.kind == traces::BarKind::kAbsent) return model::BarKind::kNone;
  if (bar.is_64bit) return bar.prefetchable ? model::BarKind::kMem64Prefetchable : model::BarKind::kMem64;
  return bar.prefetchable ? model::BarKind::kMem32Prefetchable : model::BarKind::kMem32;
}

std::array<model::ReplayBarKind, 6> bar_kinds(const traces::DeviceDescription& device) {
  std::array<model::ReplayBarKind, 6> kinds{};
  for (unsigned i = 0; i < 6; ++i) {
    switch (device.bars[i].kind) {
      case traces::BarKind::kAbsent: kinds[i] = model::ReplayBarKind::kAbsent; break;
      case traces::BarKind::kMemory: kinds[i] = model::ReplayBarKind::kMemory; break;
      case traces::BarKind::kRegisters: kinds[i] = model::ReplayBarKind::kRegisters; break;
    }
  }
  return kinds;
}

class SimWorld final : public World {
 public:
  explicit SimWorld(sim::Profile profile) : profile_(std::move(profile)) {}
  SimWorld(sim::Profile profile, std::unique_ptr<model::PcieDevice> plugged)
      : profile_(std::move(profile)), plugged_(std::move(plugged)) {}
  ~SimWorld() override { machine_.power_off(); }

  std::string name() const override { return "sim:" + profile_.name; }
  std::string description() const override { return profile_.model; }

  Result<void> power_on(const traces::Session* session) override {
    machine_.power_off();  // before the device that may still sit in a slot goes
    endpoint_.reset();
    test_endpoint_.reset();
    accesses_.clear();
    session_ = nullptr;
    sim::Profile profile = profile_;
    model::PcieDevice* device = nullptr;
    if (session != nullptr) {
      // A replay puts every page where the recording had it: addresses are inside what the driver writes.
      for (sim::PortProfile& port : profile.ports) port.mapper.policy = macos::IovaPolicy::kAsRecorded;
    }
    if (plugged_ != nullptr) {
      device = plugged_.get();
    } else if (session != nullptr) {
      const model::EndpointDeclaration declaration = declaration_of(session->device);
      if (auto valid = declaration.validate(); !valid) {
        return fail(ErrorName::kFileCorrupt,
                    fmt::format("{}: {}", traces::device_description_path(session->origin), valid.error().sentence));
      }
      endpoint_ = std::make_unique<model::ReplayEndpoint>(declaration, bar_kinds(session->device),
                                                          !session->device.memory_decode_gated_by_command);
      accesses_ = register_accesses(*session);
      endpoint_->load(accesses_);
      endpoint_->on_mismatch([this](const model::ReplayMismatch& mismatch) {
        if (sink_ != nullptr) sink_->device_mismatch(mismatch.expected, mismatch.got);
      });
      device = endpoint_.get();
      session_ = session;
    } else {
      test_endpoint_ = std::make_unique<model::TestEndpoint>();
      device = test_endpoint_.get();
    }
    sim::PowerOn what;
    what.profile = &profile;
    what.devices = {device};
    return machine_.power_on(what);
  }

  Result<void> restart() override {
    if (endpoint_) endpoint_->rewind();
    return machine_.reset();
  }
  void pass_time(uint64_t ns) override { machine_.timeline().advance(ns); }

  traces::Clock clock() const override { return traces::Clock::kSimulated; }
  uint64_t now_ns() const override { return machine_.timeline().now().value; }
  dext::Selector selector() const override { return {}; }

  backend::Budget budget() const override {
    const macos::MapperConfig& mapper = profile_.ports.front().mapper;
    backend::Budget budget;
    budget.bytes_max = mapper.mapped_bytes_max == 0 ? UINT64_MAX : mapper.mapped_bytes_max;
    budget.mappings_max = mapper.mappings_max == 0 ? UINT64_MAX : mapper.mappings_max;
    budget.page_bytes = mapper.page_bytes;
    return budget;
  }

  void on_mismatch(traces::MismatchSink* sink) override { sink_ = sink; }
  // With a device that acts by itself nothing is expected and nothing is done in its place.
  void resync(uint64_t next_request) override {
    if (endpoint_) endpoint_->resync(next_request);
  }
  void expect_end() override {
    if (!endpoint_) return;
    const uint64_t position = endpoint_->position();
    if (sink_ == nullptr || position >= accesses_.size()) return;
    const model::ReplayAccess& next = accesses_[position];
    sink_->device_mismatch(
        fmt::format("{} of {} bytes at BAR{}+0x{:x} (request {}), and {} more", next.is_write ? "write" : "read",
                    next.length, next.bar, next.offset, next.index, accesses_.size() - position - 1),
        "the end of the replay");
  }

  Result<void> device_dma_write(Iova address, std::span<const std::byte> data) override {
    if (!endpoint_) return {};
    const model::Outcome outcome = endpoint_->dma_write(address, data);
    if (outcome == model::Outcome::kSuccess) return {};
    return fail(ErrorName::kCallFailed, fmt::format("the device's write of {} bytes to IOVA 0x{:x} ended with {}",
                                                    data.size(), address.value, model::to_string(outcome)));
  }
  Result<void> device_memory_change(unsigned bar, uint64_t offset, std::span<const std::byte> data) override {
    return endpoint_ ? endpoint_->poke_memory(bar, offset, data) : Result<void>();
  }
  Result<void> expect_placement(Iova iova, uint64_t bytes) override {
    const macos::MapperConfig& mapper = profile_.ports.front().mapper;
    if (iova < mapper.window_base || !in_range(iova - mapper.window_base, bytes, mapper.window_bytes)) {
      return fail(ErrorName::kPlacement,
                  fmt::format("the IOVA window of {} is 0x{:x} to 0x{:x}", profile_.name, mapper.window_base.value,
                              mapper.window_base.value + mapper.window_bytes));
    }
    if (iova.value % mapper.page_bytes != 0) {
      return fail(ErrorName::kPlacement, fmt::format("{} maps pages of {} bytes", profile_.name, mapper.page_bytes));
    }
    machine_.kernel().mapper(0).expect_placement(iova);
    return {};
  }
  void forget_placements() override { machine_.kernel().mapper(0).forget_placements(); }

  std::optional<Error> host_panic() const override {
    const auto& panic = machine_.kernel().panicked();
    if (!panic) return std::nullopt;
    return Error{ErrorName::kHostPanic, io_return::kNotResponding,
                 fmt::format("the simulated Mac panicked after {} ns ({}): {}", panic->time.value,
                             macos::to_string(panic->cause), panic->sentence)};
  }

  WorldCounters counters() override {
    WorldCounters out;
    const macos::CallStats& calls = machine_.kernel().calls();
    for (unsigned i = 0; i < calls.by_selector.size(); ++i) {
      if (calls.by_selector[i] == 0) continue;
      out.calls_by_selector.emplace_back(selector_name(i), calls.by_selector[i]);
      out.calls += calls.by_selector[i];
    }
    out.calls_failed = calls.failed;
    const sim::TlpStats& tlps = machine_.tlps();
    for (unsigned i = 0; i < model::kTlpKindCount; ++i) {
      if (tlps.by_kind[i] == 0) continue;
      out.tlps_by_kind.emplace_back(model::to_string(static_cast<model::TlpKind>(i)), tlps.by_kind[i]);
      out.tlps += tlps.by_kind[i];
    }
    out.tlps_failed = tlps.failed;
    out.packets = tlps.packets;
    for (unsigned i = 0; i < machine_.profile().ports.size(); ++i) {
      const model::DartStats& dart = machine_.root(i).dart().stats();
      out.dart_walks += dart.walks;
      out.tlb_hits += dart.tlb_hits;
      out.faults += dart.faults;
      const macos::MapperStats& mapper = machine_.kernel().mapper(i).stats();
      out.mapped_bytes += mapper.mapped_bytes;
      out.mapped_bytes_peak += mapper.mapped_bytes_peak;
      out.mappings += mapper.mappings;
      out.mappings_peak += mapper.mappings_peak;
    }
    out.simulated_ns = machine_.timeline().now().value;
    out.events = machine_.hash().events();
    out.trace_hash = machine_.hash().value().hex();
    return out;
  }

  InspectNode inspect() override { return machine_.inspect(); }

  std::string profile_name() const override { return profile_.name; }
  const traces::DeviceDescription* recorded_device() const override {
    return session_ != nullptr ? &session_->device : nullptr;
  }

 private:
  sim::Machine& machine_ = sim::Machine::instance();
  sim::Profile profile_;
  std::unique_ptr<model::ReplayEndpoint> endpoint_;
  std::unique_ptr<model::TestEndpoint> test_endpoint_;
  std::unique_ptr<model::PcieDevice> plugged_;   ///< the device asked for; null: one of the above
  std::vector<model::ReplayAccess> accesses_;
  const traces::Session* session_ = nullptr;     ///< that endpoint_ answers from
  traces::MismatchSink* sink_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<World>> make_sim_world(const std::string& profile, const std::string& endpoint,
                                              const std::string& storage) {
  auto loaded = sim::load_profile(profile);
  if (!loaded) return tl::unexpected(loaded.error());
  if (endpoint.empty() && storage.empty()) return make_sim_world(*loaded);
  auto plugged = make_endpoint(endpoint.empty() ? kTestEndpoint : endpoint, storage);
  if (!plugged) return tl::unexpected(plugged.error());
  return std::make_unique<SimWorld>(std::move(*loaded), std::move(*plugged));
}
std::unique_ptr<World> make_sim_world(const sim::Profile& profile) {
  return std::make_unique<SimWorld>(profile);
}

model::EndpointDeclaration declaration_of(const traces::DeviceDescription& device) {
  model::EndpointDeclaration declaration;
  declaration.vendor_id = device.vendor_id;
  declaration.device_id = device.device_id;
  declaration.subsystem_vendor_id = device.subsystem_vendor_id;
  declaration.subsystem_id = device.subsystem_id;
  declaration.revision = device.revision_id;
  declaration.class_code = device.class_code;
  for (unsigned i = 0; i < 6; ++i) {
    declaration.bars[i].kind = bar_kind(device.bars[i]);
    declaration.bars[i].size_bytes = device.bars[i].size;
    declaration.bars[i].role =
        device.bars[i].kind == traces::BarKind::kMemory ? model::BarRole::kMemory : model::BarRole::kRegisters;
  }
  declaration.memory_decode_ungated = !device.memory_decode_gated_by_command;
  return declaration;
}

std::vector<model::ReplayAccess> register_accesses(const traces::Session& session) {
  std::vector<model::ReplayAccess> out;
  for (const traces::Event& event : session.events) {
    const bool is_write = event.kind == traces::EventKind::kMmioWrite;
    if (!is_write && event.kind != traces::EventKind::kMmioRead) continue;
    if (session.device.bars[event.target].kind != traces::BarKind::kRegisters) continue;
    const traces::Reply* const reply = session.reply_of(event);
    if (!is_write && (reply == nullptr || reply->status != 0)) continue;  // a read that failed has no bytes to answer
    const traces::Payload& data = is_write ? event.data : reply->data;
    for (uint64_t done = 0; done < event.length;) {
      const uint64_t at = event.address + done;
      uint32_t width = 8;
      while (at % width != 0 || event.length - done < width) width /= 2;
      model::ReplayAccess access{event.request, static_cast<uint8_t>(event.target), is_write, width, at, {}};
      access.data.resize(width);
      data.copy_to(done, access.data);
      out.push_back(std::move(access));
      done += width;
    }
  }
  return out;
}

}  // namespace dartboard::cli
