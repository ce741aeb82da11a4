// sim/iokit/service.cpp - IOService*: matching, opening and closing services; connections other than their calls.
#include <IOKit/IOKitLib.h>

#include <cstring>
#include <string_view>

#include <algorithm>

#include "model/fault.h"
#include "sim/iokit/context.h"
#include "sim/iokit/iterator_object.h"
#include "sim/iokit/notification_port.h"
#include "sim/iokit/properties.h"
#include "sim/iokit/pump.h"
#include "sim/profile.h"

namespace dartboard::iokit {
namespace {

/// The matching dictionary of a call that takes it over: read, and released whatever becomes of the call.
class ConsumedMatching {
 public:
  explicit ConsumedMatching(CFDictionaryRef dictionary) : valid_(CFGetTypeID(dictionary) == CFDictionaryGetTypeID()) {
    if (valid_) properties_ = to_properties(dictionary);
    CFRelease(dictionary);
  }
  bool valid() const { return valid_; }
  macos::PropertyDictionary& properties() { return properties_; }

 private:
  bool valid_;
  macos::PropertyDictionary properties_;
};

bool known_main_port(mach_port_t port) { return port == MACH_PORT_NULL || port == kMainPort; }

CFMutableDictionaryRef one_key(const char* key, macos::Property value) {
  return create_cf(macos::PropertyDictionary{{key, std::move(value)}});
}

struct NotificationType {
  std::string_view name;
  MessageType type;
  bool first_only;
};
constexpr NotificationType kNotificationTypes[] = {
    {kIOPublishNotification, MessageType::kPublish, false},
    {kIOFirstPublishNotification, MessageType::kPublish, true},
    {kIOMatchedNotification, MessageType::kMatched, false},
    {kIOFirstMatchNotification, MessageType::kMatched, true},
    {kIOTerminatedNotification, MessageType::kTerminated, false},
    {kIOWillTerminateNotification, MessageType::kTerminated, false},
};

const NotificationType* notification_type(const char* name) {
  for (const NotificationType& type : kNotificationTypes) {
    if (name != nullptr && type.name == name) return &type;
  }
  return nullptr;
}

kern_return_t not_a_service(io_service_t name) { return static_cast<kern_return_t>(wrong_name(name)); }

}  // namespace
}  // namespace dartboard::iokit

using namespace dartboard::iokit;   // NOLINT: the C API below is this file's public face
using dartboard::macos::Kernel;
using dartboard::macos::PropertyNumber;
using dartboard::macos::Ref;
using dartboard::macos::RegistryEntry;
using dartboard::macos::Service;

