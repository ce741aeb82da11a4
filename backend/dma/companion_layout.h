// backend/dma/companion_layout.h - the apple-dma-pci device as data: its registers, configuration header, command page
// and the two layouts of its arrays.
//
// Two layouts exist under the same VERSION, and nothing in the protocol tells them apart: a host and its guest's module
// have to be of the same time. All fields are little endian and packed.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/types.h"

namespace dartboard::backend::dma {

static_assert(std::endian::native == std::endian::little, "fields are copied as they lie in memory");

namespace companion {

inline constexpr uint64_t kBarBytes = 4 * kKiB;
inline constexpr uint32_t kVersion = 2;
inline constexpr uint32_t kEntriesMaxDefault = 4096;

enum class Access : uint8_t { kRead, kWrite };  ///< what is only written reads as 0
struct Register {
  uint32_t offset;
  Access access;
  std::string_view name, meaning;
};
inline constexpr uint32_t kRegVersion = 0x00, kRegManagedBdf = 0x04, kRegMaxEntries = 0x08, kRegStatus = 0x0c,
                          kRegCommandLow = 0x10, kRegCommandHigh = 0x14, kRegDoorbell = 0x18;
inline constexpr Register kRegisters[] = {
    {kRegVersion, Access::kRead, "VERSION", "of the protocol"},
    {kRegManagedBdf, Access::kRead, "MANAGED_BDF", "guest bus, device and function of the device it maps for"},
    {kRegMaxEntries, Access::kRead, "MAX_ENTRIES", "of one batch"},
    {kRegStatus, Access::kRead, "STATUS", "of the last doorbell"},
    {kRegCommandLow, Access::kWrite, "CMD_GPA_LO", "guest address of the command page, bits 31:0"},
    {kRegCommandHigh, Access::kWrite, "CMD_GPA_HI", "bits 63:32"},
    {kRegDoorbell, Access::kWrite, "DOORBELL", "any write runs the batch and returns when it is done"},
};

/// Of a doorbell and of each entry.
enum class Status : uint32_t { kOk = 0, kIoError = 1, kInvalid = 3 };

enum class Command : uint32_t { kMap = 1, kUnmap = 2 };

/// A field of a record in guest memory: where it begins and how long it is.
struct Field {
  uint32_t offset = 0, bytes = 0;
  friend constexpr bool operator==(const Field&, const Field&) = default;
};

inline uint64_t get(const std::byte* record, Field field) {
  uint64_t value = 0;
  std::memcpy(&value, record + field.offset, field.bytes);
  return value;
}
inline void put(std::byte* record, Field field, uint64_t value) {
  std::memcpy(record + field.offset, &value, field.bytes);
}

struct CommandPage {
  uint32_t bytes = 32;
  Field type{0, 4}, count{4, 4}, status{8, 4}, reserved{12, 4}, requests{16, 8}, responses{24, 8};
};
inline constexpr CommandPage kCommandPage;

struct MapRequestLayout {
  uint32_t bytes;
  Field gpa, length, flags;
};
struct MapResponseLayout {
  uint32_t bytes;
  Field id, iova, length, status;
};
struct UnmapRequestLayout {
  uint32_t bytes;
  Field id, size;
};
struct UnmapResponseLayout {
  uint32_t bytes;
  Field id, status, reserved;
};

struct WireLayout {
  std::string_view name;
  MapRequestLayout map_request;
  MapResponseLayout map_response;
  UnmapRequestLayout unmap_request;
  UnmapResponseLayout unmap_response;
};

/// The guest module, and hosts since. The id is the guest address.
inline constexpr WireLayout kWire64{
    "64-bit lengths",     {20, {0, 8}, {8, 8}, {16, 4}}, {28, {0, 8}, {8, 8}, {16, 8}, {24, 4}},
    {16, {0, 8}, {8, 8}}, {16, {0, 8}, {8, 4}, {12, 4}},
};
/// The host of April 2026.
inline constexpr WireLayout kWire32{
    "32-bit lengths",     {16, {0, 8}, {8, 4}, {12, 4}}, {24, {0, 8}, {8, 8}, {16, 4}, {20, 4}},
    {16, {0, 8}, {8, 8}}, {16, {0, 8}, {8, 4}, {12, 4}},
};

/// The configuration header (PCI 3.0 s6.1, type 0). What is not here reads as 0 and ignores writes.
struct ConfigField {
  uint16_t offset;
  uint8_t bytes;
  uint32_t reset, writable;
  std::string_view name, note;
};
inline constexpr uint32_t kConfigBytes = 256;
inline constexpr ConfigField kConfig[] = {
    {0x00, 2, 0x1b36, 0, "vendor id", "Red Hat"},
    {0x02, 2, 0x0015, 0, "device id", "apple-dma-pci"},
    {0x04, 2, 0x0000, 0x0006, "command", "memory space, bus master; nothing waits for bus master"},
    {0x08, 1, 0x00, 0, "revision", ""},
    {0x09, 3, 0x08'8000, 0, "class", "other system peripheral"},
    {0x0e, 1, 0x00, 0, "header type", "one function"},
    {0x10, 4, 0x0000'0000, ~static_cast<uint32_t>(kBarBytes - 1), "BAR0", "32-bit memory, 4 KiB"},
    {0x3d, 1, 0x00, 0, "interrupt pin", "none: the doorbell's write returns when all is done"},
};

}  // namespace companion
}  // namespace dartboard::backend::dma
