// tests/dext/vfio_user_pci_test.cpp - the typed client against a fake driver: every call's form, every kind of answer.
#include <fmt/format.h>

#include "fake_driver.h"

namespace dartboard::dext {
namespace {

class Discovery : public ClientTest {};

TEST_F(Discovery, ListsEveryDeviceWithItsRoot) {
  publish("pcic0-bridge", Rid(1, 0, 0));
  publish("pcic1-bridge", Rid(1, 0, 0));
  const Result<std::vector<DeviceListing>> list = list_devices();
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ((*list)[0].root, "pcic0-bridge");
  EXPECT_EQ((*list)[1].root, "pcic1-bridge");
  EXPECT_EQ((*list)[1].identity.device_id, 0x74a1);
  EXPECT_EQ((*list)[1].registry_id, drivers[1]->service->id());
}

TEST_F(Discovery, LooksWithoutLeavingAConnection) {
  FakeDriver& driver = publish();
  ASSERT_TRUE(list_devices());
  EXPECT_EQ(driver.service->opens, 1);
  EXPECT_EQ(driver.service->closes, 1);
}

TEST_F(Discovery, LeavesOutAServiceThatDoesNotAnswer) {
  publish("pcic0-bridge").refusals[kSelectorGetIdentity] = io_return::kNotReady;
  publish("pcic1-bridge");
  EXPECT_EQ(list_devices()->size(), 1u);
}

TEST_F(Discovery, AnotherDriverIsNotListed) {
  publish().service->properties()["IOUserClass"] = {std::string("OtherDriver")};
  EXPECT_TRUE(list_devices()->empty());
}

TEST_F(Discovery, ARefusalByMacOsIsTheErrorWithTheEntitlement) {
  publish().service->open_code = io_return::kNotPermitted;
  const auto list = list_devices();
  ASSERT_FALSE(list);
  EXPECT_NE(list.error().sentence.find("userclient-access"), std::string::npos);
}

TEST_F(Discovery, NoDriverSaysWhatToInstall) {
  const auto client = open_vfio_user_pci({});
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().name, ErrorName::kNotFound);
  EXPECT_NE(client.error().sentence.find("dartboard devices"), std::string::npos);
}

TEST_F(Discovery, AnAddressNobodyHasNamesThoseThereAre) {
  publish("pcic0-bridge", Rid(1, 0, 0));
  const auto client = open_vfio_user_pci(*parse_selector("02:00.0"));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().name, ErrorName::kNotFound);
  EXPECT_NE(client.error().sentence.find("pcic0-bridge/01:00.0"), std::string::npos);
}

TEST_F(Discovery, AnAddressOnTwoRootsNeedsTheRoot) {
  publish("pcic0-bridge", Rid(1, 0, 0));
  publish("pcic1-bridge", Rid(1, 0, 0));
  const auto client = open_vfio_user_pci(*parse_selector("01:00.0"));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().name, ErrorName::kBadArgument);
  EXPECT_NE(client.error().sentence.find("pcic1-bridge"), std::string::npos);
}

TEST_F(Discovery, TheRootChoosesBetweenEqualAddresses) {
  publish("pcic0-bridge", Rid(1, 0, 0));
  publish("pcic1-bridge", Rid(1, 0, 0)).answers[kSelectorGetIdentity][4] = 0x9999;
  EXPECT_EQ(open("pcic1-bridge/01:00.0")->identity()->device_id, 0x9999);
}

class ClientCalls : public ClientTest {
 protected:
  void SetUp() override {
    ClientTest::SetUp();
    driver = &publish();
    client = open();
    ASSERT_NE(client, nullptr);
  }
  void TearDown() override {
    client.reset();
    ClientTest::TearDown();
  }
  FakeDriver* driver = nullptr;
  std::unique_ptr<Client> client;
};

TEST_F(ClientCalls, IdentityIsTakenApart) {
  const Result<Identity> id = client->identity();
  ASSERT_TRUE(id);
  EXPECT_EQ(id->vendor_id, 0x1002);
  EXPECT_EQ(id->class_code, 0x038000u);
}

