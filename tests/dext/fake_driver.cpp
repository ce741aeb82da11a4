// tests/dext/fake_driver.cpp - see fake_driver.h.
#include "fake_driver.h"

#include <algorithm>

namespace dartboard::dext {

FakeDriver::FakeDriver(macos::Kernel& kernel, const std::string& root, Rid rid) {
  macos::Registry& registry = kernel.registry();
  const auto add = [&](const std::string& name, const std::string& class_name, macos::RegistryEntry& parent) {
    auto entry = macos::make_object<iokit::FakeService>(name, class_name);
    registry.add(macos::Ref<macos::RegistryEntry>(entry.get()), parent);
    return entry;
  };
  bridge = add(root, "IOPCIDevice", registry.root());
  const auto nub = add("display", "IOPCIDevice", *bridge);
  service = add(kDartboardDextClassName, "IOUserService", *nub);
  service->properties()["IOUserClass"] = {std::string(kDartboardDextClassName)};
  answers[kSelectorGetIdentity] = {rid.bus(), rid.device(), rid.function(), 0x1002, 0x74a1, 0x038000};
  service->method = [this](uint32_t selector, macos::MethodCall& call) { return method(selector, call); };
  service->memory = [this](uint32_t type, uint32_t*, macos::Ref<macos::MemoryObject>* out) {
    const auto found = memory.find(type);
    if (found == memory.end()) return io_return::kNotFound;
    *out = found->second;
    return io_return::kSuccess;
  };
  service->register_service();
}

io_return::Code FakeDriver::method(uint32_t selector, macos::MethodCall& call) {
  if (selector != kSelectorGetIdentity) {
    calls.push_back({selector, {call.scalar_input, call.scalar_input + call.scalar_input_count}});
  }
  if (const auto refusal = refusals.find(selector); refusal != refusals.end()) return refusal->second;
  if (call.completion != nullptr) waiting = macos::Ref<macos::AsyncTarget>(call.completion);
  const std::vector<uint64_t>& out = answers[selector];
  call.scalar_output_count = std::min(call.scalar_output_count, static_cast<uint32_t>(out.size()));
  std::copy_n(out.begin(), call.scalar_output_count, call.scalar_output);
  return io_return::kSuccess;
}

macos::Kernel& ClientTest::kernel() { return sim::Machine::instance().kernel(); }

void ClientTest::SetUp() {
  const Result<sim::Profile> profile = sim::load_profile("m4pro-tb5");
  ASSERT_TRUE(profile) << profile.error().sentence;
  sim::PowerOn what;
  what.profile = &*profile;
  ASSERT_TRUE(sim::Machine::instance().power_on(what));
}

void ClientTest::TearDown() {
  sim::Machine::instance().power_off();
  drivers.clear();
}

FakeDriver& ClientTest::publish(const std::string& root, Rid rid) {
  drivers.push_back(std::make_unique<FakeDriver>(kernel(), root, rid));
  return *drivers.back();
}

std::unique_ptr<Client> ClientTest::open(const std::string& selector) {
  const Result<Selector> parsed = parse_selector(selector);
  EXPECT_TRUE(parsed);
  Result<std::unique_ptr<Client>> client = open_vfio_user_pci(*parsed);
  EXPECT_TRUE(client) << client.error().sentence;
  return client ? std::move(*client) : nullptr;
}

}  // namespace dartboard::dext
