// cli/session_workload.cpp - see session_workload.h.
#include "cli/session_workload.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace dartboard::cli {
namespace {

using traces::EventKind;

struct Memory {
  bool coherent = false;
  uint32_t buffer = 0, mapping = 0;
  uint64_t bytes = 0;
  uint64_t written_from = 0, written_to = 0;  // by the CPU, not read by the device yet
};

class Translator {
 public:
  Translator(guest::Workload& workload, sim::Tape& tape) : out_(workload, tape) {}

  void event(const traces::Session& session, const traces::Event& e) {
    switch (e.kind) {
      case EventKind::kDmaMap: {
        const traces::Reply* const reply = session.reply_of(e);
        if (reply != nullptr && reply->status == 0) map(static_cast<uint32_t>(reply->value1), e.length, e.value == 1);
        return;
      }
      case EventKind::kDmaUnmap: unmap(e.target); return;
      case EventKind::kHostWrite:
        if (Memory* const m = find(e)) write(*m, e.address, e.length);
        return;
      case EventKind::kHostRead:
        if (Memory* const m = find(e)) {
          if (!m->coherent) out_.sync_for_cpu(m->mapping, e.address, e.length);
          out_.cpu_read(m->buffer, e.address, e.length);
        }
        return;
      case EventKind::kDeviceDmaWrite: {
        traces::Event at = e;
        at.address = e.value;
        if (Memory* const m = find(at)) {
          flush();
          out_.device_write(m->mapping, at.address, at.length);
        }
        return;
      }
      case EventKind::kMmioWrite: flush(); return;
      default: return;
    }
  }

  void finish() {
    flush();
    while (!memory_.empty()) unmap(memory_.begin()->first);
  }
  uint64_t bytes_peak() const { return bytes_peak_; }
  unsigned contiguous() const { return contiguous_; }
  unsigned scattered() const { return scattered_; }

 private:
  Memory* find(const traces::Event& e) {
    const auto found = memory_.find(e.target);
    if (found == memory_.end() || e.length == 0 || !in_range(e.address, e.length, found->second.bytes)) return nullptr;
    return &found->second;
  }
  void map(uint32_t handle, uint64_t bytes, bool contiguous) {
    if (bytes == 0 || memory_.count(handle) != 0) return;
    Memory m;
    m.coherent = contiguous;
    m.bytes = bytes;
    if (contiguous) {
      const auto ring = out_.coherent(bytes);
      m.buffer = ring.buffer;
      m.mapping = ring.mapping;
      ++contiguous_;
    } else {
      m.buffer = out_.allocate(bytes, true);
      m.mapping = out_.map(m.buffer, 0, bytes, guest::Direction::kBidirectional, guest::Context::kSleeping, true);
      ++scattered_;
    }
    memory_[handle] = m;
    bytes_now_ += bytes;
    bytes_peak_ = std::max(bytes_peak_, bytes_now_);
  }
  void unmap(uint32_t handle) {
    const auto found = memory_.find(handle);
    if (found == memory_.end()) return;
    const Memory& m = found->second;
    if (m.coherent) {
      out_.free_coherent({m.buffer, m.mapping, m.bytes});
    } else {
      out_.unmap(m.mapping);
      out_.release(m.buffer);
    }
    bytes_now_ -= m.bytes;
    memory_.erase(found);
  }
  void write(Memory& m, uint64_t offset, uint64_t bytes) {
    // Bytes that the device wrote before are the CPU's to overwrite only after a sync.
    if (!m.coherent) out_.sync_for_cpu(m.mapping, offset, bytes);
    out_.cpu_write(m.buffer, offset, bytes);
    if (!m.coherent) out_.sync_for_device(m.mapping, offset, bytes);
    if (m.written_to != m.written_from && offset <= m.written_to && m.written_from <= offset + bytes) {
      m.written_from = std::min(m.written_from, offset);
      m.written_to = std::max(m.written_to, offset + bytes);
    } else {
      flush(m);
      m.written_from = offset;
      m.written_to = offset + bytes;
    }
  }
  void flush(Memory& m) {
    if (m.written_to != m.written_from) out_.device_read(m.mapping, m.written_from, m.written_to - m.written_from);
    m.written_from = m.written_to = 0;
  }
  void flush() {
    for (auto& [handle, m] : memory_) flush(m);
  }

  guest::WorkloadWriter out_;
  std::map<uint32_t, Memory> memory_;
  uint64_t bytes_now_ = 0, bytes_peak_ = 0;
  unsigned contiguous_ = 0, scattered_ = 0;
};

}  // namespace

guest::Workload session_workload(const traces::Session& session, std::string name) {
  guest::Workload w;
  w.name = std::move(name);
  w.about = fmt::format("the memory use of a recorded session ({})",
                        session.origin.substr(session.origin.find_last_of('/') + 1));
  sim::Tape tape;  // a recording leaves nothing to draw
  Translator translator(w, tape);
  for (const traces::Event& e : session.events) translator.event(session, e);
  translator.finish();
  w.ram_bytes = translator.bytes_peak();
  w.parameters = {
      {"what is mapped, written and read, and what the device wrote", "as recorded", "the session"},
      {"mapped contiguously, scattered", fmt::format("{}, {}", translator.contiguous(), translator.scattered()),
       "the session"},
      {"contiguous memory", "coherent", ""},
      {"scattered memory", "mapped bidirectionally for its whole life, synced around each use", ""},
      {"the device reads", "what the CPU wrote, before the next register write", ""},
  };
  return w;
}

}  // namespace dartboard::cli