extern "C" {

const mach_port_t kIOMainPortDefault = MACH_PORT_NULL;
const mach_port_t kIOMasterPortDefault = MACH_PORT_NULL;

kern_return_t IOMainPort(mach_port_t, mach_port_t* mainPort) {
  if (mainPort == nullptr) return kIOReturnBadArgument;
  *mainPort = kMainPort;
  return KERN_SUCCESS;
}

kern_return_t IOMasterPort(mach_port_t bootstrapPort, mach_port_t* mainPort) {
  return IOMainPort(bootstrapPort, mainPort);
}

CFMutableDictionaryRef IOServiceMatching(const char* name) {
  return name != nullptr ? one_key(kIOProviderClassKey, {std::string(name)}) : nullptr;
}

CFMutableDictionaryRef IOServiceNameMatching(const char* name) {
  return name != nullptr ? one_key(kIONameMatchKey, {std::string(name)}) : nullptr;
}

CFMutableDictionaryRef IOBSDNameMatching(mach_port_t, uint32_t, const char* bsdName) {
  return bsdName != nullptr ? one_key(kIOBSDNameKey, {std::string(bsdName)}) : nullptr;
}

CFMutableDictionaryRef IORegistryEntryIDMatching(uint64_t entryID) {
  return one_key(kIORegistryEntryIDKey, {PropertyNumber{entryID, 64}});
}

io_service_t IOServiceGetMatchingService(mach_port_t mainPort, CFDictionaryRef matching) {
  ConsumedMatching wanted(matching);
  Context& context = Context::instance();
  dartboard::io_return::Code code;
  Kernel* const kernel = context.running_kernel(&code);
  if (kernel == nullptr || !wanted.valid() || !known_main_port(mainPort)) return IO_OBJECT_NULL;
  const std::vector<Ref<Service>> found = find_matching(*kernel, wanted.properties());
  return found.empty() ? IO_OBJECT_NULL : context.name_of(*found.front());
}

// Other threads of the kernel have gone on since the last call: what they had to do is done before the look around.
kern_return_t IOServiceGetMatchingServices(mach_port_t mainPort, CFDictionaryRef matching, io_iterator_t* existing) {
  ConsumedMatching wanted(matching);
  Context& context = Context::instance();
  if (existing == nullptr || !wanted.valid()) return kIOReturnBadArgument;
  *existing = IO_OBJECT_NULL;
  if (!known_main_port(mainPort)) return MACH_SEND_INVALID_DEST;
  dartboard::io_return::Code code;
  Kernel* const kernel = context.running_kernel(&code);
  if (kernel == nullptr) return static_cast<kern_return_t>(code);
  dartboard::iokit::run_kernel();
  std::vector<Ref<RegistryEntry>> entries;
  for (const Ref<Service>& service : find_matching(*kernel, wanted.properties())) entries.emplace_back(service.get());
  *existing = context.handles().insert(new SnapshotIterator(std::move(entries)));
  return *existing != kNoPort ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

kern_return_t IOServiceAddMatchingNotification(IONotificationPortRef notifyPort, const io_name_t notificationType,
                                               CFDictionaryRef matching, IOServiceMatchingCallback callback,
                                               void* refCon, io_iterator_t* notification) {
  ConsumedMatching wanted(matching);
  Context& context = Context::instance();
  if (notification == nullptr || !wanted.valid()) return kIOReturnBadArgument;
  *notification = IO_OBJECT_NULL;
  const NotificationType* const type = dartboard::iokit::notification_type(notificationType);
  if (type == nullptr) return kIOReturnUnsupported;
  const PortName port = receive_right(notifyPort);
  if (port == kNoPort) return kIOReturnBadArgument;
  dartboard::io_return::Code code;
  Kernel* const kernel = context.running_kernel(&code);
  if (kernel == nullptr) return static_cast<kern_return_t>(code);
  auto* const object = new MatchingNotification(*kernel, type->type, type->first_only,
                                                std::move(wanted.properties()), port,
                                                reinterpret_cast<uint64_t>(callback),
                                                reinterpret_cast<uint64_t>(refCon));
  *notification = context.handles().insert(object);
  if (*notification == kNoPort) return KERN_RESOURCE_SHORTAGE;
  object->set_name(*notification);
  return KERN_SUCCESS;
}

kern_return_t IOServiceAddInterestNotification(IONotificationPortRef notifyPort, io_service_t service,
                                               const io_name_t interestType, IOServiceInterestCallback callback,
                                               void* refCon, io_object_t* notification) {
  Context& context = Context::instance();
  if (notification == nullptr || interestType == nullptr) return kIOReturnBadArgument;
  *notification = IO_OBJECT_NULL;
  dartboard::io_return::Code code;
  if (context.running_kernel(&code) == nullptr) return static_cast<kern_return_t>(code);
  Service* const target = context.service(service);
  if (target == nullptr) return not_a_service(service);
  const PortName port = receive_right(notifyPort);
  if (port == kNoPort || std::string_view(interestType) != kIOGeneralInterest) return kIOReturnBadArgument;
  if (target->terminated()) return kIOReturnNotFound;
  auto* const object = new InterestNotification(*target, port, reinterpret_cast<uint64_t>(callback),
                                                reinterpret_cast<uint64_t>(refCon));
  *notification = context.handles().insert(object);
  if (*notification == kNoPort) return KERN_RESOURCE_SHORTAGE;
  object->set_name(*notification);
  return KERN_SUCCESS;
}

kern_return_t IOServiceMatchPropertyTable(io_service_t service, CFDictionaryRef matching, boolean_t* does_match) {
  Service* const target = Context::instance().service(service);
  if (target == nullptr) return not_a_service(service);
  if (does_match == nullptr || CFGetTypeID(matching) != CFDictionaryGetTypeID()) return kIOReturnBadArgument;
  *does_match = dartboard::iokit::matches(to_properties(matching), *target);
  return KERN_SUCCESS;
}

kern_return_t IOServiceGetBusyState(io_service_t service, uint32_t* busyState) {
  if (Context::instance().service(service) == nullptr) return not_a_service(service);
  if (busyState == nullptr) return kIOReturnBadArgument;
  *busyState = 0;   // matching runs to its end before anybody can ask
  return KERN_SUCCESS;
}

kern_return_t IOServiceWaitQuiet(io_service_t service, mach_timespec_t*) {
  return Context::instance().service(service) != nullptr ? KERN_SUCCESS : not_a_service(service);
}

kern_return_t IOServiceRequestProbe(io_service_t service, uint32_t) {
  return Context::instance().service(service) != nullptr ? kIOReturnUnsupported : not_a_service(service);
}

kern_return_t IOServiceAuthorize(io_service_t service, uint32_t) {
  return Context::instance().service(service) != nullptr ? KERN_SUCCESS : not_a_service(service);
}

}  // extern "C"

namespace {

/// Other programs that open the same service: one that stays for a moment, or many that come and go.
void strike_open(Service& target, uint32_t type) {
  using dartboard::model::FaultKind;
  constexpr uint64_t kStorm = 32;
  uint64_t others = dartboard::model::fault(FaultKind::kClientRace, target.id()) ? 1 : 0;
  if (dartboard::model::fault(FaultKind::kClientReconnectStorm, target.id())) {
    others += std::min<uint64_t>(dartboard::model::fault_amount(FaultKind::kClientReconnectStorm, kStorm), 10'000);
  }
  for (uint64_t i = 0; i < others; ++i) {
    Ref<dartboard::macos::UserClient> other;
    if (target.new_user_client(type, &other) == dartboard::io_return::kSuccess && other) other->client_close();
  }
}

}  // namespace

extern "C" {

kern_return_t IOServiceOpen(io_service_t service, task_port_t owningTask, uint32_t type, io_connect_t* connect) {
  Context& context = Context::instance();
  if (connect == nullptr) return kIOReturnBadArgument;
  *connect = IO_OBJECT_NULL;
  dartboard::io_return::Code code;
  Kernel* const kernel = context.running_kernel(&code);
  if (kernel == nullptr) return static_cast<kern_return_t>(code);
  Service* const target = context.service(service);
  if (target == nullptr) return not_a_service(service);
  if (owningTask != kTaskSelf) return kIOReturnBadArgument;
  if (target->terminated()) return kIOReturnOffline;
  if (dartboard::model::faults_installed()) [[unlikely]] strike_open(*target, type);
  Ref<dartboard::macos::UserClient> client;
  code = target->new_user_client(type, &client);
  if (code != dartboard::io_return::kSuccess) return static_cast<kern_return_t>(code);
  if (!client) return kIOReturnInternalError;
  *connect = context.handles().insert(new ConnectionObject(std::move(client), Ref<Service>(target),
                                                           kernel->profile().timings.user_client_call_ns));
  return *connect != kNoPort ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

kern_return_t IOServiceClose(io_connect_t connect) {
  Context& context = Context::instance();
  context.kernel();   // lets go of a machine that is no longer on
  auto* const connection = context.handles().find<ConnectionObject>(connect, PortKind::kConnection);
  if (connection == nullptr) {
    const kern_return_t code = static_cast<kern_return_t>(wrong_name(connect));
    if (context.handles().kind(connect) == PortKind::kDeadName) context.handles().release(connect);
    return code;
  }
  context.handles().kill(connect);      // further references are to a dead name
  context.handles().release(connect);
  return KERN_SUCCESS;
}

kern_return_t IOConnectAddRef(io_connect_t connect) { return IOObjectRetain(connect); }
kern_return_t IOConnectRelease(io_connect_t connect) { return IOObjectRelease(connect); }

kern_return_t IOConnectGetService(io_connect_t connect, io_service_t* service) {
  Context& context = Context::instance();
  context.kernel();
  if (service == nullptr) return kIOReturnBadArgument;
  *service = IO_OBJECT_NULL;
  auto* const connection = context.handles().find<ConnectionObject>(connect, PortKind::kConnection);
  if (connection == nullptr) return static_cast<kern_return_t>(wrong_name(connect));
  *service = context.name_of(*connection->service);
  return *service != kNoPort ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

}  // extern "C"

// What a dext's user client does not offer: the kernel's defaults (IOUserClient.cpp).
namespace {
kern_return_t refuse(io_connect_t connect) {
  Context& context = Context::instance();
  dartboard::io_return::Code code;
  return find_connection(context, connect, &code) != nullptr ? kIOReturnUnsupported : static_cast<kern_return_t>(code);
}
}  // namespace

extern "C" {

kern_return_t IOConnectSetNotificationPort(io_connect_t connect, uint32_t, mach_port_t, uintptr_t) {
  return refuse(connect);
}
kern_return_t IOConnectSetCFProperties(io_connect_t connect, CFTypeRef) { return refuse(connect); }
kern_return_t IOConnectSetCFProperty(io_connect_t connect, CFStringRef, CFTypeRef) { return refuse(connect); }
kern_return_t IOConnectAddClient(io_connect_t connect, io_connect_t) { return refuse(connect); }
kern_return_t IOConnectTrap0(io_connect_t connect, uint32_t) { return refuse(connect); }
kern_return_t IOConnectTrap1(io_connect_t connect, uint32_t, uintptr_t) { return refuse(connect); }
kern_return_t IOConnectTrap2(io_connect_t connect, uint32_t, uintptr_t, uintptr_t) { return refuse(connect); }
kern_return_t IOConnectTrap3(io_connect_t connect, uint32_t, uintptr_t, uintptr_t, uintptr_t) {
  return refuse(connect);
}
kern_return_t IOConnectTrap4(io_connect_t connect, uint32_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t) {
  return refuse(connect);
}
kern_return_t IOConnectTrap5(io_connect_t connect, uint32_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t) {
  return refuse(connect);
}
kern_return_t IOConnectTrap6(io_connect_t connect, uint32_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
                             uintptr_t) {
  return refuse(connect);
}

}  // extern "C"
