// sim/driverkit/service.cpp - IOService: lifecycle, queues, properties. Its registry entry is dext_service.cpp.
//
// Rules: xnu IOUserServer.cpp. Create only instantiates and attaches;
// the framework starts a user client after NewUserClient returned it, whose reference it consumes. A service whose
// Start fails is not published. Stop that does not reach IOService::Stop would leave a Mac waiting: a warning here.
#include "sim/driverkit/service.h"

#include <cstring>
#include <utility>

#include <DriverKit/IOKitKeys.h>
#include <DriverKit/IOUserClient.h>
#include <DriverKit/OSCollections.h>

#include "sim/driverkit/properties.h"
#include "sim/driverkit/queue.h"
#include "sim/driverkit/user_client.h"
#include "sim/macos/kernel.h"

namespace dartboard::driverkit {
namespace {

// Sessions of objects that have no registry id of their own; far away from registry ids.
constexpr uint64_t kFirstSession = uint64_t{1} << 62;
uint64_t next_session = kFirstSession;

void release_queues(IOService_IVars& iv) {
  for (const NamedQueue& named : iv.queues) named.queue->release();
  iv.queues.clear();
  OSSafeReleaseNULL(iv.default_queue);
}

void reclaim_service(OSMetaClassBase* object) {
  delete std::exchange(static_cast<IOService*>(object)->IOService::ivars, nullptr);
}
[[maybe_unused]] const bool reclaim_set = (gIOServiceMetaClassObject.reclaim = reclaim_service, true);

}  // namespace

IOService_IVars& variables(IOService* service) {
  IOService_IVars*& iv = service->IOService::ivars;
  if (iv == nullptr) iv = new IOService_IVars();
  return *iv;
}

IODispatchQueue* service_queue(IOService* service, const char* name) {
  IOService_IVars& iv = variables(service);
  if (name != nullptr) {
    for (const NamedQueue& named : iv.queues) {
      if (named.name == name) return named.queue;
    }
  }
  if (iv.default_queue == nullptr) service->CreateDefaultDispatchQueue(&iv.default_queue);
  return iv.default_queue;
}

IOService* instantiate(std::string_view class_name) {
  const OSMetaClass* meta = OSMetaClass::withName(std::string(class_name).c_str());
  if (meta == nullptr || !meta->derivesFrom(OSTypeID(IOService))) {
    report(LogLevel::kWarning, "IOUserClass %.*s is not a service class of any linked dext",
           static_cast<int>(class_name.size()), class_name.data());
    return nullptr;
  }
  auto* service = static_cast<IOService*>(meta->alloc());
  if (!service->init()) {
    report(LogLevel::kWarning, "%s: init() failed", meta->getClassName());
    service->release();
    return nullptr;
  }
  return service;
}

void attach(IOService* service, IOService* provider, macos::Ref<macos::RegistryEntry> entry,
            macos::Service* as_service) {
  IOService_IVars& iv = variables(service);
  iv.provider = provider;
  if (provider != nullptr) provider->retain();
  iv.session_id = entry && entry->id() != 0 ? entry->id() : next_session++;
  iv.service = as_service;
  iv.entry = std::move(entry);
}

void detach(IOService* service) {
  IOService_IVars& iv = variables(service);
  iv.service = nullptr;
  iv.connection = nullptr;
  iv.entry.reset();
  IOService* provider = std::exchange(iv.provider, nullptr);
  OSSafeReleaseNULL(provider);
}

void stop(IOService* service, IOService* provider) {
  IOService_IVars& iv = variables(service);
  iv.super_stopped = false;
  service->Stop(provider);
  // What Stop left to its queues (cancel handlers) may still call Stop on its super class.
  macos::Kernel* kernel = macos::Kernel::current();
  if (kernel != nullptr && kernel->executor().pending()) kernel->executor().run_until_idle();
  if (!iv.super_stopped) {
    report(LogLevel::kWarning, "%s::Stop did not call Stop(provider, SUPERDISPATCH); a Mac would never free it",
           service->getMetaClass()->getClassName());
  }
}

void reset_sessions() {
  next_session = kFirstSession;
}

}  // namespace dartboard::driverkit

