// dext/client/client.h - a PCI device behind a dext, as typed calls: what the backend knows of the outside world.
//
// VfioUserPciClient speaks the VFIOUserPCIDriver ABI over the IOKit C API; on a Mac the same source calls
// IOKit.framework, elsewhere sim/iokit. Every failure is an Error with the kIOReturn and a sentence.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace dartboard::dext {

struct Identity {
  uint8_t bus = 0, device = 0, function = 0;
  uint16_t vendor_id = 0, device_id = 0;
  uint32_t class_code = 0;            ///< 24 bits
};

/// PCI BAR low bits (PCIDriverKit kPCIBARType*).
enum class BarType : uint8_t { kM32 = 0x0, kIo = 0x1, kM64 = 0x4, kM32Prefetchable = 0x8, kM64Prefetchable = 0xc };

struct BarInfo { uint8_t memory_index = 0; uint64_t size = 0; BarType type = BarType::kM32; };

/// A BAR or buffer mapped into this process.
struct Mapping {
  std::byte* base = nullptr;
  uint64_t size = 0;
  /// False: the range is reserved but may not be touched (its VM protection has no read and write): use calls.
  /// Always true on a Mac; registers of a simulated device have no memory behind them.
  bool accessible = false;
};

struct DmaBuffer { uint64_t size = 0; Iova iova; uint64_t segment_length = 0; uint32_t segments = 0; std::byte* base = nullptr; };
struct DmaRegion { Iova iova; uint64_t length = 0; uint32_t segments = 0; };

using VectorSet = std::array<uint64_t, 4>;   ///< 256 bits, bit 0 of word 0 is vector 0

/// Which device to open: "BB:DD.F", optionally with the root's registry name in front ("pcic1-bridge/01:00.0").
struct Selector { std::string root; std::optional<Rid> rid; };
/// Parses "[ROOT/]BB:DD.F" (hex bus and device). Empty text selects the first device.
Result<Selector> parse_selector(const std::string& text);

/// One open connection to a dext. Closing (destruction) gives everything back: the dext releases the claim, its DMA
/// regions, buffer and interrupts.
class Client {
 public:
  virtual ~Client() = default;

  virtual Result<Identity> identity() = 0;
  virtual Result<void> claim() = 0;
  virtual Result<void> terminate() = 0;

  virtual Result<DmaBuffer> allocate_dma_buffer(uint64_t size, uint64_t alignment) = 0;   ///< mapped too
  virtual Result<void> free_dma_buffer() = 0;
  virtual Result<DmaRegion> register_dma_region(uint64_t key, void* base, uint64_t size) = 0;
  virtual Result<void> unregister_dma_region(uint64_t key) = 0;
  virtual Result<uint64_t> probe_dma_region(uint64_t key, uint64_t offset) = 0;

  virtual Result<uint32_t> config_read(uint64_t offset, unsigned width) = 0;
  virtual Result<void> config_write(uint64_t offset, unsigned width, uint32_t value) = 0;
  virtual Result<BarInfo> bar_info(unsigned bar) = 0;
  virtual Result<Mapping> map_bar(unsigned bar) = 0;

  // The hot path: plain codes, no Result, no allocation. describe() turns a code into an Error.
  virtual io_return::Code mmio_read(uint8_t memory_index, uint64_t offset, unsigned width, uint64_t* value) = 0;
  virtual io_return::Code mmio_write(uint8_t memory_index, uint64_t offset, unsigned width, uint64_t value) = 0;

  virtual Result<uint32_t> setup_interrupts() = 0;
  virtual Result<VectorSet> check_interrupts() = 0;                 ///< pending bits, read and cleared
  virtual Result<void> set_irq_mask(const VectorSet& enabled) = 0;
  /// Calls `sink` with the pending vectors each time some become pending, until the client closes. Re-arms itself.
  virtual Result<void> watch_interrupts(std::function<void(const VectorSet&)> sink) = 0;

  virtual Result<void> reset() = 0;                                 ///< function-level, else hot reset

  /// Called once when the service terminates (unplug, dext stop).
  virtual void on_gone(std::function<void()> sink) = 0;
  virtual bool gone() const = 0;

  /// Runs callbacks that are due (interrupts, gone). On a Mac they arrive on the client's queue and this only waits
  /// for those under way; with a simulated Mac this is where they run.
  virtual void pump() = 0;
};

/// Error for a failed call: name from the code, sentence with the call, device and what to do.
Error describe(io_return::Code code, const char* call, const std::string& detail);

struct DeviceListing { Identity identity; std::string root; uint64_t registry_id = 0; };
/// Every device that has the dext on it, in registry order.
Result<std::vector<DeviceListing>> list_devices();

/// Opens the device through IOKit (the framework on a Mac, sim/iokit on the simulated Mac that is current).
Result<std::unique_ptr<Client>> open_vfio_user_pci(const Selector& selector);

}  // namespace dartboard::dext
