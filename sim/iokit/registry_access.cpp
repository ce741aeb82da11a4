// sim/iokit/registry_access.cpp - IORegistry*: names, paths, properties and the tree, as user space sees them.
#include <IOKit/IOKitLib.h>

#include <cstring>
#include <string>
#include <string_view>

#include "sim/iokit/context.h"
#include "sim/iokit/core_foundation/cf_object.h"
#include "sim/iokit/iterator_object.h"
#include "sim/iokit/properties.h"

namespace dartboard::iokit {
namespace {

using macos::Kernel;
using macos::Ref;
using macos::RegistryEntry;
using Entries = std::vector<Ref<RegistryEntry>>;

/// The entry behind a name while its machine is on; else null and the code.
RegistryEntry* find_entry(PortName name, kern_return_t* code) {
  Context& context = Context::instance();
  io_return::Code refusal;
  RegistryEntry* entry = nullptr;
  if (context.running_kernel(&refusal) != nullptr) {
    entry = context.entry(name);
    refusal = entry != nullptr ? io_return::kSuccess : wrong_name(name);
  } else if (refusal == io_return::kNoDevice) {
    refusal = wrong_name(name);
  }
  *code = static_cast<kern_return_t>(refusal);
  return entry;
}

/// Only the service plane is modelled.
bool service_plane(const char* plane) { return plane != nullptr && std::string_view(plane) == kIOServicePlane; }

bool copy_text(std::string_view text, char* to, size_t room) {
  if (text.size() >= room) return false;
  std::memcpy(to, text.data(), text.size());
  to[text.size()] = 0;
  return true;
}

void collect_children(const RegistryEntry& entry, bool recursively, Entries* out) {
  for (const Ref<RegistryEntry>& child : entry.children()) {
    out->push_back(child);
    if (recursively) collect_children(*child, true, out);
  }
}

void collect_parents(const RegistryEntry& entry, bool recursively, Entries* out) {
  for (RegistryEntry* parent = entry.parent(); parent != nullptr; parent = parent->parent()) {
    out->emplace_back(parent);
    if (!recursively) return;
  }
}

Entries collect(const RegistryEntry& entry, IOOptionBits options) {
  Entries entries;
  const bool recursively = (options & kIORegistryIterateRecursively) != 0;
  if ((options & kIORegistryIterateParents) != 0) {
    collect_parents(entry, recursively, &entries);
  } else {
    collect_children(entry, recursively, &entries);
  }
  return entries;
}

kern_return_t make_iterator(Entries entries, io_iterator_t* iterator) {
  *iterator = Context::instance().handles().insert(new SnapshotIterator(std::move(entries)));
  return *iterator != kNoPort ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

kern_return_t iterate(io_registry_entry_t name, const char* plane, IOOptionBits options, io_iterator_t* iterator) {
  if (iterator == nullptr) return kIOReturnBadArgument;
  *iterator = IO_OBJECT_NULL;
  kern_return_t code;
  const RegistryEntry* const entry = find_entry(name, &code);
  if (entry == nullptr) return code;
  if (!service_plane(plane)) return kIOReturnBadArgument;
  return make_iterator(collect(*entry, options), iterator);
}

/// First neighbour in a direction; kIOReturnNoDevice if there is none, as IOKitLib reports an empty iterator.
kern_return_t first_neighbour(io_registry_entry_t name, const char* plane, IOOptionBits options,
                              io_registry_entry_t* neighbour) {
  if (neighbour == nullptr) return kIOReturnBadArgument;
  *neighbour = IO_OBJECT_NULL;
  kern_return_t code;
  const RegistryEntry* const entry = find_entry(name, &code);
  if (entry == nullptr) return code;
  if (!service_plane(plane)) return kIOReturnBadArgument;
  const Entries entries = collect(*entry, options);
  if (entries.empty()) return kIOReturnNoDevice;
  *neighbour = Context::instance().name_of(*entries.front());
  return KERN_SUCCESS;
}

std::string key_text(CFStringRef key) {
  const auto* text = cf_cast<__CFString>(key, CfType::kString);
  return text != nullptr ? text->text : std::string();
}

CFTypeRef create_property(RegistryEntry& entry, const std::string& key) {
  const auto found = entry.properties().find(key);
  if (found == entry.properties().end()) return nullptr;
  const CFTypeRef value = create_cf(found->second);
  entry.property_read(key);
  return value;
}

RegistryEntry* walk_path(Kernel& kernel, std::string_view path) {
  constexpr std::string_view kPlanePrefix = "IOService:/";
  if (path.substr(0, kPlanePrefix.size()) != kPlanePrefix) return nullptr;
  std::string_view rest = path.substr(kPlanePrefix.size());
  RegistryEntry* entry = &kernel.registry().root();
  while (!rest.empty() && entry != nullptr) {
    const size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
    RegistryEntry* next = nullptr;
    for (const Ref<RegistryEntry>& child : entry->children()) {
      const std::string located = child->name() + "@" + child->location();
      if (child->name() == part || located == part) {
        next = child.get();
        break;
      }
    }
    entry = next;
  }
  return entry;
}

}  // namespace
}  // namespace dartboard::iokit

using namespace dartboard::iokit;   // NOLINT: the C API below is this file's public face

extern "C" {

io_registry_entry_t IORegistryGetRootEntry(mach_port_t) {
  dartboard::io_return::Code code;
  Kernel* const kernel = Context::instance().running_kernel(&code);
  return kernel != nullptr ? Context::instance().name_of(kernel->registry().root()) : IO_OBJECT_NULL;
}

io_registry_entry_t IORegistryEntryFromPath(mach_port_t, const io_string_t path) {
  dartboard::io_return::Code code;
  Kernel* const kernel = Context::instance().running_kernel(&code);
  if (kernel == nullptr || path == nullptr) return IO_OBJECT_NULL;
  RegistryEntry* const entry = walk_path(*kernel, path);
  return entry != nullptr ? Context::instance().name_of(*entry) : IO_OBJECT_NULL;
}

kern_return_t IORegistryCreateIterator(mach_port_t mainPort, const io_name_t plane, IOOptionBits options,
                                       io_iterator_t* iterator) {
  const io_registry_entry_t root = IORegistryGetRootEntry(mainPort);
  const kern_return_t code = iterate(root, plane, options, iterator);
  IOObjectRelease(root);
  return code;
}

kern_return_t IORegistryEntryCreateIterator(io_registry_entry_t entry, const io_name_t plane, IOOptionBits options,
                                            io_iterator_t* iterator) {
  return iterate(entry, plane, options, iterator);
}

kern_return_t IORegistryEntryGetName(io_registry_entry_t entry, io_name_t name) {
  kern_return_t code;
  const RegistryEntry* const object = find_entry(entry, &code);
  if (object == nullptr) return code;
  if (name == nullptr) return kIOReturnBadArgument;
  const size_t length = object->name().copy(name, sizeof(io_name_t) - 1);
  name[length] = 0;
  return KERN_SUCCESS;
}

kern_return_t IORegistryEntryGetNameInPlane(io_registry_entry_t entry, const io_name_t plane, io_name_t name) {
  // An empty plane name means the name in no particular plane (IOKitLib).
  if (plane != nullptr && plane[0] != 0 && !service_plane(plane)) return kIOReturnBadArgument;
  return IORegistryEntryGetName(entry, name);
}

kern_return_t IORegistryEntryGetLocationInPlane(io_registry_entry_t entry, const io_name_t plane,
                                                io_name_t location) {
  kern_return_t code;
  const RegistryEntry* const object = find_entry(entry, &code);
  if (object == nullptr) return code;
  if (location == nullptr || (plane != nullptr && plane[0] != 0 && !service_plane(plane))) return kIOReturnBadArgument;
  if (object->location().empty()) return kIOReturnNotFound;
  return copy_text(object->location(), location, sizeof(io_name_t)) ? KERN_SUCCESS : kIOReturnBadArgument;
}

kern_return_t IORegistryEntryGetPath(io_registry_entry_t entry, const io_name_t plane, io_string_t path) {
  kern_return_t code;
  const RegistryEntry* const object = find_entry(entry, &code);
  if (object == nullptr) return code;
  if (path == nullptr || !service_plane(plane)) return kIOReturnBadArgument;
  return copy_text(object->path(), path, sizeof(io_string_t)) ? KERN_SUCCESS : kIOReturnBadArgument;
}

kern_return_t IORegistryEntryGetRegistryEntryID(io_registry_entry_t entry, uint64_t* entryID) {
  kern_return_t code;
  const RegistryEntry* const object = find_entry(entry, &code);
  if (object == nullptr) return code;
  if (entryID == nullptr) return kIOReturnBadArgument;
  *entryID = object->id();
  return KERN_SUCCESS;
}

kern_return_t IORegistryEntryCreateCFProperties(io_registry_entry_t entry, CFMutableDictionaryRef* properties,
                                                CFAllocatorRef, IOOptionBits) {
  kern_return_t code;
  const RegistryEntry* const object = find_entry(entry, &code);
  if (object == nullptr) return code;
  if (properties == nullptr) return kIOReturnBadArgument;
  *properties = create_cf(object->properties());
  return KERN_SUCCESS;
}

CFTypeRef IORegistryEntryCreateCFProperty(io_registry_entry_t entry, CFStringRef key, CFAllocatorRef, IOOptionBits) {
  kern_return_t code;
  RegistryEntry* const object = find_entry(entry, &code);
  return object != nullptr ? create_property(*object, key_text(key)) : nullptr;
}

CFTypeRef IORegistryEntrySearchCFProperty(io_registry_entry_t entry, const io_name_t plane, CFStringRef key,
                                          CFAllocatorRef, IOOptionBits options) {
  kern_return_t code;
  RegistryEntry* const object = find_entry(entry, &code);
  if (object == nullptr || !service_plane(plane)) return nullptr;
  const std::string text = key_text(key);
  if (CFTypeRef own = create_property(*object, text)) return own;
  if ((options & kIORegistryIterateRecursively) == 0) return nullptr;
  for (const Ref<RegistryEntry>& other : collect(*object, options)) {
    if (CFTypeRef found = create_property(*other, text)) return found;
  }
  return nullptr;
}

kern_return_t IORegistryEntrySetCFProperties(io_registry_entry_t entry, CFTypeRef) {
  kern_return_t code;
  return find_entry(entry, &code) != nullptr ? kIOReturnUnsupported : code;   // IORegistryEntry::setProperties
}

kern_return_t IORegistryEntrySetCFProperty(io_registry_entry_t entry, CFStringRef, CFTypeRef property) {
  return IORegistryEntrySetCFProperties(entry, property);
}

kern_return_t IORegistryEntryGetChildIterator(io_registry_entry_t entry, const io_name_t plane,
                                              io_iterator_t* iterator) {
  return iterate(entry, plane, 0, iterator);
}

kern_return_t IORegistryEntryGetChildEntry(io_registry_entry_t entry, const io_name_t plane,
                                           io_registry_entry_t* child) {
  return first_neighbour(entry, plane, 0, child);
}

kern_return_t IORegistryEntryGetParentIterator(io_registry_entry_t entry, const io_name_t plane,
                                               io_iterator_t* iterator) {
  return iterate(entry, plane, kIORegistryIterateParents, iterator);
}

kern_return_t IORegistryEntryGetParentEntry(io_registry_entry_t entry, const io_name_t plane,
                                            io_registry_entry_t* parent) {
  return first_neighbour(entry, plane, kIORegistryIterateParents, parent);
}

boolean_t IORegistryEntryInPlane(io_registry_entry_t entry, const io_name_t plane) {
  kern_return_t code;
  return find_entry(entry, &code) != nullptr && service_plane(plane) ? TRUE : FALSE;
}

}  // extern "C"
