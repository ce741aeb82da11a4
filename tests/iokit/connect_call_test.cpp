// tests/iokit/connect_call_test.cpp - IOConnectCall*: what reaches the driver and what comes back.
#include <IOKit/IOKitLib.h>
#include <mach/mach.h>

#include <array>
#include <cstring>

#include "world.h"

namespace dartboard::iokit {
namespace {

using macos::MethodCall;

class ConnectCall : public IoKitTest {
 protected:
  void SetUp() override {
    IoKitTest::SetUp();
    connect = open();
  }
  io_connect_t connect = IO_OBJECT_NULL;
};

TEST_F(ConnectCall, CarriesSelectorAndScalars) {
  std::vector<uint64_t> seen;
  uint32_t selector = 0;
  driver->method = [&](uint32_t s, MethodCall& call) {
    selector = s;
    seen.assign(call.scalar_input, call.scalar_input + call.scalar_input_count);
    return io_return::kSuccess;
  };
  const uint64_t in[] = {1, ~0ull};
  EXPECT_EQ(IOConnectCallScalarMethod(connect, 9, in, 2, nullptr, nullptr), KERN_SUCCESS);
  EXPECT_EQ(selector, 9u);
  EXPECT_EQ(seen, (std::vector<uint64_t>{1, ~0ull}));
}

TEST_F(ConnectCall, SixteenScalarsAreTheMost) {
  uint64_t in[17] = {};
  EXPECT_EQ(IOConnectCallScalarMethod(connect, 0, in, 16, nullptr, nullptr), KERN_SUCCESS);
  EXPECT_EQ(IOConnectCallScalarMethod(connect, 0, in, 17, nullptr, nullptr), MIG_ARRAY_TOO_LARGE);
  EXPECT_EQ(IOConnectCallMethod(connect, 0, in, 17, nullptr, 0, nullptr, nullptr, nullptr, nullptr),
            MIG_ARRAY_TOO_LARGE);
  EXPECT_EQ(driver->methods, 1);
}

TEST_F(ConnectCall, RoomForMoreThanSixteenOutputsIsRoomForSixteen) {
  uint32_t room = 0;
  driver->method = [&](uint32_t, MethodCall& call) {
    room = call.scalar_output_count;
    return io_return::kSuccess;
  };
  uint64_t out[20];
  uint32_t count = 20;
  EXPECT_EQ(IOConnectCallScalarMethod(connect, 0, nullptr, 0, out, &count), KERN_SUCCESS);
  EXPECT_EQ(room, 16u);
  EXPECT_EQ(count, 16u);
}

TEST_F(ConnectCall, NoOutputCountIsRoomForNone) {
  uint32_t room = 99;
  driver->method = [&](uint32_t, MethodCall& call) {
    room = call.scalar_output_count;
    return io_return::kSuccess;
  };
  uint64_t out[1];
  EXPECT_EQ(IOConnectCallScalarMethod(connect, 0, nullptr, 0, out, nullptr), KERN_SUCCESS);
  EXPECT_EQ(room, 0u);
}

TEST_F(ConnectCall, OutputsTheDriverLeavesAreZero) {
  driver->method = [](uint32_t, MethodCall& call) {
    call.scalar_output[1] = 7;
    return io_return::kSuccess;
  };
  std::array<uint64_t, 3> out{~0ull, ~0ull, ~0ull};
  uint32_t count = 3;
  EXPECT_EQ(IOConnectCallScalarMethod(connect, 0, nullptr, 0, out.data(), &count), KERN_SUCCESS);
  EXPECT_EQ(out, (std::array<uint64_t, 3>{0, 7, 0}));
}

TEST_F(ConnectCall, TheOutputCountIsWhatTheDriverWrote) {
  driver->method = [](uint32_t, MethodCall& call) {
    call.scalar_output_count = 1;
    return io_return::kSuccess;
  };
  uint64_t out[3] = {5, 5, 5};
  uint32_t count = 3;
  EXPECT_EQ(IOConnectCallScalarMethod(connect, 0, nullptr, 0, out, &count), KERN_SUCCESS);
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(out[1], 5u);   // past the count nothing is written
}

TEST_F(ConnectCall, AFailedCallGivesTheDriversCodeAndNothingElse) {
  driver->method = [](uint32_t, MethodCall& call) {
    call.scalar_output[0] = 1;
    call.scalar_output_count = 1;
    return io_return::kNotOpen;
  };
  uint64_t out[2] = {8, 9};
  uint32_t count = 2;
  EXPECT_EQ(IOConnectCallScalarMethod(connect, 0, nullptr, 0, out, &count), kIOReturnNotOpen);
  EXPECT_EQ(count, 2u);
  EXPECT_EQ(out[0], 8u);
}

TEST_F(ConnectCall, NullArraysWithACountAreRefused) {
  uint32_t count = 1;
  EXPECT_EQ(IOConnectCallScalarMethod(connect, 0, nullptr, 1, nullptr, nullptr), kIOReturnBadArgument);
  EXPECT_EQ(IOConnectCallScalarMethod(connect, 0, nullptr, 0, nullptr, &count), kIOReturnBadArgument);
  EXPECT_EQ(IOConnectCallStructMethod(connect, 0, nullptr, 8, nullptr, nullptr), kIOReturnBadArgument);
  EXPECT_EQ(driver->methods, 0);
}

TEST_F(ConnectCall, AStructureOf4096BytesTravelsInBand) {
  std::vector<char> data(4096, 'x');
  size_t bytes = 0;
  bool descriptor = true;
  driver->method = [&](uint32_t, MethodCall& call) {
    bytes = call.structure_input_bytes;
    descriptor = call.structure_input_descriptor != nullptr;
    return io_return::kSuccess;
  };
  EXPECT_EQ(IOConnectCallStructMethod(connect, 3, data.data(), data.size(), nullptr, nullptr), KERN_SUCCESS);
  EXPECT_EQ(bytes, 4096u);
  EXPECT_FALSE(descriptor);
}

TEST_F(ConnectCall, ALargerStructureIsACopyOnWriteDescriptorOfTheClientsPages) {
  std::vector<std::byte> data(4097, std::byte{0x5a});
  macos::Ref<macos::MemoryObject> memory;
  driver->method = [&](uint32_t, MethodCall& call) {
    memory = macos::Ref<macos::MemoryObject>(call.structure_input_descriptor);
    EXPECT_EQ(call.structure_input_bytes, 0u);
    return io_return::kSuccess;
  };
  EXPECT_EQ(IOConnectCallStructMethod(connect, 3, data.data(), data.size(), nullptr, nullptr), KERN_SUCCESS);
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->length(), 4097u);
  EXPECT_EQ(memory->ranges().front().base[4096], std::byte{0x5a});
  EXPECT_EQ(memory->direction(), macos::MemoryDirection::kOut);
  EXPECT_TRUE(memory->copy_on_write());
}

TEST_F(ConnectCall, AStructureOutputComesBackWithItsSize) {
  driver->method = [](uint32_t, MethodCall& call) {
    std::memcpy(call.structure_output, "abc", 3);
    call.structure_output_bytes = 3;
    return io_return::kSuccess;
  };
  char out[16] = {};
  size_t bytes = sizeof out;
  EXPECT_EQ(IOConnectCallStructMethod(connect, 3, nullptr, 0, out, &bytes), KERN_SUCCESS);
  EXPECT_EQ(bytes, 3u);
  EXPECT_STREQ(out, "abc");
}

TEST_F(ConnectCall, AnOutputAbove4096BytesIsADescriptorOfTheClientsPages) {
  std::vector<std::byte> out(8192);
  const void* base = nullptr;
  driver->method = [&](uint32_t, MethodCall& call) {
    base = call.structure_output_descriptor != nullptr ? call.structure_output_descriptor->ranges().front().base
                                                       : nullptr;
    return io_return::kSuccess;
  };
  size_t bytes = out.size();
  EXPECT_EQ(IOConnectCallStructMethod(connect, 3, nullptr, 0, out.data(), &bytes), KERN_SUCCESS);
  EXPECT_EQ(base, out.data());
  EXPECT_EQ(bytes, 8192u);
}

TEST_F(ConnectCall, AnOutputAboveFourGigabytesIsRefused) {
  char out[1];
  size_t bytes = size_t{1} << 32;
  EXPECT_EQ(IOConnectCallStructMethod(connect, 3, nullptr, 0, out, &bytes), kIOReturnIPCError);
}

TEST_F(ConnectCall, AVariableOutputIsPagesThatTheClientFrees) {
  driver->method = [](uint32_t, MethodCall& call) {
    EXPECT_EQ(call.structure_output_bytes, macos::kVariableOutputSize);
    std::memcpy(call.structure_output, "hello", 6);
    call.structure_output_bytes = 6;
    return io_return::kSuccess;
  };
  void* out = nullptr;
  auto bytes = static_cast<size_t>(-3);
  ASSERT_EQ(IOConnectCallStructMethod(connect, 3, nullptr, 0, &out, &bytes), KERN_SUCCESS);
  EXPECT_EQ(bytes, 6u);
  EXPECT_STREQ(static_cast<const char*>(out), "hello");
  EXPECT_EQ(mach_vm_deallocate(mach_task_self(), reinterpret_cast<uint64_t>(out), bytes), KERN_SUCCESS);
  EXPECT_EQ(mach_vm_deallocate(mach_task_self(), reinterpret_cast<uint64_t>(out), bytes), KERN_INVALID_ADDRESS);
}

TEST_F(ConnectCall, AFailedVariableOutputIsNothing) {
  driver->method = [](uint32_t, MethodCall&) { return io_return::kNoMemory; };
  int unused = 0;
  void* out = &unused;
  auto bytes = static_cast<size_t>(-3);
  EXPECT_EQ(IOConnectCallStructMethod(connect, 3, nullptr, 0, &out, &bytes), kIOReturnNoMemory);
  EXPECT_EQ(out, nullptr);
  EXPECT_EQ(bytes, 0u);
}

TEST_F(ConnectCall, CostsTheProfilesTime) {
  const uint64_t before = timeline().now().value;
  IOConnectCallScalarMethod(connect, 0, nullptr, 0, nullptr, nullptr);
  EXPECT_EQ(timeline().now().value - before, kCallNs);
}

TEST_F(ConnectCall, IsCountedBySelector) {
  driver->method = [](uint32_t selector, MethodCall&) {
    return selector == 1000 ? io_return::kUnsupported : io_return::kSuccess;
  };
  for (const uint32_t selector : {11u, 11u, 1000u}) {
    IOConnectCallScalarMethod(connect, selector, nullptr, 0, nullptr, nullptr);
  }
  EXPECT_EQ(kernel().calls().by_selector[11], 2u);
  EXPECT_EQ(kernel().calls().by_selector[macos::kSelectorsCounted - 1], 1u);
  EXPECT_EQ(kernel().calls().failed, 1u);
}

TEST_F(ConnectCall, IsInTheTrace) {
  const uint64_t before = hash().events();
  const sim::Hash128 value = hash().value();
  IOConnectCallScalarMethod(connect, 5, nullptr, 0, nullptr, nullptr);
  EXPECT_EQ(hash().events(), before + 1);
  EXPECT_FALSE(hash().value() == value);
}

TEST_F(ConnectCall, AfterAPanicNothingAnswers) {
  kernel().panic(macos::PanicCause::kDartFault, "test");
  EXPECT_EQ(IOConnectCallScalarMethod(connect, 5, nullptr, 0, nullptr, nullptr), kIOReturnNotResponding);
  EXPECT_EQ(driver->methods, 0);
}

TEST_F(ConnectCall, AfterTheServiceTerminatedTheConnectionIsOffline) {
  driver->terminate();
  EXPECT_EQ(IOConnectCallScalarMethod(connect, 5, nullptr, 0, nullptr, nullptr), kIOReturnOffline);
  EXPECT_EQ(driver->methods, 0);
}

TEST_F(ConnectCall, TrapsAndPropertiesAreUnsupported) {
  EXPECT_EQ(IOConnectTrap0(connect, 0), kIOReturnUnsupported);
  EXPECT_EQ(IOConnectTrap6(connect, 0, 1, 2, 3, 4, 5, 6), kIOReturnUnsupported);
  EXPECT_EQ(IOConnectSetCFProperty(connect, CFSTR("a"), kCFBooleanTrue), kIOReturnUnsupported);
  EXPECT_EQ(IOConnectSetNotificationPort(connect, 0, MACH_PORT_NULL, 0), kIOReturnUnsupported);
}

// Every call that takes a connection, on names that are none.
using AnyCall = kern_return_t (*)(io_connect_t);
struct NamedCall {
  const char* name;
  AnyCall call;
};
const NamedCall kCalls[] = {
    {"Scalar", [](io_connect_t c) { return IOConnectCallScalarMethod(c, 0, nullptr, 0, nullptr, nullptr); }},
    {"Struct", [](io_connect_t c) { return IOConnectCallStructMethod(c, 0, nullptr, 0, nullptr, nullptr); }},
    {"Method",
     [](io_connect_t c) {
       return IOConnectCallMethod(c, 0, nullptr, 0, nullptr, 0, nullptr, nullptr, nullptr, nullptr);
     }},
    {"AsyncScalar",
     [](io_connect_t c) {
       uint64_t reference[3] = {};
       return IOConnectCallAsyncScalarMethod(c, 0, MACH_PORT_NULL, reference, 3, nullptr, 0, nullptr, nullptr);
     }},
    {"MapMemory64",
     [](io_connect_t c) {
       mach_vm_address_t address = 0;
       mach_vm_size_t size = 0;
       return IOConnectMapMemory64(c, 0, mach_task_self(), &address, &size, kIOMapAnywhere);
     }},
    {"UnmapMemory64", [](io_connect_t c) { return IOConnectUnmapMemory64(c, 0, mach_task_self(), 0); }},
    {"GetService",
     [](io_connect_t c) {
       io_service_t service;
       return IOConnectGetService(c, &service);
     }},
    {"Trap1", [](io_connect_t c) { return IOConnectTrap1(c, 0, 0); }},
    {"Close", [](io_connect_t c) { return IOServiceClose(c); }},
};

class WrongName : public IoKitTest, public testing::WithParamInterface<NamedCall> {};

TEST_P(WrongName, TheNullNameIsAnInvalidDestination) {
  EXPECT_EQ(GetParam().call(IO_OBJECT_NULL), MACH_SEND_INVALID_DEST);
}
TEST_P(WrongName, AMadeUpNameIsAnInvalidDestination) {
  EXPECT_EQ(GetParam().call(0x7fffffff), MACH_SEND_INVALID_DEST);
  EXPECT_EQ(GetParam().call(MACH_PORT_DEAD), MACH_SEND_INVALID_DEST);
}
TEST_P(WrongName, AClosedConnectionIsAnInvalidDestination) {
  const io_connect_t connect = open();
  IOServiceClose(connect);
  EXPECT_EQ(GetParam().call(connect), MACH_SEND_INVALID_DEST);
}
TEST_P(WrongName, AServiceIsABadArgument) {
  const io_service_t service = name_of(*driver);
  EXPECT_EQ(GetParam().call(service), kIOReturnBadArgument);
}
TEST_P(WrongName, AConnectionFromBeforeAResetIsAnInvalidDestination) {
  const io_connect_t connect = open();
  reset();
  EXPECT_EQ(GetParam().call(connect), MACH_SEND_INVALID_DEST);
}

INSTANTIATE_TEST_SUITE_P(Calls, WrongName, testing::ValuesIn(kCalls),
                         [](const auto& call) { return std::string(call.param.name); });

}  // namespace
}  // namespace dartboard::iokit
