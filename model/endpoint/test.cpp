// model/endpoint/test.cpp - registers, DMA engine and reset behaviour of the test endpoint.
#include "model/endpoint/test.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace dartboard::model {
namespace {

namespace reg = test_register;
using A = Access;

constexpr std::string_view kSpec = "model/endpoint/test.h";
constexpr uint32_t kRegisterBytes = 0x200;
constexpr uint32_t kStagingBytes = 64 * kKiB;
constexpr uint32_t kVectorMask = 0x7ff;

constexpr FieldDecl kIdFields[] = {{"ID", 31, 0, A::kRO, reg::kIdValue}};
constexpr FieldDecl kVersionFields[] = {{"VERSION", 31, 0, A::kRO, 1}};
constexpr FieldDecl kScratchFields[] = {{"SCRATCH", 31, 0, A::kRW}};
constexpr FieldDecl kControlFields[] = {
    {"DMA_IMMEDIATE", 0, 0, A::kRW},
    {"IRQ_ENABLE", 1, 1, A::kRW},
};
constexpr FieldDecl kStatusFields[] = {
    {"BUSY", 0, 0, A::kRO},
    {"DONE", 1, 1, A::kRW1C},
    {"ERROR", 2, 2, A::kRW1C},
    {"OVERRUN", 3, 3, A::kRW1C},
};
constexpr FieldDecl kDmaErrorFields[] = {{"CODE", 31, 0, A::kRO}};
constexpr FieldDecl kAddressFields[] = {{"ADDRESS", 63, 0, A::kRW}};
constexpr FieldDecl kLengthFields[] = {{"BYTES", 31, 0, A::kRW}};
constexpr FieldDecl kCommandFields[] = {{"COMMAND", 31, 0, A::kWO}};
constexpr FieldDecl kDelayFields[] = {{"NS", 31, 0, A::kRW}};
constexpr FieldDecl kVectorFields[] = {{"VECTOR", 10, 0, A::kRW}};
constexpr FieldDecl kCountFields[] = {{"COUNT", 31, 0, A::kRO}};
constexpr FieldDecl kPatternFields[] = {{"PATTERN", 31, 0, A::kRW}};
constexpr FieldDecl kRaiseFields[] = {{"VECTOR", 10, 0, A::kWO}};
constexpr FieldDecl kIntxFields[] = {{"ASSERT", 0, 0, A::kRW}};
constexpr FieldDecl kTimeFields[] = {{"NS", 63, 0, A::kRO}};
constexpr FieldDecl kDoorbellFields[] = {{"VALUE", 31, 0, A::kWO}};
constexpr FieldDecl kDoorbellValueFields[] = {{"VALUE", 31, 0, A::kRO}};
constexpr FieldDecl kEventFields[] = {{"EVENT", 31, 0, A::kRW1C}};
constexpr FieldDecl kEventSetFields[] = {{"SET", 31, 0, A::kWO}};
constexpr FieldDecl kStickyFields[] = {{"STICKY", 31, 0, A::kRWS}};
constexpr FieldDecl kFlrKeptFields[] = {{"FLR_KEPT", 31, 0, A::kRW, 0, ResetClass::kSurvivesFlr}};
constexpr FieldDecl kStrapFields[] = {{"STRAP", 31, 0, A::kHwInit, 0xa5a5'0001}};
constexpr FieldDecl kRamFields[] = {{"RAM", 31, 0, A::kRW}};

constexpr RegisterDecl kRegisters[] = {
    {"ID", reg::kId, 4, kIdFields, kSpec},
    {"VERSION", reg::kVersion, 4, kVersionFields, kSpec},
    {"SCRATCH", reg::kScratch, 4, kScratchFields, kSpec},
    {"CONTROL", reg::kControl, 4, kControlFields, kSpec},
    {"STATUS", reg::kStatus, 4, kStatusFields, kSpec},
    {"DMA_ERROR", reg::kDmaError, 4, kDmaErrorFields, kSpec},
    {"DMA_SOURCE", reg::kDmaSource, 8, kAddressFields, kSpec},
    {"DMA_DESTINATION", reg::kDmaDestination, 8, kAddressFields, kSpec},
    {"DMA_LENGTH", reg::kDmaLength, 4, kLengthFields, kSpec},
    {"DMA_COMMAND", reg::kDmaCommand, 4, kCommandFields, kSpec},
    {"DMA_DELAY_NS", reg::kDmaDelayNs, 4, kDelayFields, kSpec},
    {"DMA_VECTOR", reg::kDmaVector, 4, kVectorFields, kSpec},
    {"DMA_COUNT", reg::kDmaCount, 4, kCountFields, kSpec},
    {"DMA_PATTERN", reg::kDmaPattern, 4, kPatternFields, kSpec},
    {"RAISE", reg::kRaise, 4, kRaiseFields, kSpec},
    {"INTX", reg::kIntx, 4, kIntxFields, kSpec},
    {"RAISE_COUNT", reg::kRaiseCount, 4, kCountFields, kSpec},
    {"TIME", reg::kTime, 8, kTimeFields, kSpec},
    {"DOORBELL", reg::kDoorbell, 4, kDoorbellFields, kSpec},
    {"DOORBELL_COUNT", reg::kDoorbellCount, 4, kCountFields, kSpec},
    {"DOORBELL_VALUE", reg::kDoorbellValue, 4, kDoorbellValueFields, kSpec},
    {"EVENT", reg::kEvent, 4, kEventFields, kSpec},
    {"EVENT_SET", reg::kEventSet, 4, kEventSetFields, kSpec},
    {"STICKY", reg::kSticky, 4, kStickyFields, kSpec},
    {"FLR_KEPT", reg::kFlrKept, 4, kFlrKeptFields, kSpec},
    {"STRAP", reg::kStrap, 4, kStrapFields, kSpec},
    {"RAM", reg::kRam, 4, kRamFields, kSpec, 64, 4},
};
static_assert(well_formed(kRegisters));

bool survives(const TestEndpointOptions& options, ResetKind kind) {
  switch (kind) {
    case ResetKind::kPowerOn:
    case ResetKind::kD3ToD0: return true;
    case ResetKind::kFlr: return !options.flr_fails;
    case ResetKind::kPerst:
    case ResetKind::kHotReset:
    case ResetKind::kLinkDown: return !options.hot_reset_fails;
  }
  return true;
}

}  // namespace

TestDmaError test_dma_error(Outcome outcome) {
  switch (outcome) {
    case Outcome::kSuccess: return TestDmaError::kNone;
    case Outcome::kCompleterAbort: return TestDmaError::kCompleterAbort;
    case Outcome::kCompletionTimeout: return TestDmaError::kCompletionTimeout;
    case Outcome::kPoisoned: return TestDmaError::kPoisoned;
    case Outcome::kLinkDown: return TestDmaError::kLinkDown;
    case Outcome::kPending:
    case Outcome::kRequestRetry:   // not for memory requests: as a malformed answer, it is no answer
    case Outcome::kUnsupportedRequest: return TestDmaError::kUnsupportedRequest;
  }
  return TestDmaError::kUnsupportedRequest;
}

constinit const std::span<const RegisterDecl> kTestEndpointRegisters{kRegisters};

EndpointDeclaration test_endpoint_declaration(const TestEndpointOptions& options) {
  EndpointDeclaration d;
  d.vendor_id = kTestVendorId;
  d.device_id = kTestDeviceId;
  d.subsystem_vendor_id = kTestVendorId;
  d.subsystem_id = 0x1100;
  d.revision = 1;
  d.class_code = 0xff'0000;   // does not fit any class: no operating system's driver binds to it
  d.interrupt_pin = options.intx ? 1 : 0;
  d.bars[kTestRegisterBar] = {BarKind::kMem32, 16 * kKiB, BarRole::kRegisters};
  d.bars[kTestMemoryBar] = {BarKind::kMem64Prefetchable, options.memory_bytes, BarRole::kMemory};
  d.bars[kTestMsixBar] = {BarKind::kMem32, 4 * kKiB, BarRole::kMsix};
  if (options.msix) {
    d.msix_vectors = options.msix_vectors;
    d.msix_table_bar = d.msix_pba_bar = kTestMsixBar;
    d.msix_pba_offset = kTestMsixPbaOffset;
  }
  d.msi_vectors = options.msi ? 32 : 0;
  d.no_soft_reset = options.no_soft_reset;
  d.pcie = d.aer = options.pcie;
  d.flr = options.pcie && options.flr;
  if (options.pcie) d.serial_number = options.serial_number;
  d.vendor_capability = true;
  d.reset_ready_ns = options.reset_ready_ns;
  return d;
}

TestEndpoint::TestEndpoint(const TestEndpointOptions& options)
    : Endpoint(test_endpoint_declaration(options)),
      options_(options),
      registers_(kRegisterBytes),
      staging_(kStagingBytes),
      dma_timer_(*this) {
  registers_.declare(kTestEndpointRegisters);
  registers_.hook(reg::kTime, 8, {&TestEndpoint::before_time_read, nullptr}, this);
  for (const uint32_t offset : {reg::kDmaCommand, reg::kRaise, reg::kIntx, reg::kDoorbell, reg::kEventSet}) {
    registers_.hook(offset, 4, {nullptr, &TestEndpoint::after_command_write}, this);
  }
}

TestEndpoint::~TestEndpoint() = default;   // the timer cancels itself

void TestEndpoint::attach(Upstream* upstream) {
  cancel_dma();
  Endpoint::attach(upstream);
}

void TestEndpoint::reset(ResetKind kind) {
  cancel_dma();
  registers_.reset(kind);
  Endpoint::reset(kind);
  if (!survives(options_, kind)) stop_responding();
}

Outcome TestEndpoint::read_bar(unsigned, uint64_t offset, std::byte* data, uint32_t length) {
  registers_.read_bytes(static_cast<uint32_t>(offset), data, length);
  return Outcome::kSuccess;
}

Outcome TestEndpoint::write_bar(unsigned, uint64_t offset, const std::byte* data, uint32_t length) {
  registers_.write_bytes(static_cast<uint32_t>(offset), data, length);
  return Outcome::kSuccess;
}

void TestEndpoint::before_time_read(void* owner, uint32_t) {
  auto& self = *static_cast<TestEndpoint*>(owner);
  if (self.upstream() != nullptr) self.registers_.poke64(reg::kTime, self.upstream()->timeline().now().value);
}

void TestEndpoint::after_command_write(void* owner, const RegisterWrite& write) {
  auto& self = *static_cast<TestEndpoint*>(owner);
  RegisterFile& file = self.registers_;
  switch (write.offset) {
    case reg::kDmaCommand: self.start_dma(write.written); break;
    case reg::kRaise: self.count_and_raise(write.written & kVectorMask); break;
    case reg::kIntx: self.set_intx((write.value & 1) != 0); break;
    case reg::kDoorbell:
      file.poke32(reg::kDoorbellCount, file.peek32(reg::kDoorbellCount) + 1);
      file.poke32(reg::kDoorbellValue, write.written);
      break;
    case reg::kEventSet: file.poke32(reg::kEvent, file.peek32(reg::kEvent) | write.written); break;
    default: break;
  }
}

void TestEndpoint::count_and_raise(uint32_t vector) {
  registers_.poke32(reg::kRaiseCount, registers_.peek32(reg::kRaiseCount) + 1);
  raise(vector);
  if (intx()) registers_.poke32(reg::kIntx, 1);   // raise() fell back to the level; software clears it there
}

// DMA -----------------------------------------------------------------------------------------------------------------

void TestEndpoint::start_dma(uint32_t command) {
  const uint32_t status = registers_.peek32(reg::kStatus);
  if (dma_phase_ != DmaPhase::kIdle) {
    registers_.poke32(reg::kStatus, status | reg::kStatusOverrun);
    return;
  }
  registers_.poke32(reg::kStatus, (status | reg::kStatusBusy) & ~(reg::kStatusDone | reg::kStatusError));
  dma_command_ = command;
  dma_phase_ = DmaPhase::kWaiting;
  if ((registers_.peek32(reg::kControl) & reg::kControlImmediate) != 0 || upstream() == nullptr) {
    finish_dma(run_dma());
    return;
  }
  set_transactions_pending(true);
  upstream()->timeline().schedule(dma_timer_, registers_.peek32(reg::kDmaDelayNs));
}

// First expiry: the transfer. Second, after the time the data took on the link: completion.
void TestEndpoint::dma_timer_expired() {
  if (dma_phase_ == DmaPhase::kWaiting) {
    dma_result_ = run_dma();
    // The device may have been reset or unplugged by its own DMA; then there is nothing to finish.
    if (dma_phase_ != DmaPhase::kWaiting || upstream() == nullptr) return;
    if (dma_link_ns_ != 0) {
      dma_phase_ = DmaPhase::kOnTheLink;
      upstream()->timeline().schedule(dma_timer_, dma_link_ns_);
      return;
    }
  }
  finish_dma(dma_result_);
}

void TestEndpoint::cancel_dma() {
  if (dma_timer_.scheduled() && upstream() != nullptr) upstream()->timeline().cancel(dma_timer_);
  dma_phase_ = DmaPhase::kIdle;
}

void TestEndpoint::finish_dma(TestDmaError error) {
  if (dma_phase_ == DmaPhase::kIdle) return;   // reset while it ran
  dma_phase_ = DmaPhase::kIdle;
  set_transactions_pending(false);
  uint32_t status = registers_.peek32(reg::kStatus) & ~reg::kStatusBusy;
  status |= error == TestDmaError::kNone ? reg::kStatusDone : reg::kStatusDone | reg::kStatusError;
  registers_.poke32(reg::kStatus, status);
  registers_.poke32(reg::kDmaError, static_cast<uint32_t>(error));
  registers_.poke32(reg::kDmaCount, registers_.peek32(reg::kDmaCount) + 1);
  if ((registers_.peek32(reg::kControl) & reg::kControlIrqEnable) != 0) {
    count_and_raise(registers_.peek32(reg::kDmaVector));
  }
}

TestDmaError TestEndpoint::run_dma() {
  dma_link_ns_ = 0;
  const uint32_t length = registers_.peek32(reg::kDmaLength);
  if (length > kTestDmaBytesMax) return TestDmaError::kOutOfRange;
  return move(static_cast<TestDmaCommand>(dma_command_), registers_.peek64(reg::kDmaSource),
              registers_.peek64(reg::kDmaDestination), length);
}

TestDmaError TestEndpoint::move(TestDmaCommand command, uint64_t source, uint64_t destination, uint32_t length) {
  switch (command) {
    case TestDmaCommand::kHostToDevice: {
      std::byte* to = device_bytes(destination, length);
      if (to == nullptr) return TestDmaError::kOutOfRange;
      memory(kTestMemoryBar).mark_dirty(destination, length);
      return bus_master() ? check(dma_read(Iova(source), to, length)) : TestDmaError::kBusMasterOff;
    }
    case TestDmaCommand::kDeviceToHost: {
      const std::byte* from = device_bytes(source, length);
      if (from == nullptr) return TestDmaError::kOutOfRange;
      return bus_master() ? check(dma_write(Iova(destination), from, length)) : TestDmaError::kBusMasterOff;
    }
    case TestDmaCommand::kFillDevice: {
      std::byte* to = device_bytes(destination, length);
      if (to == nullptr) return TestDmaError::kOutOfRange;
      memory(kTestMemoryBar).mark_dirty(destination, length);
      const uint32_t pattern = registers_.peek32(reg::kDmaPattern);
      for (uint32_t i = 0; i < length; ++i) to[i] = static_cast<std::byte>(pattern >> (8 * (i % 4)));
      return TestDmaError::kNone;
    }
    case TestDmaCommand::kFillHost: return fill_host(destination, length);
    case TestDmaCommand::kReverse: return reverse(source, destination, length);
  }
  return TestDmaError::kBadCommand;
}

TestDmaError TestEndpoint::fill_host(uint64_t destination, uint32_t length) {
  if (!bus_master()) return TestDmaError::kBusMasterOff;
  const uint32_t pattern = registers_.peek32(reg::kDmaPattern);
  const uint32_t used = std::min(length, kStagingBytes);
  for (uint32_t i = 0; i < used; ++i) staging_[i] = static_cast<std::byte>(pattern >> (8 * (i % 4)));
  for (uint32_t done = 0; done < length;) {
    const uint32_t count = std::min(length - done, kStagingBytes);
    const TestDmaError error = check(dma_write(Iova(destination + done), staging_.data(), count));
    if (error != TestDmaError::kNone) return error;
    done += count;
  }
  return TestDmaError::kNone;
}

TestDmaError TestEndpoint::reverse(uint64_t source, uint64_t destination, uint32_t length) {
  if (!bus_master()) return TestDmaError::kBusMasterOff;
  for (uint32_t done = 0; done < length;) {
    const uint32_t count = std::min(length - done, kStagingBytes);
    TestDmaError error = check(dma_read(Iova(source + done), staging_.data(), count));
    if (error != TestDmaError::kNone) return error;
    std::reverse(staging_.begin(), staging_.begin() + count);
    error = check(dma_write(Iova(destination + length - done - count), staging_.data(), count));
    if (error != TestDmaError::kNone) return error;
    done += count;
  }
  return TestDmaError::kNone;
}

TestDmaError TestEndpoint::check(Outcome outcome) {
  dma_link_ns_ += last_dma_ns();
  return test_dma_error(outcome);
}

std::byte* TestEndpoint::device_bytes(uint64_t offset, uint32_t length) {
  const DeviceMemory& bytes = memory(kTestMemoryBar);
  if (bytes.data() == nullptr || !in_range(offset, length, bytes.size())) return nullptr;
  return bytes.data() + offset;
}

void TestEndpoint::inspect(InspectNode& node) const {
  Endpoint::inspect(node);
  registers_.inspect(node.child("BAR0 registers"));
}

}  // namespace dartboard::model
