// cli/replay_target.cpp - see replay_target.h.
#include "cli/replay_target.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace dartboard::cli {

namespace {

using backend::Region;

constexpr uint64_t kBusPageBytes = 4096;  // MAP_SYSMEM: one bus address for each 4 KiB
constexpr uint64_t kKeyAlignment = 16 * kKiB;
constexpr uint32_t kExtendedConfigBegin = 0x100;  // PCIe 6.0 s7.6.2
constexpr uint32_t kExtendedConfigEnd = 0x1000;
constexpr uint16_t kResizableBarCapability = 0x0015;  // s7.8.6
constexpr uint64_t kCommand = 0x04;                   // s7.5.1.1.3
constexpr uint32_t kMemorySpaceEnable = 0x0002;
constexpr unsigned kCapabilitiesMax = (kExtendedConfigEnd - kExtendedConfigBegin) / 8;

Region bar_region(unsigned bar) {
  return static_cast<Region>(bar);
}

}  // namespace

Result<std::unique_ptr<MachineReplayTarget>> MachineReplayTarget::open(World& world, const Options& options) {
  std::unique_ptr<MachineReplayTarget> target(new MachineReplayTarget(world));
  target->options_ = options;
  target->written_.resize(kExtendedConfigEnd);
  auto device = open_device(world, &target->client_);
  if (!device) return tl::unexpected(target->reason(device.error()));
  target->device_ = std::move(*device);
  return target;
}

MachineReplayTarget::~MachineReplayTarget() {
  world_.on_mismatch(nullptr);
}

Error MachineReplayTarget::reason(Error error) const {
  if (auto panic = world_.host_panic()) return std::move(*panic);
  return error;
}

void MachineReplayTarget::start(traces::MismatchSink& sink) {
  world_.on_mismatch(&sink);
}
void MachineReplayTarget::resync(uint64_t next_request) {
  world_.resync(next_request);
}
void MachineReplayTarget::finish() {
  device_->pump();
  world_.expect_end();
}

Result<uint64_t> MachineReplayTarget::probe(const traces::ProbeQuery& query) {
  const auto devices = dext::list_devices();
  if (!devices) return tl::unexpected(reason(devices.error()));
  return static_cast<uint64_t>(std::count_if(devices->begin(), devices->end(), [&](const dext::DeviceListing& d) {
    return query.matches(d.identity.vendor_id, d.identity.device_id, d.identity.class_code);
  }));
}

Result<uint64_t> MachineReplayTarget::map_bar(unsigned bar) {
  const auto mapping = client_->map_bar(bar);
  if (!mapping) return tl::unexpected(reason(mapping.error()));
  return mapping->size;
}

bool MachineReplayTarget::has_resizable_bar() {
  uint64_t offset = kExtendedConfigBegin;
  for (unsigned i = 0; i < kCapabilitiesMax && offset >= kExtendedConfigBegin; ++i) {
    const auto header = config_read(offset, 4);
    if (!header || *header == 0 || *header == UINT32_MAX) return false;
    if ((*header & 0xffff) == kResizableBarCapability) return true;
    offset = *header >> 20 & 0xffc;
  }
  return false;
}

Result<void> MachineReplayTarget::resize_bar(unsigned bar, uint64_t size) {
  if (!has_resizable_bar()) {
    return fail(ErrorName::kNotSupported, fmt::format("BAR{}: the device has no Resizable BAR capability", bar));
  }
  return fail(ErrorName::kNotSupported,
              fmt::format("BAR{}: resizing to {} bytes is macOS's business, not a client's", bar, size));
}

Result<void> MachineReplayTarget::reset() {
  auto result = device_->reset();
  if (!result) return tl::unexpected(reason(result.error()));
  for (Written& byte : written_) byte.value = 0;
  return result;
}

