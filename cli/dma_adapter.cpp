// cli/dma_adapter.cpp - see dma_adapter.h.
#include "cli/dma_adapter.h"

#include <algorithm>

#include <fmt/format.h>

#include "model/endpoint/test.h"

namespace dartboard::cli {
namespace {

namespace dma = backend::dma;
namespace reg = model::test_register;
using backend::Region;

// The two rooms name the same things.
dma::MapRequest to_backend(const guest::DmaRequest& r) {
  return {r.gpa, r.bytes, static_cast<dma::Direction>(r.direction), static_cast<dma::Context>(r.context)};
}
guest::DmaRequest to_guest(const dma::MapRequest& r) {
  return {r.gpa, r.bytes, static_cast<guest::Direction>(r.direction), static_cast<guest::Context>(r.context)};
}
dma::Mapped to_backend(const guest::DmaMapping& m) {
  return {m.iova, to_backend(m.request)};
}
guest::DmaMapping to_guest(const dma::Mapped& m) {
  return {m.iova, to_guest(m.request)};
}

static_assert(static_cast<int>(dma::Direction::kToDevice) == static_cast<int>(guest::Direction::kToDevice));
static_assert(static_cast<int>(dma::Direction::kFromDevice) == static_cast<int>(guest::Direction::kFromDevice));
static_assert(static_cast<int>(dma::Direction::kBidirectional) == static_cast<int>(guest::Direction::kBidirectional));
static_assert(static_cast<int>(dma::Context::kAtomic) == static_cast<int>(guest::Context::kAtomic));

constexpr uint64_t kEngineBytes = 1 * kMiB;  // of device memory, in one command
constexpr uint64_t kCommandOffset = 0x04;    // PCIe 6.0 s7.5.1.1.3

}  // namespace

Result<guest::DmaMapping> StrategyOps::map(const guest::DmaRequest& request) {
  return strategy_.map(to_backend(request)).map([](const dma::Mapped& m) { return to_guest(m); });
}
Result<void> StrategyOps::unmap(const guest::DmaMapping& mapping) {
  return strategy_.unmap(to_backend(mapping));
}

Result<std::vector<guest::DmaMapping>> StrategyOps::map_many(std::span<const guest::DmaRequest> requests) {
  std::vector<dma::MapRequest> list;
  list.reserve(requests.size());
  for (const guest::DmaRequest& one : requests) list.push_back(to_backend(one));
  const auto mapped = strategy_.map_many(list);
  if (!mapped) return tl::unexpected(mapped.error());
  std::vector<guest::DmaMapping> out;
  out.reserve(mapped->size());
  for (const dma::Mapped& one : *mapped) out.push_back(to_guest(one));
  return out;
}
Result<void> StrategyOps::unmap_many(std::span<const guest::DmaMapping> mappings) {
  std::vector<dma::Mapped> list;
  list.reserve(mappings.size());
  for (const guest::DmaMapping& one : mappings) list.push_back(to_backend(one));
  return strategy_.unmap_many(list);
}
Result<void> StrategyOps::sync_for_cpu(const guest::DmaMapping& mapping, uint64_t offset, uint64_t bytes) {
  return strategy_.sync_for_cpu(to_backend(mapping), offset, bytes);
}
Result<void> StrategyOps::sync_for_device(const guest::DmaMapping& mapping, uint64_t offset, uint64_t bytes) {
  return strategy_.sync_for_device(to_backend(mapping), offset, bytes);
}

Result<guest::DmaCoherent> StrategyOps::allocate_coherent(uint64_t bytes, guest::Context context) {
  const auto coherent = strategy_.allocate_coherent(bytes, static_cast<dma::Context>(context));
  if (!coherent) return tl::unexpected(coherent.error());
  std::byte* const cpu = memory_.at(coherent->gpa, coherent->bytes);
  if (cpu == nullptr) {
    (void)strategy_.free_coherent(*coherent);
    return fail(ErrorName::kInternal,
                fmt::format("{}: coherent memory at guest address {:#x} is not in the guest's memory", strategy_.name(),
                            coherent->gpa.value));
  }
  return guest::DmaCoherent{coherent->gpa, coherent->iova, coherent->bytes, cpu};
}
Result<void> StrategyOps::free_coherent(const guest::DmaCoherent& coherent) {
  return strategy_.free_coherent({coherent.gpa, coherent.iova, coherent.bytes});
}

Result<void> TestEndpointEngine::start() {
  const uint16_t enable = 0x0006;
  if (auto w = device_.write(Region::kConfig, kCommandOffset, std::as_bytes(std::span(&enable, 1))); !w) return w;
  const uint32_t control = reg::kControlImmediate;
  return device_.write(Region::kBar0, reg::kControl, std::as_bytes(std::span(&control, 1)));
}

Error TestEndpointEngine::explain(Error error) const {
  if (auto panic = world_.host_panic()) return *panic;
  return error;
}

Result<void> TestEndpointEngine::command(uint32_t command, Iova host, uint32_t bytes) {
  const bool reads = command == static_cast<uint32_t>(model::TestDmaCommand::kHostToDevice);
  const uint64_t source = reads ? host.value : 0, destination = reads ? 0 : host.value;
  const auto write = [&](uint32_t at, const auto& value) {
    return device_.write(Region::kBar0, at, std::as_bytes(std::span(&value, 1)));
  };
  uint32_t result = 0;
  Result<void> done = write(reg::kDmaSource, source);
  if (done) done = write(reg::kDmaDestination, destination);
  if (done) done = write(reg::kDmaLength, bytes);
  if (done) done = write(reg::kDmaCommand, command);
  if (done) done = device_.read(Region::kBar0, reg::kDmaError, std::as_writable_bytes(std::span(&result, 1)));
  if (!done) return tl::unexpected(explain(done.error()));
  if (auto panic = world_.host_panic()) return tl::unexpected(*panic);
  if (result == 0) return {};
  constexpr const char* kWhy[] = {
      "",          "Unsupported Request", "Completer Abort",           "Completion Timeout", "a poisoned completion",
      "link down", "bus master off",      "out of the device's range", "a bad command"};
  return fail(ErrorName::kCallFailed,
              fmt::format("the device's {} of {} bytes at device address {:#x} ended with {}", reads ? "read" : "write",
                          bytes, host.value, result < std::size(kWhy) ? kWhy[result] : "an unknown error"));
}

Result<void> TestEndpointEngine::device_reads(Iova from, std::span<std::byte> data) {
  for (uint64_t done = 0; done < data.size();) {
    const uint64_t bytes = std::min<uint64_t>(kEngineBytes, data.size() - done);
    if (auto moved = command(static_cast<uint32_t>(model::TestDmaCommand::kHostToDevice), from + done,
                             static_cast<uint32_t>(bytes));
        !moved)
      return moved;
    if (auto read = device_.read(Region::kBar2, 0, data.subspan(done, bytes)); !read)
      return tl::unexpected(explain(read.error()));
    done += bytes;
  }
  return {};
}

Result<void> TestEndpointEngine::device_writes(Iova to, std::span<const std::byte> data) {
  for (uint64_t done = 0; done < data.size();) {
    const uint64_t bytes = std::min<uint64_t>(kEngineBytes, data.size() - done);
    if (auto written = device_.write(Region::kBar2, 0, data.subspan(done, bytes)); !written)
      return tl::unexpected(explain(written.error()));
    if (auto moved = command(static_cast<uint32_t>(model::TestDmaCommand::kDeviceToHost), to + done,
                             static_cast<uint32_t>(bytes));
        !moved)
      return moved;
    done += bytes;
  }
  return {};
}

Result<backend::DmaMapping> PlacingMapper::map_at(uint64_t key, void* base, uint64_t size, Iova iova) {
  // The placement is of the mapping's first page; what lies below the page's edge keeps its offset.
  const uint64_t in_page = iova.value & (device_.budget().page_bytes - 1);
  world_.forget_placements();
  if (auto expected = world_.expect_placement(iova - in_page, in_page + size); !expected)
    return tl::unexpected(expected.error());
  auto mapped = device_.map(key, base, size);
  world_.forget_placements();
  if (!mapped) return mapped;
  if (mapped->iova == iova) return mapped;
  (void)device_.unmap(key);
  return fail(ErrorName::kPlacement,
              fmt::format("mapping key {:#x}: it was to be at {:#x}, the host's mapper put it at {:#x}", key,
                          iova.value, mapped->iova.value));
}

}  // namespace dartboard::cli
