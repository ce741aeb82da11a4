// backend/dma/mapper.cpp - see mapper.h.
#include "backend/dma/mapper.h"

#include <array>
#include <span>

#include <fmt/format.h>

namespace dartboard::backend::dma {
namespace {

constexpr uint64_t kCommandOffset = 0x04;          // PCIe 6.0 s7.5.1.1.3
constexpr uint64_t kStatusOffset = 0x06;           // s7.5.1.1.4
constexpr std::byte kBusMasterEnable{0x04};

}  // namespace

Result<DmaMapping> Mapper::map_at(uint64_t key, void*, uint64_t size, Iova iova) {
  return fail(ErrorName::kNotSupported,
              fmt::format("mapping key {:#x}: {:#x} bytes were asked for at device address {:#x}, but this host's mapper "
                          "chooses addresses itself",
                          key, size, iova.value));
}

Result<void> DeviceMapper::quiesce() {
  if (device_.gone()) return {};
  std::array<std::byte, 2> command{};
  if (auto r = device_.read(Region::kConfig, kCommandOffset, command); !r) return r;
  command[0] &= ~kBusMasterEnable;
  if (auto w = device_.write(Region::kConfig, kCommandOffset, command); !w) return w;
  // A read pushes the posted writes that the device sent before it saw the bit (PCIe 6.0 s2.4.1). Status, because the
  // guest's view of Command is answered without the device.
  return device_.read(Region::kConfig, kStatusOffset, command);
}

}  // namespace dartboard::backend::dma
