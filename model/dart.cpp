// model/dart.cpp - translation, TLB and faults. The register file's behaviour is in dart_control.cpp.
#include "model/dart.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "model/root_complex.h"

namespace dartboard::model {

Dart::Dart(unsigned root, Timeline& timeline, HostMemory& memory)
    : root_(root), timeline_(timeline), memory_(memory), file_(dart_reg::kFileBytes) {
  configure(DartConfig(), nullptr, nullptr);
}

namespace {

/// Bytes still to be moved between memory at `host` and the request at `data`.
struct Run {
  std::byte* host = nullptr;
  std::byte* data = nullptr;
  uint64_t length = 0;

  void move(bool is_write) {
    if (length == 0) return;
    if (is_write) {
      std::memcpy(host, data, length);
    } else {
      std::memcpy(data, host, length);
    }
    length = 0;
  }
};

}  // namespace

/// Error bits if the entry does not let [offset, +length) of its page through, else 0.
uint32_t Dart::denial(const TlbEntry& entry, uint64_t offset, uint64_t length, bool is_write) {
  if (!(is_write ? entry.writable : entry.readable)) [[unlikely]] {
    return is_write ? dart_reg::kCodeWriteFault : dart_reg::kCodeReadFault;
  }
  if (offset < entry.first || offset + length > entry.end) [[unlikely]]
    return dart_reg::kCodeRegionProtect;
  return 0;
}

Outcome Dart::access(Sid sid, Rid requester, Iova iova, void* data, uint64_t length, bool is_write) {
  if (flush_.pending) [[unlikely]]
    settle();
  const Stream& stream = streams_[sid.value];
  auto* bytes = static_cast<std::byte*>(data);
  if (stream.mode != Mode::kTranslate) [[unlikely]] {
    if (stream.mode == Mode::kBypass) return bypass(sid, requester, iova, bytes, length, is_write);
    return refuse(sid, requester, iova, bytes, length, is_write, dart_reg::kCodeNoTtbr);
  }
  const uint64_t page_bytes = geometry_.page_bytes();
  leaf_table_known_ = false;
  (is_write ? stats_.bytes_written : stats_.bytes_read) += length;  // refuse() takes back what did not move
  // Pages that lie side by side in this process are moved by one memcpy: its start-up cost and the processor's
  // prefetcher make 4 KiB pieces a quarter slower than the run.
  Run run;
  while (length != 0) {
    const uint64_t offset = iova.value & (page_bytes - 1);
    const uint64_t part = std::min(length, page_bytes - offset);
    uint32_t code = 0;
    TlbEntry* entry = look_up(stream, iova, &code);
    if (entry == nullptr) [[unlikely]] {
      run.move(is_write);
      return refuse(sid, requester, iova, bytes, length, is_write, code);
    }
    code = denial(*entry, offset, part, is_write);
    if (code != 0) [[unlikely]] {
      run.move(is_write);
      return refuse(sid, requester, iova, bytes, length, is_write, code);
    }
    if (entry->generation != memory_.generation()) [[unlikely]]
      resolve_host(*entry);
    if (offset + part <= entry->host_bytes) [[likely]] {
      std::byte* const host = entry->host + offset;
      if (host != run.host + run.length || run.length == 0) {
        run.move(is_write);
        run = {host, bytes, 0};
      }
      run.length += part;
    } else {
      run.move(is_write);
      uint64_t done = 0;
      if (!copy_scattered(entry->page + offset, bytes, part, is_write, &done)) {
        return refuse(sid, requester, iova + done, bytes + done, length - done, is_write, dart_reg::kCodeAxiDecode);
      }
    }
    iova = iova + part;
    bytes += part;
    length -= part;
  }
  run.move(is_write);
  return Outcome::kSuccess;
}

Hpa Dart::translate(Sid sid, Rid requester, Iova iova, bool is_write) {
  settle();
  const Stream& stream = streams_[sid.value];
  uint32_t code = dart_reg::kCodeNoTtbr;
  if (stream.mode == Mode::kBypass) return Hpa(iova.value);
  if (stream.mode == Mode::kTranslate) {
    const uint64_t offset = iova.value & (geometry_.page_bytes() - 1);
    leaf_table_known_ = false;
    TlbEntry* entry = look_up(stream, iova, &code);
    if (entry != nullptr) {
      code = denial(*entry, offset, 1, is_write);
      if (code == 0) return entry->page + offset;
    }
  }
  refuse(sid, requester, iova, nullptr, 0, is_write, code);
  return Hpa(0);
}

Dart::TlbEntry* Dart::look_up(const Stream& stream, Iova iova, uint32_t* code) {
  TlbEntry* entry = find(tag_of(stream.as, iova.value >> geometry_.page_shift));
  if (entry != nullptr) [[likely]] {
    ++stats_.tlb_hits;
    return entry;
  }
  return walk(stream, iova, code);
}

Dart::TlbEntry* Dart::walk(const Stream& stream, Iova iova, uint32_t* code) {
  ++stats_.tlb_misses;
  // An address that the tables cannot express has no translation table base (older DARTs pick the TTBR with those
  // bits).
  const unsigned reach = std::min(geometry_.reach_bits(stream.tables), config_.va_width);
  if (!stream.has_root || (iova.value >> reach) != 0) {
    *code = dart_reg::kCodeNoTtbr;
    return nullptr;
  }
  ++stats_.walks;
  // Neighbouring pages of one request share their leaf table; the upper tables are read once for them.
  const uint64_t leaf_index = iova.value >> (geometry_.page_shift + geometry_.index_bits());
  const bool start_at_leaf = leaf_table_known_ && leaf_index == leaf_index_;
  WalkResult result{WalkEnd::kLeaf, 0, leaf_table_};
  if (!start_at_leaf || !load_entry(memory_, leaf_table_, geometry_.index(iova, 0), &result.entry)) {
    result = walk_tables(memory_, geometry_, stream.root, stream.tables, iova);
  } else if ((result.entry & kPteValid) == 0) {
    result.end = WalkEnd::kNoPte;
  }
  leaf_table_known_ = result.end == WalkEnd::kLeaf;
  leaf_table_ = result.leaf_table;
  leaf_index_ = leaf_index;
  switch (result.end) {
    case WalkEnd::kLeaf: break;
    case WalkEnd::kNoPgd: *code = dart_reg::kCodeNoPgd; return nullptr;
    case WalkEnd::kNoPmd: *code = dart_reg::kCodeNoPmd; return nullptr;
    case WalkEnd::kNoPte: *code = dart_reg::kCodeNoPte; return nullptr;
    case WalkEnd::kBusError: *code = dart_reg::kCodeAxiDecode; return nullptr;
  }

  const uint64_t tag = tag_of(stream.as, iova.value >> geometry_.page_shift);
  const size_t set = tag & set_mask_;
  const size_t base = set * config_.tlb_ways;
  size_t way = 0;
  while (way < config_.tlb_ways && tags_[base + way] != 0) ++way;
  if (way == config_.tlb_ways) {
    way = next_way_[set];
    next_way_[set] = static_cast<uint8_t>((way + 1) & (config_.tlb_ways - 1));
  }
  tags_[base + way] = tag;
  tlb_used_ = true;
  TlbEntry& entry = entries_[base + way];
  const Pte pte = decode_pte(geometry_, result.entry);
  entry.page = pte.address;
  entry.readable = !pte.no_read;
  entry.writable = !pte.no_write || !config_.enforce_write_protect;
  entry.first = pte.subpage_start * static_cast<uint32_t>(kPteSubpageUnitBytes);
  entry.end = static_cast<uint32_t>(
      std::min<uint64_t>((pte.subpage_end + uint64_t{1}) * kPteSubpageUnitBytes, geometry_.page_bytes()));
  resolve_host(entry);
  return &entry;
}

/// Finds the page's bytes again after host memory changed: the frames may be gone or be somebody else's now.
void Dart::resolve_host(TlbEntry& entry) {
  entry.generation = memory_.generation();
  entry.host = memory_.at(entry.page);
  entry.host_bytes =
      static_cast<uint32_t>(geometry_.page_shift == 12 ? (entry.host != nullptr ? kFrameBytes : 0)
                                                       : memory_.contiguous(entry.page, geometry_.page_bytes()));
}

/// A page whose frames are not contiguous in this process: frame by frame. False: no memory at address + *done.
bool Dart::copy_scattered(Hpa address, std::byte* data, uint64_t length, bool is_write, uint64_t* done) {
  while (*done < length) {
    const uint64_t part = memory_.contiguous(address + *done, length - *done);
    if (part == 0) return false;
    std::byte* host = memory_.at(address + *done);
    if (is_write) {
      std::memcpy(host, data + *done, part);
    } else {
      std::memcpy(data + *done, host, part);
    }
    *done += part;
  }
  return true;
}

Outcome Dart::bypass(Sid sid, Rid requester, Iova iova, std::byte* data, uint64_t length, bool is_write) {
  (is_write ? stats_.bytes_written : stats_.bytes_read) += length;
  uint64_t done = 0;
  if (copy_scattered(Hpa(iova.value), data, length, is_write, &done)) return Outcome::kSuccess;
  return refuse(sid, requester, iova + done, data + done, length - done, is_write, dart_reg::kCodeAxiDecode);
}

/// Ends a request at `iova` with `length` bytes still to move.
Outcome Dart::refuse(Sid sid, Rid requester, Iova iova, std::byte* data, uint64_t length, bool is_write,
                     uint32_t code) {
  using namespace dart_reg;
  const bool moving = streams_[sid.value].mode != Mode::kRefuse;
  if (moving) (is_write ? stats_.bytes_written : stats_.bytes_read) -= length;
  if (!is_write && length != 0) std::memset(data, 0xff, length);
  ++stats_.faults;

  uint32_t error = code | static_cast<uint32_t>(set_field(kErrorSid, 0, sid.value));
  if (is_write) error |= static_cast<uint32_t>(mask_of(kErrorWrite));
  const bool masked = (code & file_.peek32(kErrorMask)) != 0;
  if (!masked) {
    const uint32_t held = file_.peek32(kError);
    const auto flag = static_cast<uint32_t>(mask_of(kErrorFlag));
    if ((held & flag) != 0) {
      // The first error stays until software clears it (macOS prints such values: 0x80180000 has SECONDARY set).
      const auto secondary = static_cast<uint32_t>(mask_of(kErrorSecondary));
      file_.poke32(kError, held | secondary);
      error |= secondary;
    } else {
      file_.poke32(kError, error | flag);
      file_.poke32(kErrorAddressLow, static_cast<uint32_t>(iova.value));
      file_.poke32(kErrorAddressHigh, static_cast<uint32_t>(iova.value >> 32));
    }
    const uint32_t word = kErrorStreams + sid.value / 32 * 4;
    file_.poke32(word, file_.peek32(word) | 1u << (sid.value % 32));
  }
  const DartFault fault{static_cast<uint8_t>(root_), sid, requester, iova, is_write, error};
  if (observer_ != nullptr) observer_->on_dart_fault(fault);
  if (!masked && sink_ != nullptr) sink_->on_dart_error(root_, fault);
  return Outcome::kUnsupportedRequest;
}

}  // namespace dartboard::model
