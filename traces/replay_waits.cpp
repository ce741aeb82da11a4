// traces/replay_waits.cpp - see replay_waits.h.
#include "traces/replay_waits.h"

#include <utility>

namespace dartboard::traces {

std::string_view to_string(WaitEnd end) {
  switch (end) {
    case WaitEnd::kValue: return "value";
    case WaitEnd::kDma: return "dma";
    case WaitEnd::kInterrupt: return "interrupt";
  }
  return "value";
}

bool WaitFinder::read(const Event& event, uint64_t value) {
  const bool same_place = run_.reads != 0 && run_.kind == event.kind && run_.target == event.target &&
                          run_.address == event.address && run_.length == event.length;
  if (same_place && run_.value == value) {
    ++run_.reads;
    dma_before_ = interrupt_before_ = false;
    return false;
  }
  bool waited = false;
  if (same_place) {
    Wait wait;
    wait.kind = event.kind;
    wait.target = event.target;
    wait.address = event.address;
    wait.length = event.length;
    wait.first_request = run_.request;
    wait.last_request = event.request;
    wait.polls = run_.reads + 1;
    wait.recorded_ns = event.time_ns - run_.time_ns;
    wait.from_value = run_.value;
    wait.to_value = value;
    wait.end = interrupt_before_ ? WaitEnd::kInterrupt : dma_before_ ? WaitEnd::kDma : WaitEnd::kValue;
    add(wait);
    run_.reads = 0;
    waited = true;
  } else {
    forget_run();
    if (dma_before_ && event.kind == EventKind::kHostRead) {
      end_dma(event);
      waited = true;
    }
  }
  run_ = {event.kind, event.target, event.address, event.length, value, 1, event.request, event.time_ns};
  dma_before_ = interrupt_before_ = false;
  return waited;
}

void WaitFinder::end_dma(const Event& event) {
  Wait wait;
  wait.kind = event.kind;
  wait.target = event.target;
  wait.address = event.address;
  wait.length = event.length;
  wait.first_request = last_write_.any ? last_write_.request : event.request;
  wait.last_request = event.request;
  wait.polls = 1;
  wait.recorded_ns = last_write_.any && event.time_ns >= last_write_.time_ns ? event.time_ns - last_write_.time_ns : 0;
  wait.end = interrupt_before_ ? WaitEnd::kInterrupt : WaitEnd::kDma;
  add(wait);
}

void WaitFinder::add(const Wait& wait) {
  ++report_.waits;
  report_.polls += wait.polls;
  report_.recorded_ns += wait.recorded_ns;
  if (report_.first.size() < kWaitsKept) report_.first.push_back(wait);
}

}  // namespace dartboard::traces
