// traces/replay.cpp - the replay loop. Per request: one switch, one call of the target, one comparison; nothing is
// allocated unless something diverges.
#include "traces/replay.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include "traces/session_reader.h"

namespace dartboard::traces {

namespace {

/// Reads and fills go through a buffer of this size; writes of recorded bytes go as they are.
constexpr uint64_t kChunkBytes = 64 * kKiB;
constexpr uint64_t kSysmemPageBytes = 4096;

bool ends_replay(ErrorName name) {
  return name == ErrorName::kPlacement || name == ErrorName::kHostPanic || name == ErrorName::kWrongPlatform ||
         name == ErrorName::kInternal;
}

template <class T>
std::string hex_bytes(const T& data, uint64_t from, uint64_t count) {
  std::string out;
  for (uint64_t i = from; i < from + count; ++i) {
    if (i != from && i % 4 == 0) out += ' ';
    out += fmt::format("{:02x}", std::to_integer<unsigned>(data(i)));
  }
  return out;
}

/// The events of a reader one after the other.
class Cursor {
 public:
  explicit Cursor(EventReader& reader) : reader_(reader) {}
  /// The next event, or null at the end. It stays until the cursor has moved past its batch. `loaded` is told of each
  /// batch that comes in.
  template <class F>
  Result<const Event*> peek(F loaded) {
    while (next_ == batch_.events.size()) {
      if (ended_) return nullptr;
      next_ = 0;
      auto more = reader_.next(&batch_);
      if (!more) return tl::unexpected(more.error());
      ended_ = !*more;
      if (ended_) {
        batch_.clear();
        return nullptr;
      }
      if (Result<void> told = loaded(batch_); !told) return tl::unexpected(told.error());
    }
    return &batch_.events[next_];
  }
  void advance() { ++next_; }
  const EventBatch& batch() const { return batch_; }

 private:
  EventReader& reader_;
  EventBatch batch_;
  size_t next_ = 0;
  bool ended_ = false;
};

class Driver final : private MismatchSink {
 public:
  Driver(EventReader& guest, EventReader* device, ReplayTarget& target, const ReplayOptions& options)
      : guest_(guest),
        device_(device),
        target_(target),
        options_(options),
        chunk_(new std::byte[kChunkBytes]()),
        scratch_(options.rebase ? new std::byte[kChunkBytes] : nullptr) {
    if (device != nullptr) device_cursor_.emplace(*device);
    const TraceInfo& info = (device != nullptr ? *device : guest).info();
    for (const TraceDevice& d : info.devices) {
      std::array<BarKind, 6> kinds{};
      for (unsigned bar = 0; bar < 6; ++bar) kinds[bar] = d.description.bars[bar].kind;
      bar_kinds_.push_back(kinds);
    }
  }

