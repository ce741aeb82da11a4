// mach/mig_errors.h - what MIG stubs return by themselves. Values: xnu osfmk/mach/mig_errors.h.
#pragma once

#include <mach/kern_return.h>

#ifndef MIG_TYPE_ERROR
#define MIG_TYPE_ERROR (-300)
#endif
#ifndef MIG_REPLY_MISMATCH
#define MIG_REPLY_MISMATCH (-301)
#endif
#ifndef MIG_BAD_ID
#define MIG_BAD_ID (-303)
#endif
#ifndef MIG_BAD_ARGUMENTS
#define MIG_BAD_ARGUMENTS (-304)
#endif
#ifndef MIG_ARRAY_TOO_LARGE
#define MIG_ARRAY_TOO_LARGE (-307)
#endif
#ifndef MIG_SERVER_DIED
#define MIG_SERVER_DIED (-308)
#endif
