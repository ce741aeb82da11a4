// mach/mach_types.h - umbrella of the Mach types that IOKit's headers need.
#pragma once

#include <mach/boolean.h>
#include <mach/clock_types.h>
#include <mach/message.h>
#include <mach/port.h>
#include <mach/vm_prot.h>
#include <mach/vm_region.h>
#include <mach/vm_types.h>
