// tests/fuzz/fuzz_qemu_log.cpp - libFuzzer's entry: any bytes as a QEMU log. Whatever comes out keeps the contract of
// EventBatch, and every line is counted once.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "traces/byte_source.h"
#include "traces/import/qemu_log.h"

using namespace dartboard::traces;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  detect_qemu_log({reinterpret_cast<const char*>(data), size});
  auto reader = open_qemu_log(ByteSource::of(bytes, "input"), {});
  require(reader.has_value());
  EventBatch batch;
  uint64_t events = 0, time_ns = 0, requests = 0;
  for (;;) {
    const auto more = (*reader)->next(&batch);
    if (!more || !*more) break;
    require(batch.first_event == events && batch.events.size() <= kBatchEvents);
    events += batch.events.size();
    for (const Event& event : batch.events) {
      const Reply* const reply = batch.reply_of(event);
      require((reply != nullptr) == (event.is_request() && event.kind != EventKind::kMmioWrite));
      require(event.time_ns >= time_ns && event.request == requests);
      if (event.kind == EventKind::kMmioRead) require(reply->status != 0 || reply->data.length == event.length);
      time_ns = event.time_ns;
      requests += event.is_request() ? 1 : 0;
    }
    for (const Event& event : batch.events) require(event.device < (*reader)->info().devices.size());
  }
  const ReadReport& report = (*reader)->report();
  uint64_t records = report.unknown;
  for (const RecordCount& kind : report.kinds) records += kind.count;
  require(records == report.records);
  require(!(*reader)->info().devices.empty());
  for (const TraceDevice& device : (*reader)->info().devices) {
    require(device.address.find('/') == std::string::npos);
    for (const BarDescription& bar : device.description.bars) require((bar.size & (bar.size - 1)) == 0);
  }
  return 0;
}