Result<uint32_t> MachineReplayTarget::config_read(uint64_t offset, unsigned width) {
  std::byte bytes[4] = {};
  const auto result = device_->read(Region::kConfig, offset, std::span(bytes).first(width));
  if (!result) return tl::unexpected(reason(result.error()));
  uint32_t value = 0;
  for (unsigned i = width; i-- > 0;) value = value << 8 | std::to_integer<uint32_t>(bytes[i]);
  if (options_.keep_memory_space && offset == kCommand && !memory_space_) value &= ~kMemorySpaceEnable;
  return value;
}
Result<void> MachineReplayTarget::config_write(uint64_t offset, unsigned width, uint32_t value) {
  if (options_.keep_memory_space && offset == kCommand) {
    memory_space_ = (value & kMemorySpaceEnable) != 0;
    value |= kMemorySpaceEnable;
  }
  note_config_write(offset, width, value);
  std::byte bytes[4];
  for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<std::byte>(value >> (8 * i));
  auto result = device_->write(Region::kConfig, offset, std::span(bytes).first(width));
  if (!result) return tl::unexpected(reason(result.error()));
  return result;
}

Result<void> MachineReplayTarget::region_read(unsigned bar, uint64_t offset, std::span<std::byte> data) {
  auto result = device_->read(bar_region(bar), offset, data);
  if (!result) [[unlikely]]
    return tl::unexpected(reason(result.error()));
  return result;
}
Result<void> MachineReplayTarget::region_write(unsigned bar, uint64_t offset, std::span<const std::byte> data) {
  auto result = device_->write(bar_region(bar), offset, data);
  if (!result) [[unlikely]]
    return tl::unexpected(reason(result.error()));
  return result;
}

Result<void> MachineReplayTarget::map_run(SystemMemory& memory, uint32_t handle, uint64_t first_page, uint64_t pages,
                                          uint64_t bus_address) {
  const uint64_t bytes = pages * kBusPageBytes;
  const auto misplaced = [&](const std::string& why) {
    return fail(ErrorName::kPlacement,
                fmt::format("memory {}: pages {} to {} cannot be placed at bus address 0x{:x} as "
                            "recorded: {}",
                            handle, first_page, first_page + pages - 1, bus_address, why));
  };
  for (const auto& [other_handle, other] : memory_) {
    for (const SystemMemory::Run& run : other.runs) {
      if (bus_address < run.bus_address + run.bytes && run.bus_address < bus_address + bytes) {
        return misplaced(fmt::format("memory {} is there", other_handle));
      }
    }
  }
  if (auto expected = world_.expect_placement(Iova(bus_address), bytes); !expected) {
    return misplaced(expected.error().sentence);
  }
  const auto mapping = device_->dma_map(next_key_, memory.buffer.base() + first_page * kBusPageBytes, bytes);
  if (!mapping) {
    Error error = reason(mapping.error());
    if (error.name == ErrorName::kHostPanic) return tl::unexpected(std::move(error));
    return misplaced(error.sentence);
  }
  memory.runs.push_back({next_key_, bus_address, bytes});
  next_key_ += round_up(bytes, kKeyAlignment);
  // On a real Mac the mapper chooses. Addresses are inside what the driver writes: going on would be stray DMA.
  if (mapping->iova.value != bus_address) return misplaced(fmt::format("the mapper chose 0x{:x}", mapping->iova.value));
  return {};
}

/// One mapping, wherever the mapper puts it.
Result<void> MachineReplayTarget::map_anywhere(SystemMemory& memory, std::span<uint64_t> pages) {
  const uint64_t bytes = pages.size() * kBusPageBytes;
  const auto mapping = device_->dma_map(next_key_, memory.buffer.base(), bytes);
  if (!mapping) return tl::unexpected(reason(mapping.error()));
  memory.runs.push_back({next_key_, mapping->iova.value, bytes});
  next_key_ += round_up(bytes, kKeyAlignment);
  for (size_t i = 0; i < pages.size(); ++i) pages[i] = mapping->iova.value + i * kBusPageBytes;
  return {};
}

