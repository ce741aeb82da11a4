// sim/invariants/ledgers.cpp - completions, interrupts, handles. The shadow DART has a file of its own.
#include "sim/invariants/ledgers.h"

#include <fmt/format.h>

namespace dartboard::sim {
namespace {

constexpr uint64_t kHourNs = 3'600'000'000'000;

}  // namespace

TlpSeen::TlpSeen(const TraceEvent& event)
    : kind(static_cast<model::TlpKind>(event.detail >> 4)),
      outcome(static_cast<model::Outcome>(event.detail & 0xf)),
      direction(static_cast<model::Direction>(event.words[2] & 0xff)),
      root(static_cast<unsigned>(event.words[2] >> 8 & 0xff)),
      requester(static_cast<uint16_t>(event.words[2] >> 16)),
      address(event.words[0]),
      data(event.words[1]),
      length(static_cast<uint32_t>(event.words[2] >> 32)) {}

// Completions ---------------------------------------------------------------------------------------------------------

void CompletionLedger::on_event(const TraceEvent& event) {
  if (event.kind == TraceKind::kBytes || event.kind == TraceKind::kMark) return;   // without a time
  if (event.time_ns < last_ns_) {
    violations_.add(Invariant::kTimeMovesForward, event.time_ns,
                    fmt::format("an event at {} ns follows one at {} ns", event.time_ns, last_ns_));
  } else if (event.time_ns - last_ns_ > kHourNs) {
    violations_.add(Invariant::kTimeMovesForward, event.time_ns,
                    fmt::format("{} ns pass without an event", event.time_ns - last_ns_));
  }
  last_ns_ = event.time_ns;
  if (event.kind != TraceKind::kTlp || event.words.size() < 3) return;
  ++requests_;
  const TlpSeen tlp(event);
  if (tlp.outcome == model::Outcome::kPending || static_cast<unsigned>(tlp.outcome) >= model::kOutcomeCount) {
    violations_.add(Invariant::kOneOutcome, event.time_ns,
                    fmt::format("a {} at {:#x} was left without an outcome", to_string(tlp.kind), tlp.address));
  }
  // What the CPU gets of a failed read. With RRS Software Visibility a read of Vendor ID is the exception: it reads
  // 0001h (PCIe 6.0 s2.3.2), the rest of the bytes stay ones.
  if (tlp.upstream() || !model::is_read(tlp.kind) || tlp.outcome == model::Outcome::kSuccess) return;
  const unsigned bytes = tlp.length < 8 ? tlp.length : 8;
  if (bytes == 0) return;
  const uint64_t ones = ~uint64_t{0} >> (64 - 8 * bytes);
  const bool not_ready = tlp.outcome == model::Outcome::kRequestRetry && (tlp.address & 0xfff) == 0 &&
                         (tlp.data & 0xffff) == 0x0001;
  if (tlp.data != ones && !not_ready) {
    violations_.add(Invariant::kFailedReadsAllOnes, event.time_ns,
                    fmt::format("a {} at {:#x} ended as {} and the CPU saw {:#x}", to_string(tlp.kind), tlp.address,
                                to_string(tlp.outcome), tlp.data));
  }
}

// Interrupts ----------------------------------------------------------------------------------------------------------

void InterruptLedger::restart(const LedgerPlatform& platform) {
  vectors_ = platform.vectors;
  by_vector_.clear();
  sent_ = delivered_ = 0;
}

void InterruptLedger::on_event(const TraceEvent& event) {
  if (event.kind != TraceKind::kMsi && event.kind != TraceKind::kInterruptDelivered &&
      event.kind != TraceKind::kVectorEnabled && event.kind != TraceKind::kVectorDisabled) {
    return;
  }
  if (event.words.empty()) return;
  const auto number = static_cast<uint32_t>(event.words[0]);
  Vector& vector = by_vector_[static_cast<uint32_t>(event.detail) << 16 | (number & 0xffff)];
  switch (event.kind) {
    case TraceKind::kMsi:
      ++sent_;
      ++vector.sent;
      break;
    case TraceKind::kVectorEnabled: vector.enabled = true; break;
    case TraceKind::kVectorDisabled: vector.enabled = false; break;
    default:
      ++delivered_;
      ++vector.delivered;
      if (number >= vectors_) {
        violations_.add(Invariant::kVectorInRange, event.time_ns,
                        fmt::format("vector {} of root complex {} was delivered; the platform has {}", number,
                                    event.detail, vectors_));
      }
      if (!vector.enabled) {
        violations_.add(Invariant::kNoInterruptAfterStop, event.time_ns,
                        fmt::format("vector {} of root complex {} was delivered while nobody listens to it", number,
                                    event.detail));
      }
      if (vector.delivered > vector.sent && !forgiving_) {
        violations_.add(Invariant::kNoInterruptFromNowhere, event.time_ns,
                        fmt::format("vector {} of root complex {}: {} delivered, {} sent", number, event.detail,
                                    vector.delivered, vector.sent));
      }
  }
}

// Handles -------------------------------------------------------------------------------------------------------------

void HandleLedger::restart() {
  services_.clear();
  clients_.clear();
}

void HandleLedger::on_event(const TraceEvent& event) {
  if (event.words.empty()) return;
  const uint64_t id = event.words[0];
  switch (event.kind) {
    case TraceKind::kServicePublished:
      if (!services_.emplace(id, true).second) {
        violations_.add(Invariant::kServiceLife, event.time_ns, fmt::format("service {} is published again", id));
      }
      break;
    case TraceKind::kServiceTerminated: {
      const auto service = services_.find(id);
      if (service != services_.end() && !service->second) {
        violations_.add(Invariant::kServiceLife, event.time_ns, fmt::format("service {} is terminated again", id));
      } else if (service != services_.end()) {
        service->second = false;
      }
      break;
    }
    case TraceKind::kClientOpened: {
      const auto service = event.words.size() > 1 ? services_.find(event.words[1]) : services_.end();
      if (service != services_.end() && !service->second) {
        violations_.add(Invariant::kNoStaleHandle, event.time_ns,
                        fmt::format("connection {} was opened to service {}, which is gone", id, event.words[1]));
      }
      if (!clients_.emplace(id, event.time_ns).second) {
        violations_.add(Invariant::kNoStaleHandle, event.time_ns, fmt::format("connection {} was opened again", id));
      }
      break;
    }
    case TraceKind::kClientClosed:
      if (clients_.erase(id) == 0) {
        violations_.add(Invariant::kNoStaleHandle, event.time_ns, fmt::format("connection {} was closed, but it was not open", id));
      }
      break;
    default: break;
  }
}

}  // namespace dartboard::sim
