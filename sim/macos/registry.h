// sim/macos/registry.h - the I/O registry: entries with properties, services that match, open, notify and terminate.
//
// What user space sees through IOKitLib (sim/iokit) and what dexts publish into (sim/driverkit).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/inspect.h"
#include "base/io_return.h"
#include "sim/macos/object.h"
#include "sim/macos/user_client.h"

namespace dartboard::macos {

/// A registry property: the plist types.
struct Property;
using PropertyArray = std::vector<Property>;
using PropertyDictionary = std::map<std::string, Property, std::less<>>;
using PropertyData = std::vector<uint8_t>;
struct PropertyNumber { uint64_t value = 0; unsigned bits = 64; };
struct Property {
  std::variant<bool, PropertyNumber, std::string, PropertyData, PropertyArray, PropertyDictionary> value;
};

class Registry;

/// A node of the service plane.
class RegistryEntry : public KernelObject {
 public:
  RegistryEntry(std::string name, std::string class_name);
  uint64_t id() const { return id_; }
  const std::string& name() const { return name_; }
  void set_name(std::string name) { name_ = std::move(name); }
  const std::string& location() const { return location_; }           ///< part after '@' ("0,0"); may be empty
  void set_location(std::string location) { location_ = std::move(location); }
  /// Most derived kernel class ("IOPCIDevice"); conforms_to also knows its ancestors.
  const std::string& class_name() const { return class_name_; }
  virtual bool conforms_to(std::string_view class_name) const;
  PropertyDictionary& properties() { return properties_; }
  const PropertyDictionary& properties() const { return properties_; }
  /// Somebody asked for one property by name (IORegistryEntry::getProperty). Copies of all of them do not count.
  virtual void property_read(std::string_view key);
  RegistryEntry* parent() const { return parent_; }
  const std::vector<Ref<RegistryEntry>>& children() const { return children_; }
  /// Puts `child` last among the children. A child that has a parent moves.
  void attach_child(Ref<RegistryEntry> child);
  /// Leaves the tree; the parent's reference goes with it.
  void detach_from_parent();
  std::string path() const;   ///< "IOService:/..."
  /// The registry this entry was added to, or null.
  Registry* registry() const { return registry_; }

 protected:
  friend class Registry;
  ~RegistryEntry() override;
  Registry* registry_ = nullptr;
  uint64_t id_ = 0;
  std::string name_, location_, class_name_;
  PropertyDictionary properties_;
  RegistryEntry* parent_ = nullptr;
  std::vector<Ref<RegistryEntry>> children_;
};

/// kIOMessage* values a service sends to whoever registered interest.
enum class ServiceMessage : uint32_t { kIsTerminated = 0xe0000010, kIsRequestingClose = 0xe0000100 };

class Service;

/// Somebody who wants a service's messages (IOServiceAddInterestNotification). Implemented by sim/iokit.
class Interest {
 public:
  virtual void message(Service& service, ServiceMessage message) = 0;
 protected:
  ~Interest() = default;
};

/// An entry that drives something: can be matched, opened by a user client, terminated.
class Service : public RegistryEntry {
 public:
  using RegistryEntry::RegistryEntry;
  /// IOServiceOpen: `type` is the client's. The default refuses with kUnsupported.
  virtual io_return::Code new_user_client(uint32_t type, Ref<UserClient>* client);
  /// Stops the service and its clients, tells the interested, removes it from matching.
  virtual void terminate();
  bool registered() const { return registered_; }     ///< RegisterService was called: user space can match it
  bool terminated() const { return terminated_; }
  /// Makes the service visible to matching and runs the publish hooks. Again: matches again, as on a Mac.
  void register_service();
  void add_interest(Interest* interest);
  void remove_interest(Interest* interest);

 protected:
  void notify(ServiceMessage message);
  bool registered_ = false;
  bool terminated_ = false;
  std::vector<Interest*> interests_;
};

/// Called when a service registers (matching notifications).
using PublishHook = std::function<void(Service&)>;

/// Told of every service that comes and goes, before anybody else (trace hash). Implemented by the kernel.
class ServiceLog {
 public:
  virtual void on_published(const Service& service) = 0;
  virtual void on_terminated(const Service& service) = 0;
 protected:
  ~ServiceLog() = default;
};

class Registry {
 public:
  Registry();
  RegistryEntry& root();
  /// Adds `entry` under `parent` and gives it an id (ids start at 0x100000001, count up, and start over at reset()).
  void add(Ref<RegistryEntry> entry, RegistryEntry& parent);
  /// Depth first, parents before children, children in order of attachment.
  void for_each(const std::function<void(RegistryEntry&)>& visit);
  RegistryEntry* find(uint64_t id);
  /// sim/iokit's matching notifications; hooks run in order of addition.
  int add_publish_hook(PublishHook hook);
  void remove_publish_hook(int token);
  void published(Service& service);
  void terminated(const Service& service);
  void set_log(ServiceLog* log) { log_ = log; }
  /// Empty tree, ids from the start; hooks stay.
  void reset();
  void inspect(InspectNode& node);

 private:
  ServiceLog* log_ = nullptr;
  uint64_t next_id_;
  Ref<RegistryEntry> root_;
  std::map<int, PublishHook> hooks_;
  int next_hook_ = 1;
};

}  // namespace dartboard::macos
