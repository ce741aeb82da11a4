// traces/device_description.h - what a recorded device is: the FILE.device.json beside a session.
//
//   {
//     "schema": "dartboard-device-1",            required, exactly this
//     "name": "text for people",                 required
//     "identity": {                              required; ids are hexadecimal strings ("0x1002")
//       "vendor_id": "0x1002", "device_id": "0x74a1",                     required
//       "subsystem_vendor_id": "0x0000", "subsystem_id": "0x0000",        optional, 0
//       "revision_id": "0x00",                                            optional, 0
//       "class_code": "0x038000"                                          optional, 0xff0000 (unassigned class)
//     },
//     "bars": [                                  required, may be empty
//       {"index": 0,                             0-5, ascending; a 64-bit BAR takes index and index + 1
//        "size": 536870912,                      bytes, or a string "512 MiB" (KiB, MiB, GiB); a power of two
//        "kind": "memory" | "registers",         memory: bytes without side effects; registers: answered by the
//        recording "64bit": true, "prefetchable": true}    optional, false
//     ],
//     "recorded": {                              optional: how the recorded device differed from a real one
//       "memory_decode_gated_by_command": false, optional, true
//       "resizable_bar": false                   optional, false
//     },
//     "config": [{"offset": 0, "bytes": "02100074"}],   optional: what is known of configuration space, ascending,
//                                              as the device showed it first; hexadecimal, 4096 bytes at most
//     "msix": {"entries": 4, "table_bar": 4, "table_offset": 0, "pba_bar": 4, "pba_offset": 2048},       optional
//     "notes": ["sentence", ...]                 optional; repeated by every summary
//   }
//
// Unknown members are errors: a misspelt one would otherwise be ignored.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace dartboard::traces {

enum class BarKind : uint8_t { kAbsent, kMemory, kRegisters };

struct BarDescription {
  BarKind kind = BarKind::kAbsent;
  uint64_t size = 0;  ///< bytes
  bool is_64bit = false;
  bool prefetchable = false;
  bool operator==(const BarDescription&) const = default;
};

/// Configuration space as far as a recording shows it.
class ConfigImage {
 public:
  static constexpr uint64_t kBytes = 4096;

  bool empty() const { return bytes_.empty(); }
  bool known(uint64_t offset) const { return offset < kBytes && !empty() && known_[offset]; }
  bool known(uint64_t offset, uint64_t length) const;
  /// The byte at `offset`; 0 where nothing is known.
  uint8_t at(uint64_t offset) const { return known(offset) ? bytes_[offset] : uint8_t{0}; }
  /// Little-endian, `length` of 1, 2 or 4.
  uint32_t value(uint64_t offset, unsigned length) const;
  /// Notes what was seen, unless something was seen there before. Out of range: ignored.
  void learn(uint64_t offset, unsigned length, uint32_t value);
  bool operator==(const ConfigImage&) const = default;

 private:
  std::vector<uint8_t> bytes_;
  std::vector<bool> known_;
};

struct MsixDescription {
  uint32_t entries = 0;  ///< 1 to 2048; 0: none
  uint32_t table_bar = 0, pba_bar = 0;
  uint64_t table_offset = 0, pba_offset = 0;
  bool operator==(const MsixDescription&) const = default;
};

struct DeviceDescription {
  std::string name;
  uint16_t vendor_id = 0, device_id = 0;
  uint16_t subsystem_vendor_id = 0, subsystem_id = 0;
  uint8_t revision_id = 0;
  uint32_t class_code = 0xff0000;  ///< 24 bits
  std::array<BarDescription, 6> bars;
  bool memory_decode_gated_by_command = true;
  bool resizable_bar = false;
  ConfigImage config;
  MsixDescription msix;
  std::vector<std::string> notes;

  bool has_bar(uint64_t index) const { return index < bars.size() && bars[index].kind != BarKind::kAbsent; }
  /// The BARs it has, for messages: "BAR0, BAR2 and BAR5", or "no BAR".
  std::string bar_list() const;
  bool operator==(const DeviceDescription&) const = default;
};

/// The description that belongs to a session file: the same name with ".device.json" for ".jsonl.zst" or ".jsonl"
/// (or appended, if it ends in neither).
std::string device_description_path(const std::string& session_path);

/// kFileUnreadable, kFileCorrupt; sentences name file and field.
Result<DeviceDescription> read_device_description(const std::string& path);
/// The same from text; `origin` names it in messages.
Result<DeviceDescription> parse_device_description(std::string_view text, const std::string& origin);
/// The document above from a description: parsing it gives the description back. One line without a newline.
std::string format_device_description(const DeviceDescription& description);

}  // namespace dartboard::traces
