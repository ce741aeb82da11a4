// cli/sim_world.cpp - see sim_world.h.
#include "cli/sim_world.h"

#include <array>
#include <cstring>

#include <fmt/format.h>

#include "cli/endpoints.h"
#include "cli/replay_device.h"
#include "cli/selectors.h"
#include "cli/world.h"
#include "model/endpoint/test.h"
#include "sim/machine.h"
#include "sim/macos/root_context.h"

namespace dartboard::cli {

namespace {

std::array<model::ReplayBarKind, 6> bar_kinds(const model::EndpointDeclaration& declaration) {
  std::array<model::ReplayBarKind, 6> kinds{};
  for (unsigned i = 0; i < 6; ++i) {
    const model::BarDeclaration& bar = declaration.bars[i];
    kinds[i] = bar.kind == model::BarKind::kNone     ? model::ReplayBarKind::kAbsent
               : bar.role == model::BarRole::kMemory ? model::ReplayBarKind::kMemory
                                                     : model::ReplayBarKind::kRegisters;
  }
  return kinds;
}

/// Registers that answer by themselves, and the guest that waits for them.
class BookAnswers final : public model::RegisterAnswers {
 public:
  void open(traces::RegisterBook* book) {
    book_ = book;
    forget();
  }
  void forget() {
    expected_ = {};
    if (book_ != nullptr) book_->rewind();
  }
  bool empty() const { return book_ == nullptr; }
  void expect(unsigned bar, uint64_t offset, const traces::Payload& recorded) {
    bar_ = bar;
    offset_ = offset;
    expected_ = recorded;
  }
  bool read(unsigned bar, uint64_t offset, std::span<std::byte> data) override {
    std::optional<uint64_t> expected;
    if (bar == bar_ && offset >= offset_ && in_range(offset - offset_, data.size(), expected_.length)) {
      std::array<std::byte, 8> bytes{};
      expected_.copy_to(offset - offset_, std::span(bytes).first(data.size()));
      uint64_t value = 0;
      std::memcpy(&value, bytes.data(), 8);
      expected = value;
    }
    return book_->read(bar, offset, data, expected);
  }
  bool write(unsigned bar, uint64_t offset, std::span<const std::byte> data) override {
    return book_->write(bar, offset, data);
  }

 private:
  traces::RegisterBook* book_ = nullptr;
  unsigned bar_ = 0;
  uint64_t offset_ = 0;
  traces::Payload expected_;
};

class SimWorld final : public World {
 public:
  explicit SimWorld(sim::Profile profile) : profile_(std::move(profile)) {}
  SimWorld(sim::Profile profile, std::unique_ptr<model::PcieDevice> plugged)
      : profile_(std::move(profile)), plugged_(std::move(plugged)) {}
  ~SimWorld() override { machine_.power_off(); }

  std::string name() const override { return "sim:" + profile_.name; }
  std::string description() const override { return profile_.model; }

