// DriverKit/IOTypes.h - the basic types; the virtual memory page of Apple silicon.
#pragma once

#include <IOKit/IOTypes.h>

#define IOVMPageSize 16384ull

#ifndef KERN_SUCCESS
#define KERN_SUCCESS 0
#endif
