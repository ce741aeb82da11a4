// mach/mach_init.h - the task's own port.
#pragma once

#include <mach/port.h>

#ifdef __cplusplus
extern "C" {
#endif
extern mach_port_t mach_task_self_;
#ifdef __cplusplus
}
#endif
#define mach_task_self() mach_task_self_
#define current_task() mach_task_self()
