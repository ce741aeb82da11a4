// tests/report/support.cpp - see support.h.
#include "support.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/types.h"

namespace dartboard::traces {

Event Script::event(EventKind kind, Source source, uint32_t target, uint64_t address, uint64_t length, uint64_t value) {
  Event e;
  e.kind = kind;
  e.source = source;
  e.time_ns = now_ns;
  e.target = target;
  e.address = address;
  e.length = length;
  e.value = value;
  e.device = device_;
  e.request = source == Source::kGuest ? requests_++ : requests_;
  return e;
}

Payload Script::bytes_of(uint64_t value, uint64_t length) {
  if (length > 8) return Payload::filled(std::byte{0x5a}, length);
  std::byte* const bytes = batch.arena.allocate(length);
  for (uint64_t i = 0; i < length; ++i) bytes[i] = static_cast<std::byte>(value >> (8 * i));
  return Payload::of({bytes, length});
}

Payload Script::text(std::string_view text) {
  std::byte* const bytes = batch.arena.allocate(text.size());
  if (!text.empty()) std::memcpy(bytes, text.data(), text.size());
  return Payload::of({bytes, text.size()});
}

Script& Script::read(uint32_t bar, uint64_t offset, uint64_t value, uint64_t took_ns, uint64_t length) {
  Reply reply;
  reply.duration_ns = took_ns;
  reply.data = bytes_of(value, length);
  batch.add(event(EventKind::kMmioRead, Source::kGuest, bar, offset, length, 0), reply);
  return *this;
}

Script& Script::write(uint32_t bar, uint64_t offset, uint64_t value, uint64_t length) {
  Event e = event(EventKind::kMmioWrite, Source::kGuest, bar, offset, length, 0);
  e.data = bytes_of(value, length);
  batch.events.push_back(e);
  return *this;
}

Script& Script::config_read(uint64_t offset, uint64_t value) {
  Reply reply;
  reply.value0 = value;
  batch.add(event(EventKind::kConfigRead, Source::kGuest, 0, offset, 4, 0), reply);
  return *this;
}

Script& Script::config_write(uint64_t offset, uint64_t value) {
  batch.add(event(EventKind::kConfigWrite, Source::kGuest, 0, offset, 4, value), Reply());
  return *this;
}

Script& Script::map(uint32_t handle, uint64_t iova, uint64_t bytes, uint64_t status) {
  Reply reply;
  reply.status = status;
  reply.value0 = iova;
  batch.add(event(EventKind::kDmaMap, Source::kGuest, handle, 0, bytes, 1), reply);
  return *this;
}

Script& Script::unmap(uint32_t handle) {
  batch.add(event(EventKind::kDmaUnmap, Source::kGuest, handle, 0, 0, 0), Reply());
  return *this;
}

Script& Script::device_dma(EventKind kind, uint64_t iova, uint64_t bytes) {
  Event e = event(kind, Source::kDevice, 1, iova, bytes, 0);
  e.data = Payload::filled(std::byte{0}, bytes);
  batch.events.push_back(e);
  return *this;
}

Script& Script::interrupt(IrqKind kind, uint64_t vector) {
  batch.events.push_back(event(EventKind::kInterrupt, Source::kDevice, static_cast<uint32_t>(kind), 0, 0, vector));
  return *this;
}

Script& Script::reset(uint64_t status, std::string_view why) {
  Reply reply;
  reply.status = status;
  reply.data = text(why);
  batch.add(event(EventKind::kReset, Source::kGuest, 0, 0, 0, 0), reply);
  return *this;
}

Script& Script::mark(std::string_view words) {
  Event e = event(EventKind::kMark, Source::kRecorder, 0, 0, 0, 0);
  e.data = text(words);
  batch.events.push_back(e);
  return *this;
}

TraceInfo one_device() {
  TraceInfo info;
  info.clock = Clock::kMonotonic;
  info.source = "made up";
  TraceDevice device;
  device.address = "0000:01:00.0";
  device.description.name = "Network adapter";
  device.description.vendor_id = 0x1234;
  device.description.device_id = 0xabcd;
  device.description.bars[0] = {BarKind::kMemory, 16 * kMiB, true, true};
  device.description.bars[2] = {BarKind::kRegisters, 64 * kKiB, false, false};
  info.devices.push_back(device);
  return info;
}

SyntheticReader::SyntheticReader(uint64_t events) : left_(events) {}

uint32_t SyntheticReader::random() {
  // xorshift32 (Marsaglia 2003): the same everywhere.
  state_ ^= state_ << 13;
  state_ ^= state_ >> 17;
  return state_ ^= state_ << 5;
}

Result<bool> SyntheticReader::next(EventBatch* batch) {
  if (left_ == 0) return false;
  std::swap(script_.batch, *batch);
  script_.batch.clear();
  Script& s = script_;
  while (s.batch.events.size() < std::min<uint64_t>(left_, kBatchEvents)) {
    const uint64_t iova = 0x8000'0000 + (round_ % 4096) * 16 * kKiB;
    const auto handle = static_cast<uint32_t>(round_ % 512 + 1);
    if (round_ % 997 == 0) s.after(random() % 3'000'000).reset().after(200'000'000);
    if (round_ >= 512) s.after(300).unmap(handle);
    s.after(500 + random() % 2000).map(handle, iova, (1 + random() % 4) * 16 * kKiB);
    for (unsigned i = 0; i < 8; ++i)
      s.after(40 + random() % 60).write(0, (round_ * 8 + i) % 65536 * 16, uint64_t{random()} << 20 | i, 8);
    s.after(200).write(2, 0x1000 + 8 * (round_ % 4), round_ & 0xffff);
    s.after(400).device_dma(EventKind::kDeviceDmaRead, iova, 64);
    const unsigned polls = random() % 12;
    for (unsigned i = 0; i <= polls; ++i) s.after(900 + random() % 300).read(2, 0x20, i == polls ? 1 : 0, 600);
    s.after(100).device_dma(EventKind::kDeviceDmaWrite, iova + 4096, 1500);
    s.after(150).interrupt(IrqKind::kMsix, round_ % 4);
    s.after(2000).read(2, 0x24, random(), 700).after(800).write(2, 0x24, 0xffff'ffff);
    if (round_ % 64 == 63) s.after(random() % 40'000'000);
    ++round_;
  }
  std::swap(script_.batch, *batch);
  if (batch->events.size() > left_) batch->events.resize(left_);
  left_ -= batch->events.size();
  return true;
}

ReportData report_of(Script& script, const TraceInfo& info, ReportOptions options) {
  ReportBuilder builder(std::move(options));
  builder.add(script.batch);
  return builder.finish(info, ReadReport());
}

ReportData rich_report() {
  TraceInfo info = one_device();
  info.lossy = true;
  info.dropped_events = 12;
  info.dropped_bytes = 4096;
  info.notes = {"<b>bold</b> note"};
  info.devices.push_back(info.devices.front());
  info.devices[1].address = "<i>x</i>";
  info.devices[1].description.name = "</script><script>document.title = 'taken'</script>";
  ReadReport read;
  read.records = 5000;
  read.unknown = 2;
  read.kinds = {{"vfio_region_read", 3000, ""}, {"<u>kind</u>", 3, "because <of> & \"that\""}};
  read.first_unknown = {{17, "<img src=x onerror=\"document.title='taken'\">"}, {18, "caf\xe9 \xe2\x82"}};
  read.warnings = {"the file ends early <at> record 5000"};
  read.truncated = true;

  ReportOptions options;
  options.file = "/some/where/<trace> & co.log";
  options.name_of = [](const TraceDevice&, uint32_t space, uint64_t address) {
    return space == 2 && address == 0x20 ? std::string("STATUS<img src=x>") : std::string();
  };
  ReportBuilder builder(std::move(options));
  SyntheticReader reader(20'000);
  EventBatch batch;
  uint64_t last_ns = 0;
  while (reader.next(&batch).value_or(false)) {
    builder.add(batch);
    last_ns = batch.events.back().time_ns;
  }
  Script s;
  s.now_ns = last_ns;
  s.on(1).after(50'000).config_read(0, 0xabcd1234).after(1000).config_write(4, 6);
  s.after(1000).mark("</table><script>document.title='taken'</script>").after(10'000).reset(1, "no <reset> today");
  s.after(5'000'000).read(2, 0x20, 0, 2'000'000).after(3'000'000).interrupt(IrqKind::kMsi, 3);
  builder.add(s.batch);
  ReportData data = builder.finish(info, read);

  ReplayFigures replay;
  replay.world = "sim:<m1>";
  replay.requests = 9000;
  replay.requests_total = data.figures.requests;
  replay.divergences = 12;
  replay.first = {{5, Layer::kReply, "04 <05>", "04 06"}, {700, Layer::kMemory, "00", "\"ff\""}};
  replay.by_policy = {{"MSI address & data are the <host's>", 7}};
  replay.waits = {{800, 5'000'000, "vector <3>"}};
  replay.stopped = "the Mac <panicked>";
  replay.stopped_at = 9000;
  data.figures.replay = replay;
  return data;
}

ReportData untimed_report() {
  TraceInfo info = one_device();
  info.clock = Clock::kNone;
  ReportOptions options;
  options.file = "untimed.log";
  ReportBuilder builder(std::move(options));
  SyntheticReader reader(5000);
  EventBatch batch;
  while (reader.next(&batch).value_or(false)) {
    for (Event& event : batch.events) event.time_ns = 0;
    for (Reply& reply : batch.replies) reply.duration_ns = 0;
    builder.add(batch);
  }
  return builder.finish(info, ReadReport());
}

}  // namespace dartboard::traces
