// IOKit/IOKitKeys.h - names of planes, properties, matching keys and notification types.
// Values: xnu iokit/IOKit/IOKitKeys.h, IOKitKeysPrivate.h.
#pragma once

#define kIOServicePlane "IOService"
#define kIOPowerPlane "IOPower"
#define kIODeviceTreePlane "IODeviceTree"
#define kIOUSBPlane "IOUSB"

#define kIOServiceClass "IOService"
#define kIOResourcesClass "IOResources"

#define kIOClassKey "IOClass"
#define kIOProbeScoreKey "IOProbeScore"
#define kIOUserClassKey "IOUserClass"
#define kIOUserServerNameKey "IOUserServerName"
#define kIOBundleIdentifierKey "CFBundleIdentifier"

#define kIOProviderClassKey "IOProviderClass"
#define kIONameMatchKey "IONameMatch"
#define kIONameMatchedKey "IONameMatched"
#define kIOPropertyMatchKey "IOPropertyMatch"
#define kIOPropertyExistsMatchKey "IOPropertyExistsMatch"
#define kIOLocationMatchKey "IOLocationMatch"
#define kIOParentMatchKey "IOParentMatch"
#define kIOPathMatchKey "IOPathMatch"
#define kIOMatchCategoryKey "IOMatchCategory"
#define kIORegistryEntryIDKey "IORegistryEntryID"
#define kIOBSDNameKey "BSD Name"

#define kIOPublishNotification "IOServicePublish"
#define kIOFirstPublishNotification "IOServiceFirstPublish"
#define kIOMatchedNotification "IOServiceMatched"
#define kIOFirstMatchNotification "IOServiceFirstMatch"
#define kIOTerminatedNotification "IOServiceTerminate"
#define kIOWillTerminateNotification "IOServiceWillTerminate"

#define kIOGeneralInterest "IOGeneralInterest"
#define kIOBusyInterest "IOBusyInterest"
#define kIOAppPowerStateInterest "IOAppPowerStateInterest"
#define kIOPriorityPowerStateInterest "IOPriorityPowerStateInterest"
