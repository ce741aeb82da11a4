// mach/kern_return.h - the Mach result type and the codes that PCI clients and dexts meet.
#pragma once

typedef int kern_return_t;

#define KERN_SUCCESS 0
#define KERN_INVALID_ADDRESS 1
#define KERN_PROTECTION_FAILURE 2
#define KERN_NO_SPACE 3
#define KERN_INVALID_ARGUMENT 4
#define KERN_FAILURE 5
#define KERN_RESOURCE_SHORTAGE 6
#define KERN_INVALID_NAME 15
#define KERN_INVALID_TASK 16
#define KERN_INVALID_RIGHT 17
#define MACH_SEND_INVALID_DEST 0x10000003
#define MIG_BAD_ARGUMENTS (-304)
#define MIG_REPLY_MISMATCH (-301)
#define MIG_SERVER_DIED (-308)
