// mach/mach.h - umbrella of the Mach interfaces that IOKit clients use.
#pragma once

#include <mach/kern_return.h>
#include <mach/mach_error.h>
#include <mach/mach_init.h>
#include <mach/mach_port.h>
#include <mach/mach_types.h>
#include <mach/mach_vm.h>
#include <mach/message.h>
#include <mach/mig_errors.h>
