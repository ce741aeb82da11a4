// Availability.h - availability annotations. They restrict which system a program runs on; here they say nothing.
#pragma once

#include <os/availability.h>

#define __DRIVERKIT_AVAILABLE_STARTING(version)
#define __OSX_AVAILABLE(version)
#define __OSX_AVAILABLE_STARTING(mac, iphone)