using namespace dartboard::driverkit;  // NOLINT: the rest implements Apple's global names

// --- IOService ------------------------------------------------------------------------------------------------------

bool IOService::init() {
  variables(this);
  return OSObject::init();
}

void IOService::free() {
  if (IOService::ivars != nullptr) {
    release_queues(*IOService::ivars);
    IOService* provider = std::exchange(IOService::ivars->provider, nullptr);
    reclaim_service(this);
    OSSafeReleaseNULL(provider);
  }
  OSObject::free();
}

kern_return_t IOService::Start_Impl(IOService*) {
  return kIOReturnSuccess;
}

kern_return_t IOService::Stop_Impl(IOService*) {
  ivars->super_stopped = true;
  return kIOReturnSuccess;
}

void IOService::Stop_async_Impl(IOService* provider) {
  Stop(provider);
}
kern_return_t IOService::ClientCrashed_Impl(IOService*, uint64_t) {
  return kIOReturnUnsupported;
}
IOService* IOService::GetProvider() const {
  return ivars != nullptr ? ivars->provider : nullptr;
}

kern_return_t IOService::GetRegistryEntryID_Impl(uint64_t* registryEntryID) {
  if (registryEntryID == nullptr) return kIOReturnBadArgument;
  *registryEntryID = ivars->entry ? ivars->entry->id() : 0;
  return *registryEntryID != 0 ? kIOReturnSuccess : kIOReturnNotAttached;
}

kern_return_t IOService::SetName_Impl(const char* name) {
  if (name == nullptr) return kIOReturnBadArgument;
  if (!ivars->entry) return kIOReturnNotAttached;
  ivars->entry->set_name(std::string(name, strnlen(name, sizeof(IOServiceName) - 1)));
  return kIOReturnSuccess;
}

kern_return_t IOService::RegisterService_Impl() {
  if (ivars->service == nullptr) return kIOReturnNotAttached;
  if (ivars->service->terminated()) return kIOReturnOffline;
  ivars->service->register_service();
  return kIOReturnSuccess;
}

kern_return_t IOService::CreateDefaultDispatchQueue_Impl(IODispatchQueue** queue) {
  return IODispatchQueue::Create(kIOServiceDefaultQueueName, 0, 0, queue);
}

kern_return_t IOService::SetDispatchQueue_Impl(const char* name, IODispatchQueue* queue) {
  if (name == nullptr || queue == nullptr) return kIOReturnBadArgument;
  const std::string bounded(name, strnlen(name, sizeof(IODispatchQueueName) - 1));
  queue->retain();
  if (bounded == kIOServiceDefaultQueueName) {
    IODispatchQueue* old = std::exchange(ivars->default_queue, queue);
    OSSafeReleaseNULL(old);
  } else {
    bool replaced = false;
    for (NamedQueue& named : ivars->queues) {
      if (named.name != bounded) continue;
      std::exchange(named.queue, queue)->release();
      replaced = true;
    }
    if (!replaced) ivars->queues.push_back({bounded, queue});
  }
  if (ivars->connection != nullptr) ivars->connection->refresh_queue();
  return kIOReturnSuccess;
}

kern_return_t IOService::CopyDispatchQueue_Impl(const char* name, IODispatchQueue** queue) {
  if (name == nullptr || queue == nullptr) return kIOReturnBadArgument;
  *queue = nullptr;
  if (std::strcmp(name, kIOServiceDefaultQueueName) == 0) {
    *queue = service_queue(this, nullptr);
  } else {
    for (const NamedQueue& named : ivars->queues) {
      if (named.name == name) *queue = named.queue;
    }
  }
  if (*queue == nullptr) return kIOReturnNotFound;
  (*queue)->retain();
  return kIOReturnSuccess;
}

