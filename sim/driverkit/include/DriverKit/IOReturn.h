// DriverKit/IOReturn.h - see <IOKit/IOReturn.h>.
#pragma once
#include <IOKit/IOReturn.h>
