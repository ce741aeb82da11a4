/* tests/iokit/c_client.c - a client in C11, as one would write it on a Mac: the headers must be C. */
#include "c_client.h"

#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitKeys.h>
#include <IOKit/IOKitLib.h>
#include <IOKit/IOMessage.h>
#include <dispatch/dispatch.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>

#include "sim/iokit/pump.h"

static void on_message(void* refcon, io_service_t service, uint32_t type, void* argument) {
  (void)service;
  (void)argument;
  if (type == kIOMessageServiceIsTerminated) *(int*)refcon = 1;
}

uint64_t c_client_add(const char* driver_class, int* code) {
  CFMutableDictionaryRef matching = IOServiceMatching("IOUserService");
  CFMutableDictionaryRef property =
      CFDictionaryCreateMutable(kCFAllocatorDefault, 0, &kCFTypeDictionaryKeyCallBacks, &kCFTypeDictionaryValueCallBacks);
  CFStringRef name = CFStringCreateWithCString(kCFAllocatorDefault, driver_class, kCFStringEncodingUTF8);
  CFDictionarySetValue(property, CFSTR(kIOUserClassKey), name);
  CFDictionarySetValue(matching, CFSTR(kIOPropertyMatchKey), property);
  CFRelease(name);
  CFRelease(property);
  io_service_t service = IOServiceGetMatchingService(kIOMainPortDefault, matching);
  if (service == IO_OBJECT_NULL) {
    *code = kIOReturnNotFound;
    return UINT64_MAX;
  }
  int terminated = 0;
  IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
  IONotificationPortSetDispatchQueue(port, dispatch_get_global_queue(DISPATCH_QUEUE_PRIORITY_HIGH, 0));
  io_object_t interest = IO_OBJECT_NULL;
  IOServiceAddInterestNotification(port, service, kIOGeneralInterest, on_message, &terminated, &interest);
  io_connect_t connect = IO_OBJECT_NULL;
  *code = IOServiceOpen(service, mach_task_self(), 0, &connect);
  uint64_t sum = UINT64_MAX;
  if (*code == KERN_SUCCESS) {
    const uint64_t in[2] = {40, 2};
    uint64_t out[1] = {0};
    uint32_t count = 1;
    *code = IOConnectCallMethod(connect, 7, in, 2, NULL, 0, out, &count, NULL, NULL);
    if (*code == KERN_SUCCESS && count == 1) sum = out[0];
    IOServiceClose(connect);
  }
  dartboard_iokit_pump();
  IOObjectRelease(interest);
  IOObjectRelease(service);
  IONotificationPortDestroy(port);
  return terminated ? UINT64_MAX : sum;
}
