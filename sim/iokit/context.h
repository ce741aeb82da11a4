// sim/iokit/context.h - the client process's side of the kernel boundary: port names and the machine they belong to.
//
// IOKitLib has no context argument, so there is one Context a process. It attaches to macos::Kernel::current() at the
// first call and lets go when that kernel shuts down: from then on every name that came from it is invalid, as after
// the death of the host; notification ports are the client's own and stay, emptied.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/inspect.h"
#include "base/io_return.h"
#include "sim/core/trace_hash.h"
#include "sim/iokit/handle_table.h"
#include "sim/iokit/notification_queue.h"
#include "sim/macos/kernel.h"
#include "sim/macos/registry.h"
#include "sim/macos/user_client.h"

namespace dartboard::iokit {

/// Names in index 0 of the table: never allocated, so they can be constants.
inline constexpr PortName kTaskSelf = 0x203;
inline constexpr PortName kMainPort = 0x303;

/// A registry entry (or service) that user space has a name for.
class EntryObject final : public PortObject {
 public:
  explicit EntryObject(macos::RegistryEntry& entry) : PortObject(PortKind::kEntry), entry(&entry) {}
  ~EntryObject() override;
  macos::Ref<macos::RegistryEntry> entry;
};

/// One memory map of a connection. Lives until it is unmapped or the connection closes.
struct ClientMap {
  macos::Ref<macos::MemoryObject> memory;
  macos::Ref<macos::MemoryObject> copy;   ///< the pages of a map of copy-on-write memory; null: the memory's own
  uint64_t address = 0;
  uint64_t length = 0;
  bool reserved = false;      ///< no memory behind it: pages without access
  bool read_only = false;
};

/// An open connection: the object behind an io_connect_t.
class ConnectionObject final : public PortObject {
 public:
  ConnectionObject(macos::Ref<macos::UserClient> user_client, macos::Ref<macos::Service> opened, uint64_t call_ns);
  ~ConnectionObject() override;   ///< closes the user client if that was not done: the last send right went away
  /// Takes every map away and tells the dext (once). The user client takes no calls afterwards.
  void close();

  macos::Ref<macos::UserClient> client;
  macos::Ref<macos::Service> service;
  uint64_t call_ns;           ///< simulated cost of one call
  std::vector<ClientMap> maps;

 private:
  uint64_t id_;               ///< in the order of opening, for the trace
  bool closed_ = false;
};

class Context {
 public:
  /// The process's context. Never destroyed: clients may call from static destructors.
  static Context& instance() {
    if (instance_ == nullptr) [[unlikely]] create();
    return *instance_;
  }

  /// The machine that is on, attached to; null when there is none.
  macos::Kernel* kernel() {
    macos::Kernel* const current = macos::Kernel::current();
    if (current != kernel_) [[unlikely]] attach(current);
    return kernel_;
  }
  /// Like kernel(), but null and kNotResponding after a panic, kNoDevice without a machine.
  macos::Kernel* running_kernel(io_return::Code* code) {
    macos::Kernel* const current = kernel();
    *code = io_return::kSuccess;
    if (current != nullptr && !current->panicked().has_value()) [[likely]] return current;
    *code = current == nullptr ? io_return::kNoDevice : io_return::kNotResponding;
    return nullptr;
  }

  HandleTable& handles() { return handles_; }
  NotificationQueue& notifications() { return notifications_; }

  /// A name for `entry`: the one it has already with one more reference, else a new one. kNoPort: table full.
  PortName name_of(macos::RegistryEntry& entry);
  /// The entry or service behind a name, else null.
  macos::RegistryEntry* entry(PortName name) const;
  macos::Service* service(PortName name) const;

  /// What the calls of a connection need of the kernel, without going through it each time.
  model::Timeline& timeline() { return *timeline_; }
  sim::TraceHash& hash() { return *hash_; }
  macos::CallStats& calls() { return *calls_; }
  bool panicked() const { return panic_->has_value(); }
  /// The trace's name for the next connection.
  uint64_t next_connection() { return ++connections_opened_; }

  /// The program dies: the kernel closes its connections, and every name it had is dead.
  void kill_client();
  /// Every name from the machine becomes invalid, connections are closed, messages dropped.
  void reset();
  void inspect(InspectNode& node) const;

 private:
  friend class EntryObject;
  Context() = default;
  static void create();   // out of line: its callers are on the way of every access
  inline static Context* instance_ = nullptr;   // the simulation has one thread: no guard to ask on every call
  void attach(macos::Kernel* current);

  macos::Kernel* kernel_ = nullptr;
  model::Timeline* timeline_ = nullptr;
  sim::TraceHash* hash_ = nullptr;
  macos::CallStats* calls_ = nullptr;
  const std::optional<macos::Panic>* panic_ = nullptr;   ///< not null while there are connections
  uint64_t connections_opened_ = 0;   ///< in this run
  HandleTable handles_;
  NotificationQueue notifications_;
  std::map<const macos::RegistryEntry*, PortName> entry_names_;   ///< looked up only, never walked
  bool resetting_ = false;
};

/// A running machine's connection, else null with the code for the client. The user client behind it may be inactive.
inline ConnectionObject* find_connection_name(Context& context, PortName name, io_return::Code* code);
/// The same for a live user client only. The start of every connection call that does not ask the user client itself.
inline ConnectionObject* find_connection(Context& context, PortName name, io_return::Code* code);

/// The kIOReturn or Mach code for a name that is not what the call needs: MACH_SEND_INVALID_DEST when there is no such
/// name or it is dead, kIOReturnBadArgument when it names something else (IOUserClient.cpp, CHECK).
io_return::Code wrong_name(PortName name);

inline ConnectionObject* find_connection_name(Context& context, PortName name, io_return::Code* code) {
  // A live connection implies its machine: the names of a kernel go when it shuts down. So the way of every register
  // access asks for no more than the name and the panic.
  auto* const connection = context.handles().find<ConnectionObject>(name, PortKind::kConnection);
  if (connection == nullptr) [[unlikely]] {
    *code = wrong_name(name);
    return nullptr;
  }
  if (context.panicked()) [[unlikely]] {
    *code = io_return::kNotResponding;
    return nullptr;
  }
  return connection;
}

inline ConnectionObject* find_connection(Context& context, PortName name, io_return::Code* code) {
  ConnectionObject* const connection = find_connection_name(context, name, code);
  // The port outlives the service; the user client behind it is inactive (IOService::isInactive).
  if (connection != nullptr && !connection->client->alive()) [[unlikely]] {
    *code = io_return::kOffline;
    return nullptr;
  }
  return connection;
}

}  // namespace dartboard::iokit
