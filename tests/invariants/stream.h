// tests/invariants/stream.h - a stream of events made by hand, fed to all ledgers, and what they found.
#pragma once

#include <string>
#include <vector>

#include "sim/invariants/ledgers.h"

namespace dartboard::invariants_test {

using model::Direction;
using model::Outcome;
using model::TlpKind;
using sim::Invariant;
using sim::TraceKind;

inline constexpr uint64_t kPage = 16 * kKiB;
inline constexpr uint64_t kIova = 0x8000'0000;
inline constexpr uint64_t kDoorbell = 0xffff'f000;

class Stream {
 public:
  Stream() { restart(true); }
  explicit Stream(bool write_protection) { restart(write_protection); }

  // Events, as the machine and the kernel add them (sim/machine.cpp, sim/macos).
  Stream& event(TraceKind kind, uint8_t detail, std::vector<uint64_t> words) {
    now += 10;
    const sim::TraceEvent event{now, kind, detail, words};
    dart.on_event(event);
    completions.on_event(event);
    interrupts.on_event(event);
    handles.on_event(event);
    return *this;
  }
  Stream& tlp(TlpKind kind, Direction direction, uint64_t address, uint64_t data, uint32_t length,
              Outcome outcome = Outcome::kSuccess, unsigned root = 0) {
    const auto ending = static_cast<uint8_t>(static_cast<unsigned>(kind) << 4 | static_cast<unsigned>(outcome));
    return event(TraceKind::kTlp, ending,
                 {address, data, uint64_t{length} << 32 | 0x0100 << 16 | uint64_t{root} << 8 | static_cast<uint64_t>(direction)});
  }
  Stream& cpu_read(uint64_t address, uint64_t data, uint32_t length, Outcome outcome = Outcome::kSuccess) {
    return tlp(TlpKind::kMemRead, Direction::kDownstream, address, data, length, outcome);
  }
  Stream& device_write(uint64_t address, uint32_t length, Outcome outcome = Outcome::kSuccess) {
    return tlp(TlpKind::kMemWrite, Direction::kUpstream, address, 0, length, outcome);
  }
  Stream& device_read(uint64_t address, uint32_t length, Outcome outcome = Outcome::kSuccess) {
    return tlp(TlpKind::kMemRead, Direction::kUpstream, address, 0, length, outcome);
  }
  Stream& bus_master(bool on) {
    return tlp(TlpKind::kCfgWrite0, Direction::kDownstream, 4, on ? 6 : 2, 2);
  }
  Stream& map(uint64_t iova, uint64_t bytes, bool reads = true, bool writes = true, unsigned root = 0) {
    return event(TraceKind::kMap, static_cast<uint8_t>(root << 2 | (reads ? 1u : 0u) | (writes ? 2u : 0u)),
                 {iova, bytes, 0x0100});
  }
  Stream& unmap(uint64_t iova, uint64_t bytes) { return event(TraceKind::kUnmap, 0, {iova, bytes, 0x0100}); }
  Stream& dart_fault(uint64_t address) { return event(TraceKind::kDartFault, 0, {3, address, 1}); }
  Stream& msi(uint32_t vector) { return event(TraceKind::kMsi, 0, {vector}); }
  Stream& delivered(uint32_t vector) { return event(TraceKind::kInterruptDelivered, 0, {vector}); }
  Stream& vector(uint32_t vector, bool on) {
    return event(on ? TraceKind::kVectorEnabled : TraceKind::kVectorDisabled, 0, {vector});
  }
  Stream& published(uint64_t id) { return event(TraceKind::kServicePublished, 0, {id}); }
  Stream& terminated(uint64_t id) { return event(TraceKind::kServiceTerminated, 0, {id}); }
  Stream& opened(uint64_t id, uint64_t service) { return event(TraceKind::kClientOpened, 0, {id, service}); }
  Stream& closing(uint64_t id) { return event(TraceKind::kClientClosing, 0, {id}); }
  Stream& closed(uint64_t id) { return event(TraceKind::kClientClosed, 0, {id}); }
  Stream& reset(model::ResetKind kind) { return event(TraceKind::kReset, 0, {static_cast<uint64_t>(kind)}); }

  void forgive(bool on) {
    dart.forgive_hardware(on);
    interrupts.forgive_hardware(on);
  }
  /// The numbers of what was found: "I-05 I-14", or "".
  std::string found() {
    dart.settle();
    std::string text;
    for (const sim::Violation& violation : violations.first()) {
      if (!text.empty()) text += ' ';
      text += sim::number(violation.invariant);
    }
    return text;
  }

  uint64_t now = 0;
  sim::Violations violations;
  sim::ShadowDart dart{violations};
  sim::CompletionLedger completions{violations};
  sim::InterruptLedger interrupts{violations};
  sim::HandleLedger handles{violations};

 private:
  void restart(bool write_protection) {
    sim::LedgerPlatform platform;
    platform.page_bytes = kPage;
    platform.write_protection = write_protection;
    platform.doorbell_begin = kDoorbell;
    platform.doorbell_end = kDoorbell + 4;
    dart.restart(platform);
    completions.restart();
    interrupts.restart(platform);
    handles.restart();
  }
};

}  // namespace dartboard::invariants_test
