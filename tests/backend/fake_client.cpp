// tests/backend/fake_client.cpp
#include "tests/backend/fake_client.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace dartboard::backend {

FakeDevice::FakeDevice() {
  put(0x00, 4, 0x74a11002);
  put(0x08, 4, 0x12000001);
  put(0x2c, 4, 0x0c341002);
  put(0x3d, 1, 1);
  writable(0x04, 2, 0x0547);
  w1c(0x06, 2, 0xf900);
  writable(0x0c, 1, 0xff);
  for (uint16_t bar = 0x10; bar < 0x28; bar = static_cast<uint16_t>(bar + 4)) writable(bar, 4, 0xffffffff);
  writable(0x30, 4, 0xffffffff);
  writable(0x3c, 1, 0xff);
  // Registers of the function's own and whole capabilities: a write that gets here is seen.
  for (unsigned at = 0x40; at < 4096; ++at) write_mask[at] = 0xff;
}

void FakeDevice::put(uint16_t offset, unsigned width, uint32_t value) {
  for (unsigned i = 0; i < width; ++i) {
    config[offset + i] = reset_config[offset + i] = static_cast<uint8_t>(value >> (8 * i));
  }
}

uint32_t FakeDevice::get(uint16_t offset, unsigned width) const {
  uint32_t value = 0;
  for (unsigned i = 0; i < width; ++i) value |= uint32_t{config[offset + i]} << (8 * i);
  return value;
}

void FakeDevice::writable(uint16_t offset, unsigned width, uint32_t mask) {
  for (unsigned i = 0; i < width; ++i) write_mask[offset + i] = static_cast<uint8_t>(mask >> (8 * i));
}

void FakeDevice::w1c(uint16_t offset, unsigned width, uint32_t mask) {
  for (unsigned i = 0; i < width; ++i) w1c_mask[offset + i] = static_cast<uint8_t>(mask >> (8 * i));
}

void FakeDevice::add_bar(unsigned bar, uint64_t size, dext::BarType type, bool memory) {
  bars[bar].size = size;
  bars[bar].type = type;
  bars[bar].memory = memory;
  bars[bar].words.assign(static_cast<size_t>(std::min<uint64_t>(size, 4 * kMiB) / 8), 0);
}

std::shared_ptr<FakeDevice> FakeDevice::usual() {
  auto d = std::make_shared<FakeDevice>();
  d->add_bar(0, 1 * kMiB, dext::BarType::kM64Prefetchable, true);
  d->add_bar(2, 256 * kKiB, dext::BarType::kM32, true);  // table at 0x10000, PBA at 0x20000
  d->add_bar(5, 64 * kKiB, dext::BarType::kM32, false);
  d->put(0x06, 2, 0x0010);
  d->put(0x34, 1, 0x40);
  d->put(0x40, 4, 0xfe235001);  // PM, next 0x50
  d->put(0x44, 4, 0x00000000);
  d->put(0x50, 4, 0x01867005);  // MSI: 8 messages, 64-bit, masks; next 0x70
  d->put(0x70, 4, 0x000f9011);  // MSI-X: 16 entries; next 0x90
  d->put(0x74, 4, 0x00010002);
  d->put(0x78, 4, 0x00020002);
  d->put(0x90, 4, 0x0002d010);   // PCIe version 2 endpoint; next 0xd0
  d->put(0x94, 4, 0x10008fc1);   // FLR
  d->put(0x98, 4, 0x00092950);   // DevCtl as macOS has it, DevSta with errors
  d->put(0xa0, 4, 0x10430041);   // LnkCtl, LnkSta
  d->put(0xd0, 4, 0x0010e009);   // vendor, 16 bytes; next 0xe0
  d->put(0xe0, 4, 0x00000003);   // VPD, last
  d->put(0x100, 4, 0x15020001);  // AER, next 0x150
  d->put(0x104, 4, 0x00100000);
  d->put(0x108, 4, 0x00400000);
  d->put(0x150, 4, 0x1601000f);  // ATS, next 0x160
  d->put(0x160, 4, 0x17010003);  // DSN, next 0x170
  d->put(0x164, 4, 0x11223344);
  d->put(0x170, 4, 0x1b010010);  // SR-IOV, next 0x1b0
  d->put(0x1b0, 4, 0x1c010015);  // ReBAR, next 0x1c0
  d->put(0x1b4, 4, 0x0003f000);
  d->put(0x1b8, 4, 0x00000820);  // BAR0, size 8 = 256 MiB
  d->put(0x1c0, 4, 0x0001001b);  // PASID, last
  return d;
}

