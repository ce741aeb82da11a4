// tests/dext/fake_driver.h - a stand-in for VFIOUserPCIDriver on a simulated Mac without devices: records what the
// client asks and answers what the test prepared.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dext/abi.h"
#include "dext/client/client.h"
#include "sim/machine.h"
#include "tests/iokit/fake_service.h"

namespace dartboard::dext {

struct FakeCall {
  uint32_t selector;
  std::vector<uint64_t> in;
  friend bool operator==(const FakeCall&, const FakeCall&) = default;
};

class FakeDriver {
 public:
  /// Publishes the service under `root`/IOPCIDevice, answering GetIdentity with `rid`.
  FakeDriver(macos::Kernel& kernel, const std::string& root, Rid rid);

  std::vector<FakeCall> calls;                              ///< without GetIdentity
  std::map<uint32_t, std::vector<uint64_t>> answers;        ///< outputs by selector
  std::map<uint32_t, io_return::Code> refusals;             ///< codes by selector
  std::map<uint32_t, macos::Ref<macos::MemoryObject>> memory;   ///< by memory type; absent: kNotFound
  macos::Ref<macos::AsyncTarget> waiting;                   ///< of the last WaitInterrupt
  macos::Ref<iokit::FakeService> service;
  macos::Ref<iokit::FakeService> bridge;

 private:
  io_return::Code method(uint32_t selector, macos::MethodCall& call);
};

/// A machine without devices; drivers are published by the test.
class ClientTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;
  macos::Kernel& kernel();
  FakeDriver& publish(const std::string& root = "pcic0-bridge", Rid rid = Rid(1, 0, 0));
  /// Opens the first device; the test fails if that does not work.
  std::unique_ptr<Client> open(const std::string& selector = "");

  std::vector<std::unique_ptr<FakeDriver>> drivers;
};

}  // namespace dartboard::dext
