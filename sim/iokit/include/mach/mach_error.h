// mach/mach_error.h - names of error codes.
#pragma once

#include <mach/kern_return.h>

typedef kern_return_t mach_error_t;

#ifdef __cplusplus
extern "C" {
#endif
/* The name of a kern_return_t or IOReturn; static text, never NULL. */
char* mach_error_string(mach_error_t error_value);
#ifdef __cplusplus
}
#endif
