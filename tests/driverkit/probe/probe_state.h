// tests/driverkit/probe/probe_state.h - what the probe did, for the tests to read.
#pragma once

#include <stdint.h>

class ProbeService;

struct ProbeLog {
  int inits = 0, frees = 0, starts = 0, stops = 0;
  int announced = 0;
  uint64_t announced_values[8] = {};
  uint32_t announced_count = 0;
  char announced_name[128] = {};
  int timer_fired = 0;
  uint64_t timer_time = 0;
  int own_async_completions = 0;
  bool ivars_null_before_start = false;
  // What it is to do.
  int start_result = 0;
  bool forget_super_stop = false;
  bool refuse_client = false;
  ProbeService* service = nullptr;   ///< the one that runs
};
extern ProbeLog probe_log;

enum { kProbeTable = 0, kProbeStructure = 1, kProbeDeadlock = 2, kProbeAsync = 3, kProbeLeak = 4, kProbeCopy = 5 };
