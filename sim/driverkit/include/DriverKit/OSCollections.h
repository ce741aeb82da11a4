// DriverKit/OSCollections.h - the collection classes, and shortcuts for values in dictionaries.
#pragma once

#include <DriverKit/OSArray.h>
#include <DriverKit/OSBoolean.h>
#include <DriverKit/OSContainer.h>
#include <DriverKit/OSData.h>
#include <DriverKit/OSDictionary.h>
#include <DriverKit/OSNumber.h>
#include <DriverKit/OSObject.h>
#include <DriverKit/OSString.h>

#include <time.h>

bool OSDictionarySetValue(OSDictionary* dictionary, const char* key, OSObject* value);
bool OSDictionarySetStringValue(OSDictionary* dictionary, const char* key, const char* value);
bool OSDictionarySetUInt64Value(OSDictionary* dictionary, const char* key, uint64_t value);
bool OSDictionarySetDataValue(OSDictionary* dictionary, const char* key, const void* bytes, size_t length);
OSObject* OSDictionaryGetValue(const OSDictionary* dictionary, const char* key);
const char* OSDictionaryGetStringValue(const OSDictionary* dictionary, const char* key);
uint64_t OSDictionaryGetUInt64Value(const OSDictionary* dictionary, const char* key);
const void* OSDictionaryGetDataValue(const OSDictionary* dictionary, const char* key, size_t* length);