uint64_t FakeDevice::calls_to(const std::string& name) const {
  return static_cast<uint64_t>(
      std::count_if(calls.begin(), calls.end(), [&](const Call& c) { return c.name == name; }));
}

std::vector<std::string> FakeDevice::config_writes() const {
  std::vector<std::string> out;
  for (const Call& call : calls) {
    if (call.name == "config_write") out.push_back(fmt::format("{:#x}/{}={:#x}", call.a, call.b, call.c));
  }
  return out;
}

void FakeDevice::raise(uint32_t vector) {
  pending[vector / 64] |= (uint64_t{1} << (vector % 64)) & enabled[vector / 64];
}

void FakeDevice::unplug() {
  gone = true;
  if (gone_sink) gone_sink();
}

FakeClient::~FakeClient() {
  d_->calls.push_back({"close"});
  d_->closed = true;
  d_->gone_sink = nullptr;
  d_->watch_sink = nullptr;
}

std::optional<Error> FakeClient::record(const char* name, uint64_t a, uint64_t b, uint64_t c) {
  d_->calls.push_back({name, a, b, c});
  if (d_->fail_at != 0 && --d_->fail_at == 0) {
    return Error{ErrorName::kCallFailed, d_->fail_with, fmt::format("{} was told to fail", name)};
  }
  if (d_->gone) return Error{ErrorName::kDeviceGone, io_return::kNoDevice, "unplugged"};
  return std::nullopt;
}

#define RECORD(...) \
  if (const auto error = record(__VA_ARGS__); error) return tl::unexpected(*error)

Result<dext::Identity> FakeClient::identity() {
  RECORD("identity");
  return dext::Identity{1, 0, 0, 0x1002, 0x74a1, 0x120000};
}

Result<void> FakeClient::claim() {
  RECORD("claim");
  d_->claimed = true;
  d_->config[4] |= 6;
  return {};
}

Result<void> FakeClient::terminate() {
  RECORD("terminate");
  return {};
}

Result<dext::DmaBuffer> FakeClient::allocate_dma_buffer(uint64_t size, uint64_t alignment) {
  RECORD("allocate_dma_buffer", size, alignment);
  d_->buffer = true;
  return dext::DmaBuffer{size, Iova(d_->next_iova), size, 1, nullptr};
}

Result<void> FakeClient::free_dma_buffer() {
  RECORD("free_dma_buffer");
  d_->buffer = false;
  return {};
}

Result<dext::DmaRegion> FakeClient::register_dma_region(uint64_t key, void* base, uint64_t size) {
  RECORD("register_dma_region", key, reinterpret_cast<uintptr_t>(base), size);
  if (!d_->dma.emplace(key, size).second) {
    return fail(ErrorName::kBusy, "duplicate key", io_return::kStillOpen);
  }
  const Iova iova(d_->next_iova);
  d_->next_iova += round_up(size, 16 * kKiB) + 16 * kKiB;
  return dext::DmaRegion{iova, size, 1};
}

Result<void> FakeClient::unregister_dma_region(uint64_t key) {
  if (const auto error = record("unregister_dma_region", key); error) {
    if (error->io_return == io_return::kNotFound) d_->dma.erase(key);  // then it is so
    return tl::unexpected(*error);
  }
  if (d_->dma.erase(key) == 0) return fail(ErrorName::kNotFound, "unknown key", io_return::kNotFound);
  return {};
}

Result<uint64_t> FakeClient::probe_dma_region(uint64_t key, uint64_t offset) {
  RECORD("probe_dma_region", key, offset);
  return 0;
}

Result<uint32_t> FakeClient::config_read(uint64_t offset, unsigned width) {
  RECORD("config_read", offset, width);
  if ((width != 1 && width != 2 && width != 4) || offset + width > 4096) {
    return fail(ErrorName::kBadArgument, "bad width", io_return::kBadArgument);
  }
  if (offset < 2 && d_->silent_polls_after_reset != 0) {
    --d_->silent_polls_after_reset;
    return 0xffff;
  }
  if (width == 4 && offset >= 0x10 && offset <= 0x24) {  // the dext answers the type bits only
    return static_cast<uint32_t>(d_->bars[(offset - 0x10) / 4].type);
  }
  return d_->get(static_cast<uint16_t>(offset), width);
}

Result<void> FakeClient::config_write(uint64_t offset, unsigned width, uint32_t value) {
  RECORD("config_write", offset, width, value);
  for (unsigned i = 0; i < width; ++i) {
    const auto at = static_cast<size_t>(offset + i);
    const auto byte = static_cast<uint8_t>(value >> (8 * i));
    const uint8_t plain = d_->write_mask[at] & static_cast<uint8_t>(~d_->w1c_mask[at]);
    d_->config[at] = static_cast<uint8_t>((d_->config[at] & ~plain) | (byte & plain));
    d_->config[at] = static_cast<uint8_t>(d_->config[at] & ~(byte & d_->w1c_mask[at]));
  }
  return {};
}

