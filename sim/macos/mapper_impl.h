// sim/macos/mapper_impl.h - what a mapper keeps, for the files it is made of: mapper.cpp (the calls), mapper_place.cpp
// (layout and placement), mapper_wire.cpp (wiring and tables).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "model/host_memory.h"
#include "sim/macos/iova_allocator.h"
#include "sim/macos/mapper.h"

namespace dartboard::macos {

struct Mapper::Impl {
  static constexpr uint32_t kNil = UINT32_MAX;
  static constexpr uint64_t kFrameMask = model::kFrameBytes - 1;

  /// Part of a mapping: client memory that is consecutive in this process.
  struct Piece {
    std::byte* base;  // start of its first 4 KiB frame
    uint64_t bytes;   // from there to its last byte
  };
  struct Wiring {
    Hpa address;
    uint64_t bytes;
    uint32_t next;  // further wirings of a scattered mapping
  };
  struct Live {
    uint64_t page = 0;   // page number of the first page
    uint64_t pages = 0;  // 0: slot is free
    uint64_t serial = 0;
    uint32_t next_free = kNil;
    Wiring first{Hpa(0), 0, kNil};
  };

  explicit Impl(const MapperParts& p) : parts(p) {}

  MapperParts parts;
  MapperConfig config;
  MapperStats stats;
  IovaAllocator pages;
  unsigned page_shift = 14;
  std::vector<Live> live;
  std::vector<Wiring> wirings;  // beyond the first of a mapping
  uint32_t free_live = kNil, free_wiring = kNil;
  uint64_t serial = 0;        // never goes back, so that a mapping of an earlier run is known as stale
  std::vector<Piece> pieces;  // scratch: layout of the map under way
  std::deque<Iova> expected;
  std::string refusal;

  io_return::Code refuse(io_return::Code code, std::string sentence) {
    ++stats.refusals;
    refusal = std::move(sentence);
    return code;
  }

  io_return::Code lay_out(const MemoryObject& memory, uint64_t offset, uint64_t length, uint64_t* in_page);
  io_return::Code check_budgets(uint64_t bytes);
  io_return::Code place(uint64_t count, uint64_t in_page, unsigned address_bits, uint64_t* page);
  io_return::Code injected_refusal(uint64_t count, unsigned address_bits);
  std::string collision(uint64_t page, uint64_t count) const;
  bool wire(Live& slot, uint64_t page, bool reads, bool writes, uint64_t fail_at);
  void unwire(Live& slot);
  uint32_t take_slot();
  bool drop(uint32_t index);
  void leak(uint32_t index);
  void clear();
};

}  // namespace dartboard::macos
