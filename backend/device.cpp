// backend/device.cpp - PassthroughDevice: the parts of this room put together.
#include <algorithm>
#include <atomic>

#include <fmt/format.h>

#include "backend/bar_regions.h"
#include "backend/call_error.h"
#include "backend/config_virtualisation.h"
#include "backend/dma/account.h"
#include "backend/interrupts.h"
#include "backend/msix_shadow.h"
#include "backend/observer.h"
#include "backend/passthrough_device.h"
#include "backend/platform.h"
#include "backend/reset_ladder.h"
#include "base/types.h"

namespace dartboard::backend {

struct PassthroughDevice::Impl final : ConfigEvents {
  Impl(std::unique_ptr<dext::Client> opened, const Budget& budget, std::shared_ptr<HostBudget> host)
      : client(std::move(opened)),
        config(*client, *this),
        interrupts(*client),
        msix(interrupts),
        bars(*client, msix, gone),
        dma(*client, budget, std::move(host)) {}

  Result<void> open();
  Result<void> reset(bool keep_sinks);
  void close();
  bool is_gone() const { return gone.load(std::memory_order_relaxed) || client->gone(); }

  // Regions that are no BAR, and every region of a device that is observed.
  Result<void> read_slowly(Region region, uint64_t offset, std::span<std::byte> data);
  Result<void> write_slowly(Region region, uint64_t offset, std::span<const std::byte> data);
  Result<void> read_other(Region region, uint64_t offset, std::span<std::byte> data);
  Result<void> write_other(Region region, uint64_t offset, std::span<const std::byte> data);
  static Result<void> no_such_region(Region region, uint64_t offset, uint64_t length);

  // ConfigEvents: what a guest's configuration write sets off.
  void intx_disable_changed(bool disabled) override { interrupts.set_intx_disable(disabled); }
  void msi_mask_changed(uint32_t mask) override {
    for (uint32_t vector = 0; vector < 32; ++vector) {
      interrupts.set_guest_mask(IrqKind::kMsi, vector, ((mask >> vector) & 1) != 0);
    }
  }
  uint32_t msi_pending() override {
    uint32_t bits = 0;
    for (uint32_t vector = 0; vector < 32; ++vector) {
      if (interrupts.pending(IrqKind::kMsi, vector)) bits |= 1u << vector;
    }
    return bits;
  }
  void msix_function_mask_changed(bool masked) override { interrupts.set_msix_function_mask(masked); }
  Result<void> function_reset() override { return reset(true); }

  /// Runs `call` and tells the observer, if there is one, by `tell(observer, begun, result)`.
  template <class Call, class Tell>
  auto observed(Call call, Tell tell) {
    if (call_observer == nullptr) return call();
    const uint64_t begun = call_observer->on_begin();
    auto result = call();
    tell(*call_observer, begun, result);
    return result;
  }

