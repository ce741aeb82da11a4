// IOKit/OSMessageNotification.h - how notification messages are numbered. Values: xnu, the same file.
#pragma once

#include <IOKit/IOTypes.h>

enum {
  kFirstIOKitNotificationType = 100,
  kIOServicePublishNotificationType = 100,
  kIOServiceMatchedNotificationType = 101,
  kIOServiceTerminatedNotificationType = 102,
  kIOAsyncCompletionNotificationType = 150,
  kIOServiceMessageNotificationType = 160,
  kLastIOKitNotificationType = 199
};

enum { kOSNotificationMessageID = 53, kOSAsyncCompleteMessageID = 57 };

enum {
  kIOAsyncReservedIndex = 0,
  kIOAsyncReservedCount = 1,
  kIOAsyncCalloutFuncIndex = 1,
  kIOAsyncCalloutRefconIndex = 2,
  kIOAsyncCalloutCount = 3,
  kIOMatchingCalloutFuncIndex = 1,
  kIOMatchingCalloutRefconIndex = 2,
  kIOMatchingCalloutCount = 3,
  kIOInterestCalloutFuncIndex = 1,
  kIOInterestCalloutRefconIndex = 2,
  kIOInterestCalloutServiceIndex = 3,
  kIOInterestCalloutCount = 4
};

enum { kOSAsyncRef64Count = 8, kOSAsyncRef64Size = kOSAsyncRef64Count * 8 };
enum { kMaxAsyncArgs = 16 };
