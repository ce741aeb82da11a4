// dext/client/discovery.h - finding the dext's services in the registry.
#pragma once

#include <IOKit/IOKitLib.h>

#include <string>
#include <utility>
#include <vector>

#include "dext/client/client.h"

namespace dartboard::dext {

/// One reference to an IOKit object, given back on destruction.
class IoObject {
 public:
  IoObject() = default;
  explicit IoObject(io_object_t name) : name_(name) {}
  IoObject(IoObject&& other) noexcept : name_(std::exchange(other.name_, IO_OBJECT_NULL)) {}
  IoObject& operator=(IoObject&& other) noexcept {
    std::swap(name_, other.name_);
    return *this;
  }
  ~IoObject() {
    if (name_ != IO_OBJECT_NULL) IOObjectRelease(name_);
  }
  io_object_t get() const { return name_; }
  explicit operator bool() const { return name_ != IO_OBJECT_NULL; }

 private:
  io_object_t name_ = IO_OBJECT_NULL;
};

/// An open connection that closes itself.
class IoConnection {
 public:
  IoConnection() = default;
  explicit IoConnection(io_connect_t connect) : connect_(connect) {}
  IoConnection(IoConnection&& other) noexcept : connect_(other.release()) {}
  IoConnection& operator=(IoConnection&& other) noexcept {
    std::swap(connect_, other.connect_);
    return *this;
  }
  ~IoConnection() {
    if (connect_ != IO_OBJECT_NULL) IOServiceClose(connect_);
  }
  io_connect_t get() const { return connect_; }
  io_connect_t release() { return std::exchange(connect_, IO_OBJECT_NULL); }

 private:
  io_connect_t connect_ = IO_OBJECT_NULL;
};

/// A service of the dext that answered GetIdentity, and the connection that it was asked through.
struct FoundDevice {
  IoObject service;
  IoConnection connection;
  DeviceListing listing;
};

/// Asks every service of the dext for its identity, in registry order. Services that stop meanwhile are left out;
/// a refusal by macOS (entitlements) is the error.
Result<std::vector<FoundDevice>> find_devices();

/// GetIdentity on an open connection.
io_return::Code get_identity(io_connect_t connect, Identity* identity);

/// "pcic1-bridge/01:00.0 (1002:74a1)"
std::string device_text(const DeviceListing& listing);

}  // namespace dartboard::dext
