// backend/dma/reservation_strategy.cpp - see reservation_strategy.h.
#include "backend/dma/reservation_strategy.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "backend/dma/request.h"
#include "base/format.h"

namespace dartboard::backend::dma {
namespace {

/// Refusals that a smaller request, or another way, may get around.
bool can_degrade(const Error& error) {
  return error.name == ErrorName::kBudgetBytes || error.name == ErrorName::kBudgetMappings ||
         error.name == ErrorName::kMapperFailed || error.name == ErrorName::kNotSupported ||
         error.name == ErrorName::kBusy;  // the host has the address already, and no byte before it is RAM
}

}  // namespace

ReservationStrategy::ReservationStrategy(const GuestMemory& memory, Mapper& mapper, GuestPages& pages,
                                         const DeviceLimits& limits, const ReservationOptions& options,
                                         std::unique_ptr<Strategy> second)
    : memory_(memory),
      mapper_(mapper),
      pages_(pages),
      limits_(limits),
      options_(options),
      second_(std::move(second)),
      bus_(memory),
      device_(bus_, mapper, options.device),
      driver_(memory, pages, device_, *options.device.layout, options.batch_max),
      table_(memory, options.windows) {}

Result<void> ReservationStrategy::start() {
  if (driver_.started()) return fail(ErrorName::kBusy, fmt::format("{}: it is started already", name()));
  if (auto valid = WindowTable::check(options_.windows); !valid) return refused(valid);
  if (limits_.align_mask >= mapper_.budget().page_bytes) {
    return refused(Result<void>(
        fail(ErrorName::kNotSupported,
             fmt::format(
                 "{}: the device wants its buffers' address bits {:#x} kept; the mapper keeps what lies in its page of "
                 "{:#x}",
                 name(), limits_.align_mask, mapper_.budget().page_bytes))));
  }
  if (auto started = driver_.start(); !started) return refused(started);
  follow_memory();
  if (second_ == nullptr) return {};
  if (auto started = second_->start(); !started) {
    (void)stop();
    return refused(started);
  }
  return {};
}

Result<void> ReservationStrategy::quiesce() {
  if (auto quiet = mapper_.quiesce(); quiet) return quiet;
  return mapper_.quiesce();
}

Result<void> ReservationStrategy::stop() {
  if (device_.registrations() != 0 || driver_.started()) {
    if (auto quiet = quiesce(); !quiet) return quiet;
  }
  return end(second_ != nullptr ? second_->stop() : Result<void>{});
}

/// The device is quiet: nothing of the guest's part stays, and nothing of the host's.
Result<void> ReservationStrategy::end(Result<void> first) {
  auto released = device_.release_all();
  if (!released && first) first = std::move(released);
  device_.reset();
  live_.for_each([&](const LiveTable::Use& use) {
    note_written({use.gpa, use.bytes, use.direction, Context::kSleeping});
  });
  for (const auto& [gpa, use] : coherent_) {
    note_written({Gpa(gpa), use.bytes, Direction::kBidirectional, Context::kSleeping});
    pages_.release(Gpa(gpa), round_up(use.bytes, kGuestPageBytes));
  }
  live_.clear();
  coherent_.clear();
  table_.clear();
  driver_.stop();
  return first;
}

void ReservationStrategy::note_written(const MapRequest& request) {
  if (device_writes(request.direction)) log_.mark(request.gpa, request.bytes);
}

Result<void> ReservationStrategy::guest_reset() {
  const bool started = driver_.started();
  if (auto quiet = quiesce(); !quiet) return quiet;
  auto ended = end(second_ != nullptr ? second_->guest_reset() : Result<void>{});
  if (!started) return ended;
  auto again = driver_.start();
  return ended ? again : ended;
}

Result<void> ReservationStrategy::check(const MapRequest& request) const {
  if (!driver_.started()) return fail(ErrorName::kBusy, fmt::format("{}: it is not started", name()));
  if (auto base = check_request(memory_, request); !base) return tl::unexpected(base.error());
  if (request.bytes <= mapping_bytes_max()) return {};
  return fail(ErrorName::kBadArgument, fmt::format("{}: mapping {:#x} bytes; one mapping has {:#x} at most", name(),
                                                   request.bytes, mapping_bytes_max()));
}

Result<void> ReservationStrategy::check_reach(Iova iova, const MapRequest& request) const {
  if (auto reach = dma::check_reach(limits_, iova, request.bytes); !reach) return reach;
  if (((iova.value ^ request.gpa.value) & limits_.align_mask) == 0) return {};
  return fail(
      ErrorName::kNotSupported,
      fmt::format("{}: guest address {:#x} would be at device address {:#x}; the device wants the bits {:#x} kept, "
                  "so guest RAM has to be aligned to the mapper's page in this process",
                  name(), request.gpa.value, iova.value, limits_.align_mask));
}

/// RAM may have been added since; its pages are tracked before a mapping of them can end.
void ReservationStrategy::follow_memory() {
  const auto ranges = memory_.ranges();
  const auto same = [](const RamRange& a, const RamRange& b) { return a.gpa == b.gpa && a.bytes == b.bytes; };
  if (std::equal(ranges.begin(), ranges.end(), followed_.begin(), followed_.end(), same)) return;
  followed_.assign(ranges.begin(), ranges.end());
  log_.follow(memory_);
}

Result<void> ReservationStrategy::ask_host(Index index) {
  const WindowTable::Reservation& wanted = table_[index];
  CompanionEntry entry{wanted.gpa, wanted.bytes, {}, {}};
  follow_memory();
  auto mapped = driver_.map(std::span(&entry, 1));
  if (mapped) table_.set_mapped(index, entry.id, entry.iova);
  return mapped;
}

/// A use of a reservation that the host has mapped.
Result<ReservationStrategy::Index> ReservationStrategy::reserve(const MapRequest& request) {
  const Index index = table_.take(request.gpa, request.bytes, shape());
  if (table_[index].mapped) {
    ++counters_.hits;
    return index;
  }
  return reserve_anew(request, index);
}

Result<ReservationStrategy::Index> ReservationStrategy::reserve_anew(const MapRequest& request, Index fresh) {
  if (request.context == Context::kAtomic) {
    table_.drop(fresh);
    return fail(
        ErrorName::kNotSupported,
        compiled_text(FMT_COMPILE("{}: mapping guest address {:#x} has to ask the host, which a caller that may "
                                  "not sleep cannot wait for; map before, or use a pool"),
                      name(), request.gpa.value));
  }
  auto mapped = ask_host(fresh);
  if (mapped) return fresh;
  if (can_degrade(mapped.error()) && table_.idle() != 0) {
    ids_.clear();
    while (const auto id = table_.evict_idle()) ids_.push_back(*id);
    (void)driver_.unmap(ids_);
    mapped = ask_host(fresh);
    if (mapped) return fresh;
  }
  const bool window = table_[fresh].window;
  table_.drop(fresh);
  if (!window || !can_degrade(mapped.error())) return tl::unexpected(mapped.error());
  const Index exact = table_.take(request.gpa, request.bytes, WindowTable::Shape::kExact);
  if (!table_[exact].mapped) {
    if (auto own = ask_host(exact); !own) {
      table_.drop(exact);
      return tl::unexpected(own.error());
    }
  }
  ++counters_.degradations;
  return exact;
}

Result<void> ReservationStrategy::release(Index reservation) {
  const auto id = table_.give(reservation);
  return id ? driver_.unmap(std::span(&*id, 1)) : Result<void>{};
}

void ReservationStrategy::record(const Mapped& mapped, Index reservation) {
  live_.add(mapped, reservation);
  ++counters_.maps;
}

Result<Mapped> ReservationStrategy::map(const MapRequest& request) {
  if (auto valid = check(request); !valid) return refused(valid);
  if (request.context == Context::kAtomic && shape() == WindowTable::Shape::kExact) {
    return refused(Result<void>(
        fail(ErrorName::kNotSupported, fmt::format("{}: it asks the host, and the caller may not sleep", name()))));
  }
  const auto reserved = reserve(request);
  if (!reserved) {
    if (second_ != nullptr && can_degrade(reserved.error())) {
      if (auto mapped = second_->map(request)) {
        ++counters_.degradations;
        ++counters_.maps;
        return mapped;
      }
    }
    return refused(reserved);
  }
  const Mapped mapped{table_.iova_of(*reserved, request.gpa), request};
  if (auto reach = check_reach(mapped.iova, request); !reach) {
    (void)release(*reserved);
    return refused(reach);
  }
  record(mapped, *reserved);
  return mapped;
}

Result<std::vector<Mapped>> ReservationStrategy::map_many(std::span<const MapRequest> requests) {
  for (const MapRequest& request : requests) {
    if (request.context == Context::kAtomic) return Strategy::map_many(requests);
    if (auto valid = check(request); !valid) return refused(valid);
  }
  // What none has yet is asked for together.
  batch_.clear();
  entries_.clear();
  std::vector<Index> fresh;
  for (const MapRequest& request : requests) {
    const Index index = table_.take(request.gpa, request.bytes, shape());
    batch_.push_back(index);
    const WindowTable::Reservation& reservation = table_[index];
    if (reservation.mapped || reservation.uses != 1) continue;
    fresh.push_back(index);
    entries_.push_back({reservation.gpa, reservation.bytes, {}, {}});
  }
  if (!entries_.empty()) follow_memory();
  if (auto mapped = driver_.map(entries_); !mapped) {
    ids_.clear();
    for (const Index index : batch_) {
      if (!table_[index].mapped) {
        table_.drop(index);
      } else if (const auto id = table_.give(index)) {
        ids_.push_back(*id);
      }
    }
    (void)driver_.unmap(ids_);
    // One after the other each can degrade.
    if (can_degrade(mapped.error())) return Strategy::map_many(requests);
    return refused(mapped);
  }
  for (size_t i = 0; i < fresh.size(); ++i) table_.set_mapped(fresh[i], entries_[i].id, entries_[i].iova);
  counters_.hits += requests.size() - fresh.size();

  std::vector<Mapped> done;
  done.reserve(requests.size());
  Result<void> reach;
  for (size_t i = 0; i < requests.size() && reach; ++i) {
    done.push_back({table_.iova_of(batch_[i], requests[i].gpa), requests[i]});
    reach = check_reach(done.back().iova, requests[i]);
  }
  if (!reach) {
    ids_.clear();
    for (const Index index : batch_) {
      if (const auto id = table_.give(index)) ids_.push_back(*id);
    }
    (void)driver_.unmap(ids_);
    return refused(reach);
  }
  for (size_t i = 0; i < done.size(); ++i) record(done[i], batch_[i]);
  return done;
}

Result<void> ReservationStrategy::unmap(const Mapped& mapped) {
  return unmap_many(std::span(&mapped, 1));
}

Result<void> ReservationStrategy::unmap_many(std::span<const Mapped> mapped) {
  Result<void> first;
  ids_.clear();
  for (const Mapped& one : mapped) {
    const LiveTable::Use* use = live_.find(one);
    if (use != nullptr) {
      const Index reservation = use->reservation;
      live_.remove(use);
      note_written(one.request);
      ++counters_.unmaps;
      if (const auto id = table_.give(reservation)) ids_.push_back(*id);
      continue;
    }
    Result<void> other = second_ != nullptr ? second_->unmap(one) : Result<void>(refuse_unknown(one));
    if (other) {
      ++counters_.unmaps;
    } else {
      ++counters_.refusals;
      if (first) first = std::move(other);  // the others go all the same
    }
  }
  if (ids_.empty()) return first;
  auto unmapped = driver_.unmap(ids_);
  return first ? unmapped : first;
}

Result<void> ReservationStrategy::sync_for_cpu(const Mapped& mapped, uint64_t offset, uint64_t bytes) {
  if (live_.find(mapped) == nullptr) {
    return second_ != nullptr ? second_->sync_for_cpu(mapped, offset, bytes) : refuse_unknown(mapped);
  }
  return check_sync(mapped, offset, bytes);  // the bus is coherent and the memory is the guest's own
}
Result<void> ReservationStrategy::sync_for_device(const Mapped& mapped, uint64_t offset, uint64_t bytes) {
  if (live_.find(mapped) == nullptr) {
    return second_ != nullptr ? second_->sync_for_device(mapped, offset, bytes) : refuse_unknown(mapped);
  }
  return check_sync(mapped, offset, bytes);
}

Result<Coherent> ReservationStrategy::allocate_coherent(uint64_t bytes, Context context) {
  if (bytes == 0 || bytes > std::min(memory_.bytes(), mapping_bytes_max())) {
    return refused(Result<void>(
        fail(ErrorName::kBadArgument, fmt::format("coherent memory of {:#x} bytes: expected 1 to {:#x}", bytes,
                                                  std::min(memory_.bytes(), mapping_bytes_max())))));
  }
  const uint64_t whole = round_up(bytes, kGuestPageBytes);
  const auto gpa = pages_.allocate(whole);
  if (!gpa) return refused(gpa);
  const MapRequest request{*gpa, whole, Direction::kBidirectional, context};
  Result<Index> reserved = tl::unexpected(Error{});
  if (auto valid = check(request); !valid) {
    reserved = tl::unexpected(valid.error());
  } else if (context == Context::kAtomic && shape() == WindowTable::Shape::kExact) {
    reserved =
        fail(ErrorName::kNotSupported, fmt::format("{}: it asks the host, and the caller may not sleep", name()));
  } else {
    std::memset(memory_.at(*gpa, whole), 0, whole);  // before the device can see it
    reserved = reserve(request);
  }
  if (!reserved) {
    pages_.release(*gpa, whole);
    if (second_ != nullptr && can_degrade(reserved.error())) {
      if (auto coherent = second_->allocate_coherent(bytes, context)) {
        ++counters_.degradations;
        ++counters_.coherent_allocations;
        return coherent;
      }
    }
    return refused(reserved);
  }
  const Iova iova = table_.iova_of(*reserved, *gpa);
  if (auto reach = check_reach(iova, request); !reach) {
    (void)release(*reserved);
    pages_.release(*gpa, whole);
    return refused(reach);
  }
  coherent_.emplace(gpa->value, CoherentUse{bytes, *reserved});
  ++counters_.coherent_allocations;
  return Coherent{*gpa, iova, bytes};
}

Result<void> ReservationStrategy::free_coherent(const Coherent& coherent) {
  const auto found = coherent_.find(coherent.gpa.value);
  if (found == coherent_.end() || found->second.bytes != coherent.bytes) {
    if (second_ != nullptr && found == coherent_.end()) return second_->free_coherent(coherent);
    ++counters_.refusals;
    return fail(ErrorName::kNotFound, fmt::format("no coherent memory of {:#x} bytes is at guest address {:#x}",
                                                  coherent.bytes, coherent.gpa.value));
  }
  const Index reservation = found->second.reservation;
  coherent_.erase(found);
  note_written({coherent.gpa, coherent.bytes, Direction::kBidirectional, Context::kSleeping});
  auto released = release(reservation);
  pages_.release(coherent.gpa, round_up(coherent.bytes, kGuestPageBytes));
  return released;
}

uint64_t ReservationStrategy::mapping_bytes_max() const {
  // Both ends are rounded out to the mapper's pages.
  const uint64_t most = std::min(options_.device.region_bytes_max, mapper_.budget().bytes_max);
  const uint64_t edges = 2 * mapper_.budget().page_bytes;
  return most > edges ? most - edges : 0;
}

Result<void> ReservationStrategy::dirty(Gpa from, uint64_t bytes, uint64_t page_bytes, std::span<uint64_t> bitmap) {
  if (auto valid = check_bitmap(from, bytes, page_bytes, bitmap); !valid) return valid;
  if (auto marked = log_.collect(from, bytes, page_bytes, bitmap); !marked) return marked;
  live_.for_each([&](const LiveTable::Use& use) {
    if (device_writes(use.direction)) mark_dirty(from, bytes, page_bytes, bitmap, use.gpa, use.bytes);
  });
  for (const auto& [gpa, use] : coherent_) mark_dirty(from, bytes, page_bytes, bitmap, Gpa(gpa), use.bytes);
  return second_ != nullptr ? second_->dirty(from, bytes, page_bytes, bitmap) : Result<void>{};
}

const Counters& ReservationStrategy::counters() const {
  all_ = counters_;
  all_.guest_exits = driver_.exits();
  all_.host_maps = device_.stats().host_maps;
  all_.host_unmaps = device_.stats().host_unmaps;
  if (second_ != nullptr) {
    const Counters& second = second_->counters();
    all_.guest_exits += second.guest_exits;
    all_.host_maps += second.host_maps;
    all_.host_unmaps += second.host_unmaps;
    all_.bytes_copied += second.bytes_copied;
  }
  return all_;
}

void ReservationStrategy::inspect(InspectNode& node) const {
  node.value = std::string(name());
  node.child("live mappings", fmt::format("{}", live_.live()));
  node.child("coherent", fmt::format("{}", coherent_.size()));
  table_.inspect(node.child("reservations"));
  device_.inspect(node.child("device"));
  if (second_ != nullptr) second_->inspect(node.child("second choice"));
}

}  // namespace dartboard::backend::dma
