// dispatch/dispatch.h - the part of libdispatch that IOKit clients use, on one deterministic thread.
//
// Queues run when the notification pump runs (sim/iokit/pump.h): items of one queue in order, queues in the order of
// their oldest item. Nothing runs behind the caller's back. Time is simulated time.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dispatch_object_s* dispatch_object_t;
typedef struct dispatch_object_s* dispatch_queue_t;
typedef struct dispatch_object_s* dispatch_queue_attr_t;
typedef struct dispatch_object_s* dispatch_semaphore_t;
typedef struct dispatch_object_s* dispatch_queue_global_t;
typedef struct dispatch_object_s* dispatch_queue_main_t;
typedef uint64_t dispatch_time_t;
typedef intptr_t dispatch_once_t;
typedef void (*dispatch_function_t)(void* context);
#ifdef __BLOCKS__
typedef void (^dispatch_block_t)(void);
#endif

#define DISPATCH_TIME_NOW ((dispatch_time_t)0ull)
#define DISPATCH_TIME_FOREVER (~(dispatch_time_t)0ull)
#define NSEC_PER_SEC 1000000000ull
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_USEC 1000ull

#define DISPATCH_QUEUE_SERIAL ((dispatch_queue_attr_t)0)
#define DISPATCH_QUEUE_CONCURRENT (&_dispatch_queue_attr_concurrent)
extern struct dispatch_object_s _dispatch_queue_attr_concurrent;

#define DISPATCH_QUEUE_PRIORITY_HIGH 2
#define DISPATCH_QUEUE_PRIORITY_DEFAULT 0
#define DISPATCH_QUEUE_PRIORITY_LOW (-2)
#define DISPATCH_QUEUE_PRIORITY_BACKGROUND INT16_MIN

#define QOS_CLASS_USER_INTERACTIVE 0x21
#define QOS_CLASS_USER_INITIATED 0x19
#define QOS_CLASS_DEFAULT 0x15
#define QOS_CLASS_UTILITY 0x11
#define QOS_CLASS_BACKGROUND 0x09

dispatch_queue_t dispatch_queue_create(const char* label, dispatch_queue_attr_t attr);
dispatch_queue_t dispatch_get_global_queue(intptr_t identifier, uintptr_t flags);
dispatch_queue_t dispatch_get_main_queue(void);
const char* dispatch_queue_get_label(dispatch_queue_t queue);
void dispatch_async_f(dispatch_queue_t queue, void* context, dispatch_function_t work);
void dispatch_sync_f(dispatch_queue_t queue, void* context, dispatch_function_t work);
void dispatch_once_f(dispatch_once_t* predicate, void* context, dispatch_function_t function);
#ifdef __BLOCKS__
void dispatch_async(dispatch_queue_t queue, dispatch_block_t block);
void dispatch_sync(dispatch_queue_t queue, dispatch_block_t block);
void dispatch_once(dispatch_once_t* predicate, dispatch_block_t block);
#endif

void dispatch_retain(dispatch_object_t object);
void dispatch_release(dispatch_object_t object);
void dispatch_suspend(dispatch_object_t object);
void dispatch_resume(dispatch_object_t object);

dispatch_time_t dispatch_time(dispatch_time_t when, int64_t delta_ns);
dispatch_semaphore_t dispatch_semaphore_create(intptr_t value);
/* Non-zero: nobody woke a thread. Always 0: there is only one thread. */
intptr_t dispatch_semaphore_signal(dispatch_semaphore_t dsema);
/* Zero on success. Lets queues run and time pass while waiting; non-zero when the time is over or nothing is left
   that could signal (on a Mac the latter would wait for ever). */
intptr_t dispatch_semaphore_wait(dispatch_semaphore_t dsema, dispatch_time_t timeout);

#ifdef __cplusplus
}
#endif
