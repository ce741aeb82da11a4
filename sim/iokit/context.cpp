// sim/iokit/context.cpp - see context.h.
#include "sim/iokit/context.h"

#include <IOKit/IOReturn.h>

#include "sim/iokit/iterator_object.h"
#include "sim/iokit/reserved_memory.h"

namespace dartboard::iokit {
namespace {

/// Hears that the kernel goes, while its objects still exist: names must not outlive what they name.
class ShutdownHook final : public macos::DriverMatcher {
 public:
  ShutdownHook() { macos::register_driver_matcher(this); }
  void offer(macos::Kernel&, macos::PciNub&) override {}
  void shutdown(macos::Kernel&) override { Context::instance().reset(); }
};
ShutdownHook shutdown_hook;

}  // namespace

EntryObject::~EntryObject() { Context::instance().entry_names_.erase(entry.get()); }

namespace {
void note_client(sim::TraceKind kind, uint8_t detail, uint64_t id, const macos::Service& service) {
  Context& context = Context::instance();
  context.hash().add(context.timeline().now().value, kind, detail, id, service.id());
}
}  // namespace

ConnectionObject::ConnectionObject(macos::Ref<macos::UserClient> user_client, macos::Ref<macos::Service> opened,
                                   uint64_t call_ns_in)
    : PortObject(PortKind::kConnection), client(std::move(user_client)), service(std::move(opened)),
      call_ns(call_ns_in), id_(Context::instance().next_connection()) {
  note_client(sim::TraceKind::kClientOpened, 0, id_, *service);
}

ConnectionObject::~ConnectionObject() { close(); }

void ConnectionObject::close() {
  if (closed_) return;
  closed_ = true;
  note_client(sim::TraceKind::kClientClosing, 0, id_, *service);
  // The maps go with the connection; which of them and Stop comes first is not known of the real one. The dext may
  // free memory in Stop, so the maps go first.
  for (const ClientMap& map : maps) {
    if (map.reserved) release_reserved(map.address, map.length);
  }
  maps.clear();
  if (client->alive()) client->client_close();
  // Closed from inside one of its own calls, the client's Stop comes after that call.
  note_client(sim::TraceKind::kClientClosed, client->alive() ? 1 : 0, id_, *service);
}

void Context::create() { instance_ = new Context; }

void Context::attach(macos::Kernel* current) {
  // Names from another kernel that was not shut down first (a test's) are dropped here at the latest.
  reset();
  kernel_ = current;
  if (current == nullptr) return;
  timeline_ = &current->timeline();
  hash_ = &current->hash();
  calls_ = &current->calls();
  panic_ = &current->panicked();
  connections_opened_ = 0;
}

PortName Context::name_of(macos::RegistryEntry& entry) {
  const auto known = entry_names_.find(&entry);
  if (known != entry_names_.end()) {
    handles_.retain(known->second);
    return known->second;
  }
  const PortName name = handles_.insert(new EntryObject(entry));
  if (name != kNoPort) entry_names_.emplace(&entry, name);
  return name;
}

macos::RegistryEntry* Context::entry(PortName name) const {
  const auto* object = handles_.find<EntryObject>(name, PortKind::kEntry);
  return object != nullptr ? object->entry.get() : nullptr;
}

macos::Service* Context::service(PortName name) const { return dynamic_cast<macos::Service*>(entry(name)); }

void Context::kill_client() {
  if (resetting_) return;
  resetting_ = true;
  for (const PortKind kind : {PortKind::kNotification, PortKind::kIterator, PortKind::kConnection}) {
    handles_.remove_all(kind);
  }
  handles_.for_each(PortKind::kReceive, [](PortObject& object) { static_cast<ReceiveRight&>(object).clear(); });
  resetting_ = false;
}

void Context::reset() {
  if (resetting_) return;   // closing a connection may end in a shutdown that comes back here
  resetting_ = true;
  for (const PortKind kind : {PortKind::kNotification, PortKind::kIterator, PortKind::kConnection, PortKind::kEntry,
                              PortKind::kDeadName}) {
    handles_.remove_all(kind);
  }
  // Receive rights are the client's: they stay, without the messages of the machine that is gone.
  handles_.for_each(PortKind::kReceive, [](PortObject& object) { static_cast<ReceiveRight&>(object).clear(); });
  kernel_ = nullptr;
  timeline_ = nullptr;
  hash_ = nullptr;
  calls_ = nullptr;
  panic_ = nullptr;
  resetting_ = false;
}

void Context::inspect(InspectNode& node) const {
  handles_.inspect(node);
  notifications_.inspect(node);
}

io_return::Code wrong_name(PortName name) {
  const PortKind kind = Context::instance().handles().kind(name);
  const bool absent = kind == PortKind::kFree || kind == PortKind::kDeadName;
  return absent ? static_cast<io_return::Code>(MACH_SEND_INVALID_DEST) : io_return::kBadArgument;
}

}  // namespace dartboard::iokit
