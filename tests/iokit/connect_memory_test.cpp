// tests/iokit/connect_memory_test.cpp - mapping a driver's memory into the client.
#include <IOKit/IOKitLib.h>
#include <mach/mach.h>

#include "sim/iokit/reserved_memory.h"
#include "world.h"

namespace dartboard::iokit {
namespace {

using macos::MemoryObject;
using macos::Ref;

class ConnectMemory : public IoKitTest {
 protected:
  void SetUp() override {
    IoKitTest::SetUp();
    connect = open();
    buffer = make_buffer(0x4000);
    driver->memory = [this](uint32_t, uint32_t*, Ref<MemoryObject>* memory) {
      *memory = buffer;
      return io_return::kSuccess;
    };
  }
  kern_return_t map(uint32_t type = 0, IOOptionBits options = kIOMapAnywhere) {
    return IOConnectMapMemory64(connect, type, mach_task_self(), &address, &size, options);
  }
  kern_return_t region(mach_vm_address_t at, vm_prot_t* protection) {
    mach_vm_size_t length = 0;
    vm_region_basic_info_data_64_t info = {};
    mach_msg_type_number_t count = VM_REGION_BASIC_INFO_COUNT_64;
    mach_port_t object = MACH_PORT_NULL;
    const kern_return_t code = mach_vm_region(mach_task_self(), &at, &length, VM_REGION_BASIC_INFO_64,
                                              reinterpret_cast<vm_region_info_t>(&info), &count, &object);
    *protection = info.protection;
    return code;
  }

