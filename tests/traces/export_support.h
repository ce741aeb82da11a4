// tests/traces/export_support.h - a small recording with every kind of event in it, and files to write it to.
#pragma once

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "support.h"
#include "traces/event_stream.h"
#include "traces/export/exporters.h"
#include "traces/export/text.h"

namespace dartboard::traces {

/// Builds a batch of one device, an event every microsecond from 1 ms on.
class Recording {
 public:
  EventBatch batch;
  TraceInfo info;

  Recording() {
    info.devices.push_back({"0000:01:00.0", small_device()});
    info.source = "test";
    info.clock = Clock::kMonotonic;
  }

  Event& add(EventKind kind, Source source = Source::kGuest) {
    Event event;
    event.kind = kind;
    event.source = source;
    event.time_ns = time_ns_;
    time_ns_ += 1000;
    if (event.is_request()) event.request = requests_++;
    batch.events.push_back(event);
    return batch.events.back();
  }
  void read(uint32_t bar, uint64_t address, uint64_t width, uint64_t value, uint64_t duration_ns = 0) {
    Event& event = add(EventKind::kMmioRead);
    event.target = bar;
    event.address = address;
    event.length = width;
    reply({0, width, 0, duration_ns, bytes(value, width)});
  }
  void write(uint32_t bar, uint64_t address, uint64_t width, uint64_t value) {
    Event& event = add(EventKind::kMmioWrite);
    event.target = bar;
    event.address = address;
    event.length = width;
    event.data = bytes(value, width);
  }
  void map_bar(uint32_t bar, uint64_t address, uint64_t size) {
    add(EventKind::kMapBar).target = bar;
    reply({0, address, size, 0, {}});
  }
  void config_read(uint64_t address, uint64_t width, uint64_t value) {
    Event& event = add(EventKind::kConfigRead);
    event.address = address;
    event.length = width;
    reply({0, value, 0, 0, {}});
  }
  void config_write(uint64_t address, uint64_t width, uint64_t value) {
    Event& event = add(EventKind::kConfigWrite);
    event.address = address;
    event.length = width;
    event.value = value;
    reply({});
  }
  void dma_map(uint32_t handle, uint64_t iova, uint64_t size) {
    Event& event = add(EventKind::kDmaMap);
    event.target = handle;
    event.length = size;
    reply({0, iova, handle, 0, {}});
  }
  void dma_unmap(uint32_t handle) {
    add(EventKind::kDmaUnmap).target = handle;
    reply({});
  }
  void device_write(uint32_t handle, uint64_t iova, uint64_t length) {
    Event& event = add(EventKind::kDeviceDmaWrite, Source::kDevice);
    event.target = handle;
    event.address = iova;
    event.length = length;
    event.data = Payload::filled(std::byte{0}, length);
  }
  void interrupt(IrqKind kind, uint64_t vector) {
    Event& event = add(EventKind::kInterrupt, Source::kDevice);
    event.target = static_cast<uint32_t>(kind);
    event.value = vector;
  }
  void mark(std::string_view text) {
    Event& event = add(EventKind::kMark, Source::kRecorder);
    event.data = copied(text);
  }
  void reply(const Reply& reply) {
    batch.events.back().reply = static_cast<uint32_t>(batch.replies.size());
    batch.replies.push_back(reply);
  }
  Payload bytes(uint64_t value, uint64_t width) {
    std::byte* const to = batch.arena.allocate(width);
    for (uint64_t i = 0; i < width; ++i) to[i] = static_cast<std::byte>(value >> (8 * i));
    return Payload::of({to, width});
  }
  Payload copied(std::string_view text) {
    std::byte* const to = batch.arena.allocate(text.size());
    std::memcpy(to, text.data(), text.size());
    return Payload::of({to, text.size()});
  }

  /// A driver that starts a transfer by a doorbell and is interrupted, with something of everything around it.
  static Recording small() {
    Recording r;
    r.config_read(0, 4, 0x56781234);
    r.config_write(0x10, 4, 0xe0000000);
    r.map_bar(2, 0xf0000000, 4096);
    r.dma_map(7, 0x100000, 8192);
    r.read(2, 0x10, 4, 0xcafe, 500);
    r.write(2, 0x20, 4, 1);
    r.device_write(7, 0x100040, 64);
    r.interrupt(IrqKind::kMsix, 3);
    r.read(2, 0x14, 4, 0);
    r.dma_unmap(7);
    r.add(EventKind::kReset);
    r.reply({});
    r.mark("the end, \"really\"");
    return r;
  }

 private:
  uint64_t time_ns_ = 1'000'000;
  uint64_t requests_ = 0;
};

using Create = Result<std::unique_ptr<EventWriter>> (*)(const std::string&, const TraceInfo&, const WriteOptions&);

inline std::string contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Exported {
  std::string path;
  std::string text;
  std::vector<RecordCount> left_out;
  uint64_t events_left_out = 0;
};

/// Writes the recording in one batch to a file of the test's own.
inline Exported export_to(Create create, const std::string& name, const EventBatch& batch, const TraceInfo& info,
                          const WriteOptions& options = {}) {
  Exported out;
  out.path = write_file(name, "");
  auto writer = create(out.path, info, options);
  EXPECT_TRUE(writer) << writer.error().sentence;
  if (!writer) return out;
  EXPECT_TRUE((*writer)->write(batch));
  EXPECT_TRUE((*writer)->finish(info));
  out.left_out = (*writer)->left_out();
  out.events_left_out = (*writer)->events_left_out();
  out.text = contents_of(out.path);
  return out;
}

inline uint64_t count_of(const std::vector<RecordCount>& counts, std::string_view name) {
  uint64_t count = 0;
  for (const RecordCount& c : counts) {
    if (c.name == name) count += c.count;
  }
  return count;
}

}  // namespace dartboard::traces
