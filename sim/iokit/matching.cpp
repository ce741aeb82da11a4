// sim/iokit/matching.cpp - see matching.h.
#include "sim/iokit/matching.h"

#include <IOKit/IOKitKeys.h>

#include <algorithm>
#include <string_view>

#include "sim/iokit/properties.h"

namespace dartboard::iokit {
namespace {

using macos::Property;
using macos::PropertyArray;
using macos::PropertyDictionary;
using macos::RegistryEntry;

/// Applies `test` to a value that may be one element or an array of alternatives: any one is enough.
template <class F>
bool any_element(const Property& value, F&& test) {
  if (const auto* array = std::get_if<PropertyArray>(&value.value)) {
    return std::any_of(array->begin(), array->end(), [&](const Property& element) { return test(element); });
  }
  return test(value);
}

bool is_text(const Property& value, std::string_view text) {
  const auto* own = std::get_if<std::string>(&value.value);
  return own != nullptr && *own == text;
}

/// IOService::compareNames for one name: the entry's own name, or one of the strings of `name` and `compatible`
/// (IOPCIDevice::compareName: "pci1002,74a1").
bool has_name(const RegistryEntry& entry, std::string_view name) {
  if (entry.name() == name) return true;
  for (const std::string_view key : {"name", "compatible"}) {
    const auto found = entry.properties().find(key);
    if (found == entry.properties().end()) continue;
    if (is_text(found->second, name)) return true;
    const auto* data = std::get_if<macos::PropertyData>(&found->second.value);
    if (data == nullptr) continue;
    // NUL-separated strings, as in a device tree.
    for (auto begin = data->begin(); begin != data->end();) {
      const auto end = std::find(begin, data->end(), uint8_t{0});
      if (std::equal(begin, end, name.begin(), name.end(),
                     [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); })) {
        return true;
      }
      begin = end == data->end() ? end : end + 1;
    }
  }
  return false;
}

bool has_properties(const RegistryEntry& entry, const Property& wanted) {
  const auto* dictionary = std::get_if<PropertyDictionary>(&wanted.value);
  if (dictionary == nullptr) return false;
  return std::all_of(dictionary->begin(), dictionary->end(), [&](const auto& pair) {
    const auto found = entry.properties().find(pair.first);
    return found != entry.properties().end() && equal(found->second, pair.second);
  });
}

bool entry_matches(const PropertyDictionary& matching, RegistryEntry& entry, unsigned depth);

bool parent_matches(const Property& wanted, const RegistryEntry& entry, unsigned depth) {
  const auto* dictionary = std::get_if<PropertyDictionary>(&wanted.value);
  if (dictionary == nullptr || depth == 0) return false;
  for (RegistryEntry* parent = entry.parent(); parent != nullptr; parent = parent->parent()) {
    if (entry_matches(*dictionary, *parent, depth - 1)) return true;
  }
  return false;
}

bool key_holds(std::string_view key, const Property& value, RegistryEntry& entry, unsigned depth) {
  if (key == kIOProviderClassKey) {
    const auto* name = std::get_if<std::string>(&value.value);
    return name != nullptr && entry.conforms_to(*name);
  }
  if (key == kIONameMatchKey) {
    return any_element(value, [&](const Property& element) {
      const auto* name = std::get_if<std::string>(&element.value);
      return name != nullptr && has_name(entry, *name);
    });
  }
  if (key == kIOPropertyMatchKey) {
    return any_element(value, [&](const Property& element) { return has_properties(entry, element); });
  }
  if (key == kIOPropertyExistsMatchKey) {
    return any_element(value, [&](const Property& element) {
      const auto* name = std::get_if<std::string>(&element.value);
      return name != nullptr && entry.properties().find(*name) != entry.properties().end();
    });
  }
  if (key == kIORegistryEntryIDKey) {
    const auto* id = std::get_if<macos::PropertyNumber>(&value.value);
    return id != nullptr && id->value == entry.id();
  }
  if (key == kIOLocationMatchKey) return is_text(value, entry.location());
  if (key == kIOPathMatchKey) return is_text(value, entry.path());
  if (key == kIOParentMatchKey) return parent_matches(value, entry, depth);
  if (key == kIOBSDNameKey) return false;   // no block devices or network interfaces here
  return true;
}

bool entry_matches(const PropertyDictionary& matching, RegistryEntry& entry, unsigned depth) {
  return std::all_of(matching.begin(), matching.end(),
                     [&](const auto& pair) { return key_holds(pair.first, pair.second, entry, depth); });
}

}  // namespace

bool matches(const PropertyDictionary& matching, macos::Service& service) {
  return service.registered() && !service.terminated() && entry_matches(matching, service, kPropertyDepthMax);
}

std::vector<macos::Ref<macos::Service>> find_matching(macos::Kernel& kernel, const PropertyDictionary& matching) {
  std::vector<macos::Ref<macos::Service>> found;
  kernel.registry().for_each([&](RegistryEntry& entry) {
    auto* service = dynamic_cast<macos::Service*>(&entry);
    if (service != nullptr && matches(matching, *service)) found.emplace_back(service);
  });
  return found;
}

}  // namespace dartboard::iokit