  io_connect_t connect = IO_OBJECT_NULL;
  Ref<MemoryObject> buffer;
  mach_vm_address_t address = 0;
  mach_vm_size_t size = 0;
};

TEST_F(ConnectMemory, ABufferIsMappedWhereItsBytesAre) {
  ASSERT_EQ(map(), KERN_SUCCESS);
  EXPECT_EQ(reinterpret_cast<std::byte*>(address), buffer->ranges().front().base);
  EXPECT_EQ(size, 0x4000u);
}

TEST_F(ConnectMemory, AnyFailureOfTheDriverIsABadArgument) {
  for (const io_return::Code code : {io_return::kNotOpen, io_return::kNoMemory, io_return::kUnsupported}) {
    driver->memory = [code](uint32_t, uint32_t*, Ref<MemoryObject>*) { return code; };
    EXPECT_EQ(map(), kIOReturnBadArgument);
  }
}

TEST_F(ConnectMemory, SuccessWithoutADescriptorIsABadArgument) {
  driver->memory = [](uint32_t, uint32_t*, Ref<MemoryObject>*) { return io_return::kSuccess; };
  EXPECT_EQ(map(), kIOReturnBadArgument);
}

TEST_F(ConnectMemory, OnlyIntoTheClientItselfAndAnywhere) {
  EXPECT_EQ(IOConnectMapMemory64(connect, 0, mach_task_self() + 1, &address, &size, kIOMapAnywhere),
            kIOReturnBadArgument);
  EXPECT_EQ(map(0, 0), kIOReturnBadArgument);
  EXPECT_EQ(driver->memory_asked, 0);
}

TEST_F(ConnectMemory, MappingTheSameDescriptorTwiceGivesTheSameAddress) {
  ASSERT_EQ(map(), KERN_SUCCESS);
  const mach_vm_address_t first = address;
  ASSERT_EQ(map(5), KERN_SUCCESS);
  EXPECT_EQ(address, first);
}

TEST_F(ConnectMemory, AMapOfCopyOnWriteMemoryHasPagesOfItsOwn) {
  std::vector<std::byte> mine(0x4000, std::byte{0x11});
  for (const bool copy_on_write : {true, false}) {
    buffer = MemoryObject::from_client({{mine.data(), mine.size()}}, macos::MemoryDirection::kInOut, copy_on_write);
    ASSERT_EQ(map(), KERN_SUCCESS);
    auto* const mapped = reinterpret_cast<std::byte*>(address);
    EXPECT_EQ(size, 0x4000u);
    EXPECT_EQ(mapped[5], std::byte{0x11});
    mapped[5] = std::byte{0x22};
    EXPECT_EQ(mine[5], copy_on_write ? std::byte{0x11} : std::byte{0x22});
    EXPECT_EQ(IOConnectUnmapMemory64(connect, 0, mach_task_self(), address), KERN_SUCCESS);
  }
}

TEST_F(ConnectMemory, UnmappingAsksTheDriverAgain) {
  ASSERT_EQ(map(), KERN_SUCCESS);
  EXPECT_EQ(IOConnectUnmapMemory64(connect, 0, mach_task_self(), address), KERN_SUCCESS);
  EXPECT_EQ(driver->memory_asked, 2);
}

TEST_F(ConnectMemory, ADriverThatMakesANewDescriptorEachTimeCannotBeUnmapped) {
  std::vector<Ref<MemoryObject>> made;
  driver->memory = [&](uint32_t, uint32_t*, Ref<MemoryObject>* memory) {
    made.push_back(make_buffer(0x4000));
    *memory = made.back();
    return io_return::kSuccess;
  };
  ASSERT_EQ(map(), KERN_SUCCESS);
  EXPECT_EQ(IOConnectUnmapMemory64(connect, 0, mach_task_self(), address), kIOReturnBadArgument);
  EXPECT_EQ(made.size(), 2u);
}

TEST_F(ConnectMemory, UnmappingGivesTheDriversErrorAsItIs) {
  ASSERT_EQ(map(), KERN_SUCCESS);
  driver->memory = [](uint32_t, uint32_t*, Ref<MemoryObject>*) { return io_return::kNotReady; };
  EXPECT_EQ(IOConnectUnmapMemory64(connect, 0, mach_task_self(), address), kIOReturnNotReady);
}

TEST_F(ConnectMemory, UnmappingAnotherAddressOrTwiceIsABadArgument) {
  ASSERT_EQ(map(), KERN_SUCCESS);
  EXPECT_EQ(IOConnectUnmapMemory64(connect, 0, mach_task_self(), address + 1), kIOReturnBadArgument);
  ASSERT_EQ(IOConnectUnmapMemory64(connect, 0, mach_task_self(), address), KERN_SUCCESS);
  EXPECT_EQ(IOConnectUnmapMemory64(connect, 0, mach_task_self(), address), kIOReturnBadArgument);
}

TEST_F(ConnectMemory, AMapKeepsTheDescriptorUntilClose) {
  ASSERT_EQ(map(), KERN_SUCCESS);
  const uint32_t mapped = buffer->references();
  IOServiceClose(connect);
  EXPECT_EQ(buffer->references(), mapped - 1);
}

TEST_F(ConnectMemory, MapsAreCounted) {
  map();
  EXPECT_EQ(kernel().calls().memory_maps, 1u);
}

TEST_F(ConnectMemory, ScatteredClientMemoryIsRefused) {
  static std::byte bytes[64];
  buffer = MemoryObject::from_client({{bytes, 8}, {bytes + 16, 8}}, macos::MemoryDirection::kInOut, false);
  EXPECT_EQ(map(), kIOReturnBadArgument);
}

TEST_F(ConnectMemory, AMappedBufferIsReadableAndWritable) {
  ASSERT_EQ(map(), KERN_SUCCESS);
  vm_prot_t protection = VM_PROT_NONE;
  ASSERT_EQ(region(address, &protection), KERN_SUCCESS);
  EXPECT_EQ(protection, VM_PROT_READ | VM_PROT_WRITE);
}

TEST_F(ConnectMemory, AReadOnlyMapIsReadable) {
  driver->memory = [this](uint32_t, uint32_t* options, Ref<MemoryObject>* memory) {
    *options = 1;
    *memory = buffer;
    return io_return::kSuccess;
  };
  ASSERT_EQ(map(), KERN_SUCCESS);
  vm_prot_t protection = VM_PROT_NONE;
  ASSERT_EQ(region(address, &protection), KERN_SUCCESS);
  EXPECT_EQ(protection, VM_PROT_READ);
}

TEST_F(ConnectMemory, AboveTheLastMapThereIsNoRegion) {
  ASSERT_EQ(map(), KERN_SUCCESS);
  vm_prot_t protection = VM_PROT_NONE;
  EXPECT_EQ(region(address + size, &protection), KERN_INVALID_ADDRESS);
}

TEST_F(ConnectMemory, ARegionNeedsRoomForItsAnswer) {
  mach_vm_address_t at = 0;
  mach_vm_size_t length = 0;
  int info[1];
  mach_msg_type_number_t count = 1;
  EXPECT_EQ(mach_vm_region(mach_task_self(), &at, &length, VM_REGION_BASIC_INFO_64, info, &count, nullptr),
            KERN_INVALID_ARGUMENT);
}

TEST(ReservedMemoryDeathTest, AStrayAccessFaultsAtOnce) {
  const uint64_t address = reserve(64 * kKiB);
  ASSERT_NE(address, 0u);
  EXPECT_DEATH({ *reinterpret_cast<volatile uint32_t*>(address) = 1; }, "");
  release_reserved(address, 64 * kKiB);
}

TEST(ReservedMemory, NothingAndTooMuchAreRefused) {
  EXPECT_EQ(reserve(0), 0u);
  EXPECT_EQ(reserve(kReservedBytesMax + 1), 0u);
}

}  // namespace
}  // namespace dartboard::iokit