  Result<void> power_on(const RecordedSide* recorded) override {
    machine_.power_off();  // before the device that may still sit in a slot goes
    endpoint_.reset();
    test_endpoint_.reset();
    notes_.clear();
    recorded_device_ = nullptr;
    answers_.open(nullptr);
    sim::Profile profile = profile_;
    model::PcieDevice* device = nullptr;
    if (recorded != nullptr && recorded->place_as_recorded) {
      // A replay puts every page where the recording had it: addresses are inside what the driver writes.
      for (sim::PortProfile& port : profile.ports) port.mapper.policy = macos::IovaPolicy::kAsRecorded;
    }
    if (plugged_ != nullptr) {
      device = plugged_.get();
    } else if (recorded != nullptr) {
      const model::EndpointDeclaration declaration = declaration_of(*recorded->device, &notes_);
      if (auto valid = declaration.validate(); !valid) {
        return fail(ErrorName::kFileCorrupt, fmt::format("{}: {}", recorded->origin, valid.error().sentence));
      }
      recorded_device_ = recorded->device;
      endpoint_ = std::make_unique<model::ReplayEndpoint>(declaration, bar_kinds(declaration),
                                                          declaration.memory_decode_ungated);
      if (recorded->registers != nullptr) {
        answers_.open(recorded->registers);
        endpoint_->answer_by(&answers_);
      }
      endpoint_->on_mismatch([this](const model::ReplayMismatch& mismatch) {
        if (sink_ != nullptr) sink_->device_mismatch(mismatch.expected, mismatch.got);
      });
      device = endpoint_.get();
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
    answers_.forget();
    return machine_.reset();
  }
  void pass_time(uint64_t ns) override { machine_.timeline().advance(ns); }

  traces::Clock clock() const override { return traces::Clock::kSimulated; }
  std::function<uint64_t()> clock_reader() const override {
    return [&timeline = machine_.timeline()] { return timeline.now().value; };
  }
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
  void feed(const traces::EventBatch& batch) override {
    if (!endpoint_ || !answers_.empty()) return;
    accesses_.clear();
    register_accesses(batch, *recorded_device_, &accesses_);
    endpoint_->append(accesses_);
  }
  void expect_read(unsigned bar, uint64_t offset, const traces::Payload& recorded) override {
    answers_.expect(bar, offset, recorded);
  }
  void stands_for(unsigned bar, uint64_t offset, std::span<const std::byte> recorded) override {
    if (endpoint_) endpoint_->stands_for(bar, offset, recorded);
  }
  void expect_end() override {
    if (!endpoint_ || sink_ == nullptr || endpoint_->outstanding() == 0) return;
    const model::ReplayAccess* const next = endpoint_->next();
    sink_->device_mismatch(next == nullptr ? fmt::format("{} more register accesses", endpoint_->outstanding())
                                           : fmt::format("{} of {} bytes at BAR{}+0x{:x} (request {}), and {} more",
                                                         next->is_write ? "write" : "read", next->length, next->bar,
                                                         next->offset, next->index, endpoint_->outstanding() - 1),
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
  Result<void> device_config_change(uint64_t offset, unsigned width, uint32_t value) override {
    return endpoint_ ? endpoint_->poke_config(offset, width, value) : Result<void>();
  }
  Result<void> device_interrupt(traces::IrqKind kind, uint32_t vector) override {
    using Interrupt = model::ReplayEndpoint::Interrupt;
    if (!endpoint_) return {};
    switch (kind) {
      case traces::IrqKind::kIntx: return endpoint_->send_interrupt(Interrupt::kIntx, vector);
      case traces::IrqKind::kMsi: return endpoint_->send_interrupt(Interrupt::kMsi, vector);
      case traces::IrqKind::kMsix: return endpoint_->send_interrupt(Interrupt::kMsix, vector);
      case traces::IrqKind::kError:
      case traces::IrqKind::kRequest: break;
    }
    return fail(ErrorName::kNotSupported, fmt::format("{}: no device sends it", traces::to_string(kind)));
  }
  std::vector<std::string> notes() const override { return notes_; }
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
      out.dart_events += machine_.kernel().root(i).dart_events;
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
  const traces::DeviceDescription* recorded_device() const override { return recorded_device_; }

 private:
  sim::Machine& machine_ = sim::Machine::instance();
  sim::Profile profile_;
  std::unique_ptr<model::ReplayEndpoint> endpoint_;
  std::unique_ptr<model::TestEndpoint> test_endpoint_;
  std::unique_ptr<model::PcieDevice> plugged_;  ///< the device asked for; null: one of the above
  const traces::DeviceDescription* recorded_device_ = nullptr;
  BookAnswers answers_;
  std::vector<model::ReplayAccess> accesses_;  ///< of the batch that is being fed
  std::vector<std::string> notes_;
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

}  // namespace dartboard::cli
