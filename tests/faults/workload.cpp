// tests/faults/workload.cpp - the steps.
#include "tests/faults/workload.h"

#include <cstdlib>
#include <cstring>

#include "model/capabilities.h"
#include "sim/macos/root_context.h"

namespace dartboard::faults_test {
namespace {

using backend::IrqAction;
using backend::IrqKind;
using backend::Region;
using model::TestDmaCommand;
namespace reg = model::test_register;

constexpr uint64_t kMs = 1'000'000;
constexpr unsigned kSlots = 4;
constexpr Rid kDevice(1, 0, 0);
constexpr uint32_t kIdentity = uint32_t{model::kTestDeviceId} << 16 | model::kTestVendorId;

}  // namespace

std::byte* Workload::memory() {
  static std::byte* const memory = static_cast<std::byte*>(std::aligned_alloc(kBytes, kBytes * kSlots));
  return memory;
}

void Workload::expect(bool good, const char* what) {
  if (!good) ran_.differences.emplace_back(what);
}

Ran Workload::run() {
  ran_ = {};
  if (open()) {
    identify();
    registers();
    device_memory();
    interrupts();
    transfers();
    power();
    reset();
  }
  close();
  nobody_listens();
  return std::move(ran_);
}

/// The device raises a vector while no driver has it: Memory Space and Bus Master on, MSI-X Enable off.
void Workload::nobody_listens() {
  if (ran_.panic || world_.machine().kernel().nub(0) == nullptr) return;
  macos::CpuPort& cpu = world_.machine().kernel().root(0).port;
  const uint32_t command = cpu.config_read(kDevice, model::cfg::kCommand, 2);
  const uint32_t bar = cpu.config_read(kDevice, model::cfg::kBar0, 4) & ~0xfu;
  if (bar == 0 || command == 0xffff) return;
  cpu.config_write(kDevice, model::cfg::kCommand, 2, 6);
  cpu.write(model::kMmioBase + bar + reg::kRaise, 4, 0);
  cpu.write(model::kMmioBase + bar + reg::kIntx, 4, 0);
  cpu.config_write(kDevice, model::cfg::kCommand, 2, command);
  world_.machine().kernel().executor().run_until_idle();
  if (const auto& panic = world_.machine().kernel().panicked()) ran_.panic = panic->sentence;
}

Ran Workload::probe() {
  ran_ = {};
  if (open()) {
    if (config(0) != kIdentity || world_.read32(reg::kId) != reg::kIdValue) {
      // What a guest does with a device that does not answer as it should.
      (void)world_.device().reset();
      world_.enable();
    }
    expect(config(0) == kIdentity, "identity");
    expect(world_.read32(reg::kId) == reg::kIdValue, "ID");
    map(0);
    to_host(0, 0x3c, true);
    to_device(0);
  }
  close();
  return std::move(ran_);
}

bool Workload::open() {
  if (const auto opened = world_.try_open(); !opened) {
    ran_.not_opened = opened.error();
    return false;
  }
  return true;
}

void Workload::close() {
  world_.machine().timeline().advance(20 * kMs);   // what is late comes now
  if (world_.is_open()) {
    world_.device().pump();
    ran_.gone = world_.device().gone();
    world_.close();
  }
  world_.machine().kernel().executor().run_until_idle();
  if (const auto& panic = world_.machine().kernel().panicked()) ran_.panic = panic->sentence;
}

uint32_t Workload::config(uint64_t offset, unsigned width) {
  uint32_t value = 0;
  const auto read =
      world_.device().read(Region::kConfig, offset, std::as_writable_bytes(std::span(&value, 1)).first(width));
  return read ? value : UINT32_MAX;
}

void Workload::identify() {
  expect(config(0) == kIdentity, "identity");
  // The list as a guest walks it, with a guest's patience.
  unsigned found = 0;
  for (uint32_t at = config(0x34, 1), steps = 0; at >= 0x40 && at < 0x100 && steps < 48; ++steps) {
    ++found;
    at = config(at + 1, 1);
  }
  expect(found >= 3, "capabilities");
}

void Workload::registers() {
  expect(world_.read32(reg::kId) == reg::kIdValue, "ID");
  world_.write32(reg::kScratch, 0x1234'5678);
  expect(world_.read32(reg::kScratch) == 0x1234'5678, "SCRATCH");
  expect(world_.read32(reg::kStrap) == 0xa5a5'0001, "STRAP");
  for (uint32_t i = 0; i < 4; ++i) world_.write32(reg::kRam + 4 * i, i);
  for (uint32_t i = 0; i < 4; ++i) expect(world_.read32(reg::kRam + 4 * i) == i, "RAM");
}

/// A driver reaches the memory BAR by pointer; the CPU's way by requests is the one that can fail.
void Workload::device_memory() {
  uint64_t value = 0x0123'4567'89ab'cdef;
  (void)world_.device().write(Region::kBar2, 0x100, std::as_bytes(std::span(&value, 1)));
  value = 0;
  const auto read = world_.device().read(Region::kBar2, 0x100, std::as_writable_bytes(std::span(&value, 1)));
  expect(read && value == 0x0123'4567'89ab'cdef, "BAR2");
  if (world_.device().gone() || world_.machine().kernel().panicked()) return;
  const model::RegisterFile& file = world_.endpoint().config().file();
  const uint64_t bus = file.peek64(model::cfg::kBar0 + 8) & ~uint64_t{0xf};
  if (bus == 0) return;
  macos::CpuPort& cpu = world_.machine().kernel().root(0).port;
  cpu.write(model::kMmioBase + bus, 4, 0x77);
  expect(cpu.read(model::kMmioBase + bus, 4) == 0x77, "BAR2 by requests");
}

void Workload::interrupts() {
  backend::PassthroughDevice& device = world_.device();
  world_.write32(reg::kRaise, 0);   // nobody listens yet
  world_.write32(reg::kIntx, 0);
  device.pump();
  const std::vector<backend::IrqSink> sinks(4, [this](uint32_t) { ++delivered_; });
  expect(device.set_irqs(IrqKind::kMsix, IrqAction::kTrigger, 0, 4, sinks).has_value(), "interrupts on");
  for (uint32_t vector = 0; vector < 4; ++vector) {
    delivered_ = 0;
    world_.write32(reg::kRaise, vector);
    world_.machine().timeline().advance(20 * kMs);
    device.pump();
    expect(delivered_ != 0, "interrupt");
  }
  expect(device.set_irqs(IrqKind::kMsix, IrqAction::kTrigger, 0, 0, {}).has_value(), "interrupts off");
  delivered_ = 0;
  world_.write32(reg::kRaise, 0);   // nobody listens any more
  world_.write32(reg::kIntx, 0);
  device.pump();
  expect(delivered_ == 0, "interrupt after they were switched off");
}

void Workload::map(unsigned slot) {
  const auto mapping = world_.device().dma_map(slot, slot_memory(slot), kBytes);
  expect(mapping.has_value(), "map");
  iova_[slot % 2] = mapping ? mapping->iova : Iova(0);
}

uint32_t Workload::dma(TestDmaCommand command, uint64_t source, uint64_t destination, bool immediate) {
  world_.write32(reg::kControl, immediate ? reg::kControlImmediate : 0);
  world_.write32(reg::kDmaDelayNs, 1000);
  world_.write64(reg::kDmaSource, source);
  world_.write64(reg::kDmaDestination, destination);
  world_.write32(reg::kDmaLength, static_cast<uint32_t>(kBytes));
  world_.write32(reg::kDmaCommand, static_cast<uint32_t>(command));
  if (!immediate) world_.machine().timeline().advance(10 * kMs);
  const uint32_t status = world_.read32(reg::kStatus);
  world_.write32(reg::kStatus, reg::kStatusDone | reg::kStatusError | reg::kStatusOverrun);
  return status;
}

void Workload::to_host(unsigned slot, uint8_t pattern, bool immediate) {
  if (iova_[slot % 2].value == 0) return;
  std::memset(slot_memory(slot), 0, kBytes);
  world_.write32(reg::kDmaPattern, pattern * 0x0101'0101u);
  (void)dma(TestDmaCommand::kFillDevice, 0, 0, true);
  const uint32_t status = dma(TestDmaCommand::kDeviceToHost, 0, iova_[slot % 2].value, immediate);
  expect(status == reg::kStatusDone, "transfer to the host");
  for (uint64_t i = 0; i < kBytes; i += 4093) {
    if (std::to_integer<uint8_t>(slot_memory(slot)[i]) == pattern) continue;
    expect(false, "data of the transfer to the host");
    break;
  }
}

void Workload::to_device(unsigned slot) {
  if (iova_[slot % 2].value == 0) return;
  std::memset(slot_memory(slot), 0x66, kBytes);
  expect(dma(TestDmaCommand::kHostToDevice, iova_[slot % 2].value, 0, true) == reg::kStatusDone, "transfer to the device");
  uint32_t value = 0;
  (void)world_.device().read(Region::kBar2, kBytes - 4, std::as_writable_bytes(std::span(&value, 1)));
  expect(value == 0x6666'6666, "data of the transfer to the device");
}

void Workload::transfers() {
  map(0);
  map(1);
  to_host(0, 0x5a, true);
  to_host(1, 0xa5, false);
  to_device(0);
  to_device(1);
  expect(world_.device().dma_unmap(1).has_value(), "unmap");
  map(1);
  to_host(1, 0x11, true);
  expect(world_.device().allocate_dma_buffer(kBytes, 0).has_value(), "DMA buffer");
  expect(world_.device().free_dma_buffer().has_value(), "DMA buffer back");
}

/// D3hot and back, by the host's own accesses: a guest's are virtualised. Without No_Soft_Reset the function comes back
/// as from a reset, and the host restores what it was told.
void Workload::power() {
  if (world_.machine().kernel().panicked() || world_.device().gone()) return;
  macos::CpuPort& cpu = world_.machine().kernel().root(0).port;
  const uint32_t pm = world_.endpoint().config().find_capability(model::pm::kId) + model::pm::kControlStatus;
  const bool keeps = (cpu.config_read(kDevice, pm, 2) & model::pm::kNoSoftReset) != 0;
  constexpr uint64_t kSaved[] = {0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, model::cfg::kCommand};
  uint32_t saved[std::size(kSaved)];
  for (size_t i = 0; i < std::size(kSaved); ++i) saved[i] = cpu.config_read(kDevice, kSaved[i], 4);
  cpu.config_write(kDevice, pm, 2, model::pm::kPowerStateD3Hot);
  cpu.config_write(kDevice, pm, 2, 0);
  world_.machine().timeline().advance(15 * kMs);
  expect((cpu.config_read(kDevice, pm, 2) & model::pm::kPowerStateMask) == 0, "back in D0");
  expect(!keeps || cpu.config_read(kDevice, model::cfg::kBar0, 4) == saved[0], "BAR0 after D3hot");
  for (size_t i = 0; i < std::size(kSaved); ++i) cpu.config_write(kDevice, kSaved[i], 4, saved[i]);
}

void Workload::reset() {
  world_.write32(reg::kScratch, 0x1111);
  expect(world_.device().reset().has_value(), "reset");
  world_.enable();
  expect(world_.read32(reg::kScratch) == 0, "SCRATCH after reset");
  expect(world_.read32(reg::kId) == reg::kIdValue, "ID after reset");
  to_host(0, 0x99, true);
}

}  // namespace dartboard::faults_test
