// os/log.h - Apple's logging calls, as far as dexts and IOKit clients use them.
//
// Messages go to the log sink of the simulated Mac; without one their arguments are not even evaluated, as with a
// disabled log type on a Mac. Format strings may have {public} and {private} after the percent sign.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct os_log_s* os_log_t;
typedef uint8_t os_log_type_t;

enum {
  OS_LOG_TYPE_DEFAULT = 0x00,
  OS_LOG_TYPE_INFO = 0x01,
  OS_LOG_TYPE_DEBUG = 0x02,
  OS_LOG_TYPE_ERROR = 0x10,
  OS_LOG_TYPE_FAULT = 0x11,
};

#define OS_LOG_DEFAULT ((os_log_t)0)
#define OS_LOG_DISABLED ((os_log_t)-1)

/// Nonzero while somebody listens.
extern int dartboard_os_log_enabled;
void dartboard_os_log(os_log_t log, os_log_type_t type, const char* format, ...) __attribute__((format(os_log, 3, 4)));

os_log_t os_log_create(const char* subsystem, const char* category);

#define os_log_with_type(log, type, ...)                                                \
  do {                                                                                  \
    if (dartboard_os_log_enabled) dartboard_os_log((log), (type), __VA_ARGS__);         \
  } while (0)
#define os_log(log, ...) os_log_with_type(log, OS_LOG_TYPE_DEFAULT, __VA_ARGS__)
#define os_log_info(log, ...) os_log_with_type(log, OS_LOG_TYPE_INFO, __VA_ARGS__)
#define os_log_debug(log, ...) os_log_with_type(log, OS_LOG_TYPE_DEBUG, __VA_ARGS__)
#define os_log_error(log, ...) os_log_with_type(log, OS_LOG_TYPE_ERROR, __VA_ARGS__)
#define os_log_fault(log, ...) os_log_with_type(log, OS_LOG_TYPE_FAULT, __VA_ARGS__)
#define os_log_type_enabled(log, type) (dartboard_os_log_enabled != 0)

#ifdef __cplusplus
}
#endif