  unsigned quick_regions = kBarCount;  ///< regions below this are read and written without a look around: 0 if observed
  std::unique_ptr<dext::Client> client;
  std::atomic<bool> gone{false};  ///< set by the client's callback; on a Mac from its queue
  bool claimed = false;
  DeviceInfo info;
  ConfigVirtualisation config;
  Interrupts interrupts;
  MsixShadow msix;
  BarRegions bars;
  DmaAccount dma;
  uint64_t resets = 0, resets_failed = 0;
  std::string interrupt_note;
  std::shared_ptr<Observer> observer;
  Observer* call_observer = nullptr;  ///< the same, if it wants calls
};

Result<void> PassthroughDevice::Impl::open() {
  client->on_gone([this] { gone.store(true, std::memory_order_relaxed); });
  auto identity = client->identity();
  if (!identity) return tl::unexpected(because("opening the device", identity.error()));
  info.identity = *identity;
  if (auto claim = client->claim(); !claim) return tl::unexpected(because("claiming the device", claim.error()));
  claimed = true;

  if (auto opened = config.open(); !opened) return opened;
  // Claim switched bus master on, but no guest asked for it: what an earlier owner left running in the device must
  // not write to memory that is not mapped any more. The guest's own Command write switches it on.
  if (auto parked = config.park_device(); !parked) return parked;

  if (auto opened = bars.open(); !opened) return opened;
  for (unsigned bar = 0; bar < kBarCount; ++bar) {
    if (bars.present(bar)) config.set_bar(bar, bars.bar_info(bar));
  }
  uint32_t msix_entries = 0;
  if (config.msix()) {
    std::string why_not;
    if (!bars.place_msix(*config.msix(), &why_not)) {
      config.hide_capability(kCapMsix, why_not);
    } else if (config.capabilities().find(kCapMsix) != nullptr) {
      msix_entries = config.msix()->entries;
    }
  }

  if (auto ready = interrupts.open(); !ready) {
    if (means_gone(ready.error()) || client->gone()) return ready;
    interrupt_note = ready.error().sentence;  // a polling driver works without
  }
  if (interrupts.vectors() == 0) {
    config.hide_capability(kCapMsi, "no vector could be had");
    config.hide_capability(kCapMsix, "no vector could be had");
    msix_entries = 0;
  }
  interrupts.set_counts(config.has_interrupt_pin(), config.msi_vectors(), msix_entries);
  config.set_vectors(interrupts.vectors());
  return bars.map(host_page_bytes());
}

Result<void> PassthroughDevice::Impl::reset(bool keep_sinks) {
  if (is_gone()) return tl::unexpected(device_gone("reset"));
  ++resets;
  // First of all: nothing is delivered from here on (a guest's own reset keeps its sinks for afterwards).
  if (!keep_sinks) (void)interrupts.disable_all();
  auto climbed = climb_reset_ladder(*client, config, info.identity.vendor_id);
  // Whatever the device did, the guest's view is that of a function out of reset.
  config.reset();
  msix.reset();
  auto rearmed = interrupts.rearm();
  if (!climbed) {
    ++resets_failed;
    return climbed;
  }
  return rearmed;
}

void PassthroughDevice::Impl::close() {
  interrupts.close();
  // The device first, then its memory: the other way round its last writes would fault (a DART fault is a host panic).
  if (claimed && !client->gone()) (void)config.quiesce_device();
  dma.release_all();
  client.reset();
}

PassthroughDevice::PassthroughDevice() = default;

PassthroughDevice::~PassthroughDevice() {
  if (impl_) impl_->close();
}

Result<std::unique_ptr<PassthroughDevice>> PassthroughDevice::open(std::unique_ptr<dext::Client> client,
                                                                   const Budget& budget,
                                                                   std::shared_ptr<HostBudget> host) {
  if (!client) return fail(ErrorName::kBadArgument, "opening the device: no client was given");
  if (auto checked = DmaAccount::check(budget); !checked) return tl::unexpected(checked.error());
  std::unique_ptr<PassthroughDevice> device(new PassthroughDevice());
  device->impl_ = std::make_unique<Impl>(std::move(client), budget, std::move(host));
  if (auto opened = device->impl_->open(); !opened) return tl::unexpected(opened.error());
  return device;
}

const DeviceInfo& PassthroughDevice::info() const {
  return impl_->info;
}

Result<RegionInfo> PassthroughDevice::region_info(Region region) const {
  const auto index = static_cast<unsigned>(region);
  if (index >= kRegionCount) {
    return fail(ErrorName::kBadArgument, fmt::format("region {}: regions are 0 to {}", index, kRegionCount - 1));
  }
  if (index < kBarCount) return impl_->bars.region_info(index);
  RegionInfo info;
  if (region == Region::kConfig) {
    info.size = kConfigBytes;
    info.readable = info.writable = true;
  }
  return info;  // ROM and VGA: size 0
}

// Kept apart from everything else so that the common case is a compare and the BAR's inlined fast path.
Result<void> PassthroughDevice::read(Region region, uint64_t offset, std::span<std::byte> data) {
  const auto index = static_cast<unsigned>(region);
  if (index < impl_->quick_regions) return impl_->bars.read(index, offset, data);
  return impl_->read_slowly(region, offset, data);
}

Result<void> PassthroughDevice::write(Region region, uint64_t offset, std::span<const std::byte> data) {
  const auto index = static_cast<unsigned>(region);
  if (index < impl_->quick_regions) return impl_->bars.write(index, offset, data);
  return impl_->write_slowly(region, offset, data);
}

Result<void> PassthroughDevice::Impl::read_slowly(Region region, uint64_t offset, std::span<std::byte> data) {
  const auto index = static_cast<unsigned>(region);
  return observed([&] { return index < kBarCount ? bars.read(index, offset, data) : read_other(region, offset, data); },
                  [&](Observer& to, uint64_t begun, const Result<void>& result) {
                    to.on_read(begun, region, offset, data, result);
                  });
}

Result<void> PassthroughDevice::Impl::write_slowly(Region region, uint64_t offset, std::span<const std::byte> data) {
  const auto index = static_cast<unsigned>(region);
  return observed(
      [&] { return index < kBarCount ? bars.write(index, offset, data) : write_other(region, offset, data); },
      [&](Observer& to, uint64_t begun, const Result<void>& result) {
        to.on_write(begun, region, offset, data, result);
      });
}

Result<void> PassthroughDevice::Impl::read_other(Region region, uint64_t offset, std::span<std::byte> data) {
  if (region != Region::kConfig) return no_such_region(region, offset, data.size());
  if (!is_gone() || !in_range(offset, data.size(), kConfigBytes)) {
    auto read = config.read(offset, data);
    if (read || !(means_gone(read.error()) || is_gone())) return read;
  }
  std::fill(data.begin(), data.end(), std::byte{0xff});
  return {};
}

Result<void> PassthroughDevice::Impl::write_other(Region region, uint64_t offset, std::span<const std::byte> data) {
  if (region != Region::kConfig) return no_such_region(region, offset, data.size());
  if (is_gone() && in_range(offset, data.size(), kConfigBytes)) return {};
  auto written = config.write(offset, data);
  if (!written && (means_gone(written.error()) || is_gone())) return {};  // posted into nothing
  return written;
}

Result<void> PassthroughDevice::Impl::no_such_region(Region region, uint64_t offset, uint64_t length) {
  const auto index = static_cast<unsigned>(region);
  if (index < kRegionCount && offset == 0 && length == 0) return {};
  return fail(index < kRegionCount ? ErrorName::kOutOfRange : ErrorName::kBadArgument,
              fmt::format("region {}: this device has no such region", index));
}

ConfigByte PassthroughDevice::config_byte(uint64_t offset) const {
  return impl_->config.byte(offset);
}

Result<IrqInfo> PassthroughDevice::irq_info(IrqKind kind) const {
  return impl_->interrupts.info(kind);
}

Result<void> PassthroughDevice::set_irqs(IrqKind kind, IrqAction action, uint32_t start, uint32_t count,
                                         std::span<const IrqSink> sinks) {
  return impl_->observed(
      [&]() -> Result<void> {
        auto set = impl_->interrupts.set_irqs(kind, action, start, count, sinks);
        // Disabling on a device that is gone is done: nothing can be delivered.
        if (!set && gone() && action == IrqAction::kTrigger && count == 0) return {};
        return set;
      },
      [&](Observer& to, uint64_t begun, const Result<void>& result) {
        to.on_set_irqs(begun, kind, action, start, count, sinks, result);
      });
}

Result<void> PassthroughDevice::reset() {
  return impl_->observed([&] { return impl_->reset(false); },
                         [](Observer& to, uint64_t begun, const Result<void>& result) { to.on_reset(begun, result); });
}

Result<DmaMapping> PassthroughDevice::dma_map(uint64_t key, void* base, uint64_t size) {
  return impl_->observed(
      [&]() -> Result<DmaMapping> {
        if (gone()) return tl::unexpected(device_gone(fmt::format("mapping key {:#x}", key)));
        return impl_->dma.map(key, base, size);
      },
      [&](Observer& to, uint64_t begun, const Result<DmaMapping>& result) { to.on_dma_map(begun, key, size, result); });
}

Result<void> PassthroughDevice::dma_unmap(uint64_t key) {
  return impl_->observed(
      [&] { return impl_->dma.unmap(key); },
      [&](Observer& to, uint64_t begun, const Result<void>& result) { to.on_dma_unmap(begun, key, result); });
}

Result<dext::DmaBuffer> PassthroughDevice::allocate_dma_buffer(uint64_t size, uint64_t alignment) {
  return impl_->observed(
      [&]() -> Result<dext::DmaBuffer> {
        if (gone()) return tl::unexpected(device_gone("allocating a DMA buffer"));
        return impl_->dma.allocate_buffer(size, alignment);
      },
      [&](Observer& to, uint64_t begun, const Result<dext::DmaBuffer>& result) {
        to.on_dma_buffer(begun, size, result);
      });
}

Result<void> PassthroughDevice::free_dma_buffer() {
  return impl_->observed(
      [&] { return impl_->dma.free_buffer(); },
      [](Observer& to, uint64_t begun, const Result<void>& result) { to.on_dma_buffer_freed(begun, result); });
}

const BudgetUse& PassthroughDevice::budget_use() const {
  return impl_->dma.use();
}

void PassthroughDevice::pump() {
  impl_->client->pump();
}

bool PassthroughDevice::gone() const {
  return impl_->is_gone();
}

void PassthroughDevice::set_observer(std::shared_ptr<Observer> observer) {
  impl_->interrupts.set_observer(observer.get());  // first: it may be on a thread of its own
  impl_->observer = std::move(observer);
  impl_->call_observer = impl_->observer != nullptr && impl_->observer->wants_calls() ? impl_->observer.get() : nullptr;
  impl_->quick_regions = impl_->call_observer == nullptr ? kBarCount : 0;
}

std::optional<uint8_t> PassthroughDevice::config_view(uint16_t offset, std::optional<uint8_t> device) const {
  return impl_->config.view(offset, device);
}

void PassthroughDevice::inspect(InspectNode& node) const {
  const dext::Identity& id = impl_->info.identity;
  node.child("device",
             fmt::format("{:02x}:{:02x}.{} {:04x}:{:04x} class {:06x}", id.bus, id.device, id.function, id.vendor_id,
                         id.device_id, id.class_code),
             gone() ? "gone" : "");
  impl_->config.inspect(node.child("configuration", fmt::format("{} bytes", kConfigBytes), "as the guest sees it"));
  impl_->bars.inspect(node.child("regions"));
  impl_->interrupts.inspect(node.child("interrupts", {}, impl_->interrupt_note));
  impl_->dma.inspect(node.child("dma"));
  node.child("resets", fmt::format("{}", impl_->resets), fmt::format("{} failed", impl_->resets_failed));
}

}  // namespace dartboard::backend
