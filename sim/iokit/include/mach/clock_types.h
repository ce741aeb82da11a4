// mach/clock_types.h - Mach's time specification.
#pragma once

typedef int clock_res_t;
struct mach_timespec {
  unsigned int tv_sec;
  clock_res_t tv_nsec;
};
typedef struct mach_timespec mach_timespec_t;
