// dext/client/vfio_user_pci.cpp - see vfio_user_pci.h.
#include "dext/client/vfio_user_pci.h"

#include <IOKit/IOMessage.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>

#include <fmt/format.h>

#include "base/format.h"
#include "dext/client/codes.h"
#include "dext/client/pump.h"

namespace dartboard::dext {
namespace {

/// Whether the mapping at `base` may be read and written: reserved ranges of a simulated device may not.
bool is_accessible(std::byte* base) {
  mach_vm_address_t address = reinterpret_cast<uintptr_t>(base);
  mach_vm_size_t size = 0;
  vm_region_basic_info_data_64_t info = {};
  mach_msg_type_number_t count = VM_REGION_BASIC_INFO_COUNT_64;
  mach_port_t object = MACH_PORT_NULL;
  const kern_return_t code = mach_vm_region(mach_task_self(), &address, &size, VM_REGION_BASIC_INFO_64,
                                            reinterpret_cast<vm_region_info_t>(&info), &count, &object);
  const vm_prot_t both = VM_PROT_READ | VM_PROT_WRITE;
  return code == KERN_SUCCESS && address <= reinterpret_cast<uintptr_t>(base) && (info.protection & both) == both;
}

}  // namespace

VfioUserPciClient::VfioUserPciClient(FoundDevice device)
    : device_(std::move(device)), text_(device_text(device_.listing)), connect_(device_.connection.release()) {}

Result<void> VfioUserPciClient::open() {
  queue_ = dispatch_queue_create("dartboard.client", DISPATCH_QUEUE_SERIAL);
  port_ = IONotificationPortCreate(kIOMainPortDefault);
  if (queue_ == nullptr || port_ == nullptr) return failed(io_return::kNoResources, "IONotificationPortCreate");
  IONotificationPortSetDispatchQueue(port_, queue_);
  const kern_return_t code = IOServiceAddInterestNotification(port_, device_.service.get(), kIOGeneralInterest,
                                                              on_service_message, this, &interest_);
  if (code != KERN_SUCCESS) return failed(static_cast<io_return::Code>(code), "IOServiceAddInterestNotification");
  return {};
}

// Notifications first, so that nothing new arrives; then the connection, which makes the dext give everything back;
// then the port; then wait for the callback that may be under way.
VfioUserPciClient::~VfioUserPciClient() {
  closing_ = true;
  if (interest_ != IO_OBJECT_NULL) IOObjectRelease(interest_);
  if (connect_ != IO_OBJECT_NULL) IOServiceClose(connect_);
  if (port_ != nullptr) IONotificationPortDestroy(port_);
  if (queue_ != nullptr) {
    dispatch_sync_f(queue_, nullptr, [](void*) {});
    dispatch_release(queue_);
  }
}

io_return::Code VfioUserPciClient::call(DartboardSelector selector, std::initializer_list<uint64_t> in, uint64_t* out,
                                        uint32_t out_count) {
  uint32_t count = out_count;
  const kern_return_t code = IOConnectCallScalarMethod(connect_, selector, in.begin(), static_cast<uint32_t>(in.size()),
                                                       out, out_count != 0 ? &count : nullptr);
  if (code == KERN_SUCCESS && count < out_count) return io_return::kUnderrun;
  return static_cast<io_return::Code>(code);
}

/// Once the connection is dead it stays dead: whoever polls a register learns of it as well as whoever maps memory.
inline io_return::Code VfioUserPciClient::remember(io_return::Code code) {
  if (code != io_return::kSuccess && means_gone(code)) [[unlikely]]
    gone_ = true;
  return code;
}

tl::unexpected<Error> VfioUserPciClient::failed(io_return::Code code, const char* name, const std::string& detail) {
  if (means_gone(code)) gone_ = true;
  return tl::unexpected(describe(code, name, detail.empty() ? text_ : text_ + ", " + detail));
}

Result<Identity> VfioUserPciClient::identity() {
  Identity identity;
  const io_return::Code code = get_identity(connect_, &identity);
  if (code != io_return::kSuccess) return failed(code, "GetIdentity");
  return identity;
}

Result<void> VfioUserPciClient::claim() {
  const io_return::Code code = call(kSelectorClaim, {});
  if (code != io_return::kSuccess) return failed(code, "Claim");
  return {};
}

Result<void> VfioUserPciClient::terminate() {
  const io_return::Code code = call(kSelectorTerminate, {});
  if (code != io_return::kSuccess) return failed(code, "Terminate");
  return {};
}

Result<DmaBuffer> VfioUserPciClient::allocate_dma_buffer(uint64_t size, uint64_t alignment) {
  unmap_dma_buffer();  // a second allocation frees the first in the driver
  std::array<uint64_t, 6> out{};
  const io_return::Code code = call(kSelectorAllocateDMABuffer, {size, alignment}, out.data(), out.size());
  if (code != io_return::kSuccess) {
    return failed(code, "AllocateDMABuffer", fmt::format("{} bytes, alignment {}", size, alignment));
  }
  Result<Mapping> mapping = map(kMemoryTypeDMABuffer, "the DMA buffer");
  if (!mapping) {
    call(kSelectorFreeDMABuffer, {});  // without a mapping the caller has no use for it
    return tl::unexpected(mapping.error());
  }
  dma_buffer_ = mapping->base;
  return DmaBuffer{out[0], Iova(out[3]), out[4], static_cast<uint32_t>(out[2]), mapping->base};
}

Result<void> VfioUserPciClient::free_dma_buffer() {
  unmap_dma_buffer();
  const io_return::Code code = call(kSelectorFreeDMABuffer, {});
  if (code != io_return::kSuccess) return failed(code, "FreeDMABuffer");
  return {};
}

void VfioUserPciClient::unmap_dma_buffer() {
  if (dma_buffer_ == nullptr) return;
  IOConnectUnmapMemory64(connect_, kMemoryTypeDMABuffer, mach_task_self(), reinterpret_cast<uintptr_t>(dma_buffer_));
  dma_buffer_ = nullptr;
}

Result<DmaRegion> VfioUserPciClient::register_dma_region(uint64_t key, void* base, uint64_t size) {
  std::array<uint64_t, 3> out{};
  const io_return::Code code =
      call(kSelectorRegisterDMARegion, {key, reinterpret_cast<uintptr_t>(base), size}, out.data(), out.size());
  if (code != io_return::kSuccess) {
    return failed(code, "RegisterDMARegion", compiled_text(FMT_COMPILE("key {:#x}, {} bytes"), key, size));
  }
  return DmaRegion{Iova(out[1]), out[2], static_cast<uint32_t>(out[0])};
}

Result<void> VfioUserPciClient::unregister_dma_region(uint64_t key) {
  const io_return::Code code = call(kSelectorUnregisterDMARegion, {key});
  if (code != io_return::kSuccess)
    return failed(code, "UnregisterDMARegion", compiled_text(FMT_COMPILE("key {:#x}"), key));
  return {};
}

Result<uint64_t> VfioUserPciClient::probe_dma_region(uint64_t key, uint64_t offset) {
  uint64_t word = 0;
  const io_return::Code code = call(kSelectorProbeDMARegion, {key, offset}, &word, 1);
  if (code != io_return::kSuccess) {
    return failed(code, "ProbeDMARegion", compiled_text(FMT_COMPILE("key {:#x}, offset {:#x}"), key, offset));
  }
  return word;
}

Result<uint32_t> VfioUserPciClient::config_read(uint64_t offset, unsigned width) {
  uint64_t value = 0;
  const io_return::Code code = call(kSelectorConfigRead, {offset, width}, &value, 1);
  if (code != io_return::kSuccess) {
    return failed(code, "ConfigRead", compiled_text(FMT_COMPILE("offset {:#x}, width {}"), offset, width));
  }
  return static_cast<uint32_t>(value);
}

Result<void> VfioUserPciClient::config_write(uint64_t offset, unsigned width, uint32_t value) {
  const io_return::Code code = call(kSelectorConfigWrite, {offset, width, value});
  if (code != io_return::kSuccess) {
    return failed(code, "ConfigWrite", compiled_text(FMT_COMPILE("offset {:#x}, width {}"), offset, width));
  }
  return {};
}

Result<BarInfo> VfioUserPciClient::bar_info(unsigned bar) {
  std::array<uint64_t, 3> out{};
  const io_return::Code code = call(kSelectorGetBARInfo, {bar}, out.data(), out.size());
  if (code != io_return::kSuccess) return failed(code, "GetBARInfo", compiled_text(FMT_COMPILE("BAR{}"), bar));
  return BarInfo{static_cast<uint8_t>(out[0]), out[1], static_cast<BarType>(out[2])};
}

Result<Mapping> VfioUserPciClient::map_bar(unsigned bar) {
  if (bar >= kBarCount) {
    return fail(ErrorName::kBadArgument, fmt::format("BAR{} does not exist: a function has BAR0 to BAR5", bar));
  }
  if (bars_[bar].has_value()) return *bars_[bar];
  Result<Mapping> mapping = map(kMemoryTypeBAR0 + bar, compiled_text(FMT_COMPILE("BAR{}"), bar).c_str());
  if (mapping) bars_[bar] = *mapping;
  return mapping;
}

Result<Mapping> VfioUserPciClient::map(uint32_t type, const char* what) {
  mach_vm_address_t address = 0;
  mach_vm_size_t size = 0;
  const kern_return_t code = IOConnectMapMemory64(connect_, type, mach_task_self(), &address, &size, kIOMapAnywhere);
  if (code == kIOReturnBadArgument) {
    // IOKit reports every failure to map as this code; the driver's own is lost.
    return fail(ErrorName::kCallFailed,
                fmt::format("mapping {} of {} failed: it does not exist, the device is not claimed, or the driver "
                            "could not make it; claim first and compare with GetBARInfo",
                            what, text_),
                static_cast<io_return::Code>(code));
  }
  if (code != KERN_SUCCESS) return failed(static_cast<io_return::Code>(code), "IOConnectMapMemory64", what);
  auto* const base = reinterpret_cast<std::byte*>(static_cast<uintptr_t>(address));
  return Mapping{base, size, is_accessible(base)};
}

// One call, stack arrays only: this is the way of every register access.
io_return::Code VfioUserPciClient::mmio_read(uint8_t memory_index, uint64_t offset, unsigned width, uint64_t* value) {
  const uint64_t in[3] = {memory_index, offset, width};
  uint32_t count = 1;
  const kern_return_t code = IOConnectCallScalarMethod(connect_, kSelectorMMIORead, in, 3, value, &count);
  if (code == KERN_SUCCESS && count != 1) [[unlikely]]
    return io_return::kUnderrun;
  return remember(static_cast<io_return::Code>(code));
}

io_return::Code VfioUserPciClient::mmio_write(uint8_t memory_index, uint64_t offset, unsigned width, uint64_t value) {
  const uint64_t in[4] = {memory_index, offset, width, value};
  return remember(
      static_cast<io_return::Code>(IOConnectCallScalarMethod(connect_, kSelectorMMIOWrite, in, 4, nullptr, nullptr)));
}

Result<uint32_t> VfioUserPciClient::setup_interrupts() {
  uint64_t vectors = 0;
  const io_return::Code code = call(kSelectorSetupInterrupts, {}, &vectors, 1);
  if (code != io_return::kSuccess) return failed(code, "SetupInterrupts");
  return static_cast<uint32_t>(vectors);
}

Result<VectorSet> VfioUserPciClient::check_interrupts() {
  VectorSet pending{};
  const io_return::Code code = call(kSelectorCheckInterrupt, {}, pending.data(), pending.size());
  if (code != io_return::kSuccess) return failed(code, "CheckInterrupt");
  const VectorSet page = take_page_vectors();
  for (size_t i = 0; i < pending.size(); ++i) pending[i] |= page[i];
  return pending;
}

Result<void> VfioUserPciClient::set_irq_mask(const VectorSet& enabled) {
  const io_return::Code code = call(kSelectorSetIRQMask, {enabled[0], enabled[1], enabled[2], enabled[3]});
  if (code != io_return::kSuccess) return failed(code, "SetIRQMask");
  return {};
}

Result<void> VfioUserPciClient::watch_interrupts(std::function<void(const VectorSet&)> sink) {
  {
    const std::lock_guard lock(sinks_mutex_);
    interrupt_sink_ = std::move(sink);
  }
  if (watching_) return {};  // armed already: the new sink takes over
  map_irq_page();
  const io_return::Code code = arm();
  if (code != io_return::kSuccess) return failed(code, "WaitInterrupt");
  watching_ = true;
  return {};
}

io_return::Code VfioUserPciClient::arm() {
  uint64_t reference[kIOAsyncCalloutCount] = {};
  reference[kIOAsyncCalloutFuncIndex] = reinterpret_cast<uintptr_t>(&on_interrupt);
  reference[kIOAsyncCalloutRefconIndex] = reinterpret_cast<uintptr_t>(this);
  return static_cast<io_return::Code>(
      IOConnectCallAsyncScalarMethod(connect_, kSelectorWaitInterrupt, IONotificationPortGetMachPort(port_), reference,
                                     kIOAsyncCalloutCount, nullptr, 0, nullptr, nullptr));
}

// The page saves nothing by itself: it is read because vectors are set there, too. A driver without it is fine.
void VfioUserPciClient::map_irq_page() {
  const Result<Mapping> page = map(kMemoryTypeIRQPage, "the interrupt page");
  if (page && page->accessible && page->size >= kDartboardIRQEnableOffset) irq_page_ = page->base;
}

VectorSet VfioUserPciClient::take_page_vectors() {
  VectorSet taken{};
  if (irq_page_ == nullptr) return taken;
  auto* const words = reinterpret_cast<uint64_t*>(irq_page_ + kDartboardIRQPendingOffset);
  // The driver sets bits from its own process at any time: take and clear in one step.
  for (size_t i = 0; i < taken.size(); ++i) taken[i] = __atomic_exchange_n(&words[i], 0, __ATOMIC_ACQ_REL);
  return taken;
}

void VfioUserPciClient::interrupt_arrived(io_return::Code status) {
  if (closing_ || status != io_return::kSuccess) return;  // aborted: the driver or the connection goes away
  // Take first, then arm: what becomes pending in between completes the new wait at once.
  const Result<VectorSet> pending = check_interrupts();
  if (!pending) return;
  const io_return::Code armed = arm();
  if (means_gone(armed)) gone_ = true;
  const VectorSet none{};
  if (*pending == none) return;
  std::function<void(const VectorSet&)> sink;
  {
    const std::lock_guard lock(sinks_mutex_);
    sink = interrupt_sink_;
  }
  if (sink) sink(*pending);
}

Result<void> VfioUserPciClient::reset() {
  const io_return::Code code = call(kSelectorResetDevice, {});
  if (code == io_return::kSuccess) return {};
  tl::unexpected<Error> error = failed(code, "ResetDevice");
  if (error.value().name != ErrorName::kDeviceGone && error.value().name != ErrorName::kNotClaimed) {
    error.value().name = ErrorName::kResetFailed;
  }
  return error;
}

void VfioUserPciClient::on_gone(std::function<void()> sink) {
  {
    const std::lock_guard lock(sinks_mutex_);
    gone_sink_ = std::move(sink);
  }
  if (gone_) dispatch_async_f(queue_, this, on_report_gone);  // it happened before anybody asked
}

void VfioUserPciClient::service_message(uint32_t type) {
  if (type != kIOMessageServiceIsTerminated || closing_) return;
  gone_ = true;
  report_gone();
}

void VfioUserPciClient::report_gone() {
  std::function<void()> sink;
  {
    const std::lock_guard lock(sinks_mutex_);
    sink = std::exchange(gone_sink_, nullptr);  // once
  }
  if (sink && !closing_) sink();
}

void VfioUserPciClient::pump() {
  pump_callbacks(queue_);
}

void VfioUserPciClient::on_interrupt(void* self, IOReturn status) {
  static_cast<VfioUserPciClient*>(self)->interrupt_arrived(static_cast<io_return::Code>(status));
}

void VfioUserPciClient::on_service_message(void* self, io_service_t, uint32_t type, void*) {
  static_cast<VfioUserPciClient*>(self)->service_message(type);
}

void VfioUserPciClient::on_report_gone(void* self) {
  static_cast<VfioUserPciClient*>(self)->report_gone();
}

Result<std::unique_ptr<Client>> open_vfio_user_pci(const Selector& selector) {
  Result<std::vector<FoundDevice>> devices = find_devices();
  if (!devices) return tl::unexpected(devices.error());
  std::vector<FoundDevice*> fitting;
  for (FoundDevice& device : *devices) {
    const Identity& id = device.listing.identity;
    const bool same_rid = !selector.rid || *selector.rid == Rid(id.bus, id.device, id.function);
    const bool same_root = selector.root.empty() || selector.root == device.listing.root;
    if (same_rid && same_root) fitting.push_back(&device);
  }
  const auto present = [&devices] {
    std::string text;
    for (const FoundDevice& device : *devices) text += (text.empty() ? "" : ", ") + device_text(device.listing);
    return text;
  };
  if (fitting.empty()) {
    return fail(
        ErrorName::kNotFound,
        devices->empty()
            ? fmt::format("no device has the driver {}: plug the device in, install and allow the driver "
                          "(System Settings, Login Items & Extensions), then look at `dartboard devices`",
                          kDartboardDextClassName)
            : fmt::format("no device is at that address; the driver {} is on: {}", kDartboardDextClassName, present()));
  }
  if (selector.rid && fitting.size() > 1) {  // each root complex numbers its buses itself
    return fail(ErrorName::kBadArgument,
                fmt::format("several devices have that address; put the root in front, one of: {}", present()));
  }
  auto client = std::make_unique<VfioUserPciClient>(std::move(*fitting.front()));
  if (Result<void> opened = client->open(); !opened) return tl::unexpected(opened.error());
  return client;
}

}  // namespace dartboard::dext
