/* tests/iokit/c_client.h - the C client's one function. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Finds the driver by class and property, opens it, calls selector 7 with 40 and 2, closes. Returns the first output,
   or UINT64_MAX with the failing call's code in *code. */
uint64_t c_client_add(const char* driver_class, int* code);

#ifdef __cplusplus
}
#endif
