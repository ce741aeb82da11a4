// sim/macos/pci_nub_interrupts.cpp - ConfigureInterrupts and message-signalled delivery.
//
// Source of the rules: IOPCIFamily IOPCIDevice.cpp (configureInterrupts), IOPCIMessagedInterruptController.cpp.
#include <algorithm>
#include <bit>

#include "model/capabilities.h"
#include "model/config_space.h"
#include "model/port_registers.h"
#include "sim/core/trace_hash.h"
#include "sim/macos/kernel.h"
#include "sim/macos/pci_nub.h"
#include "sim/macos/root_context.h"

namespace dartboard::macos {

using io_return::Code;

namespace {

constexpr uint64_t kEntryBytes = 16;     // MSI-X table entry (PCIe 6.0 s7.7.2)
constexpr uint64_t kEntryControl = 12;   // bit 0: masked
constexpr uint32_t kMsi64Bit = 1u << 7;  // in Message Control
constexpr uint32_t kMsiDataIn32Bit = 8;  // offset of the data without the upper address

}  // namespace

Code PciNub::configure_interrupts(uint32_t type, uint32_t required, uint32_t requested, uint64_t options) {
  if (!alive()) return dead_code();
  if (required == 0 || requested == 0 || required > requested || options != 0) return io_return::kBadArgument;
  if (interrupt_type_ != 0) {
    // Cannot be resized or freed; asking for what is there is fine.
    return type == interrupt_type_ && vectors_.size() >= required ? io_return::kSuccess : io_return::kUnsupported;
  }
  const bool msix = type == kInterruptMsiX;
  if (!msix && type != kInterruptMsi) return io_return::kBadArgument;
  const uint64_t capability = msix ? msix_ : msi_;
  if (capability == 0) return io_return::kBadArgument;
  const uint32_t control = cfg(capability + model::msi::kControl, 2);
  if (control == 0xffff) return io_return::kNoSpace;  // the device is not there any more

  uint32_t count = msix ? 1 + (control & 0x7ff) : 1u << ((control >> model::msi::kMultipleMessageCapableShift) & 7);
  // MSI grants powers of two: the request is rounded up, the device's and the pool's limits round down.
  if (!msix) requested = requested > VectorPool::kVectorsMax ? VectorPool::kVectorsMax : std::bit_ceil(requested);
  count = std::min(count, requested);
  uint32_t first = VectorPool::kNone;
  while (count >= required && count != 0) {
    first = root_.vectors.allocate(*this, count, !msix);
    if (first != VectorPool::kNone) break;
    count = msix ? count - 1 : count / 2;
  }
  if (first == VectorPool::kNone) return io_return::kNoSpace;

  interrupt_type_ = type;
  vector_first_ = first;
  vectors_.assign(count, Vector{});
  message_table_ = 0;
  message_control_ = static_cast<uint16_t>(control & ~uint32_t{model::msix::kEnable | model::msi::kEnable});
  if (msix) {
    const uint32_t table = cfg(msix_ + model::msix::kTable, 4);
    const BarInfo* const bar = bar_by_number(table & 7);
    const uint64_t offset = table & ~7u;
    if (bar != nullptr && bar->bus_address != 0 && in_range(offset, count * kEntryBytes, bar->size)) {
      message_table_ = model::kMmioBase + bar->bus_address + offset;
    }
  } else {
    message_control_ = static_cast<uint16_t>((message_control_ & ~(7u << model::msi::kMultipleMessageEnableShift)) |
                                             static_cast<uint32_t>(std::countr_zero(count))
                                                 << model::msi::kMultipleMessageEnableShift);
  }
  program_messages();
  return io_return::kSuccess;
}

/// IOPCIMessagedInterruptController::initDevice: address and data into the device, after allocation and each reset.
void PciNub::program_messages() {
  if (interrupt_type_ == kInterruptMsiX) {
    if (message_table_ != 0) {
      const uint32_t command = cfg(model::cfg::kCommand, 2);
      cfg_write(model::cfg::kCommand, 2, command | model::cfg::kCommandMemory);
      for (uint32_t i = 0; i < vectors_.size(); ++i) {
        const uint64_t entry = message_table_ + i * kEntryBytes;
        port_.write(entry, 4, model::port_reg::kMsiDoorbell);
        port_.write(entry + 4, 4, 0);
        port_.write(entry + 8, 4, vector_first_ + i);
        port_.write(entry + kEntryControl, 4, vectors_[i].masked ? 1 : 0);
      }
      static_cast<void>(port_.read(message_table_, 4));  // pushes the posted writes
      cfg_write(model::cfg::kCommand, 2, command);
    }
    cfg_write(msix_ + model::msix::kControl, 2, message_control_);
  } else if (interrupt_type_ == kInterruptMsi) {
    cfg_write(msi_ + model::msi::kAddressLow, 4, model::port_reg::kMsiDoorbell);
    if ((message_control_ & kMsi64Bit) != 0) {
      cfg_write(msi_ + model::msi::kAddressHigh, 4, 0);
      cfg_write(msi_ + model::msi::kData, 2, vector_first_);
    } else {
      cfg_write(msi_ + kMsiDataIn32Bit, 2, vector_first_);
    }
    cfg_write(msi_ + model::msi::kControl, 2, message_control_);
  }
}

/// enableDeviceMSI, disableDeviceMSI: with the first handler and without the last one.
void PciNub::set_messages_enabled(bool enabled) {
  const bool msix = interrupt_type_ == kInterruptMsiX;
  const uint16_t bit = msix ? model::msix::kEnable : model::msi::kEnable;
  message_control_ = static_cast<uint16_t>(enabled ? message_control_ | bit : message_control_ & ~bit);
  cfg_write((msix ? msix_ : msi_) + model::msi::kControl, 2, message_control_);
  const uint32_t command = cfg(model::cfg::kCommand, 2);
  cfg_write(model::cfg::kCommand, 2,
            enabled ? command | model::cfg::kCommandIntxDisable | model::cfg::kCommandBusMaster
                    : command & ~uint32_t{model::cfg::kCommandIntxDisable});
}

void PciNub::mask_entry(uint32_t index, bool masked) {
  if (vectors_[index].masked == masked) return;
  vectors_[index].masked = masked;
  if (message_table_ == 0 || root_.in_reset) return;
  // The dext may have closed the device by now: its table is still the kernel's.
  const uint32_t command = cfg(model::cfg::kCommand, 2);
  const bool enabled = (command & model::cfg::kCommandMemory) != 0;
  if (!enabled) cfg_write(model::cfg::kCommand, 2, command | model::cfg::kCommandMemory);
  port_.write(message_table_ + index * kEntryBytes + kEntryControl, 4, masked ? 1 : 0);
  if (!enabled) cfg_write(model::cfg::kCommand, 2, command);
}

uint32_t PciNub::interrupt_count() const {
  return static_cast<uint32_t>(vectors_.size());
}
uint32_t PciNub::interrupt_type() const {
  return interrupt_type_;
}

Code PciNub::register_interrupt(uint32_t index, InterruptHandler* handler) {
  if (!alive()) return dead_code();
  if (handler == nullptr) return io_return::kBadArgument;
  if (index >= vectors_.size()) return io_return::kNoInterrupt;
  if (vectors_[index].handler != nullptr) return io_return::kNoResources;
  vectors_[index].handler = handler;
  note_vector(sim::TraceKind::kVectorEnabled, index);
  mask_entry(index, false);
  if (messages_enabled_++ == 0) set_messages_enabled(true);
  return io_return::kSuccess;
}

void PciNub::unregister_interrupt(uint32_t index, InterruptHandler* handler) {
  if (index >= vectors_.size() || handler == nullptr || vectors_[index].handler != handler) return;
  vectors_[index].handler = nullptr;
  note_vector(sim::TraceKind::kVectorDisabled, index);
  if (alive()) mask_entry(index, true);
  if (--messages_enabled_ == 0 && alive()) set_messages_enabled(false);
}

void PciNub::interrupt(uint32_t index, uint32_t vector) {
  if (index >= vectors_.size() || vectors_[index].handler == nullptr || terminated_) return;
  const uint64_t now = kernel_.timeline().now().value;
  kernel_.hash().add(now, sim::TraceKind::kInterruptDelivered, static_cast<uint8_t>(root_.index), vector, index);
  vectors_[index].handler->on_interrupt(index, now);
}

void PciNub::note_vector(sim::TraceKind kind, uint32_t index) {
  kernel_.hash().add(kernel_.timeline().now().value, kind, static_cast<uint8_t>(root_.index), vector_first_ + index, index);
}

void PciNub::release_vectors() {
  for (uint32_t i = 0; i < vectors_.size(); ++i) {
    if (vectors_[i].handler != nullptr) note_vector(sim::TraceKind::kVectorDisabled, i);
  }
  if (!vectors_.empty()) root_.vectors.release(vector_first_, static_cast<uint32_t>(vectors_.size()));
  vectors_.clear();
  interrupt_type_ = 0;
  message_table_ = 0;
  messages_enabled_ = 0;
}

}  // namespace dartboard::macos
