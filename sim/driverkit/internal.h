// sim/driverkit/internal.h - what the runtime's files share: reports, the process's state, conversions of codes.
#pragma once

#include <cstdint>

#include <DriverKit/IOReturn.h>

#include "base/io_return.h"
#include "sim/driverkit/runtime.h"

class IODispatchQueue;
class OSMetaClassBase;

namespace dartboard::driverkit {

/// The simulated dext process. One thread, so one of each.
struct Process {
  Stats stats;
  IODispatchQueue* current_queue = nullptr;  ///< the queue whose work is running right now (innermost)
};
extern Process process;

/// printf-style report of the runtime itself; counts warnings.
void report(LogLevel level, const char* format, ...) __attribute__((format(printf, 2, 3)));

inline kern_return_t to_kern(io_return::Code code) {
  return static_cast<kern_return_t>(code);
}
inline io_return::Code to_code(kern_return_t code) {
  return static_cast<io_return::Code>(code);
}

/// kIOReturnCannotLock: what a call gets that would deadlock on a Mac, where it gets nothing, for ever.
kern_return_t deadlock(const char* what, IODispatchQueue* queue);

/// Every object that is left is freed as the kernel frees a dead process's objects: the kernel's halves go, the dext's
/// code does not run. Returns how many there were.
uint64_t reclaim_all_objects();
/// Takes an object that lives as long as the program out of the list of live objects.
void make_immortal(OSMetaClassBase* object);

}  // namespace dartboard::driverkit
