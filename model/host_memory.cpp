// model/host_memory.cpp - the frame table and what hangs in it.
#include "model/host_memory.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "model/fault.h"

namespace dartboard::model {

namespace {

constexpr uint64_t kFramesPerUnit = kWiringBytes / kFrameBytes;
/// From here on a block's zeroes come from fresh pages that the system supplies when they are touched.
constexpr uint64_t kLazyBlockBytes = 1 * kMiB;

uint32_t unit_count(uint64_t bytes_max) {
  return static_cast<uint32_t>(std::min<uint64_t>(bytes_max / kWiringBytes, ExtentAllocator::kUnitsMax));
}

uint32_t unit_of(Hpa address) {
  return static_cast<uint32_t>((address - kHostMemoryBase) / kWiringBytes);
}
uint64_t units_for(uint64_t bytes) {
  return bytes / kWiringBytes + (bytes % kWiringBytes != 0 ? 1 : 0);
}

// Blocks of one wiring unit (page tables, IRQ pages) come and go with every run: some are kept for the next.
constexpr size_t kSpareBlocksMax = 64;
std::vector<std::byte*>& spare_blocks() {
  static auto* const list = new std::vector<std::byte*>;
  return *list;
}

// A kernel block is aligned to kWiringBytes here too: tasks map it by whole pages.
std::byte* new_block(uint64_t bytes) {
  if (bytes < kLazyBlockBytes) {
    void* block = nullptr;
    if (bytes == kWiringBytes && !spare_blocks().empty()) {
      block = spare_blocks().back();
      spare_blocks().pop_back();
    } else {
      block = std::aligned_alloc(kWiringBytes, bytes);
    }
    if (block != nullptr) std::memset(block, 0, bytes);
    return static_cast<std::byte*>(block);
  }
  auto* raw = static_cast<std::byte*>(std::calloc(1, bytes + 2 * kWiringBytes));
  if (raw == nullptr) return nullptr;
  const auto raw_value = reinterpret_cast<uintptr_t>(raw);
  std::byte* block = raw + (round_up(raw_value + sizeof raw, kWiringBytes) - raw_value);
  std::memcpy(block - sizeof raw, &raw, sizeof raw);
  return block;
}

void delete_block(std::byte* block, uint64_t bytes) {
  if (bytes < kLazyBlockBytes) {
    if (bytes == kWiringBytes && block != nullptr && spare_blocks().size() < kSpareBlocksMax) {
      spare_blocks().push_back(block);
    } else {
      std::free(block);
    }
    return;
  }
  std::byte* raw;
  std::memcpy(&raw, block - sizeof raw, sizeof raw);
  std::free(raw);
}

}  // namespace

HostMemory::HostMemory(uint64_t bytes_max) : units_(unit_count(bytes_max)) {
  const uint64_t frames = uint64_t{units_.units()} * kFramesPerUnit;
  frames_ = static_cast<std::byte**>(std::calloc(frames == 0 ? 1 : frames, sizeof(std::byte*)));
  frame_count_ = frames_ == nullptr ? 0 : frames;
}

HostMemory::~HostMemory() {
  reset();
  std::free(frames_);
}

Hpa HostMemory::take(uint64_t bytes, uint64_t align, bool kernel_owned) {
  assert(is_power_of_two(align) && align >= kFrameBytes);
  if (bytes == 0 || units_for(bytes) > units_.units() || frame_count_ == 0) return Hpa(0);
  if (fault(FaultKind::kResourceNoMemory, bytes)) return Hpa(0);
  // The base of the physical address space is aligned to 32 GiB; a larger alignment cannot be had.
  const uint64_t align_units = std::max<uint64_t>(align / kWiringBytes, 1);
  if (kHostMemoryBase.value % align != 0 || align_units > units_.units()) return Hpa(0);
  const uint32_t unit =
      units_.allocate(static_cast<uint32_t>(units_for(bytes)), static_cast<uint32_t>(align_units), kernel_owned);
  return unit == ExtentAllocator::kNone ? Hpa(0) : kHostMemoryBase + unit * kWiringBytes;
}

Hpa HostMemory::wire(std::byte* base, uint64_t bytes, uint64_t align) {
  assert(base != nullptr && reinterpret_cast<uintptr_t>(base) % kFrameBytes == 0 && bytes % kFrameBytes == 0);
  const Hpa address = take(bytes, align, false);
  if (address == Hpa(0)) return address;
  std::byte** frame = frames_ + (address - kHostMemoryBase) / kFrameBytes;
  for (uint64_t i = 0; i < bytes / kFrameBytes; ++i) frame[i] = base + i * kFrameBytes;
  live_bytes_ += bytes;
  return address;
}

Hpa HostMemory::allocate(uint64_t bytes, uint64_t align) {
  if (bytes > frame_count_ * kFrameBytes) return Hpa(0);
  bytes = round_up(bytes, kWiringBytes);
  const Hpa address = take(bytes, align, true);
  if (address == Hpa(0)) return address;
  std::byte* block = new_block(bytes);
  if (block == nullptr) {
    units_.release(unit_of(address));
    return Hpa(0);
  }
  std::byte** frame = frames_ + (address - kHostMemoryBase) / kFrameBytes;
  for (uint64_t i = 0; i < bytes / kFrameBytes; ++i) frame[i] = block + i * kFrameBytes;
  live_bytes_ += bytes;
  ++kernel_blocks_;
  return address;
}

void HostMemory::give_back(uint32_t unit) {
  std::byte** frame = frames_ + unit * kFramesPerUnit;
  const uint64_t frames = units_.length(unit) * kFramesPerUnit;
  if (units_.mark(unit)) {
    delete_block(frame[0], frames * kFrameBytes);
    --kernel_blocks_;
  }
  // A wiring's last unit may be filled in part.
  for (uint64_t i = 0; i < frames && frame[i] != nullptr; ++i) {
    frame[i] = nullptr;
    live_bytes_ -= kFrameBytes;
  }
  ++generation_;
}

void HostMemory::unwire(Hpa address, uint64_t bytes) {
  const uint32_t unit = unit_of(address);
  assert(!units_.mark(unit) && units_.length(unit) == units_for(bytes));
  static_cast<void>(bytes);
  give_back(unit);
  units_.release(unit);
}

void HostMemory::release(Hpa address, uint64_t bytes) {
  const uint32_t unit = unit_of(address);
  assert(units_.mark(unit) && units_.length(unit) == units_for(bytes));
  static_cast<void>(bytes);
  give_back(unit);
  units_.release(unit);
}

uint64_t HostMemory::contiguous(Hpa address, uint64_t length) const {
  std::byte* const first = at(address);
  if (first == nullptr) return 0;
  uint64_t run = kFrameBytes - (address.value & (kFrameBytes - 1));
  while (run < length && at(address + run) == first + run) run += kFrameBytes;
  return std::min(run, length);
}

void HostMemory::reset() {
  units_.for_each_live([this](uint32_t unit, uint32_t, bool) { give_back(unit); });
  units_.reset();
  assert(live_bytes_ == 0 && kernel_blocks_ == 0);
}

void HostMemory::inspect(InspectNode& node) const {
  node.child("address space",
             fmt::format("{:#x}..{:#x}", kHostMemoryBase.value, kHostMemoryBase.value + frame_count_ * kFrameBytes));
  node.child("live", fmt::format("{} bytes", live_bytes_), "wired and kernel-owned");
  node.child("wirings", fmt::format("{}", units_.live_extents() - kernel_blocks_), "memory of tasks");
  node.child("kernel blocks", fmt::format("{}", kernel_blocks_), "page tables, DMA buffers");
}

}  // namespace dartboard::model
