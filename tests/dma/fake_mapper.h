// tests/dma/fake_mapper.h - a mapper with a table for a DART, which records every call and can fail the nth.
//
// The device side (device_read, device_write) goes through the table, so a test sees what a device would: bytes where
// they are mapped, a fault elsewhere. Calls made in an unsafe order are counted, not judged.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/dma/mapper.h"

namespace dartboard::backend::dma {

class FakeMapper : public Mapper {
 public:
  struct Entry {
    std::byte* base = nullptr;
    uint64_t bytes = 0;
    uint64_t counted = 0;
    Iova iova;
  };

  explicit FakeMapper(const Budget& budget = {}) : budget_(budget) {}
  FakeMapper(const FakeMapper&) = delete;
  ~FakeMapper() override { std::free(buffer_memory); }

  // What a test sets.
  uint64_t fail_at = 0;  ///< this call (1 = the next) fails; 0: none
  ErrorName fail_with = ErrorName::kMapperFailed;
  Iova next{0x8'0000'0000};        ///< where the next mapping goes
  uint64_t gap_bytes = 16 * kKiB;  ///< left free behind each
  std::vector<Iova> chosen;        ///< taken from the front, before `next`
  uint32_t buffer_segments = 1;

  // What a test looks at.
  std::vector<std::string> calls;     ///< by name, in order, failed ones too
  std::map<uint64_t, Entry> entries;  ///< by key
  std::optional<Entry> buffer;
  std::byte* buffer_memory = nullptr;
  bool quiet = false;             ///< bus master is off; a test's driver turns it on with enable()
  uint64_t taken_while_busy = 0;  ///< mappings taken away while the device could still use them
  uint64_t faults = 0;

  void enable() { quiet = false; }
  bool empty() const { return entries.empty() && !buffer && use_.bytes == 0 && use_.mappings == 0; }

  /// Memory behind [iova, iova+bytes), or null and a fault.
  std::byte* reach(Iova iova, uint64_t bytes) {
    const auto in = [&](const Entry& e) {
      return in_range(iova - e.iova, bytes, e.bytes) ? e.base + (iova - e.iova) : nullptr;
    };
    if (!quiet) {
      if (buffer) {
        if (std::byte* at = in(*buffer)) return at;
      }
      for (const auto& [key, entry] : entries) {
        if (std::byte* at = in(entry)) return at;
      }
    }
    ++faults;
    return nullptr;
  }
  bool device_write(Iova iova, std::span<const std::byte> data) {
    std::byte* const at = reach(iova, data.size());
    if (at != nullptr) std::memcpy(at, data.data(), data.size());
    return at != nullptr;
  }
  bool device_read(Iova iova, std::span<std::byte> data) {
    const std::byte* const at = reach(iova, data.size());
    if (at != nullptr) std::memcpy(data.data(), at, data.size());
    return at != nullptr;
  }

  Result<DmaMapping> map(uint64_t key, void* base, uint64_t size) override {
    if (auto failed = count("map")) return tl::unexpected(*failed);
    if (base == nullptr || size == 0) return fail(ErrorName::kBadArgument, "fake mapper: nothing to map");
    if (entries.count(key) != 0) return fail(ErrorName::kBusy, "fake mapper: the key is mapped already");
    const uint64_t in_page = reinterpret_cast<uintptr_t>(base) % budget_.page_bytes;
    Entry entry{static_cast<std::byte*>(base), size, round_up(in_page + size, budget_.page_bytes), {}};
    if (auto full = reserve(entry.counted)) return tl::unexpected(*full);
    entry.iova = choose(entry.counted) + in_page;
    entries[key] = entry;
    return DmaMapping{key, entry.iova, size};
  }

  Result<void> unmap(uint64_t key) override {
    if (auto failed = count("unmap")) return tl::unexpected(*failed);
    const auto at = entries.find(key);
    if (at == entries.end()) return fail(ErrorName::kNotFound, "fake mapper: nothing is mapped at this key");
    if (!quiet) ++taken_while_busy;
    release(at->second.counted);
    entries.erase(at);
    return {};
  }

  Result<dext::DmaBuffer> allocate_buffer(uint64_t size, uint64_t alignment) override {
    if (auto failed = count("allocate")) return tl::unexpected(*failed);
    if (buffer) {
      release(buffer->counted);
      buffer.reset();
    }
    const uint64_t counted = round_up(size, budget_.page_bytes);
    if (auto full = reserve(counted)) return tl::unexpected(*full);
    std::free(buffer_memory);
    buffer_memory = static_cast<std::byte*>(std::aligned_alloc(std::max(alignment, budget_.page_bytes), counted));
    std::memset(buffer_memory, 0xee, counted);  // a real one is zeroed; who relies on it is found
    buffer = Entry{buffer_memory, size, counted, choose(counted)};
    return dext::DmaBuffer{size, buffer->iova, size / buffer_segments, buffer_segments, buffer_memory};
  }

  Result<void> free_buffer() override {
    if (auto failed = count("free")) return tl::unexpected(*failed);
    if (!buffer) return fail(ErrorName::kNotFound, "fake mapper: there is no buffer");
    if (!quiet) ++taken_while_busy;
    release(buffer->counted);
    buffer.reset();
    return {};
  }

  Result<void> quiesce() override {
    if (auto failed = count("quiesce")) return tl::unexpected(*failed);
    quiet = true;
    return {};
  }

  const BudgetUse& use() const override { return use_; }
  const Budget& budget() const override { return budget_; }

 private:
  std::optional<Error> count(const char* name) {
    calls.emplace_back(name);
    if (fail_at == 0 || --fail_at != 0) return std::nullopt;
    return Error{fail_with, io_return::kIOError, std::string("fake mapper: ") + name + " was told to fail"};
  }
  std::optional<Error> reserve(uint64_t bytes) {
    const bool too_many = use_.mappings >= budget_.mappings_max;
    if (!too_many && bytes <= budget_.bytes_max - use_.bytes) {
      use_.bytes += bytes;
      use_.mappings += 1;
      return std::nullopt;
    }
    ++use_.refusals;
    return Error{too_many ? ErrorName::kBudgetMappings : ErrorName::kBudgetBytes, io_return::kSuccess,
                 "fake mapper: over budget"};
  }
  void release(uint64_t bytes) {
    use_.bytes -= bytes;
    use_.mappings -= 1;
  }
  Iova choose(uint64_t bytes) {
    if (!chosen.empty()) {
      const Iova first = chosen.front();
      chosen.erase(chosen.begin());
      return first;
    }
    const Iova here = next;
    next = next + bytes + gap_bytes;
    return here;
  }

  const Budget budget_;
  BudgetUse use_;
};

}  // namespace dartboard::backend::dma
