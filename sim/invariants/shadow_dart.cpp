// sim/invariants/shadow_dart.cpp - what may be reached, worked out again from what was given out.
#include <algorithm>

#include <fmt/format.h>

#include "sim/invariants/ledgers.h"

namespace dartboard::sim {
namespace {

constexpr uint64_t kCommandOffset = 4;
constexpr uint64_t kBusMasterBit = 4;   // Command bit 2 (PCIe 6.0 s7.5.1.1.3)

/// Adds [begin, end) to a set of disjoint ranges.
void add_range(std::map<uint64_t, uint64_t>& ranges, uint64_t begin, uint64_t end) {
  auto next = ranges.upper_bound(begin);
  if (next != ranges.begin()) {
    const auto before = std::prev(next);
    if (before->second >= begin) {
      begin = before->first;
      end = std::max(end, before->second);
      next = ranges.erase(before);
    }
  }
  while (next != ranges.end() && next->first <= end) {
    end = std::max(end, next->second);
    next = ranges.erase(next);
  }
  ranges.emplace(begin, end);
}

bool touches(const std::map<uint64_t, uint64_t>& ranges, uint64_t begin, uint64_t end) {
  auto next = ranges.upper_bound(begin);
  if (next != ranges.end() && next->first < end) return true;
  return next != ranges.begin() && std::prev(next)->second > begin;
}

}  // namespace

void ShadowDart::restart(const LedgerPlatform& platform) {
  platform_ = platform;
  roots_ = {};
  live_bytes_ = 0;
  clients_ = 0;
  closing_ = 0;
}

size_t ShadowDart::live() const {
  size_t count = 0;
  for (const Root& root : roots_) count += root.live.size();
  return count;
}

void ShadowDart::on_event(const TraceEvent& event) {
  switch (event.kind) {
    case TraceKind::kMap: return on_map(event);
    case TraceKind::kUnmap: return on_unmap(event);
    case TraceKind::kTlp: return on_tlp(event);
    case TraceKind::kReset:
      // Every kind of reset clears Command; what was under way ended with it.
      if (event.detail < kLedgerRootsMax) roots_[event.detail].bus_master = false;
      return;
    case TraceKind::kDartFault:
      if (event.detail < kLedgerRootsMax && event.words.size() >= 2) {
        roots_[event.detail].refused = true;
        roots_[event.detail].refused_address = event.words[1];
      }
      return;
    case TraceKind::kClientOpened: ++clients_; return;
    case TraceKind::kClientClosing: ++closing_; return;
    case TraceKind::kClientClosed:
      if (closing_ != 0) --closing_;
      if (clients_ != 0) --clients_;
      if (clients_ == 0 && event.detail == 0 && live() != 0 && !forgiving_) {
        violations_.add(Invariant::kMappingsReturned, event.time_ns,
                        fmt::format("the last client is gone and {} mappings of {} bytes stay", live(), live_bytes_));
      }
      return;
    default: return;
  }
}

// detail: root << 2 | device writes << 1 | device reads; words: bus address, bytes, requester.
void ShadowDart::on_map(const TraceEvent& event) {
  const unsigned index = event.detail >> 2;
  if (index >= kLedgerRootsMax || event.words.size() < 2) return;
  Root& root = roots_[index];
  const uint64_t begin = round_down(event.words[0], platform_.page_bytes);
  const uint64_t end = round_up(event.words[0] + event.words[1], platform_.page_bytes);
  const auto next = root.live.lower_bound(begin);
  const bool overlaps = (next != root.live.end() && next->first < end) ||
                        (next != root.live.begin() && std::prev(next)->second.end > begin);
  if (overlaps) {
    violations_.add(Invariant::kMappingsDisjoint, event.time_ns,
                    fmt::format("{:#x} + {:#x} was given out over a mapping that is live", event.words[0], event.words[1]));
    return;
  }
  root.live.emplace(begin, Mapping{end, event.words[1], (event.detail & 1) != 0, (event.detail & 2) != 0});
  live_bytes_ += event.words[1];
}

void ShadowDart::on_unmap(const TraceEvent& event) {
  if (event.detail >= kLedgerRootsMax || event.words.empty()) return;
  Root& root = roots_[event.detail];
  const auto mapping = root.live.find(round_down(event.words[0], platform_.page_bytes));
  if (mapping == root.live.end()) return;   // of a run that began before we listened
  if (closing_ != 0 && root.bus_master && !forgiving_) {
    violations_.add(Invariant::kQuietBeforeRelease, event.time_ns,
                    fmt::format("a client dies, and {:#x} is taken from a device that is still bus master", event.words[0]));
  }
  add_range(root.retired, mapping->first, mapping->second.end);
  live_bytes_ -= mapping->second.bytes;
  root.live.erase(mapping);
}

void ShadowDart::on_command_write(Root& root, const TlpSeen& tlp) {
  using model::Outcome;
  const uint64_t offset = tlp.address & 0xfff;
  if (offset > kCommandOffset || offset + tlp.length <= kCommandOffset) return;
  const bool on = (tlp.data >> (8 * (kCommandOffset - offset)) & kBusMasterBit) != 0;
  switch (tlp.outcome) {
    case Outcome::kSuccess: root.bus_master = on; break;
    // The completion is lost, the write may have arrived: what it allows can happen from now on, what it forbids too.
    case Outcome::kCompletionTimeout:
    case Outcome::kPoisoned: root.bus_master = root.bus_master || on; break;
    // The same for what happened before the link went down; nothing can happen after it.
    case Outcome::kLinkDown: break;
    default: return;
  }
  if (on) root.early.reset();
}

void ShadowDart::judge_early(Root& root) {
  if (!root.early) return;
  violations_.add(Invariant::kGatedByCommand, root.early->time_ns,
                  fmt::format("{} bytes at {:#x} were transferred while Bus Master is off", root.early->length,
                              root.early->address));
  root.early.reset();
}

void ShadowDart::settle() {
  for (Root& root : roots_) judge_early(root);
}

bool ShadowDart::covered(const Root& root, uint64_t begin, uint64_t end, bool is_write) const {
  while (begin < end) {
    auto mapping = root.live.upper_bound(begin);
    if (mapping == root.live.begin()) return false;
    --mapping;
    if (mapping->second.end <= begin) return false;
    const bool allowed = is_write ? mapping->second.device_writes || !platform_.write_protection
                                  : mapping->second.device_reads || !platform_.read_protection;
    if (!allowed) return false;
    begin = mapping->second.end;
  }
  return true;
}

void ShadowDart::on_tlp(const TraceEvent& event) {
  if (event.words.size() < 3) return;
  const TlpSeen tlp(event);
  if (tlp.root >= kLedgerRootsMax) return;
  Root& root = roots_[tlp.root];
  if (!tlp.upstream()) {
    if (tlp.kind == model::TlpKind::kCfgWrite0) on_command_write(root, tlp);
    judge_early(root);
    return;
  }
  const bool is_write = tlp.kind == model::TlpKind::kMemWrite;
  if (!is_write && tlp.kind != model::TlpKind::kMemRead) return;
  const bool succeeded = tlp.outcome == model::Outcome::kSuccess;
  if (root.refused) {
    root.refused = false;
    if (succeeded && !forgiving_) {
      violations_.add(Invariant::kRefusedLeavesFault, event.time_ns,
                      fmt::format("the DART recorded a fault at {:#x}, and the transfer at {:#x} succeeded",
                                  root.refused_address, tlp.address));
    }
  }
  if (!succeeded) return;
  if (!root.bus_master && !root.early) root.early = Root::Early{event.time_ns, tlp.address, tlp.length};
  if (is_write && tlp.address >= platform_.doorbell_begin && tlp.address < platform_.doorbell_end) return;
  if (tlp.length == 0 || covered(root, tlp.address, tlp.address + tlp.length, is_write)) return;
  if (forgiving_) return;   // a stale TLB entry by order is the hardware's fault; what follows from it is looked at above
  const bool once = touches(root.retired, tlp.address, tlp.address + tlp.length);
  violations_.add(once ? Invariant::kNoDmaAfterUnmap : Invariant::kDmaInsideMapping, event.time_ns,
                  fmt::format("a device {} of {} bytes at {:#x} succeeded; {}", is_write ? "write" : "read", tlp.length,
                              tlp.address, once ? "its mapping was taken away" : "nothing there is mapped for it"));
}

}  // namespace dartboard::sim
