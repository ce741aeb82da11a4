// backend/passthrough_device.h - a PCI device for a guest, with vfio semantics, over a dext.
//
// What QEMU's vfio-user, a TinyGPU socket, a replay and a fuzzer all drive: regions, interrupts, reset, DMA. It
// virtualises configuration space by table, accounts for every mapped byte before the mapper is asked, and answers
// every failure with a named Error. Vfio numbering: regions 0-5 BARs, 6 ROM, 7 configuration space, 8 VGA.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/inspect.h"
#include "base/types.h"
#include "dext/client/client.h"

namespace dartboard::backend {

enum class Region : uint8_t { kBar0 = 0, kBar1, kBar2, kBar3, kBar4, kBar5, kRom = 6, kConfig = 7, kVga = 8 };
inline constexpr unsigned kRegionCount = 9;

enum class IrqKind : uint8_t { kIntx = 0, kMsi = 1, kMsix = 2, kErr = 3, kReq = 4 };
inline constexpr unsigned kIrqKindCount = 5;

struct DeviceInfo {
  dext::Identity identity;
  bool resettable = true;
  unsigned regions = kRegionCount;
  unsigned irqs = kIrqKindCount;
};

/// A part of a region that may be accessed through a pointer (vfio sparse mmap).
struct DirectArea { uint64_t offset = 0; uint64_t size = 0; std::byte* base = nullptr; };

struct RegionInfo {
  uint64_t size = 0;                   ///< 0: no such region on this device
  bool readable = false, writable = false;
  std::vector<DirectArea> direct;      ///< empty: by calls only. Leaves out the pages of MSI-X table and PBA.
};

struct IrqInfo { uint32_t count = 0; bool maskable = false, automasked = false, noresize = false; };

/// vfio SET_IRQS actions.
enum class IrqAction : uint8_t { kMask, kUnmask, kTrigger };

/// Called for each delivered vector; from pump() or, on a Mac, from the client's queue.
using IrqSink = std::function<void(uint32_t vector)>;

struct Budget {
  uint64_t bytes_max = 1536 * kMiB;
  uint64_t mappings_max = 65536;
  uint64_t page_bytes = 16 * kKiB;     ///< the mapper's page: what a mapping really takes
};

struct BudgetUse { uint64_t bytes = 0, bytes_peak = 0, mappings = 0, mappings_peak = 0, refusals = 0; };

struct DmaMapping { uint64_t key = 0; Iova iova; uint64_t size = 0; };

/// How the guest's view of one byte of configuration space comes about (backend/config_policy.h): bits that are ours
/// and not the device's, bits of those that the guest's writes change, bits whose writes reach the device.
struct ConfigByte {
  uint8_t shadowed = 0, writable = 0, forwarded = 0;
  std::string field, reason;           ///< of the policy; empty where there is none
};

class HostBudget;   // backend/dma/host_budget.h
class Observer;     // backend/observer.h

class PassthroughDevice {
 public:
  /// Claims the device and reads what it is. The client stays with the device. `host`, if given, is the budget that all
  /// devices of this host share; `budget` is this device's own.
  static Result<std::unique_ptr<PassthroughDevice>> open(std::unique_ptr<dext::Client> client, const Budget& budget,
                                                         std::shared_ptr<HostBudget> host = nullptr);
  ~PassthroughDevice();   ///< quiesces the device (bus master off), unmaps, closes

  const DeviceInfo& info() const;
  Result<RegionInfo> region_info(Region region) const;

  /// Guest access of any length to a region; split into the widths the device takes. kOutOfRange past the end.
  /// Config reads of absent bytes and reads of a device that is gone are all-ones.
  Result<void> read(Region region, uint64_t offset, std::span<std::byte> data);
  Result<void> write(Region region, uint64_t offset, std::span<const std::byte> data);

  /// For whoever explains what a guest sees. Bytes past the end have no policy.
  ConfigByte config_byte(uint64_t offset) const;

  Result<IrqInfo> irq_info(IrqKind kind) const;
  /// kTrigger with a sink: assigns [start, start+sinks.size()), an empty function de-assigns that vector. kTrigger with
  /// no sinks and count 0: disables the kind. Mask and unmask any sub-range.
  Result<void> set_irqs(IrqKind kind, IrqAction action, uint32_t start, uint32_t count, std::span<const IrqSink> sinks);

  /// FLR, then hot reset, then kResetFailed. Config virtualisation and interrupts return to their reset state.
  Result<void> reset();

  /// Registers [base, base+size) of this process for DMA under `key` (the guest's address by convention).
  Result<DmaMapping> dma_map(uint64_t key, void* base, uint64_t size);
  Result<void> dma_unmap(uint64_t key);
  Result<dext::DmaBuffer> allocate_dma_buffer(uint64_t size, uint64_t alignment);
  Result<void> free_dma_buffer();
  const BudgetUse& budget_use() const;

  /// Runs due callbacks (interrupts, unplug).
  void pump();
  bool gone() const;
  void inspect(InspectNode& node) const;

  /// Who hears of every call from now on; null: nobody. Not while a call is under way.
  void set_observer(std::shared_ptr<Observer> observer);
  /// What a guest reads at `offset` of configuration space when the device holds `device` there; none when that is
  /// needed and not known, or nothing is there. Asks no hardware.
  std::optional<uint8_t> config_view(uint16_t offset, std::optional<uint8_t> device) const;

 private:
  PassthroughDevice();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dartboard::backend