  ReplayReport run() {
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

 private:
  /// One event of the guest's recording. False when the replay is to end here, by its options.
  bool step(const Event& event) {
    if (!event.is_request()) {
      if (device_ == nullptr) device_event(event, batch_);
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

  bool reached(const ReplayPoint& point, const Event& event) const {
    switch (point.unit) {
      case ReplayPoint::Unit::kNowhere: return false;
      case ReplayPoint::Unit::kRequest: return event.request >= point.value;
      case ReplayPoint::Unit::kTime: return event.time_ns - first_ns_ >= point.value;
    }
    return false;
  }

  void pass_gap(const Event& event, bool waited) {
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

  void stop(const Error& error) {
    report_.stopped = error;
    report_.stopped_at = last_request_;
  }

  // The device's side, from a recording of its own.
  // ---------------------------------------------------------------------------------
  Result<void> device_batch(const EventBatch& batch) { return target_.feed(batch); }
  /// Does what the device did up to the guest's request.
  void follow_device(const Event& event) {
    while (!report_.stopped) {
      const auto next = device_cursor_->peek([&](const EventBatch& batch) { return device_batch(batch); });
      if (!next) return stop(next.error());
      if (*next == nullptr || (*next)->request > event.request) return;
      const Event& there = **next;
      if (!there.is_request()) {
        device_event(there, device_cursor_->batch());
      } else if (there.request == event.request) {
        device_request_ = &there;
        device_reply_ = device_cursor_->batch().reply_of(there);
        if (!options_.by_register) compare_memory_write(event, there);
        // The last one of this number. It is needed for a while: to look further may bring in the next batch.
        return device_cursor_->advance();
      }
      device_cursor_->advance();
    }
  }
  /// What the device's recording still holds is fed, so that the device can tell what never came.
  void drain_device() {
    if (device_ == nullptr) return;
    for (;;) {
      const auto next = device_cursor_->peek([&](const EventBatch& batch) { return device_batch(batch); });
      if (!next) return stop(next.error());
      if (*next == nullptr) return;
      device_cursor_->advance();
    }
  }

  // Divergences.
  // -------------------------------------------------------------------------------------------------------
  void diverge(Layer layer, std::string expected, std::string got) {
    if (diverged_) return;
    diverged_ = true;
    if (!compared_) {
      ++report_.differences_before_from;
      return;
    }
    ++report_.divergences;
    if (report_.first.size() < kDivergencesKept) {
      const uint64_t at = event_ != nullptr ? event_->request : last_request_;
      report_.first.push_back({at, layer, std::move(expected), std::move(got)});
    }
  }
  void device_mismatch(std::string_view expected, std::string_view got) override {
    resync_ = true;
    diverge(Layer::kEndpoint, std::string(expected), std::string(got));
  }
  /// Compares how the request ended; true when it succeeded here and in the recording.
  template <class T>
  bool ended(const Result<T>& result) {
    const Reply* const reply = batch_.reply_of(*event_);
    const uint64_t recorded = reply == nullptr ? 0 : reply->status;
    if (result.has_value() && recorded == 0) [[likely]]
      return true;
    if (!result.has_value() && ends_replay(result.error().name)) {
      report_.stopped = result.error();
      return false;
    }
    if (result.has_value() != (recorded == 0)) {
      diverge(Layer::kReply, fmt::format("status {}", recorded),
              result.has_value() ? "status 0" : fmt::format("status 1: {}", result.error().sentence));
    }
    return false;
  }
  void compare(std::string_view what, uint64_t expected, uint64_t got) {
    if (expected == got) [[likely]]
      return;
    diverge(Layer::kReply, fmt::format("{} 0x{:x}", what, expected), fmt::format("{} 0x{:x}", what, got));
  }
  void compare_bytes(const Payload& expected, std::span<const std::byte> got, uint64_t at) {
    const uint64_t first = expected.first_difference(got);
    if (first == expected.length) [[likely]]
      return;
    if (options_.rebase && equal_rebased(expected, got, at)) return;
    diverge_at(Layer::kReply, first, at, expected, [&](uint64_t i) { return got[i]; });
  }
  template <class Got>
  void diverge_at(Layer layer, uint64_t first, uint64_t at, const Payload& expected, Got got) {
    const uint64_t from = round_down(first, 4);
    const uint64_t count = std::min<uint64_t>(16, expected.length - from);
    const std::string where = at + from == 0 && expected.length == count ? "" : fmt::format("+0x{:x}: ", at + from);
    diverge(layer, where + hex_bytes([&](uint64_t i) { return expected.at(i); }, from, count),
            where + hex_bytes(got, from, count));
  }

  /// Nobody but the two recordings can tell that a write to memory differs: the device does not see it.
  void compare_memory_write(const Event& got, const Event& expected) {
    const bool is_memory = expected.kind == EventKind::kHostWrite ||
                           (expected.kind == EventKind::kMmioWrite && bar_kind(expected) == BarKind::kMemory);
    if (!is_memory) return;
    if (got.kind != expected.kind || got.target != expected.target || got.address != expected.address ||
        got.length != expected.length) {
      diverge(Layer::kMemory, describe(expected), describe(got));
      return;
    }
    if (!expected.data.is_whole() || !got.data.is_whole()) {
      if (same_hash(expected.data, got.data)) return;
      diverge(Layer::kMemory, describe(expected), "other bytes, by their hash");
      return;
    }
    const uint64_t first = first_difference(expected.data, got.data);
    if (first == expected.length) return;
    diverge_at(Layer::kMemory, first, 0, expected.data, [&](uint64_t i) { return got.data.at(i); });
  }
  static std::string describe(const Event& e) {
    return fmt::format("{} of {} bytes at 0x{:x} of {}", to_string(e.kind), e.length, e.address, e.target);
  }
  static uint64_t first_difference(const Payload& a, const Payload& b) {
    if (!b.is_fill()) return a.first_difference({b.bytes, b.length});
    if (!a.is_fill()) return b.first_difference({a.bytes, a.length});
    return a.fill == b.fill ? a.length : 0;
  }

  static bool needs_reply(EventKind kind) {
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
  /// Equal as far as the recordings tell.
  static bool same_hash(const Payload& a, const Payload& b) {
    if (a.form != PayloadForm::kHash || b.form != PayloadForm::kHash) return true;
    return std::memcmp(a.bytes, b.bytes, 8) == 0;
  }
  BarKind bar_kind(const Event& event) const {
    if (event.device >= bar_kinds_.size() || event.target >= 6) return BarKind::kAbsent;
    return bar_kinds_[event.device][event.target];
  }

  // Requests.
  // ----------------------------------------------------------------------------------------------------------
  void request(const Event& e) {
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

  bool config_length(const Event& e) {
    if (e.length >= 1 && e.length <= 4) return true;
    diverge(Layer::kReply, "1 to 4 bytes", fmt::format("a configuration access of {} bytes", e.length));
    return false;
  }
  void config_read(const Event& e, const Reply& reply) {
    if (!config_length(e)) return;
    const auto width = static_cast<unsigned>(e.length);
    const auto value = target_.config_read(e.address, width);
    if (!ended(value)) return;
    const auto recorded = static_cast<uint32_t>(reply.value0);
    if (*value == recorded) [[likely]]
      return;
    // The device's own recording has the last word on what its guest read.
    if (device_ != nullptr && device_request_->kind == e.kind && device_request_->address == e.address &&
        device_reply_ != nullptr && device_request_ != &e && static_cast<uint32_t>(device_reply_->value0) != recorded) {
      return compare("value", recorded, *value);
    }
    ConfigVerdict verdict = target_.judge_config(e.address, width, recorded, *value);
    for (PolicyDifference& difference : verdict.differences) {
      if (compared_) note_policy(e, std::move(difference));
    }
    if (verdict.divergent != 0) compare("value", recorded, verdict.got);
  }
  void note_policy(const Event& e, PolicyDifference difference) {
    ++report_.policy_differences;
    for (PolicyDifference& known : report_.policy) {
      if (known.field != difference.field || known.offset != e.address) continue;
      ++known.count;
      return;
    }
    if (report_.policy.size() >= kPolicyDifferencesKept) return;
    difference.offset = e.address;
    difference.count = 1;
    difference.first_request = e.request;
    report_.policy.push_back(std::move(difference));
  }

  void config_write(const Event& e) {
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

  void map_sysmem(const Event& e, const Reply* reply) {
    const uint64_t count = round_up(e.length, kSysmemPageBytes) / kSysmemPageBytes;
    pages_.assign(count, 0);
    // Pages go where the device's recording has them: that is where its DMA goes.
    const Event& there = *device_request_;
    const Reply* placed = device_reply_;
    if (there.kind != e.kind || there.length != e.length || placed == nullptr || placed->status != 0) placed = reply;
    const bool known = placed != nullptr && placed->status == 0 &&
                       (placed->data.empty() || (placed->data.is_whole() && placed->data.length >= 8 * count));
    recorded_.clear();
    for (uint64_t i = 0; known && i < count; ++i) recorded_.push_back(page_of(*placed, i));
    const std::span<const std::byte> recorded = std::as_bytes(std::span<const uint64_t>(recorded_));
    if (!ended(target_.map_sysmem(e.target, e.length, e.value != 0, options_.rebase ? Payload() : Payload::of(recorded),
                                  pages_))) {
      return;
    }
    if (options_.rebase) {
      if (!recorded_.empty()) rebaser_.handed_out(e.target, recorded_, pages_);
      return;
    }
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t expected = page_of(*reply, i);
      if (expected == pages_[i]) continue;
      diverge(Layer::kReply, fmt::format("page {} at 0x{:x}", i, expected),
              fmt::format("page {} at 0x{:x}", i, pages_[i]));
      return;
    }
  }
  static uint64_t page_of(const Reply& reply, uint64_t page) {
    return reply.data.length < 8 * (page + 1) || !reply.data.is_whole() ? reply.value0 + page * kSysmemPageBytes
                                                                        : reply.data.le64(8 * page);
  }

  /// The next piece of [done, length) at `address`: a whole number of aligned 64-bit words unless it is the last, so
  /// that cutting never changes the accesses that a register BAR sees.
  static uint64_t piece(uint64_t address, uint64_t done, uint64_t length) {
    return std::min(kChunkBytes - ((address + done) & 7), length - done);
  }

  /// The guest's request after this one, as far as this batch knows.
  const Event* next_request() const {
    for (size_t i = position_ + 1; i < batch_.events.size(); ++i) {
      if (batch_.events[i].is_request()) return &batch_.events[i];
    }
    return nullptr;
  }

  void refuse_payload(const Event& e) {
    const PayloadPolicy policy = guest_.info().payloads;
    stop(Error{
        ErrorName::kNotSupported, io_return::kUnsupported,
        fmt::format("{} of {} bytes: the recording kept {} of its bytes (payload policy {}), and what it wrote or "
                    "answered must be known to replay it. Record with the payload policy full",
                    to_string(e.kind), e.length,
                    e.data.form == PayloadForm::kHash || policy == PayloadPolicy::kHash ? "a hash" : "nothing",
                    to_string(policy))});
  }

  template <class Write>
  void write(const Event& e, Write put) {
    if (!e.data.is_whole()) return refuse_payload(e);
    if (!e.data.is_fill()) [[likely]] {
      if (options_.rebase) return write_rebased(e, put);
      ended(put(e.address, {e.data.bytes, e.data.length}));
      return;
    }
    if (options_.rebase) rebaser_.overwritten(e, e.length);
    prepare_fill(e.data);
    for (uint64_t done = 0; done < e.length;) {
      const uint64_t count = piece(e.address, done, e.length);
      if (!ended(put(e.address + done, {chunk_.get(), count}))) return;
      done += count;
    }
  }

  template <class Write>
  void write_rebased(const Event& e, Write put) {
    for (uint64_t done = 0; done < e.length;) {
      const uint64_t count = piece(e.address, done, e.length);
      const std::span<const std::byte> recorded(e.data.bytes + done, count);
      const std::span<std::byte> bytes(scratch_.get(), count);
      std::memcpy(bytes.data(), recorded.data(), count);
      Event part = e;
      part.address += done;
      const Event* const next = count == 4 ? next_request() : nullptr;
      const bool substituted = rebaser_.rewrite(part, previous_, next, bytes) != 0 && e.kind == EventKind::kMmioWrite;
      if (substituted) target_.stands_for(e.target, part.address, recorded);
      const bool written = ended(put(part.address, bytes));
      if (substituted) target_.stands_for(e.target, part.address, {});
      if (!written) return;
      done += count;
    }
  }

  bool equal_rebased(const Payload& expected, std::span<const std::byte> got, uint64_t at) {
    const std::span<std::byte> rebased(scratch_.get(), got.size());
    expected.copy_to(0, rebased);
    if (!rebaser_.rebase_read(event_->kind, event_->target, event_->address + at, rebased)) return false;
    // The device may have written some of it again, with its recorded bytes.
    for (uint64_t i = 0; i < got.size(); ++i) {
      if (got[i] != rebased[i] && got[i] != expected.at(i)) return false;
    }
    return true;
  }

  template <class Read>
  void read(const Event& e, Read get) {
    const Reply& reply = *batch_.reply_of(e);
    if (!reply.data.is_whole()) return read_not_kept(e, reply, get);
    for (uint64_t done = 0; done < e.length;) {
      const uint64_t count = piece(e.address, done, e.length);
      const std::span<std::byte> data(chunk_.get(), count);
      if (!ended(get(e.address + done, data))) return;
      compare_bytes(reply.data.part(done, count), data, done);
      done += count;
    }
  }

  template <class Read>
  void read_not_kept(const Event& e, const Reply& reply, Read get) {
    // Registers answer from the recording, and it has nothing to answer with.
    if (reply.status == 0 && e.kind == EventKind::kMmioRead && bar_kind(e) == BarKind::kRegisters) {
      return refuse_payload(e);
    }
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    for (uint64_t done = 0; done < e.length;) {
      const uint64_t count = piece(e.address, done, e.length);
      const std::span<std::byte> data(chunk_.get(), count);
      if (!ended(get(e.address + done, data))) return;
      XXH3_64bits_update(&state, data.data(), data.size());
      done += count;
    }
    if (reply.data.form != PayloadForm::kHash) {
      ++report_.bytes_not_kept;
      return;
    }
    ++report_.compared_by_hash;
    uint64_t recorded = 0;
    for (unsigned i = 8; i-- > 0;) recorded = recorded << 8 | std::to_integer<uint64_t>(reply.data.bytes[i]);
    const uint64_t got = XXH3_64bits_digest(&state);
    if (got == recorded) return;
    diverge(Layer::kReply, fmt::format("{} bytes with hash 0x{:016x}", e.length, recorded),
            fmt::format("hash 0x{:016x}", got));
  }

  void prepare_fill(const Payload& data) {
    std::memset(chunk_.get(), std::to_integer<int>(data.fill), std::min(data.length, kChunkBytes));
  }

  // The device's own doings.
  // -------------------------------------------------------------------------------------------
  void device_event(const Event& e, const EventBatch&) {
    if (report_.stopped) return;
    waits_.device_event(e);
    switch (e.kind) {
      case EventKind::kDeviceDmaWrite:
        ++report_.device_dma_writes;
        perform(e);
        break;
      case EventKind::kDeviceMemory:
        ++report_.device_memory_changes;
        perform(e);
        break;
      case EventKind::kDeviceConfig:
        ++report_.device_config_changes;
        done(e, target_.device_config_change(e.address, static_cast<unsigned>(std::min<uint64_t>(e.length, 4)),
                                             static_cast<uint32_t>(e.value)));
        break;
      case EventKind::kInterrupt:
        ++report_.interrupts.recorded;
        if (e.target <= static_cast<uint32_t>(IrqKind::kRequest)) {
          done(e, target_.device_interrupt(static_cast<IrqKind>(e.target), static_cast<uint32_t>(e.value)));
        }
        break;
      default: break;
    }
  }
  /// False, with the divergence or the end noted, if it could not be done.
  bool done(const Event& e, const Result<void>& result) {
    if (result) [[likely]]
      return true;
    if (ends_replay(result.error().name)) {
      stop(result.error());
      report_.stopped_at = e.request;
    } else {
      diverge_device(e, result.error().sentence);
    }
    return false;
  }
  void diverge_device(const Event& e, const std::string& got) {
    if (device_ == nullptr) {
      // It belongs to the request that is about to come: that one diverges, once.
      event_ = &e;
      compared_ = options_.from.unit == ReplayPoint::Unit::kNowhere || reached(options_.from, e);
      diverged_ = device_diverged_ && device_diverged_at_ == e.request;
      device_diverged_ = true;
      device_diverged_at_ = e.request;
    }
    diverge(Layer::kDevice, fmt::format("{} of {} bytes at 0x{:x}", to_string(e.kind), e.length, e.address), got);
  }

  void perform(const Event& e) {
    if (!e.data.is_whole()) return refuse_payload(e);
    if (e.data.is_fill()) prepare_fill(e.data);
    for (uint64_t at = 0; at < e.length;) {
      uint64_t count = e.data.is_fill() ? std::min(kChunkBytes, e.length - at) : e.length - at;
      uint64_t address = e.address + at;
      if (options_.rebase && e.kind == EventKind::kDeviceDmaWrite) {
        if (const auto place = rebaser_.place_of(address)) {
          address = place->first;
          count = std::min(count, place->second);
        }
      }
      const std::span<const std::byte> data(e.data.is_fill() ? chunk_.get() : e.data.bytes + at, count);
      if (!done(e, e.kind == EventKind::kDeviceDmaWrite ? target_.device_dma_write(Iova(address), data)
                                                        : target_.device_memory_change(e.target, address, data))) {
        return;
      }
      at += count;
    }
  }

  EventReader& guest_;
  EventReader* const device_;  // null: the guest's recording has both sides
  ReplayTarget& target_;
  const ReplayOptions& options_;
  const std::unique_ptr<std::byte[]> chunk_;
  const std::unique_ptr<std::byte[]> scratch_;  // for rewritten bytes
  std::vector<std::array<BarKind, 6>> bar_kinds_;
  EventBatch batch_;     // of the guest
  size_t position_ = 0;  // in it
  std::optional<Cursor> device_cursor_;
  std::vector<uint64_t> pages_, recorded_;
  const Event* event_ = nullptr;           // the guest's request under way
  const Event* previous_ = nullptr;        // the one before, in the same batch
  const Event* device_request_ = nullptr;  // the same request in the device's recording (or the guest's own)
  const Reply* device_reply_ = nullptr;
  uint64_t last_request_ = 0;
  uint64_t first_ns_ = 0, last_ns_ = 0;
  bool diverged_ = false;         // this request already has its divergence
  bool compared_ = true;          // --from is behind us
  bool resync_ = false;           // the device saw this request differently
  bool device_diverged_ = false;  // what the device did before this request went wrong:
  uint64_t device_diverged_at_ = 0;
  WaitFinder waits_;
  Rebaser rebaser_;
  ReplayReport report_;
};

}  // namespace

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
  return Driver(guest, device, target, options).run();
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

}  // namespace dartboard::traces
