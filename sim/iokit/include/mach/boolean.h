// mach/boolean.h - Mach's truth value.
#pragma once

typedef int boolean_t;
#ifndef TRUE
#define TRUE 1
#define FALSE 0
#endif