Result<void> MachineReplayTarget::map_sysmem(uint32_t handle, uint64_t size, bool, const traces::Payload& recorded,
                                             std::span<uint64_t> pages) {
  if (recorded.empty() && !options_.rebase) {
    return fail(ErrorName::kNotSupported, "the recording has no bus addresses for this memory");
  }
  auto buffer = LazyMemory::allocate(size);
  if (!buffer) return tl::unexpected(buffer.error());
  SystemMemory memory;
  memory.buffer = std::move(*buffer);
  memory.size = size;
  if (recorded.empty()) {
    if (auto mapped = map_anywhere(memory, pages); !mapped) return mapped;
    memory_[handle] = std::move(memory);
    return {};
  }
  for (uint64_t first = 0; first < pages.size();) {
    const uint64_t bus_address = recorded.le64(8 * first);
    uint64_t count = 1;
    while (first + count < pages.size() && recorded.le64(8 * (first + count)) == bus_address + count * kBusPageBytes) {
      ++count;
    }
    if (auto mapped = map_run(memory, handle, first, count, bus_address); !mapped) {
      for (const SystemMemory::Run& run : memory.runs) static_cast<void>(device_->dma_unmap(run.key));
      return mapped;
    }
    for (uint64_t i = 0; i < count; ++i) pages[first + i] = bus_address + i * kBusPageBytes;
    first += count;
  }
  memory_[handle] = std::move(memory);
  return {};
}

Result<void> MachineReplayTarget::unmap_sysmem(uint32_t handle) {
  const auto found = memory_.find(handle);
  if (found == memory_.end()) return fail(ErrorName::kNotFound, fmt::format("memory {} is not mapped", handle));
  for (const SystemMemory::Run& run : found->second.runs) {
    if (auto result = device_->dma_unmap(run.key); !result) return tl::unexpected(reason(result.error()));
  }
  memory_.erase(found);
  return {};
}

Result<std::byte*> MachineReplayTarget::host_bytes(uint32_t handle, uint64_t offset, uint64_t length) {
  const auto found = memory_.find(handle);
  if (found == memory_.end()) return fail(ErrorName::kNotFound, fmt::format("memory {} is not mapped", handle));
  if (!in_range(offset, length, found->second.size)) {
    return fail(ErrorName::kOutOfRange,
                fmt::format("{} bytes at 0x{:x} are outside memory {}", length, offset, handle));
  }
  return found->second.buffer.base() + offset;
}
Result<void> MachineReplayTarget::sysmem_read(uint32_t handle, uint64_t offset, std::span<std::byte> data) {
  const auto bytes = host_bytes(handle, offset, data.size());
  if (!bytes) return tl::unexpected(bytes.error());
  std::memcpy(data.data(), *bytes, data.size());
  return {};
}
Result<void> MachineReplayTarget::sysmem_write(uint32_t handle, uint64_t offset, std::span<const std::byte> data) {
  const auto bytes = host_bytes(handle, offset, data.size());
  if (!bytes) return tl::unexpected(bytes.error());
  std::memcpy(*bytes, data.data(), data.size());
  return {};
}

Result<void> MachineReplayTarget::device_dma_write(Iova address, std::span<const std::byte> data) {
  if (!written_[kCommand].guest && !bus_master_assumed_) assume_bus_master();
  auto result = world_.device_dma_write(address, data);
  if (!result) {
    device_->pump();  // a fault is an interrupt: let the host see it
    return tl::unexpected(reason(result.error()));
  }
  return result;
}
Result<void> MachineReplayTarget::device_memory_change(unsigned bar, uint64_t offset, std::span<const std::byte> data) {
  return world_.device_memory_change(bar, offset, data);
}

Result<void> MachineReplayTarget::feed(const traces::EventBatch& batch) {
  world_.feed(batch);
  return {};
}
void MachineReplayTarget::expect_read(unsigned bar, uint64_t offset, const traces::Payload& recorded) {
  world_.expect_read(bar, offset, recorded);
}
void MachineReplayTarget::stands_for(unsigned bar, uint64_t offset, std::span<const std::byte> recorded) {
  world_.stands_for(bar, offset, recorded);
}
void MachineReplayTarget::pass_time(uint64_t ns) {
  world_.pass_time(ns);
  device_->pump();
}

}  // namespace dartboard::cli
