// tests/driverkit/mac.h - a simulated Mac with a test endpoint, and user clients opened as the kernel opens them.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "base/io_return.h"
#include "dext/abi.h"
#include "model/endpoint/test.h"
#include "sim/driverkit/runtime.h"
#include "sim/machine.h"
#include "sim/macos/pci_nub.h"

namespace dartboard::driverkit {

inline constexpr const char* kVfioBundle = "org.dartboard.VFIOUserPCIDriver";
inline constexpr const char* kProbeBundle = "org.dartboard.tests.Probe";

/// A completion that only counts.
class CountingTarget final : public macos::AsyncTarget {
 public:
  void complete(io_return::Code status, const uint64_t*, uint32_t count) override {
    ++completions;
    last_status = status;
    last_count = count;
  }
  int completions = 0;
  io_return::Code last_status = io_return::kInternalError;
  uint32_t last_count = 99;
};

/// What a scalar call gave.
struct Answer {
  io_return::Code code;
  std::vector<uint64_t> out;
};

/// One open user client, called as IOKit calls it.
class Connection {
 public:
  explicit Connection(macos::Ref<macos::UserClient> client) : client_(std::move(client)) {}
  ~Connection() { close(); }
  Connection(Connection&&) = default;
  Connection& operator=(Connection&&) = delete;

  Answer call(uint32_t selector, std::vector<uint64_t> in = {}, uint32_t room = 0,
              macos::AsyncTarget* target = nullptr) {
    std::array<uint64_t, 16> out{};
    macos::MethodCall call;
    call.scalar_input = in.data();
    call.scalar_input_count = static_cast<uint32_t>(in.size());
    call.scalar_output = out.data();
    call.scalar_output_count = room;
    call.completion = target;
    const io_return::Code code = client_->external_method(selector, call);
    return {code, std::vector<uint64_t>(out.begin(), out.begin() + call.scalar_output_count)};
  }
  io_return::Code memory(uint32_t type, macos::Ref<macos::MemoryObject>* object) {
    uint32_t options = 0;
    return client_->client_memory_for_type(type, &options, object);
  }
  io_return::Code claim() { return call(kSelectorClaim).code; }
  void close() {
    if (client_) client_->client_close();
    client_.reset();
  }
  macos::UserClient& client() { return *client_; }

 private:
  macos::Ref<macos::UserClient> client_;
};

class Mac : public testing::Test {
 protected:
  void SetUp() override { only(kVfioBundle); }
  void TearDown() override {
    sim::Machine::instance().power_off();
    EXPECT_EQ(live_objects(), 0u);
    EXPECT_EQ(stats().deadlocks, 0u);
    EXPECT_EQ(stats().objects_leaked, 0u);
    EXPECT_EQ(stats().unimplemented, 0u);
    set_log_sink(nullptr, nullptr);
  }

  /// Installs one dext and removes the others.
  static void only(const char* bundle) {
    for (const char* other : {kVfioBundle, kProbeBundle}) set_dext_enabled(other, std::string_view(other) == bundle);
  }

  void boot(const model::TestEndpointOptions& options = {}, const char* profile_name = "m4pro-tb5") {
    Result<sim::Profile> profile = sim::load_profile(profile_name);
    ASSERT_TRUE(profile) << profile.error().sentence;
    boot_with(std::move(*profile), options);
  }
  void boot_with(sim::Profile profile, const model::TestEndpointOptions& options = {}) {
    sim::Machine::instance().power_off();
    reset_stats();
    profile_ = std::move(profile);
    endpoint_ = std::make_unique<model::TestEndpoint>(options);
    sim::PowerOn what;
    what.profile = &profile_;
    what.devices = {endpoint_.get()};
    const Result<void> on = sim::Machine::instance().power_on(what);
    ASSERT_TRUE(on) << on.error().sentence;
  }

  macos::Kernel& kernel() { return sim::Machine::instance().kernel(); }
  void run() { ASSERT_TRUE(kernel().executor().run_until_idle()); }

  /// The first registered service that a dext implements; null: none.
  macos::Ref<macos::Service> service() {
    macos::Ref<macos::Service> found;
    kernel().registry().for_each([&](macos::RegistryEntry& entry) {
      auto* candidate = dynamic_cast<macos::Service*>(&entry);
      if (!found && candidate != nullptr && candidate->registered() && entry.class_name() == "IOUserService") {
        found = macos::Ref<macos::Service>(candidate);
      }
    });
    return found;
  }
  Connection open(uint32_t type = 0) {
    macos::Ref<macos::UserClient> client;
    const macos::Ref<macos::Service> driver = service();
    EXPECT_TRUE(driver);
    const io_return::Code code = driver ? driver->new_user_client(type, &client) : io_return::kNoDevice;
    EXPECT_EQ(code, io_return::kSuccess) << io_return::name(code);
    return Connection(std::move(client));
  }
  macos::PciNub& nub() { return *kernel().nub(0); }
  model::TestEndpoint& endpoint() { return *endpoint_; }
  sim::Profile& profile() { return profile_; }

 private:
  sim::Profile profile_;
  std::unique_ptr<model::TestEndpoint> endpoint_;
};

}  // namespace dartboard::driverkit
