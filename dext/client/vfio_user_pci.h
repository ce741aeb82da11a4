// dext/client/vfio_user_pci.h - the client of VFIOUserPCIDriver's user-client ABI (dext/abi.h).
//
// One connection, one serial dispatch queue on which interrupts and the end of the service arrive. On a Mac that queue
// has a thread of its own: the sinks run there, and what they touch is the caller's to protect. Destroy a client
// neither inside a sink nor while another thread uses it.
#pragma once

#include <IOKit/IOKitLib.h>

#include <array>
#include <atomic>
#include <initializer_list>
#include <mutex>

#include "dext/abi.h"
#include "dext/client/client.h"
#include "dext/client/discovery.h"

namespace dartboard::dext {

inline constexpr unsigned kBarCount = 6;

class VfioUserPciClient final : public Client {
 public:
  /// Takes over the service. open() must follow.
  explicit VfioUserPciClient(FoundDevice device);
  ~VfioUserPciClient() override;
  VfioUserPciClient(const VfioUserPciClient&) = delete;
  VfioUserPciClient& operator=(const VfioUserPciClient&) = delete;
  Result<void> open();

  Result<Identity> identity() override;
  Result<void> claim() override;
  Result<void> terminate() override;
  Result<DmaBuffer> allocate_dma_buffer(uint64_t size, uint64_t alignment) override;
  Result<void> free_dma_buffer() override;
  Result<DmaRegion> register_dma_region(uint64_t key, void* base, uint64_t size) override;
  Result<void> unregister_dma_region(uint64_t key) override;
  Result<uint64_t> probe_dma_region(uint64_t key, uint64_t offset) override;
  Result<uint32_t> config_read(uint64_t offset, unsigned width) override;
  Result<void> config_write(uint64_t offset, unsigned width, uint32_t value) override;
  Result<BarInfo> bar_info(unsigned bar) override;
  Result<Mapping> map_bar(unsigned bar) override;
  io_return::Code mmio_read(uint8_t memory_index, uint64_t offset, unsigned width, uint64_t* value) override;
  io_return::Code mmio_write(uint8_t memory_index, uint64_t offset, unsigned width, uint64_t value) override;
  Result<uint32_t> setup_interrupts() override;
  Result<VectorSet> check_interrupts() override;
  Result<void> set_irq_mask(const VectorSet& enabled) override;
  Result<void> watch_interrupts(std::function<void(const VectorSet&)> sink) override;
  Result<void> reset() override;
  void on_gone(std::function<void()> sink) override;
  bool gone() const override { return gone_.load(); }
  void pump() override;

 private:
  struct CallText { const char* name; std::string detail; };
  /// One scalar method; `out` must come back in full.
  io_return::Code call(DartboardSelector selector, std::initializer_list<uint64_t> in, uint64_t* out = nullptr,
                       uint32_t out_count = 0);
  io_return::Code remember(io_return::Code code);
  /// The error for a failed call; remembers that the device is gone.
  tl::unexpected<Error> failed(io_return::Code code, const char* name, const std::string& detail = {});
  Result<Mapping> map(uint32_t type, const char* what);
  void unmap_dma_buffer();
  io_return::Code arm();
  void map_irq_page();
  VectorSet take_page_vectors();
  void interrupt_arrived(io_return::Code status);
  void service_message(uint32_t type);
  void report_gone();
  static void on_interrupt(void* self, IOReturn status);
  static void on_service_message(void* self, io_service_t service, uint32_t type, void* argument);
  static void on_report_gone(void* self);

  FoundDevice device_;
  std::string text_;                          ///< for sentences
  io_connect_t connect_ = IO_OBJECT_NULL;
  IONotificationPortRef port_ = nullptr;
  dispatch_queue_t queue_ = nullptr;
  io_object_t interest_ = IO_OBJECT_NULL;
  std::array<std::optional<Mapping>, kBarCount> bars_;
  std::byte* dma_buffer_ = nullptr;
  std::byte* irq_page_ = nullptr;
  std::atomic<bool> gone_ = false;
  std::atomic<bool> closing_ = false;
  bool watching_ = false;
  std::mutex sinks_mutex_;                    ///< set by the owner, copied by the queue
  std::function<void(const VectorSet&)> interrupt_sink_;
  std::function<void()> gone_sink_;
};

}  // namespace dartboard::dext
