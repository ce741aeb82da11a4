// backend/dma/companion_driver.cpp - see companion_driver.h.
#include "backend/dma/companion_driver.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "backend/dma/request.h"

namespace dartboard::backend::dma {

using namespace companion;

namespace {

// Not at the start of the pages: those may be at guest address 0, which the device takes for "none".
constexpr uint64_t kCommandAt = 32;
constexpr uint64_t kRequestsAt = kCommandAt + kCommandPage.bytes;
constexpr uint64_t kLowerStartsMax = 64;

}  // namespace

uint32_t CompanionDriver::read32(uint32_t offset) {
  uint32_t value = 0;
  ++exits_;
  device_.read(offset, std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

void CompanionDriver::write32(uint32_t offset, uint32_t value) {
  ++exits_;
  device_.write(offset, std::as_bytes(std::span(&value, 1)));
}

Result<void> CompanionDriver::start() {
  const uint32_t version = read32(kRegVersion), entries = read32(kRegMaxEntries);
  if (version != kVersion || entries == 0 || batch_max_ == 0) {
    return fail(ErrorName::kNotSupported, fmt::format("companion: protocol version {} with batches of {}; the driver "
                                                      "speaks version {} and asks for batches of {}",
                                                      version, entries, kVersion, batch_max_));
  }
  batch_ = std::min(batch_max_, entries);
  const uint64_t request_bytes = std::max(layout_.map_request.bytes, layout_.unmap_request.bytes);
  const uint64_t response_bytes = std::max(layout_.map_response.bytes, layout_.unmap_response.bytes);
  requests_at_ = kRequestsAt;
  responses_at_ = requests_at_ + batch_ * request_bytes;
  const uint64_t bytes = round_up(responses_at_ + batch_ * response_bytes, kGuestPageBytes);
  const auto gpa = pages_.allocate(bytes);
  if (!gpa) return tl::unexpected(gpa.error());
  base_ = memory_.at(*gpa, bytes);
  if (base_ == nullptr) {
    pages_.release(*gpa, bytes);
    return fail(
        ErrorName::kInternal,
        fmt::format("companion: the guest's allocator gave {:#x} bytes at {:#x}, which is not RAM", bytes, gpa->value));
  }
  gpa_ = *gpa;
  pages_bytes_ = bytes;
  std::memset(base_, 0, bytes);
  put(base_ + kCommandAt, kCommandPage.requests, (gpa_ + requests_at_).value);
  put(base_ + kCommandAt, kCommandPage.responses, (gpa_ + responses_at_).value);
  const uint64_t command = (gpa_ + kCommandAt).value;
  write32(kRegCommandLow, static_cast<uint32_t>(command));
  write32(kRegCommandHigh, static_cast<uint32_t>(command >> 32));
  return {};
}

void CompanionDriver::stop() {
  if (pages_bytes_ != 0) pages_.release(gpa_, pages_bytes_);
  pages_bytes_ = 0;
  base_ = nullptr;
  ids_.clear();
}

Status CompanionDriver::ring(Command type, uint32_t count) {
  std::byte* const page = base_ + kCommandAt;
  put(page, kCommandPage.type, static_cast<uint64_t>(type));
  put(page, kCommandPage.count, count);
  put(page, kCommandPage.status, static_cast<uint64_t>(Status::kInvalid));
  write32(kRegDoorbell, 1);
  return static_cast<Status>(get(page, kCommandPage.status));
}

tl::unexpected<Error> CompanionDriver::reason() const {
  // The wire carries a number; the host's log, which this process has, carries the reason.
  if (device_.refusal()) return tl::unexpected(*device_.refusal());
  return fail(ErrorName::kInternal, "companion: the device refused and did not say why");
}

Gpa CompanionDriver::free_id(Gpa gpa, uint64_t bytes) {
  for (uint64_t lower = 0; lower < kLowerStartsMax && lower <= gpa.value; ++lower) {
    if (lower != 0 && memory_.at(gpa - lower, bytes + lower) == nullptr) break;
    if (ids_.find(gpa.value - lower) == nullptr) return gpa - lower;
  }
  return gpa;  // the device will say that it is taken
}

Result<void> CompanionDriver::map(std::span<CompanionEntry> entries) {
  for (size_t done = 0; done < entries.size();) {
    const auto part = entries.subspan(done, std::min<size_t>(entries.size() - done, batch_));
    if (auto mapped = map_batch(part); !mapped) {
      undo_.clear();
      for (const CompanionEntry& entry : entries.first(done)) undo_.push_back(entry.id);
      (void)unmap(undo_);
      return mapped;
    }
    done += part.size();
  }
  return {};
}

Result<void> CompanionDriver::map_batch(std::span<CompanionEntry> entries) {
  const auto count = static_cast<uint32_t>(entries.size());
  for (uint32_t i = 0; i < count; ++i) {
    CompanionEntry& entry = entries[i];
    entry.id = free_id(entry.gpa, entry.bytes);
    std::byte* record = request(i, layout_.map_request.bytes);
    put(record, layout_.map_request.gpa, entry.id.value);
    put(record, layout_.map_request.length, entry.bytes + (entry.gpa - entry.id));
    put(record, layout_.map_request.flags, 0);
    // Taken for the rest of the batch too; given back below if it fails.
    if (ids_.find(entry.id.value) == nullptr) ids_.insert(entry.id.value, 0);
  }
  const Status status = ring(Command::kMap, count);
  if (status == Status::kOk) {
    for (uint32_t i = 0; i < count; ++i) {
      CompanionEntry& entry = entries[i];
      entry.id = Gpa(get(response(i, layout_.map_response.bytes), layout_.map_response.id));
      entry.iova =
          Iova(get(response(i, layout_.map_response.bytes), layout_.map_response.iova)) + (entry.gpa - entry.id);
    }
    return {};
  }
  auto why = reason();
  undo_.clear();
  for (uint32_t i = 0; i < count; ++i) {
    const bool mapped =
        status == Status::kIoError &&
        get(response(i, layout_.map_response.bytes), layout_.map_response.status) == static_cast<uint64_t>(Status::kOk);
    if (mapped) {
      undo_.push_back(entries[i].id);
    } else if (ids_.find(entries[i].id.value) != nullptr) {
      ids_.erase(entries[i].id.value);
    }
  }
  (void)unmap(undo_);
  return why;
}

Result<void> CompanionDriver::unmap(std::span<const Gpa> ids) {
  Result<void> first;
  while (!ids.empty()) {
    const size_t part = std::min<size_t>(ids.size(), batch_);
    auto unmapped = unmap_batch(ids.first(part));
    if (!unmapped && first) first = std::move(unmapped);  // the others go all the same
    ids = ids.subspan(part);
  }
  return first;
}

Result<void> CompanionDriver::unmap_batch(std::span<const Gpa> ids) {
  for (uint32_t i = 0; i < ids.size(); ++i) {
    std::byte* record = request(i, layout_.unmap_request.bytes);
    put(record, layout_.unmap_request.id, ids[i].value);
    put(record, layout_.unmap_request.size, 0);
    if (ids_.find(ids[i].value) != nullptr) ids_.erase(ids[i].value);
  }
  if (ring(Command::kUnmap, static_cast<uint32_t>(ids.size())) == Status::kOk) return {};
  return reason();
}

}  // namespace dartboard::backend::dma