kern_return_t IOService::NewUserClient_Impl(uint32_t, IOUserClient**) {
  return kIOReturnUnsupported;
}

kern_return_t IOService::_NewUserClient_Impl(uint32_t type, OSDictionary*, IOUserClient** userClient) {
  return NewUserClient(type, userClient);
}

kern_return_t IOService::Create_Impl(IOService* provider, const char* propertiesKey, IOService** result) {
  if (result == nullptr || propertiesKey == nullptr) return kIOReturnBadArgument;
  *result = nullptr;
  if (provider != this) return kIOReturnUnsupported;
  if (!ivars->entry) return kIOReturnNotAttached;
  const auto& properties = ivars->entry->properties();
  const auto found =
      properties.find(std::string_view(propertiesKey, strnlen(propertiesKey, sizeof(IOPropertyName) - 1)));
  const auto* dictionary =
      found == properties.end() ? nullptr : std::get_if<dartboard::macos::PropertyDictionary>(&found->second.value);
  if (dictionary == nullptr) return kIOReturnBadArgument;
  const auto class_entry = dictionary->find(std::string_view(kIOUserClassKey));
  const auto* class_name =
      class_entry == dictionary->end() ? nullptr : std::get_if<std::string>(&class_entry->second.value);
  if (class_name == nullptr) return kIOReturnBadArgument;

  IOService* created = instantiate(*class_name);
  if (created == nullptr) return kIOReturnNoMemory;
  auto* registry = ivars->entry->registry();
  if (OSDynamicCast(IOUserClient, created) != nullptr) {
    auto entry = dartboard::macos::Ref<dartboard::macos::RegistryEntry>::adopt(
        new dartboard::macos::RegistryEntry(*class_name, "IOUserUserClient"));
    if (registry != nullptr) registry->add(entry, *ivars->entry);
    attach(created, this, entry, nullptr);
  } else {
    created->retain();  // one reference for the registry entry, one for the caller
    auto entry = dartboard::macos::Ref<DextService>::adopt(new DextService(*class_name, created));
    entry->properties() = *dictionary;
    if (registry != nullptr) registry->add(entry, *ivars->entry);
    attach(created, this, entry, entry.get());
  }
  *result = created;
  return kIOReturnSuccess;
}

kern_return_t IOService::Terminate_Impl(uint64_t) {
  if (ivars->service == nullptr) return kIOReturnNotAttached;
  if (OSDynamicCast(IOUserClient, this) != nullptr) return kIOReturnUnsupported;
  auto* service = dynamic_cast<DextService*>(ivars->service);
  if (service == nullptr) return kIOReturnUnsupported;
  service->terminate_later();
  return kIOReturnSuccess;
}

// --- properties -----------------------------------------------------------------------------------------------------

kern_return_t IOService::CopyProperties_Impl(OSDictionary** properties) {
  if (properties == nullptr) return kIOReturnBadArgument;
  *properties = nullptr;
  if (!ivars->entry) return kIOReturnNotAttached;
  *properties = to_dictionary(ivars->entry->properties());
  return kIOReturnSuccess;
}

kern_return_t IOService::SearchProperty_Impl(const char* name, const char*, uint64_t options, OSContainer** property) {
  if (name == nullptr || property == nullptr) return kIOReturnBadArgument;
  *property = nullptr;
  const std::string key(name, strnlen(name, sizeof(IOPropertyName) - 1));
  for (dartboard::macos::RegistryEntry* e = ivars->entry.get(); e != nullptr; e = e->parent()) {
    const auto found = e->properties().find(key);
    if (found != e->properties().end()) {
      *property = to_container(found->second);
      e->property_read(key);
      return kIOReturnSuccess;
    }
    if ((options & kIOServiceSearchPropertyParents) == 0) break;
  }
  return kIOReturnNotFound;
}

