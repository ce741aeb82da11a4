// traces/replay.cpp - the replay loop. Per request: one switch, one call of the target, one comparison; nothing is
// allocated unless something diverges.
#include "traces/replay.h"

#include <array>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "traces/replay_driver.h"
#include "traces/session_reader.h"

namespace dartboard::traces {

std::string_view to_string(GapMode mode) {
  switch (mode) {
    case GapMode::kNone: return "none";
    case GapMode::kMin: return "min";
    case GapMode::kRecorded: return "recorded";
  }
  return "none";
}

std::string_view to_string(Layer layer) {
  switch (layer) {
    case Layer::kReply: return "reply";
    case Layer::kEndpoint: return "endpoint";
    case Layer::kMemory: return "memory";
    case Layer::kDevice: return "device";
  }
  return "reply";
}

bool ProbeQuery::matches(uint16_t vendor, uint16_t device, uint32_t class_code) const {
  if (vendor != vendor_id || (base_class != 0 && class_code >> 16 != base_class)) return false;
  if (filters.empty()) return true;
  for (uint64_t i = 0; i + 8 <= filters.length; i += 8) {
    const uint64_t pair = filters.le64(i);
    if ((device & static_cast<uint32_t>(pair)) == static_cast<uint32_t>(pair >> 32)) return true;
  }
  return false;
}

ReplayReport replay(EventReader& guest, EventReader* device, ReplayTarget& target, const ReplayOptions& options) {
  return ReplayDriver(guest, device, target, options).run();
}

ReplayReport replay(const Session& session, ReplayTarget& target, const ReplayOptions& options) {
  SessionReader reader(session);
  return replay(reader, nullptr, target, options);
}

ReplayReport replay(const Session& guest, const Session& device, ReplayTarget& target, const ReplayOptions& options) {
  if (&guest == &device) return replay(guest, target, options);
  SessionReader guest_reader(guest), device_reader(device);
  return replay(guest_reader, &device_reader, target, options);
}

ReplayReport ReplayDriver::run() {
  target_.start(*this);
  bool whole = true;
  while (!report_.stopped && whole) {
    const auto more = guest_.next(&batch_);
    if (!more) {
      stop(more.error());
      break;
    }
    if (!*more) break;
    report_.events += batch_.events.size();
    if (device_ == nullptr) {
      if (auto fed = target_.feed(batch_); !fed) {
        stop(fed.error());
        break;
      }
    }
    for (position_ = 0; position_ < batch_.events.size() && whole && !report_.stopped; ++position_) {
      whole = step(batch_.events[position_]);
    }
    previous_ = nullptr;
  }
  if (!report_.stopped && whole) drain_device();
  if (!report_.stopped && whole) {
    diverged_ = false;
    compared_ = true;
    event_ = nullptr;
    target_.finish();
  }
  if (options_.progress) options_.progress(report_.requests);
  report_.waits = waits_.finish();
  const uint64_t recorded = report_.interrupts.recorded;
  report_.interrupts = target_.interrupts();
  report_.interrupts.recorded = recorded;
  report_.rebase = std::move(rebaser_.report());
  return std::move(report_);
}

bool ReplayDriver::step(const Event& event) {
  if (!event.is_request()) {
    if (device_ == nullptr) device_event(event);
    return true;
  }
  if (report_.requests == 0) first_ns_ = last_ns_ = event.time_ns;
  if (reached(options_.until, event)) {
    report_.ended_by = "--until";
    return false;
  }
  compared_ = options_.from.unit == ReplayPoint::Unit::kNowhere || reached(options_.from, event);
  event_ = &event;
  diverged_ = device_diverged_ && device_diverged_at_ == event.request;
  resync_ = false;
  device_request_ = &event;
  device_reply_ = batch_.reply_of(event);
  if (device_ != nullptr) follow_device(event);
  const bool waited = waits_.request(event, batch_.reply_of(event));
  if (options_.gap != GapMode::kNone) pass_gap(event, waited);
  if (!report_.stopped) request(event);
  previous_ = &event;
  ++report_.requests;
  if (!compared_) ++report_.not_compared;
  last_request_ = event.request;
  if (resync_) target_.resync(event.request + 1);
  if (report_.stopped) {
    report_.stopped_at = event.request;
    return true;
  }
  if (options_.progress && report_.requests % options_.progress_every == 0) options_.progress(report_.requests);
  if (options_.stop_on_divergence && report_.divergences != 0) {
    report_.ended_by = "--stop-on-divergence";
    return false;
  }
  return true;
}

void ReplayDriver::pass_gap(const Event& event, bool waited) {
  uint64_t ns = 0;
  if (options_.gap == GapMode::kMin) {
    ns = waited ? options_.gap_ns : 0;
  } else if (event.time_ns > last_ns_) {
    ns = event.time_ns - last_ns_;
  }
  last_ns_ = event.time_ns;
  if (ns == 0) return;
  target_.pass_time(ns);
  report_.gap_ns += ns;
}

namespace {

bool needs_reply(EventKind kind) {
  switch (kind) {
    case EventKind::kProbe:
    case EventKind::kMapBar:
    case EventKind::kConfigRead:
    case EventKind::kMmioRead:
    case EventKind::kHostRead:
    case EventKind::kDmaMap: return true;
    default: return false;
  }
}

}  // namespace

template <class Write>
void ReplayDriver::write(const Event& e, Write put) {
  if (!e.data.is_whole()) return refuse_payload(e);
  if (!e.data.is_fill()) [[likely]] {
    if (options_.rebase) return write_rebased(e);
    ended(put(e.address, {e.data.bytes, e.data.length}));
    return;
  }
  write_fill(e);
}

template <class Read>
void ReplayDriver::read(const Event& e, Read get) {
  const Reply& reply = *batch_.reply_of(e);
  if (!reply.data.is_whole()) return read_not_kept(e, reply);
  for (uint64_t done = 0; done < e.length;) {
    const uint64_t count = piece(e.address, done, e.length);
    const std::span<std::byte> data(chunk_.get(), count);
    if (!ended(get(e.address + done, data))) return;
    compare_bytes(reply.data.part(done, count), data, done);
    done += count;
  }
}

void ReplayDriver::request(const Event& e) {
  const Reply* const reply = batch_.reply_of(e);
  if (reply == nullptr && needs_reply(e.kind)) [[unlikely]] {
    return stop(Error{ErrorName::kFileCorrupt, io_return::kBadArgument,
                      fmt::format("{}: the recording has no reply to it", to_string(e.kind))});
  }
  switch (e.kind) {
    case EventKind::kMmioWrite:
      write(e,
            [&](uint64_t offset, std::span<const std::byte> d) { return target_.region_write(e.target, offset, d); });
      break;
    case EventKind::kMmioRead:
      if (options_.by_register && reply->status == 0 && reply->data.is_whole())
        target_.expect_read(e.target, e.address, reply->data);
      read(e, [&](uint64_t offset, std::span<std::byte> d) { return target_.region_read(e.target, offset, d); });
      break;
    case EventKind::kHostWrite:
      write(e,
            [&](uint64_t offset, std::span<const std::byte> d) { return target_.sysmem_write(e.target, offset, d); });
      break;
    case EventKind::kHostRead:
      read(e, [&](uint64_t offset, std::span<std::byte> d) { return target_.sysmem_read(e.target, offset, d); });
      break;
    case EventKind::kConfigRead: config_read(e, *reply); break;
    case EventKind::kConfigWrite: config_write(e); break;
    case EventKind::kProbe: {
      if (!e.data.is_whole()) return refuse_payload(e);
      const auto count = target_.probe({static_cast<uint8_t>(e.address), static_cast<uint16_t>(e.value), e.data});
      if (ended(count)) compare("count", reply->value1, *count);
      break;
    }
    case EventKind::kMapBar: {
      const auto size = target_.map_bar(e.target);
      if (ended(size)) compare("size", reply->value1, *size);
      break;
    }
    case EventKind::kResizeBar: ended(target_.resize_bar(e.target, e.value)); break;
    case EventKind::kReset: ended(target_.reset()); break;
    case EventKind::kDmaMap: map_sysmem(e, reply); break;
    case EventKind::kDmaUnmap:
      ended(target_.unmap_sysmem(e.target));
      if (options_.rebase) rebaser_.given_back(e.target);
      break;
    case EventKind::kIrqSetup:
      if (e.target <= static_cast<uint32_t>(IrqKind::kRequest)) {
        ended(target_.irq_setup(static_cast<IrqKind>(e.target), static_cast<uint32_t>(e.address),
                                static_cast<uint32_t>(e.length), e.value != 0));
      }
      break;
    case EventKind::kPing:
    case EventKind::kDeviceMemory:
    case EventKind::kDeviceDmaRead:
    case EventKind::kDeviceDmaWrite:
    case EventKind::kInterrupt:
    case EventKind::kMark:
    case EventKind::kDeviceConfig: break;  // nobody below the guest is asked
  }
}

bool ReplayDriver::config_length(const Event& e) {
  if (e.length >= 1 && e.length <= 4) return true;
  diverge(Layer::kReply, "1 to 4 bytes", fmt::format("a configuration access of {} bytes", e.length));
  return false;
}

void ReplayDriver::config_read(const Event& e, const Reply& reply) {
  if (!config_length(e)) return;
  const auto width = static_cast<unsigned>(e.length);
  const auto value = target_.config_read(e.address, width);
  if (!ended(value)) return;
  const auto recorded = static_cast<uint32_t>(reply.value0);
  if (*value == recorded) [[likely]]
    return;
  config_differs(e, recorded, *value);
}

void ReplayDriver::config_write(const Event& e) {
  if (!config_length(e)) return;
  auto value = static_cast<uint32_t>(e.value);
  // The header holds addresses of the device's own windows, not of memory.
  if (options_.rebase && e.length == 4 && e.address >= 0x40) {
    std::array<std::byte, 4> bytes;
    std::memcpy(bytes.data(), &value, 4);
    rebaser_.rewrite(e, previous_, next_request(), bytes);
    std::memcpy(&value, bytes.data(), 4);
  }
  ended(target_.config_write(e.address, static_cast<unsigned>(e.length), value));
}

}  // namespace dartboard::traces
