// tests/iokit/world.h - a kernel without hardware, and a fake driver in it whose user client does what a test says.
#pragma once

#include <IOKit/IOKitLib.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/host_memory.h"
#include "model/timeline.h"
#include "sim/core/tape.h"
#include "sim/core/trace_hash.h"
#include "sim/iokit/context.h"
#include "sim/iokit/pump.h"
#include "sim/macos/kernel.h"
#include "sim/profile.h"
#include "fake_service.h"

namespace dartboard::iokit {

inline constexpr uint64_t kCallNs = 700;

/// The simulated Mac without devices, booted afresh for each test.
class IoKitTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  macos::Kernel& kernel();
  model::Timeline& timeline();
  sim::TraceHash& hash();

  /// Publishes a service below `parent` (null: the root).
  macos::Ref<FakeService> publish(const std::string& name, const std::string& class_name = "IOUserService",
                                  macos::RegistryEntry* parent = nullptr);
  /// A name for it, by registry id.
  io_service_t name_of(const macos::Service& service);
  /// Opens `driver`.
  io_connect_t open();

  macos::Ref<FakeService> driver;   ///< published in SetUp, IOUserClass TestDriver
};

}  // namespace dartboard::iokit
