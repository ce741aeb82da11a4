// backend/dma/account.cpp - see account.h.
#include "backend/dma/account.h"

#include <algorithm>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "backend/call_error.h"
#include "base/format.h"
#include "base/types.h"

namespace dartboard::backend {

namespace {

std::string bytes_text(uint64_t bytes) {
  if (bytes >= kMiB && bytes % kMiB == 0) return compiled_text(FMT_COMPILE("{} MiB"), bytes / kMiB);
  if (bytes >= kKiB && bytes % kKiB == 0) return compiled_text(FMT_COMPILE("{} KiB"), bytes / kKiB);
  return compiled_text(FMT_COMPILE("{} bytes"), bytes);
}

/// What a refused mapping is called: the caller's own mistakes keep their names.
ErrorName mapper_name(const Error& error) {
  return error.name == ErrorName::kCallFailed || error.name == ErrorName::kInternal ? ErrorName::kMapperFailed
                                                                                    : error.name;
}

}  // namespace

Result<void> DmaAccount::check(const Budget& budget) {
  if (is_power_of_two(budget.page_bytes)) return {};
  return fail(ErrorName::kBadArgument,
              fmt::format("budget: a mapper page of {} bytes is not a power of two", budget.page_bytes));
}

uint64_t DmaAccount::pages_bytes(uint64_t base, uint64_t size) const {
  const uint64_t in_page = base & (budget_.page_bytes - 1);
  if (size > std::numeric_limits<uint64_t>::max() - in_page - budget_.page_bytes) {
    return std::numeric_limits<uint64_t>::max();  // too large for any budget
  }
  return round_up(in_page + size, budget_.page_bytes);
}

namespace {

// Words only when there is something to say: this is on the path of every map.
std::string wanted_text(uint64_t bytes, std::optional<uint64_t> key) {
  return key ? compiled_text(FMT_COMPILE("mapping key {:#x}"), *key)
             : fmt::format("DMA buffer of {}", bytes_text(bytes));
}

}  // namespace

tl::unexpected<Error> DmaAccount::refuse_bytes(bool host, uint64_t used, uint64_t wanted, std::optional<uint64_t> key) {
  ++use_.refusals;
  return fail(
      ErrorName::kBudgetBytes,
      fmt::format("{}: the {} byte budget is {}, {} are mapped and {} more are needed (whole pages of {}); unmap "
                  "something {}",
                  wanted_text(wanted, key), host ? "host's" : "device's",
                  bytes_text(host ? host_->budget().bytes_max : budget_.bytes_max), bytes_text(used),
                  bytes_text(wanted), bytes_text(budget_.page_bytes),
                  host ? "of one of the devices" : "or give the guest a smaller pool"));
}

tl::unexpected<Error> DmaAccount::refuse_mappings(bool host, uint64_t used, std::optional<uint64_t> key) {
  ++use_.refusals;
  return fail(
      ErrorName::kBudgetMappings,
      fmt::format("{}: the {} mapping budget is {}, {} are mapped and 1 more is needed; unmap something{} or map "
                  "larger ranges",
                  wanted_text(0, key), host ? "host's" : "device's",
                  host ? host_->budget().mappings_max : budget_.mappings_max, used,
                  host ? " of one of the devices" : ""));
}

Result<void> DmaAccount::reserve(uint64_t bytes, uint64_t released_bytes, uint64_t released_mappings,
                                 std::optional<uint64_t> key) {
  const uint64_t used_bytes = use_.bytes - released_bytes, used_mappings = use_.mappings - released_mappings;
  if (bytes > budget_.bytes_max || used_bytes > budget_.bytes_max - bytes) {
    return refuse_bytes(false, used_bytes, bytes, key);
  }
  if (used_mappings >= budget_.mappings_max) return refuse_mappings(false, used_mappings, key);
  if (host_ != nullptr) {
    switch (host_->exchange({bytes, 1}, {released_bytes, released_mappings})) {
      case HostBudget::Answer::kTaken: break;
      case HostBudget::Answer::kBytes: return refuse_bytes(true, host_->use().bytes - released_bytes, bytes, key);
      case HostBudget::Answer::kMappings: return refuse_mappings(true, host_->use().mappings - released_mappings, key);
    }
  }
  use_.bytes = used_bytes + bytes;
  use_.mappings = used_mappings + 1;
  return {};
}

void DmaAccount::give_back(uint64_t bytes) {
  use_.bytes -= bytes;
  use_.mappings -= 1;
  if (host_ != nullptr) host_->give_back({bytes, 1});
}

Result<DmaMapping> DmaAccount::map(uint64_t key, void* base, uint64_t size) {
  const auto address = reinterpret_cast<uintptr_t>(base);
  if (base == nullptr || size == 0) {
    return fail(ErrorName::kBadArgument,
                compiled_text(FMT_COMPILE("mapping key {:#x}: {}"), key, size == 0 ? "0 bytes" : "no memory"));
  }
  if (size > std::numeric_limits<uintptr_t>::max() - address) {
    return fail(ErrorName::kBadArgument,
                compiled_text(FMT_COMPILE("mapping key {:#x}: {} bytes at {:#x} wrap around"), key, size, address));
  }
  if (mappings_.find(key) != nullptr) {
    return fail(ErrorName::kBusy,
                compiled_text(FMT_COMPILE("mapping key {:#x}: it is mapped already; unmap it first"), key));
  }
  const uint64_t bytes = pages_bytes(address, size);
  if (auto reserved = reserve(bytes, 0, 0, key); !reserved) {
    return tl::unexpected(reserved.error());
  }
  const auto region = client_.register_dma_region(key, base, size);
  if (!region) {
    give_back(bytes);
    return tl::unexpected(because(compiled_text(FMT_COMPILE("mapping {} at key {:#x}"), bytes_text(size), key),
                                  region.error(), mapper_name(region.error())));
  }
  mappings_.insert(key, bytes);
  use_.bytes_peak = std::max(use_.bytes_peak, use_.bytes);
  use_.mappings_peak = std::max(use_.mappings_peak, use_.mappings);
  return DmaMapping{key, region->iova, size};
}

Result<void> DmaAccount::unmap(uint64_t key) {
  const uint64_t* counted = mappings_.find(key);
  if (counted == nullptr) {
    return fail(ErrorName::kNotFound, compiled_text(FMT_COMPILE("unmapping key {:#x}: nothing is mapped there"), key));
  }
  const auto unregistered = client_.unregister_dma_region(key);
  const bool already_away = !unregistered && client_.gone();
  const bool unknown_below = !unregistered && unregistered.error().io_return == io_return::kNotFound;
  if (unregistered || already_away || unknown_below) {
    give_back(*counted);
    mappings_.erase(key);
  }
  // A dext that is gone has unmapped everything: what was asked is so.
  if (unregistered || already_away) return {};
  return tl::unexpected(because(compiled_text(FMT_COMPILE("unmapping key {:#x}"), key), unregistered.error()));
}

Result<dext::DmaBuffer> DmaAccount::allocate_buffer(uint64_t size, uint64_t alignment) {
  if (size == 0 || (alignment != 0 && !is_power_of_two(alignment))) {
    return fail(ErrorName::kBadArgument,
                fmt::format("DMA buffer: {} bytes aligned to {}; the size must not be 0, the alignment a power of two",
                            size, alignment));
  }
  const uint64_t bytes = pages_bytes(0, size);
  const auto reserved = reserve(bytes, buffer_bytes_.value_or(0), buffer_bytes_ ? 1 : 0, std::nullopt);
  if (!reserved) return tl::unexpected(reserved.error());
  if (buffer_bytes_) {
    // The dext would free the old one itself; doing it first says which of the two calls failed.
    const auto freed = client_.free_dma_buffer();
    if (!freed) {
      // The old one is there still.
      give_back(bytes);
      use_.bytes += *buffer_bytes_;
      use_.mappings += 1;
      if (host_ != nullptr) host_->count({*buffer_bytes_, 1});
      return tl::unexpected(because("freeing the DMA buffer that is to be replaced", freed.error()));
    }
    buffer_bytes_.reset();
  }
  auto buffer = client_.allocate_dma_buffer(size, alignment);
  if (!buffer) {
    give_back(bytes);
    return tl::unexpected(
        because(fmt::format("DMA buffer of {}", bytes_text(size)), buffer.error(), mapper_name(buffer.error())));
  }
  buffer_bytes_ = bytes;
  use_.bytes_peak = std::max(use_.bytes_peak, use_.bytes);
  use_.mappings_peak = std::max(use_.mappings_peak, use_.mappings);
  return *buffer;
}

Result<void> DmaAccount::free_buffer() {
  if (!buffer_bytes_) return fail(ErrorName::kNotFound, "freeing the DMA buffer: there is none");
  const auto freed = client_.free_dma_buffer();
  const bool already_away = !freed && client_.gone();
  if (!freed && !already_away) return tl::unexpected(because("freeing the DMA buffer", freed.error()));
  give_back(*buffer_bytes_);
  buffer_bytes_.reset();
  return {};
}

void DmaAccount::release_all() {
  for (const uint64_t key : mappings_.keys()) {
    if (client_.gone()) break;
    (void)client_.unregister_dma_region(key);
  }
  if (buffer_bytes_ && !client_.gone()) (void)client_.free_dma_buffer();
  mappings_.clear();
  buffer_bytes_.reset();
  if (host_ != nullptr) host_->give_back({use_.bytes, use_.mappings});
  use_.bytes = use_.mappings = 0;
}

void DmaAccount::inspect(InspectNode& node) const {
  node.child(
      "bytes", fmt::format("{} of {}", bytes_text(use_.bytes), bytes_text(budget_.bytes_max)),
      fmt::format("peak {}, counted in pages of {}", bytes_text(use_.bytes_peak), bytes_text(budget_.page_bytes)));
  node.child("mappings", fmt::format("{} of {}", use_.mappings, budget_.mappings_max),
             fmt::format("peak {}", use_.mappings_peak));
  node.child("refusals", fmt::format("{}", use_.refusals), "refused before the mapper was asked");
  node.child("DMA buffer", buffer_bytes_ ? bytes_text(*buffer_bytes_) : "none");
}

}  // namespace dartboard::backend