kern_return_t IOService::SetProperties_Impl(OSDictionary* properties) {
  if (properties == nullptr) return kIOReturnBadArgument;
  if (!ivars->entry) return kIOReturnNotAttached;
  auto& into = ivars->entry->properties();
  properties->iterateObjects(^bool(OSObject* key, OSObject* value) {
    const OSString* name = OSDynamicCast(OSString, key);
    if (name != nullptr) into.insert_or_assign(name->getCStringNoCopy(), from_object(value));
    return false;
  });
  return kIOReturnSuccess;
}

kern_return_t IOService::RemoveProperty_Impl(OSString* propertyName) {
  if (propertyName == nullptr) return kIOReturnBadArgument;
  if (!ivars->entry) return kIOReturnNotAttached;
  auto& properties = ivars->entry->properties();
  const auto found = properties.find(std::string_view(propertyName->getCStringNoCopy()));
  if (found == properties.end()) return kIOReturnNotFound;
  properties.erase(found);
  return kIOReturnSuccess;
}

kern_return_t IOService::CopyProviderProperties_Impl(OSArray* propertyKeys, OSArray** properties) {
  if (properties == nullptr) return kIOReturnBadArgument;
  *properties = OSArray::withCapacity(4);
  if (!ivars->entry) return kIOReturnNotAttached;
  for (auto* e = ivars->entry->parent(); e != nullptr; e = e->parent()) {
    OSDictionary* all = to_dictionary(e->properties());
    if (propertyKeys != nullptr) {
      OSDictionary* some = OSDictionary::withCapacity(propertyKeys->getCount());
      for (uint32_t i = 0; i < propertyKeys->getCount(); ++i) {
        const OSString* key = OSDynamicCast(OSString, propertyKeys->getObject(i));
        OSObject* value = key != nullptr ? all->getObject(key) : nullptr;
        if (value != nullptr) some->setObject(key, value);
      }
      OSSafeReleaseNULL(all);
      all = some;
    }
    (*properties)->setObject(all);
    OSSafeReleaseNULL(all);
  }
  return kIOReturnSuccess;
}

kern_return_t IOService::CopyName_Impl(OSString** name) {
  if (name == nullptr) return kIOReturnBadArgument;
  *name = nullptr;
  if (!ivars->entry) return kIOReturnNotAttached;
  *name = OSString::withCString(ivars->entry->name().c_str());
  return kIOReturnSuccess;
}

kern_return_t IOService::StringFromReturn_Impl(IOReturn retval, OSString** str) {
  if (str == nullptr) return kIOReturnBadArgument;
  *str = OSString::withCString(std::string(dartboard::io_return::name(to_code(retval))).c_str());
  return kIOReturnSuccess;
}

// --- power and busy state: nothing on the simulated Mac waits for them -----------------------------------------------

kern_return_t IOService::JoinPMTree_Impl() {
  return kIOReturnSuccess;
}
kern_return_t IOService::SetPowerState_Impl(uint32_t) {
  return kIOReturnSuccess;
}
kern_return_t IOService::ChangePowerState_Impl(uint32_t powerFlags) {
  return SetPowerState(powerFlags);
}
kern_return_t IOService::SetPowerOverride_Impl(bool) {
  return kIOReturnSuccess;
}
kern_return_t IOService::RequireMaxBusStall_Impl(uint64_t) {
  return kIOReturnSuccess;
}

kern_return_t IOService::AdjustBusy_Impl(int32_t delta) {
  ivars->busy += static_cast<uint32_t>(delta);
  return kIOReturnSuccess;
}

kern_return_t IOService::GetBusyState_Impl(uint32_t* busyState) {
  if (busyState == nullptr) return kIOReturnBadArgument;
  *busyState = ivars->busy;
  return kIOReturnSuccess;
}
