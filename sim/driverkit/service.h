// sim/driverkit/service.h - the two halves of a service: the dext's IOService object and its registry entry.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <DriverKit/IODispatchQueue.h>
#include <DriverKit/IOService.h>

#include "sim/driverkit/bundle.h"
#include "sim/driverkit/internal.h"
#include "sim/macos/registry.h"

namespace dartboard::macos {
class Kernel;
}

namespace dartboard::driverkit {

class DextUserClient;

struct NamedQueue {
  std::string name;
  IODispatchQueue* queue;  ///< retained
};

}  // namespace dartboard::driverkit

struct IOService_IVars {
  IOService* provider = nullptr;                         ///< retained
  IODispatchQueue* default_queue = nullptr;              ///< retained; made at first need
  std::vector<dartboard::driverkit::NamedQueue> queues;  ///< the other queues
  dartboard::macos::Ref<dartboard::macos::RegistryEntry> entry;
  dartboard::macos::Service* service = nullptr;                ///< `entry` if it is a service, else null
  dartboard::driverkit::DextUserClient* connection = nullptr;  ///< user clients: the kernel's side of them
  uint64_t session_id = 0;  ///< who this is to IOPCIDevice::Open; never 0 once attached
  uint32_t busy = 0;
  bool super_stopped = false;  ///< Stop(provider, SUPERDISPATCH) was called
};

namespace dartboard::driverkit {

/// The service's instance variables, even if its class forgot super::init().
IOService_IVars& variables(IOService* service);

/// The queue of that name, else the Default queue (also for null). Null only without a machine.
IODispatchQueue* service_queue(IOService* service, const char* name);

/// Instantiates IOUserClass `class_name` and calls init(). Null: no such class, or init() failed.
IOService* instantiate(std::string_view class_name);
/// Connects an object with its provider and registry entry.
void attach(IOService* service, IOService* provider, macos::Ref<macos::RegistryEntry> entry,
            macos::Service* as_service);
/// Gives up provider and entry: the object is no longer part of the machine.
void detach(IOService* service);
/// Calls Stop on the service's queue and checks that it reached IOService::Stop.
void stop(IOService* service, IOService* provider);

/// The registry entry of a service that a dext implements.
class DextService final : public macos::Service {
 public:
  /// `object` is the dext's side; the reference comes with it.
  DextService(std::string name, IOService* object);

  io_return::Code new_user_client(uint32_t type, macos::Ref<macos::UserClient>* client) override;
  /// Clients stop first, then the service; everything is released.
  void terminate() override;

  IOService* object() const { return object_; }
  /// Takes `properties` from a personality.
  void set_properties(const PlistValue& personality);
  /// Terminates soon: from dext code, where stopping at once would pull the rug.
  void terminate_later();
  /// The dext's process dies: its devices are closed under it, then the service goes, and a fresh process takes the
  /// device soon. What its code would have done is lost; its memory is reclaimed by the same Stop, which reaches nothing
  /// any more.
  void crash();
  void forget(DextUserClient* client);
  /// Start failed: leaves the registry without having been a service; Stop is not called.
  void abandon();

 private:
  ~DextService() override;
  IOService* object_;
  std::vector<macos::Ref<DextUserClient>> clients_;
};

/// A registry property made of a plist value.
macos::Property to_property(const PlistValue& value);

/// Session numbers start over: a boot is like any other boot.
void reset_sessions();

}  // namespace dartboard::driverkit
