// TargetConditionals.h - which Apple target a source is compiled for. Dexts are compiled with TARGET_OS_DRIVERKIT=1.
#pragma once

#ifndef TARGET_OS_DRIVERKIT
#define TARGET_OS_DRIVERKIT 0
#endif
#define TARGET_OS_MAC 1
#define TARGET_OS_OSX (!TARGET_OS_DRIVERKIT)
#define TARGET_OS_IPHONE 0
#define TARGET_OS_IOS 0
#define TARGET_OS_SIMULATOR 0
#define TARGET_CPU_ARM64 1
#define TARGET_CPU_X86_64 0
#define TARGET_CPU_X86 0
#define TARGET_RT_64_BIT 1
#define TARGET_RT_LITTLE_ENDIAN 1
#define TARGET_RT_BIG_ENDIAN 0
