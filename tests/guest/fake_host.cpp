// tests/guest/fake_host.cpp - see fake_host.h.
#include "tests/guest/fake_host.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

namespace dartboard::guest {
namespace {

Ram make_ram(Gpa base, uint64_t bytes) {
  auto ram = Ram::create(base, bytes);
  if (!ram) std::abort();
  return std::move(*ram);
}

sim::PortProfile make_port(bool mac) {
  auto profile = sim::load_profile(mac ? "m4pro-tb5" : "linux-iommu");
  if (!profile) std::abort();
  return profile->ports.front();
}

constexpr Gpa kMacRam{0x4000'0000};

}  // namespace

FakeMapper::FakeMapper(const backend::Budget& budget, bool places, Iova window, uint64_t window_bytes)
    : budget_(budget), places_(places), window_(window) {
  space_.reset(window.value / budget.page_bytes, window_bytes / budget.page_bytes);
}

Result<void> FakeMapper::count(const char* call) {
  if (fail_after_ == UINT64_MAX || fail_after_-- != 0) return {};
  fail_after_ = UINT64_MAX;
  failed_ = true;
  return fail(ErrorName::kMapperFailed, fmt::format("{} failed, as the test wanted", call));
}

uint64_t FakeMapper::pages(Iova iova, uint64_t size) const {
  const uint64_t page = budget_.page_bytes;
  return (round_up(iova.value + size, page) - round_down(iova.value, page)) / page;
}

Result<Iova> FakeMapper::place(std::byte* base, uint64_t size, Iova at) {
  const uint64_t in_page = reinterpret_cast<uintptr_t>(base) & (budget_.page_bytes - 1);
  const uint64_t bytes = round_up(in_page + size, budget_.page_bytes);
  if (use_.bytes + bytes > budget_.bytes_max) return fail(ErrorName::kBudgetBytes, "no bytes left");
  if (use_.mappings >= budget_.mappings_max) return fail(ErrorName::kBudgetMappings, "no mappings left");
  uint64_t page = macos::IovaAllocator::kNone;
  if (at.value != 0) {
    if (at.value % budget_.page_bytes == in_page &&
        space_.allocate_at(at.value / budget_.page_bytes, bytes / budget_.page_bytes)) {
      page = at.value / budget_.page_bytes;
    }
  } else {
    page = space_.allocate_lowest(bytes / budget_.page_bytes);
  }
  if (page == macos::IovaAllocator::kNone) return fail(ErrorName::kMapperFailed, "no place");
  use_.bytes += bytes;
  ++use_.mappings;
  const Iova iova(page * budget_.page_bytes + in_page);
  live_[iova.value] = {base, size};
  return iova;
}

Result<backend::DmaMapping> FakeMapper::map(uint64_t key, void* base, uint64_t size) {
  if (auto counted = count("map"); !counted) return tl::unexpected(counted.error());
  if (by_key_.count(key) != 0) return fail(ErrorName::kBusy, "key in use");
  const auto iova = place(static_cast<std::byte*>(base), size, Iova());
  if (!iova) return tl::unexpected(iova.error());
  by_key_[key] = *iova;
  return backend::DmaMapping{key, *iova, size};
}

Result<backend::DmaMapping> FakeMapper::map_at(uint64_t key, void* base, uint64_t size, Iova want) {
  if (!places_) return Mapper::map_at(key, base, size, want);
  if (auto counted = count("map_at"); !counted) return tl::unexpected(counted.error());
  if (by_key_.count(key) != 0) return fail(ErrorName::kBusy, "key in use");
  const auto iova = place(static_cast<std::byte*>(base), size, want);
  if (!iova) return tl::unexpected(iova.error());
  by_key_[key] = *iova;
  return backend::DmaMapping{key, *iova, size};
}

Result<void> FakeMapper::unmap(uint64_t key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return fail(ErrorName::kNotFound, "no such key");
  if (auto counted = count("unmap"); !counted) return counted;
  const Iova iova = found->second;
  const uint64_t count = pages(iova, live_[iova.value].size);
  space_.release(iova.value / budget_.page_bytes, count);
  use_.bytes -= count * budget_.page_bytes;
  --use_.mappings;
  live_.erase(iova.value);
  by_key_.erase(found);
  return {};
}

Result<dext::DmaBuffer> FakeMapper::allocate_buffer(uint64_t size, uint64_t) {
  if (auto counted = count("allocate_buffer"); !counted) return tl::unexpected(counted.error());
  if (has_buffer_) return fail(ErrorName::kBusy, "one buffer");
  auto memory = LazyMemory::allocate(size);
  if (!memory) return tl::unexpected(memory.error());
  buffer_ = std::move(*memory);
  const auto iova = place(buffer_.base(), size, Iova());
  if (!iova) return tl::unexpected(iova.error());
  buffer_iova_ = *iova;
  has_buffer_ = true;
  return dext::DmaBuffer{size, *iova, size, 1, buffer_.base()};
}

Result<void> FakeMapper::free_buffer() {
  if (!has_buffer_) return fail(ErrorName::kNotFound, "no buffer");
  if (auto counted = count("free_buffer"); !counted) return counted;
  const uint64_t count = pages(buffer_iova_, live_[buffer_iova_.value].size);
  space_.release(buffer_iova_.value / budget_.page_bytes, count);
  use_.bytes -= count * budget_.page_bytes;
  --use_.mappings;
  live_.erase(buffer_iova_.value);
  has_buffer_ = false;
  return {};
}

Result<void> FakeMapper::quiesce() {
  if (auto counted = count("quiesce"); !counted) return counted;
  quiet_ = true;
  return {};
}

std::byte* FakeMapper::reach(Iova iova, uint64_t* bytes) const {
  auto next = live_.upper_bound(iova.value);
  if (next == live_.begin()) return nullptr;
  const auto& [base, mapping] = *std::prev(next);
  if (iova.value - base >= mapping.size) return nullptr;
  *bytes = mapping.size - (iova.value - base);
  return mapping.base + (iova.value - base);
}

Result<void> FakeEngine::device_reads(Iova from, std::span<std::byte> data) {
  while (!data.empty()) {
    uint64_t bytes = 0;
    const std::byte* const memory = mapper_.reach(from, &bytes);
    if (memory == nullptr) return fail(ErrorName::kCallFailed, fmt::format("nothing is mapped at {:#x}", from.value));
    const uint64_t count = std::min<uint64_t>(bytes, data.size());
    std::memcpy(data.data(), memory, count);
    data = data.subspan(count);
    from = from + count;
  }
  return {};
}

Result<void> FakeEngine::device_writes(Iova to, std::span<const std::byte> data) {
  while (!data.empty()) {
    uint64_t bytes = 0;
    std::byte* const memory = mapper_.reach(to, &bytes);
    if (memory == nullptr) return fail(ErrorName::kCallFailed, fmt::format("nothing is mapped at {:#x}", to.value));
    const uint64_t count = std::min<uint64_t>(bytes, data.size());
    std::memcpy(memory, data.data(), count);
    data = data.subspan(count);
    to = to + count;
  }
  return {};
}

Host::Host(std::string_view name, const HostOptions& options)
    : ram(make_ram(options.mac ? kMacRam : Gpa(make_port(false).mapper.window_base.value), options.ram_bytes)),
      pages(ram),
      mapper({options.mac ? 1536 * kMiB : UINT64_MAX, 65535, options.mac ? 16 * kKiB : 4 * kKiB}, !options.mac,
             make_port(options.mac).mapper.window_base, make_port(options.mac).mapper.window_bytes),
      port(make_port(options.mac)),
      engine(mapper) {
  if (!memory.add({ram.base(), ram.bytes(), ram.memory()})) std::abort();
  backend::dma::DeviceLimits limits;
  limits.align_mask = options.align_mask;
  auto made = cli::make_strategy(name, {.memory = memory,
                                        .mapper = mapper,
                                        .pages = pages,
                                        .limits = limits,
                                        .port = port,
                                        .pool_bytes = options.pool_bytes});
  if (!made) std::abort();
  strategy = std::move(*made);
}

Host::~Host() = default;

RunResult Host::run(const Workload& workload, uint64_t seed) {
  cli::StrategyOps ops(*strategy, memory);
  return Runner(ram, ops, engine, seed).run(workload);
}

backend::dma::Mapped Host::must_map(Gpa gpa, uint64_t bytes) {
  auto mapped = strategy->map({gpa, bytes, backend::dma::Direction::kBidirectional, backend::dma::Context::kSleeping});
  if (!mapped) std::abort();
  return *mapped;
}

std::vector<std::string> all_strategies() {
  std::vector<std::string> names;
  for (const cli::StrategyInfo& info : cli::strategy_infos()) names.emplace_back(info.name);
  return names;
}

bool needs_placing(std::string_view strategy) {
  return strategy == "identity" || strategy == "viommu";
}

}  // namespace dartboard::guest