struct Form {
  const char* name;
  void (*make)(Client&);
  FakeCall expected;
};
const Form kForms[] = {
    {"Claim", [](Client& c) { (void)c.claim(); }, {kSelectorClaim, {}}},
    {"Terminate", [](Client& c) { (void)c.terminate(); }, {kSelectorTerminate, {}}},
    {"Allocate", [](Client& c) { (void)c.allocate_dma_buffer(4096, 64); }, {kSelectorAllocateDMABuffer, {4096, 64}}},
    {"Free", [](Client& c) { (void)c.free_dma_buffer(); }, {kSelectorFreeDMABuffer, {}}},
    {"Register", [](Client& c) { (void)c.register_dma_region(7, reinterpret_cast<void*>(0x1000), 0x2000); },
     {kSelectorRegisterDMARegion, {7, 0x1000, 0x2000}}},
    {"Unregister", [](Client& c) { (void)c.unregister_dma_region(7); }, {kSelectorUnregisterDMARegion, {7}}},
    {"Probe", [](Client& c) { (void)c.probe_dma_region(7, 8); }, {kSelectorProbeDMARegion, {7, 8}}},
    {"ConfigRead", [](Client& c) { (void)c.config_read(0x10, 4); }, {kSelectorConfigRead, {0x10, 4}}},
    {"ConfigWrite", [](Client& c) { (void)c.config_write(4, 2, 6); }, {kSelectorConfigWrite, {4, 2, 6}}},
    {"BarInfo", [](Client& c) { (void)c.bar_info(5); }, {kSelectorGetBARInfo, {5}}},
    {"MmioRead", [](Client& c) { uint64_t v; (void)c.mmio_read(1, 0x20, 8, &v); }, {kSelectorMMIORead, {1, 0x20, 8}}},
    {"MmioWrite", [](Client& c) { (void)c.mmio_write(1, 0x20, 4, 9); }, {kSelectorMMIOWrite, {1, 0x20, 4, 9}}},
    {"Setup", [](Client& c) { (void)c.setup_interrupts(); }, {kSelectorSetupInterrupts, {}}},
    {"Check", [](Client& c) { (void)c.check_interrupts(); }, {kSelectorCheckInterrupt, {}}},
    {"Mask", [](Client& c) { (void)c.set_irq_mask({1, 2, 3, 4}); }, {kSelectorSetIRQMask, {1, 2, 3, 4}}},
    {"Reset", [](Client& c) { (void)c.reset(); }, {kSelectorResetDevice, {}}},
};

class CallForm : public ClientCalls, public testing::WithParamInterface<Form> {};

