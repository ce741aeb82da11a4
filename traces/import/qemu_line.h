// traces/import/qemu_line.h - the events of QEMU that say something about a PCI device: their names, and what one line
// of a text log (prefix taken off) tells. The same names and fields are in QEMU's binary traces.
//
// Formats: the trace-events files of hw/vfio, hw/vfio-user, hw/pci, system and hw/display of QEMU, and of the fork for
// Apple silicon. Names that QEMU changed over time are one event.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace dartboard::traces {

enum class QemuEvent : uint8_t {
  kNoEvent,  ///< known, and tells nothing of the device: QemuSignature::why says why
  // Accesses to BARs: `index` BAR, `address` offset in it, `size`, `value`.
  kVfioRegionRead,   ///< `device` name
  kVfioRegionWrite,  ///< `device` name
  kAppleMmioRead,    ///< `status`
  kAppleMmioWrite,   ///< `status`
  kAppleBarRead,
  kAppleBarWrite,
  kModelRead,    ///< `device` type; a device model's own line
  kModelWrite,   ///< `device` type
  kMemoryRead,   ///< `address` is absolute, `name` of the memory region, no `index`
  kMemoryWrite,  ///< the same
  // Accesses to configuration space: `address` offset, `size` (0: not shown), `value`.
  kVfioConfigRead,    ///< `device` name
  kVfioConfigWrite,   ///< `device` name
  kAppleConfigRead,   ///< `status`
  kAppleConfigWrite,  ///< `status`
  kPciConfigRead,     ///< `device` type, `rid`
  kPciConfigWrite,    ///< `device` type, `rid`
  // DMA mappings: `address` IOVA, `size` bytes (at least 1).
  kListenerAdd,
  kListenerDel,
  kIommuMap,
  kIommuUnmap,
  kUserDmaMap,
  kUserDmaUnmap,
  kAppleDmaMap,      ///< `address` guest address, `value` bus address, `status`
  kAppleMapEntry,    ///< the same
  kAppleDmaUnmap,    ///< `address` guest address; no size
  kAppleUnmapEntry,  ///< `value` id
  // Interrupts: `device` name.
  kIntxInterrupt,   ///< `index` pin from 0
  kMsiInterrupt,    ///< `index` vector
  kAppleInterrupt,  ///< `index` vector
  kIntxEnable,
  kIntxDisable,
  kMsiEnable,  ///< `size` vectors
  kMsiDisable,
  kMsixEnable,
  kMsixDisable,
  kMsixVectorUse,      ///< `index`
  kMsixVectorRelease,  ///< `index`
  kUserSetIrqs,        ///< `index` VFIO IRQ index, `address` first, `size` count, `value` flags
  // Resets
  kReset,               ///< `device` name
  kUserReceivedHeader,  ///< `device` socket, `index` command
  // What is known of a device
  kRegionSetup,     ///< `device` name, `index`, `size`
  kRegionMmap,      ///< `name` of the region
  kUserRegionInfo,  ///< `index`, `size`
  kMsixSetup,       ///< `device` name, `index` BAR, `address` offset, `size` entries
  kBarMapped,       ///< `device` type, `rid`, `index` BAR, `address` absolute, `size`
  kBarUnmapped,     ///< the same
};

struct QemuLine {
  QemuEvent event = QemuEvent::kNoEvent;
  uint8_t row = 0;   ///< of qemu_signatures()
  uint16_t rid = 0;  ///< bus << 8 | device << 3 | function
  std::string_view device;
  std::string_view name;
  uint64_t index = 0;
  uint64_t address = 0;
  uint64_t size = 0;
  uint64_t value = 0;
  uint64_t status = 0;
};

struct QemuSignature {
  std::string_view name;  ///< a '*' at its end: every name that begins so
  QemuEvent event;
  std::string_view why;  ///< of kNoEvent
};

/// All that are known, fewer than 256.
std::span<const QemuSignature> qemu_signatures();
/// Row of the event called `name`, or -1.
int find_qemu_event(std::string_view name);

/// What an access may be: 1, 2, 4 or 8 bytes below the largest offset that any BAR has, and a value of that many bytes.
inline constexpr uint64_t kQemuBarBytesMax = uint64_t{1} << 40;
bool is_qemu_access(uint64_t offset, uint64_t size, uint64_t value);

/// Understands `text`, a line without its prefix. False: it is none of ours, or not as QEMU writes it.
bool parse_qemu_line(std::string_view text, QemuLine* line);

}  // namespace dartboard::traces
