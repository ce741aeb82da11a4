// tests/report/support.h - traces made up for the report: a few events by hand, and any number of them that look like a
// driver at work.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "traces/report/report.h"

namespace dartboard::traces {

/// Builds a batch event by event. Times are in ns.
class Script {
 public:
  EventBatch batch;
  uint64_t now_ns = 1'000'000;

  Script& after(uint64_t ns) { return now_ns += ns, *this; }
  Script& on(uint16_t device) { return device_ = device, *this; }
  Script& read(uint32_t bar, uint64_t offset, uint64_t value, uint64_t took_ns = 100, uint64_t length = 4);
  Script& write(uint32_t bar, uint64_t offset, uint64_t value, uint64_t length = 4);
  Script& config_read(uint64_t offset, uint64_t value);
  Script& config_write(uint64_t offset, uint64_t value);
  Script& map(uint32_t handle, uint64_t iova, uint64_t bytes, uint64_t status = 0);
  Script& unmap(uint32_t handle);
  Script& device_dma(EventKind kind, uint64_t iova, uint64_t bytes);
  Script& interrupt(IrqKind kind, uint64_t vector);
  Script& reset(uint64_t status = 0, std::string_view text = {});
  Script& mark(std::string_view text);

 private:
  Event event(EventKind kind, Source source, uint32_t target, uint64_t address, uint64_t length, uint64_t value);
  Payload bytes_of(uint64_t value, uint64_t length);
  Payload text(std::string_view text);
  uint16_t device_ = 0;
  uint64_t requests_ = 0;
};

/// One device with BAR0 (memory) and BAR2 (registers), a monotonic clock.
TraceInfo one_device();

/// `events` events of a driver that maps, fills rings, rings doorbells, polls and takes interrupts; in batches.
class SyntheticReader final : public EventReader {
 public:
  explicit SyntheticReader(uint64_t events);
  const TraceInfo& info() const override { return info_; }
  Result<bool> next(EventBatch* batch) override;
  const ReadReport& report() const override { return report_; }

 private:
  uint32_t random();
  TraceInfo info_ = one_device();
  ReadReport report_;
  uint64_t left_;
  Script script_;
  uint32_t state_ = 1;
  uint64_t round_ = 0;
};

/// Figures of what the script did.
ReportData report_of(Script& script, const TraceInfo& info = one_device(), ReportOptions options = {});

/// A trace with everything a report shows, and strings that try to be markup.
ReportData rich_report();
/// A trace whose events have no times.
ReportData untimed_report();

}  // namespace dartboard::traces