TEST_P(CallForm, HasTheSelectorAndArgumentsOfTheAbi) {
  GetParam().make(*client);
  ASSERT_FALSE(driver->calls.empty());
  EXPECT_EQ(driver->calls.front(), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(All, CallForm, testing::ValuesIn(kForms),
                         [](const auto& form) { return std::string(form.param.name); });

TEST_F(ClientCalls, AFailureHasTheCodeTheCallAndTheDevice) {
  driver->refusals[kSelectorClaim] = io_return::kExclusiveAccess;
  const Result<void> claimed = client->claim();
  ASSERT_FALSE(claimed);
  EXPECT_EQ(claimed.error().name, ErrorName::kBusy);
  EXPECT_EQ(claimed.error().io_return, io_return::kExclusiveAccess);
  EXPECT_NE(claimed.error().sentence.find("pcic0-bridge/01:00.0"), std::string::npos);
}

TEST_F(ClientCalls, AnAnswerThatIsTooShortIsAnError) {
  driver->answers[kSelectorGetBARInfo] = {0, 0x1000};
  EXPECT_EQ(client->bar_info(0).error().io_return, io_return::kUnderrun);
  uint64_t value = 0;
  EXPECT_EQ(client->mmio_read(0, 0, 4, &value), io_return::kUnderrun);
}

TEST_F(ClientCalls, BarInfoIsTakenApart) {
  driver->answers[kSelectorGetBARInfo] = {2, 0x200000, 0xc};
  const Result<BarInfo> info = client->bar_info(0);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->memory_index, 2);
  EXPECT_EQ(info->size, 0x200000u);
  EXPECT_EQ(info->type, BarType::kM64Prefetchable);
}

TEST_F(ClientCalls, AFailedResetIsAResetFailure) {
  driver->refusals[kSelectorResetDevice] = io_return::kTimeout;
  EXPECT_EQ(client->reset().error().name, ErrorName::kResetFailed);
}

TEST_F(ClientCalls, AResetWithoutClaimIsNotClaimed) {
  driver->refusals[kSelectorResetDevice] = io_return::kNotOpen;
  EXPECT_EQ(client->reset().error().name, ErrorName::kNotClaimed);
}

TEST_F(ClientCalls, ADmaBufferIsMapped) {
  driver->answers[kSelectorAllocateDMABuffer] = {0x4000, 3, 1, 0x8000'0000, 0x4000, 0x038000};
  driver->memory[kMemoryTypeDMABuffer] = iokit::make_buffer(0x4000);
  const Result<DmaBuffer> buffer = client->allocate_dma_buffer(0x4000, 0);
  ASSERT_TRUE(buffer);
  EXPECT_EQ(buffer->iova, Iova(0x8000'0000));
  EXPECT_EQ(buffer->segments, 1u);
  EXPECT_EQ(buffer->base, driver->memory[kMemoryTypeDMABuffer]->ranges().front().base);
}

TEST_F(ClientCalls, ADmaBufferThatCannotBeMappedIsGivenBack) {
  driver->answers[kSelectorAllocateDMABuffer] = {0x4000, 3, 1, 0x8000'0000, 0x4000, 0x038000};
  EXPECT_FALSE(client->allocate_dma_buffer(0x4000, 0));
  EXPECT_EQ(driver->calls.back().selector, static_cast<uint32_t>(kSelectorFreeDMABuffer));
}

TEST_F(ClientCalls, ASecondDmaBufferCanBeMapped) {
  driver->answers[kSelectorAllocateDMABuffer] = {0x4000, 3, 1, 0x8000'0000, 0x4000, 0x038000};
  driver->memory[kMemoryTypeDMABuffer] = iokit::make_buffer(0x4000);
  ASSERT_TRUE(client->allocate_dma_buffer(0x4000, 0));
  driver->memory[kMemoryTypeDMABuffer] = iokit::make_buffer(0x8000);
  const Result<DmaBuffer> second = client->allocate_dma_buffer(0x8000, 0);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->base, driver->memory[kMemoryTypeDMABuffer]->ranges().front().base);
}

TEST_F(ClientCalls, ABarIsMappedOnce) {
  driver->memory[kMemoryTypeBAR0 + 2] = iokit::make_buffer(0x10000);
  const Result<Mapping> first = client->map_bar(2);
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->accessible);
  EXPECT_EQ(first->size, 0x10000u);
  const int asked = driver->service->memory_asked;
  EXPECT_EQ(client->map_bar(2)->base, first->base);
  EXPECT_EQ(driver->service->memory_asked, asked);
}

TEST_F(ClientCalls, ABarThatIsNotThereSaysSo) {
  EXPECT_FALSE(client->map_bar(1));
  EXPECT_EQ(client->map_bar(6).error().name, ErrorName::kBadArgument);
}

class ClientInterrupts : public ClientCalls {
 protected:
  void SetUp() override {
    ClientCalls::SetUp();
    driver->answers[kSelectorCheckInterrupt] = {0, 0, 0, 0};
  }
  void watch() {
    ASSERT_TRUE(client->watch_interrupts([this](const VectorSet& set) { seen.push_back(set); }));
  }
  size_t waits() const {
    size_t count = 0;
    for (const FakeCall& call : driver->calls) count += call.selector == kSelectorWaitInterrupt;
    return count;
  }
  void fire(uint64_t word0) {
    driver->answers[kSelectorCheckInterrupt] = {word0, 0, 0, 0};
    const macos::Ref<macos::AsyncTarget> target = driver->waiting;
    target->complete(io_return::kSuccess, nullptr, 0);
    client->pump();
  }
  std::vector<VectorSet> seen;
};

TEST_F(ClientInterrupts, ACompletionReportsThePendingVectors) {
  watch();
  fire(0b101);
  EXPECT_EQ(seen, std::vector<VectorSet>{(VectorSet{0b101, 0, 0, 0})});
}

TEST_F(ClientInterrupts, TheWaitIsArmedAgainAfterEachCompletion) {
  watch();
  fire(1);
  fire(2);
  EXPECT_EQ(waits(), 3u);
  EXPECT_EQ(seen.size(), 2u);
}

TEST_F(ClientInterrupts, TheSharedPageIsMergedAndCleared) {
  driver->memory[kMemoryTypeIRQPage] = iokit::make_buffer(kDartboardIRQPageBytes);
  auto* const words =
      reinterpret_cast<uint64_t*>(driver->memory[kMemoryTypeIRQPage]->ranges().front().base);
  watch();
  words[3] = 0x10;
  fire(1);
  EXPECT_EQ(seen, std::vector<VectorSet>{(VectorSet{1, 0, 0, 0x10})});
  EXPECT_EQ(words[3], 0u);
}

TEST_F(ClientInterrupts, CheckingMergesTheSharedPage) {
  driver->memory[kMemoryTypeIRQPage] = iokit::make_buffer(kDartboardIRQPageBytes);
  watch();
  reinterpret_cast<uint64_t*>(driver->memory[kMemoryTypeIRQPage]->ranges().front().base)[0] = 2;
  driver->answers[kSelectorCheckInterrupt] = {4, 0, 0, 0};
  EXPECT_EQ(*client->check_interrupts(), (VectorSet{6, 0, 0, 0}));
}

TEST_F(ClientInterrupts, ACompletionWithNothingPendingIsNotReported) {
  watch();
  fire(0);
  EXPECT_TRUE(seen.empty());
  EXPECT_EQ(waits(), 2u);
}

TEST_F(ClientInterrupts, AnAbortedWaitIsNotArmedAgain) {
  watch();
  driver->waiting->complete(io_return::kAborted, nullptr, 0);
  client->pump();
  EXPECT_EQ(waits(), 1u);
}

TEST_F(ClientInterrupts, ANewSinkTakesOverWithoutASecondWait) {
  watch();
  int other = 0;
  ASSERT_TRUE(client->watch_interrupts([&](const VectorSet&) { ++other; }));
  EXPECT_EQ(waits(), 1u);
  fire(1);
  EXPECT_EQ(other, 1);
  EXPECT_TRUE(seen.empty());
}

TEST_F(ClientInterrupts, WatchingBeforeSetupIsTheDriversError) {
  driver->refusals[kSelectorWaitInterrupt] = io_return::kNotReady;
  EXPECT_EQ(client->watch_interrupts([](const VectorSet&) {}).error().io_return, io_return::kNotReady);
}

TEST_F(ClientInterrupts, AfterTheClientClosedNothingIsReported) {
  watch();
  const macos::Ref<macos::AsyncTarget> target = driver->waiting;
  client.reset();
  target->complete(io_return::kSuccess, nullptr, 0);
  publish("pcic9-bridge", Rid(9, 0, 0));
  open("09:00.0")->pump();
  EXPECT_TRUE(seen.empty());
}

class ClientGone : public ClientCalls {};

TEST_F(ClientGone, TerminationIsReportedOnceByThePump) {
  int gone = 0;
  client->on_gone([&] { ++gone; });
  driver->service->terminate();
  EXPECT_EQ(gone, 0);
  client->pump();
  client->pump();
  EXPECT_EQ(gone, 1);
  EXPECT_TRUE(client->gone());
}

TEST_F(ClientGone, AskingAfterwardsIsAnsweredToo) {
  driver->service->terminate();
  client->pump();
  int gone = 0;
  client->on_gone([&] { ++gone; });
  client->pump();
  EXPECT_EQ(gone, 1);
}

TEST_F(ClientGone, CallsAfterwardsSayThatTheDeviceIsGone) {
  driver->service->terminate();
  EXPECT_EQ(client->claim().error().name, ErrorName::kDeviceGone);
  EXPECT_TRUE(client->gone());
}

TEST_F(ClientGone, ClosingTellsTheDriver) {
  const int closes = driver->service->closes;
  client.reset();
  EXPECT_EQ(driver->service->closes, closes + 1);
}

TEST_F(ClientGone, AClientMayOutliveTheMachine) {
  sim::Machine::instance().power_off();
  EXPECT_EQ(client->claim().error().name, ErrorName::kDeviceGone);
  uint64_t value = 0;
  EXPECT_NE(client->mmio_read(0, 0, 4, &value), io_return::kSuccess);
  client->pump();
  client.reset();
}

}  // namespace
}  // namespace dartboard::dext
