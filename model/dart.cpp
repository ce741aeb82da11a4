// model/dart.cpp - requests: grants first, then page by page. TLB and flushes are in dart_tlb.cpp, what a refusal does
// in dart_faults.cpp.
#include "model/dart.h"

#include <algorithm>
#include <cstring>

#include "model/fault.h"

namespace dartboard::model {

Dart::Dart(unsigned root, Timeline& timeline, HostMemory& memory)
    : root_(root), timeline_(timeline), memory_(memory), file_(dart_reg::kFileBytes) {
  configure(DartConfig(), nullptr, nullptr);
}

namespace {

void copy(std::byte* host, void* data, uint64_t length, bool is_write) {
  if (is_write) {
    std::memcpy(host, data, length);
  } else {
    std::memcpy(data, host, length);
  }
}

/// Bytes still to be moved between memory at `host` and the request at `data`, and what the pages behind them allow.
struct Run {
  std::byte* host = nullptr;
  std::byte* data = nullptr;
  uint64_t length = 0;
  Iova iova;
  bool readable = false;
  bool writable = false;
  bool whole_pages = false;

  void move(bool is_write) {
    if (length != 0) copy(host, data, length, is_write);
    length = 0;
  }
};

}  // namespace

/// Why the entry does not let [offset, +length) of its page through, or kNone.
DartError Dart::denial(const TlbEntry& entry, uint64_t offset, uint64_t length, bool is_write) {
  if (!(is_write ? entry.writable : entry.readable)) [[unlikely]] {
    return is_write ? DartError::kWriteFault : DartError::kReadFault;
  }
  if (offset < entry.first || offset + length > entry.end) [[unlikely]]
    return DartError::kRegionProtect;
  return DartError::kNone;
}

Outcome Dart::access(Sid sid, Rid requester, Iova iova, void* data, uint64_t length, bool is_write) {
  if (flush_.pending) [[unlikely]]
    settle();
  auto* const bytes = static_cast<std::byte*>(data);
  if (faults_installed()) [[unlikely]] {
    const Outcome outcome = injected(&sid, requester, iova, bytes, length, is_write);
    if (outcome != Outcome::kPending) return outcome;
  }
  const DartGrant& grant = grants_[grant_last_];
  if (covers(grant, sid, iova, length, is_write)) [[likely]]
    return move_granted(grant, iova, data, length, is_write);
  return access_slow(sid, requester, iova, bytes, length, is_write);
}

Outcome Dart::move_granted(const DartGrant& grant, Iova iova, void* data, uint64_t length, bool is_write) {
  (is_write ? stats_.bytes_written : stats_.bytes_read) += length;
  ++stats_.grant_hits;
  stats_.tlb_hits += ((iova.value + length - 1) >> geometry_.page_shift) - (iova.value >> geometry_.page_shift) + 1;
  copy(grant.host + (iova - grant.first), data, length, is_write);
  return Outcome::kSuccess;
}

Outcome Dart::access_slow(Sid sid, Rid requester, Iova iova, std::byte* data, uint64_t length, bool is_write) {
  if (grants_live_) {
    for (unsigned i = 0; i < kGrantsMax; ++i) {
      if (!covers(grants_[i], sid, iova, length, is_write)) continue;
      grant_last_ = i;
      return move_granted(grants_[i], iova, data, length, is_write);
    }
  }
  const Stream& stream = streams_[sid.value];
  if (stream.mode != Mode::kTranslate) [[unlikely]] {
    if (stream.mode == Mode::kBypass) return bypass(stream, sid, requester, iova, data, length, is_write);
    return refuse(sid, requester, iova, data, length, is_write, DartError::kNoTtbr);
  }
  const uint64_t page_bytes = geometry_.page_bytes();
  uint64_t& moved = is_write ? stats_.bytes_written : stats_.bytes_read;
  leaf_table_known_ = false;
  // Pages that lie side by side in this process are moved by one memcpy: its start-up cost and the processor's
  // prefetcher make 4 KiB pieces a quarter slower than the run.
  Run run;
  while (length != 0) {
    const uint64_t offset = iova.value & (page_bytes - 1);
    const uint64_t part = std::min(length, page_bytes - offset);
    DartError why = DartError::kNone;
    TlbEntry* entry = look_up(stream, iova, &why);
    if (entry != nullptr) [[likely]]
      why = denial(*entry, offset, part, is_write);
    if (why != DartError::kNone) [[unlikely]] {
      run.move(is_write);
      return refuse(sid, requester, iova, data, length, is_write, why);
    }
    if (entry->generation != memory_.generation()) [[unlikely]]
      resolve_host(*entry);
    if (offset + part <= entry->host_bytes) [[likely]] {
      std::byte* const host = entry->host + offset;
      const bool whole = entry->first == 0 && entry->end == page_bytes && entry->host_bytes == page_bytes;
      if (host != run.host + run.length || run.length == 0 || entry->readable != run.readable ||
          entry->writable != run.writable) {
        run.move(is_write);
        run = {host, data, 0, iova, entry->readable, entry->writable, true};
      }
      run.whole_pages &= whole;
      run.length += part;
    } else {
      run.move(is_write);
      uint64_t done = 0;
      const bool complete = copy_scattered(entry->page + offset, data, part, is_write, &done);
      if (!complete) {
        moved += done;
        return refuse(sid, requester, iova + done, data + done, length - done, is_write, DartError::kAxiDecode);
      }
    }
    moved += part;
    iova = iova + part;
    data += part;
    length -= part;
  }
  if (run.whole_pages && run.length != 0) {
    const uint64_t before = run.iova.value & (page_bytes - 1);
    remember({Iova(run.iova.value - before), round_up(before + run.length, page_bytes), run.host - before,
              memory_.generation(), sid, stream.as, run.readable, run.writable});
  }
  run.move(is_write);
  return Outcome::kSuccess;
}

Hpa Dart::translate(Sid sid, Rid requester, Iova iova, bool is_write) {
  settle();
  const Stream& stream = streams_[sid.value];
  DartError why = DartError::kNoTtbr;
  if (stream.mode == Mode::kBypass) return Hpa(iova.value | stream.bypass_base);
  if (stream.mode == Mode::kTranslate) {
    const uint64_t offset = iova.value & (geometry_.page_bytes() - 1);
    leaf_table_known_ = false;
    TlbEntry* entry = look_up(stream, iova, &why);
    if (entry != nullptr) {
      why = denial(*entry, offset, 1, is_write);
      if (why == DartError::kNone) return entry->page + offset;
    }
  }
  refuse(sid, requester, iova, nullptr, 0, is_write, why);
  return Hpa(0);
}

// Grants --------------------------------------------------------------------------------------------------------------

/// Keeps a grant: joined to one that it continues, else in place of the oldest.
void Dart::remember(const DartGrant& grant) {
  ++stats_.grants;
  grants_live_ = true;
  for (unsigned i = 0; i < kGrantsMax; ++i) {
    DartGrant& have = grants_[i];
    if (have.bytes == 0 || have.sid != grant.sid || have.generation != grant.generation ||
        have.readable != grant.readable || have.writable != grant.writable) {
      continue;
    }
    const uint64_t first = std::min(have.first.value, grant.first.value);
    const uint64_t end = std::max(have.first.value + have.bytes, grant.first.value + grant.bytes);
    const auto base = [first](const DartGrant& g) {
      return reinterpret_cast<uintptr_t>(g.host) - (g.first.value - first);
    };
    if (end - first > have.bytes + grant.bytes || base(have) != base(grant)) continue;
    have.host = have.first.value == first ? have.host : grant.host;
    have.first = Iova(first);
    have.bytes = end - first;
    grant_last_ = i;
    return;
  }
  grant_last_ = grant_next_;
  grants_[grant_next_] = grant;
  grant_next_ = (grant_next_ + 1) % kGrantsMax;
}

void Dart::revoke_all_grants() {
  if (!grants_live_) return;
  grants_.fill(DartGrant());
  grant_last_ = grant_next_ = 0;
  grants_live_ = false;
}

/// Revokes what a flush touches. A grant that is touched in part goes as a whole: the next request makes it again.
void Dart::revoke_grants(const Flush& flush) {
  if (!grants_live_) return;
  for (DartGrant& grant : grants_) {
    if (grant.bytes == 0 || (!flush.every_sid && !flush.sids.has(grant.as))) continue;
    const uint64_t first = grant.first.value >> geometry_.page_shift;
    const uint64_t last = (grant.first.value + grant.bytes - 1) >> geometry_.page_shift;
    if (flush.ranged && (last < flush.start_page || first > flush.end_page)) continue;
    grant = DartGrant();
  }
}

// Without translation -------------------------------------------------------------------------------------------------

/// A page whose frames are not contiguous in this process: frame by frame. False: no memory at address + *done.
bool Dart::copy_scattered(Hpa address, std::byte* data, uint64_t length, bool is_write, uint64_t* done) {
  while (*done < length) {
    const uint64_t part = memory_.contiguous(address + *done, length - *done);
    if (part == 0) return false;
    copy(memory_.at(address + *done), data + *done, part, is_write);
    *done += part;
  }
  return true;
}

Outcome Dart::bypass(const Stream& stream, Sid sid, Rid requester, Iova iova, std::byte* data, uint64_t length,
                     bool is_write) {
  uint64_t done = 0;
  const bool complete = copy_scattered(Hpa(iova.value | stream.bypass_base), data, length, is_write, &done);
  (is_write ? stats_.bytes_written : stats_.bytes_read) += done;
  if (complete) return Outcome::kSuccess;
  return refuse(sid, requester, iova + done, data + done, length - done, is_write, DartError::kAxiDecode);
}

}  // namespace dartboard::model
