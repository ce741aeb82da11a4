// cli/iokit_world.cpp - see iokit_world.h. Nothing here needs an Apple header: the client does.
#include "cli/iokit_world.h"

#include <chrono>
#include <thread>

#include "cli/world.h"

namespace dartboard::cli {

Result<void> iokit_available() {
#ifdef __APPLE__
  return {};
#else
  return fail(ErrorName::kWrongPlatform,
              "--dext iokit needs a Mac with the dext installed; this system has no IOKit. Use --dext sim[:PROFILE]");
#endif
}

namespace {

class IokitWorld final : public World {
 public:
  explicit IokitWorld(dext::Selector device) : device_(std::move(device)) {}

  std::string name() const override { return "iokit"; }
  std::string description() const override { return "this Mac"; }
  Result<void> power_on(const RecordedSide*) override { return {}; }
  Result<void> restart() override {
    return fail(ErrorName::kNotSupported, "a real Mac cannot be restarted between runs; use --dext sim[:PROFILE]");
  }
  void pass_time(uint64_t ns) override { std::this_thread::sleep_for(std::chrono::nanoseconds(ns)); }
  traces::Clock clock() const override { return traces::Clock::kMonotonic; }
  std::function<uint64_t()> clock_reader() const override {
    return [] {
      const auto since_boot = std::chrono::steady_clock::now().time_since_epoch();
      return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(since_boot).count());
    };
  }
  dext::Selector selector() const override { return device_; }
  backend::Budget budget() const override { return {}; }

  void on_mismatch(traces::MismatchSink*) override {}
  void feed(const traces::EventBatch&) override {}
  void expect_read(unsigned, uint64_t, const traces::Payload&) override {}
  void stands_for(unsigned, uint64_t, std::span<const std::byte>) override {}
  void resync(uint64_t) override {}
  void expect_end() override {}
  Result<void> device_dma_write(Iova, std::span<const std::byte>) override { return {}; }
  Result<void> device_memory_change(unsigned, uint64_t, std::span<const std::byte>) override { return {}; }
  Result<void> device_config_change(uint64_t, unsigned, uint32_t) override { return {}; }
  Result<void> device_interrupt(traces::IrqKind, uint32_t) override { return {}; }
  std::vector<std::string> notes() const override { return {}; }
  Result<void> expect_placement(Iova, uint64_t) override { return {}; }  // the mapper chooses; who asked compares
  void forget_placements() override {}

  std::optional<Error> host_panic() const override { return std::nullopt; }  // nobody would be left to ask
  WorldCounters counters() override { return {}; }
  InspectNode inspect() override {
    return {"mac", "", "the devices of a real Mac are shown by 'dartboard devices'", {}};
  }
  std::string profile_name() const override { return {}; }
  const traces::DeviceDescription* recorded_device() const override { return nullptr; }

 private:
  dext::Selector device_;
};

}  // namespace

Result<std::unique_ptr<World>> make_iokit_world(const dext::Selector& device) {
  if (auto available = iokit_available(); !available) return tl::unexpected(available.error());
  return std::make_unique<IokitWorld>(device);
}

}  // namespace dartboard::cli
