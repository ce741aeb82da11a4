// sim/guest/ram.cpp - see ram.h.
#include "sim/guest/ram.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

namespace dartboard::guest {
namespace {

constexpr std::array<std::byte, kPageBytes> kZeroPage{};

}  // namespace

uint64_t first_difference(std::span<const std::byte> a, std::span<const std::byte> b) {
  constexpr size_t kBlock = 256;
  size_t at = 0;
  const size_t size = std::min(a.size(), b.size());
  while (at + kBlock <= size && std::memcmp(a.data() + at, b.data() + at, kBlock) == 0) at += kBlock;
  while (at < size && a[at] == b[at]) ++at;
  return at;
}

Result<Ram> Ram::create(Gpa base, uint64_t bytes) {
  if (bytes == 0 || ((base.value | bytes) & (kPageBytes - 1)) != 0 || bytes - 1 > UINT64_MAX - base.value) {
    return fail(ErrorName::kBadArgument,
                fmt::format("guest RAM of {:#x} bytes at {:#x}: expected whole pages of 4 KiB that do not wrap", bytes,
                            base.value));
  }
  auto memory = LazyMemory::allocate(bytes);
  if (!memory) return tl::unexpected(memory.error());
  Ram ram;
  ram.base_ = base;
  ram.bytes_ = bytes;
  ram.memory_ = std::move(*memory);
  ram.pages_.reset(base.value / kPageBytes, bytes / kPageBytes);
  ram.taken_.resize(bytes / kPageBytes);
  ram.touched_.resize(bytes / kPageBytes);
  return ram;
}

std::byte* Ram::at(Gpa gpa, uint64_t bytes) const {
  if (gpa < base_ || !in_range(gpa - base_, bytes, bytes_)) return nullptr;
  return memory_.base() + (gpa - base_);
}

std::optional<WrongByte> Ram::first_not_zero(Gpa gpa, uint64_t bytes) const {
  const std::byte* const memory = memory_.base() + (gpa - base_);
  for (uint64_t at = 0; at < bytes; at += kPageBytes) {
    const std::span page(memory + at, kPageBytes);
    const uint64_t wrong = first_difference(page, kZeroPage);
    if (wrong != kPageBytes) return WrongByte{gpa + at + wrong, 0, std::to_integer<uint8_t>(page[wrong])};
  }
  return std::nullopt;
}

void Ram::take(Gpa gpa, uint64_t bytes) {
  const uint64_t first = (gpa - base_) / kPageBytes;
  for (uint64_t page = first; page < first + bytes / kPageBytes; ++page) {
    if (touched_[page]) {
      if (const auto wrong = first_not_zero(base_ + page * kPageBytes, kPageBytes)) {
        if (!stray_) stray_ = wrong;
        std::memset(memory_.base() + page * kPageBytes, 0, kPageBytes);  // told once
      }
    }
    taken_[page] = touched_[page] = true;
  }
}

Result<Gpa> Ram::allocate(uint64_t bytes) {
  if (bytes == 0 || bytes > bytes_) {
    return fail(ErrorName::kBadArgument, fmt::format("{:#x} bytes of guest RAM: expected 1 to {:#x}", bytes, bytes_));
  }
  const uint64_t pages = round_up(bytes, kPageBytes) / kPageBytes;
  const uint64_t at = pages_.allocate_lowest(pages);
  if (at == macos::IovaAllocator::kNone) {
    return fail(ErrorName::kNotFound,
                fmt::format("guest RAM has no {} free pages in a row ({} are free, at most {} together)", pages,
                            pages_.free_pages(), pages_.largest_free()));
  }
  const Gpa gpa(at * kPageBytes);
  take(gpa, pages * kPageBytes);
  return gpa;
}

Result<Gpa> Ram::allocate_scattered(sim::Tape& tape, uint64_t pages) {
  const uint64_t from = pages_.first() + tape.draw(sim::DrawId::kWorkload, pages_.pages());
  uint64_t at = pages_.allocate_from(from, pages);
  if (at == macos::IovaAllocator::kNone) at = pages_.allocate_lowest(pages);
  if (at == macos::IovaAllocator::kNone) {
    return fail(ErrorName::kNotFound, fmt::format("guest RAM has no {} free pages in a row", pages));
  }
  const Gpa gpa(at * kPageBytes);
  take(gpa, pages * kPageBytes);
  return gpa;
}

void Ram::release(Gpa gpa, uint64_t bytes) {
  const uint64_t whole = round_up(bytes, kPageBytes);
  std::memset(memory_.base() + (gpa - base_), 0, whole);
  for (uint64_t at = 0; at < whole; at += kPageBytes) taken_[(gpa - base_ + at) / kPageBytes] = false;
  pages_.release(gpa.value / kPageBytes, whole / kPageBytes);
}

void Ram::fragment(uint64_t pages) {
  const uint64_t step = std::max<uint64_t>(1, pages_.pages() / std::max<uint64_t>(1, pages));
  for (uint64_t at = step / 2; at < pages_.pages(); at += step) {
    if (pages_.allocate_at(pages_.first() + at, 1)) take(base_ + at * kPageBytes, kPageBytes);
  }
}

std::optional<WrongByte> Ram::check_free() {
  for (uint64_t page = 0; page < taken_.size(); ++page) {
    if (taken_[page]) continue;
    if (auto wrong = first_not_zero(base_ + page * kPageBytes, kPageBytes)) return wrong;
  }
  return std::nullopt;
}

}  // namespace dartboard::guest