Result<dext::BarInfo> FakeClient::bar_info(unsigned bar) {
  RECORD("bar_info", bar);
  const FakeDevice::Bar& b = d_->bars[bar];
  if (b.size == 0 && b.type == dext::BarType::kM32) {
    return fail(ErrorName::kNotFound, "no such BAR", io_return::kNotFound);
  }
  return dext::BarInfo{static_cast<uint8_t>(bar), b.size, b.type};
}

Result<dext::Mapping> FakeClient::map_bar(unsigned bar) {
  RECORD("map_bar", bar);
  FakeDevice::Bar& b = d_->bars[bar];
  return dext::Mapping{b.bytes(), b.mapped_bytes != 0 ? b.mapped_bytes : b.size, b.memory};
}

io_return::Code FakeClient::mmio_read(uint8_t memory_index, uint64_t offset, unsigned width, uint64_t* value) {
  if (const auto error = record("mmio_read", memory_index, offset, width)) return error->io_return;
  *value = 0;
  std::memcpy(value, d_->bars[memory_index].bytes() + offset, width);
  return io_return::kSuccess;
}

io_return::Code FakeClient::mmio_write(uint8_t memory_index, uint64_t offset, unsigned width, uint64_t value) {
  if (const auto error = record("mmio_write", memory_index, offset, width)) return error->io_return;
  std::memcpy(d_->bars[memory_index].bytes() + offset, &value, width);
  return io_return::kSuccess;
}

Result<uint32_t> FakeClient::setup_interrupts() {
  RECORD("setup_interrupts");
  if (d_->vectors == 0) return fail(ErrorName::kCallFailed, "no vectors left", io_return::kNoSpace);
  if (d_->setup_done) return fail(ErrorName::kBusy, "set up already", io_return::kStillOpen);
  d_->setup_done = true;
  return d_->vectors;
}

Result<dext::VectorSet> FakeClient::check_interrupts() {
  RECORD("check_interrupts");
  return std::exchange(d_->pending, {});
}

Result<void> FakeClient::set_irq_mask(const dext::VectorSet& enabled) {
  RECORD("set_irq_mask", enabled[0], enabled[1], enabled[2]);
  d_->enabled = enabled;
  return {};
}

Result<void> FakeClient::watch_interrupts(std::function<void(const dext::VectorSet&)> sink) {
  RECORD("watch_interrupts");
  d_->watch_sink = std::move(sink);
  return {};
}

Result<void> FakeClient::reset() {
  RECORD("reset");
  if (d_->reset_fails) return fail(ErrorName::kCallFailed, "link never came up", io_return::kTimeout);
  // As IOPCIFamily: Command and BARs are restored, the rest is as after power-on.
  const uint8_t command = d_->config[4];
  d_->config = d_->reset_config;
  d_->config[4] = command;
  return {};
}

void FakeClient::on_gone(std::function<void()> sink) {
  d_->gone_sink = std::move(sink);
}

void FakeClient::pump() {
  const dext::VectorSet due = std::exchange(d_->pending, {});
  if (due != dext::VectorSet{} && d_->watch_sink) d_->watch_sink(due);
}

std::unique_ptr<PassthroughDevice> open_fake(const std::shared_ptr<FakeDevice>& device, const Budget& budget) {
  auto opened = PassthroughDevice::open(std::make_unique<FakeClient>(device), budget);
  if (!opened) {
    ADD_FAILURE() << "open: " << opened.error().sentence;
    return nullptr;
  }
  device->calls.clear();
  return std::move(*opened);
}

uint64_t guest_read(PassthroughDevice& device, Region region, uint64_t offset, unsigned width) {
  std::array<std::byte, 8> bytes{};
  const auto read = device.read(region, offset, std::span(bytes).first(width));
  EXPECT_TRUE(read) << (read ? "" : read.error().sentence);
  uint64_t value = 0;
  std::memcpy(&value, bytes.data(), width);
  return value;
}

void guest_write(PassthroughDevice& device, Region region, uint64_t offset, unsigned width, uint64_t value) {
  std::array<std::byte, 8> bytes{};
  std::memcpy(bytes.data(), &value, 8);
  const auto written = device.write(region, offset, std::span<const std::byte>(bytes).first(width));
  EXPECT_TRUE(written) << (written ? "" : written.error().sentence);
}

}  // namespace dartboard::backend
