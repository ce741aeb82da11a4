// sim/driverkit/matcher.cpp - finds the dext for a PCI nub, starts it, and takes everything down at shutdown.
//
// Matching rules: xnu IOCatalogue, IOPCIFamily IOPCIBridge::matchKeys. Keys: IOProviderClass,
// IOPCIMatch (vendor and device, or subsystem), IOPCIPrimaryMatch, IOPCISecondaryMatch, IOPCIClassMatch, each a list of
// "value&mask"; IOPCITunnelCompatible behind Thunderbolt; the highest IOProbeScore of each IOMatchCategory starts.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <DriverKit/IOKitKeys.h>
#include <PCIDriverKit/IOPCIFamilyDefinitions.h>

#include "sim/driverkit/bundle.h"
#include "sim/driverkit/pci_device.h"
#include "sim/driverkit/service.h"
#include "sim/macos/kernel.h"

namespace dartboard::driverkit {
namespace {

using macos::Property;
using macos::Ref;

bool parse_number(std::string_view text, uint32_t* value) {
  int base = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    base = 16;
    text.remove_prefix(2);
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value, base);
  return error == std::errc() && end == text.data() + text.size();
}

/// Does `value` match one of "value[&mask] value[&mask] ..."?
bool matches(std::string_view list, uint32_t value, uint32_t default_mask) {
  while (!list.empty()) {
    const size_t space = std::min(list.find(' '), list.size());
    std::string_view word = list.substr(0, space);
    list.remove_prefix(std::min(space + 1, list.size()));
    if (word.empty()) continue;
    const size_t ampersand = std::min(word.find('&'), word.size());
    uint32_t wanted = 0, mask = default_mask;
    if (!parse_number(word.substr(0, ampersand), &wanted)) return false;
    if (ampersand != word.size() && !parse_number(word.substr(ampersand + 1), &mask)) return false;
    if (((value ^ wanted) & mask) == 0) return true;
  }
  return false;
}

/// A little-endian OSData property of the nub as a number; 0 if it has none.
uint32_t number(const macos::PciNub& nub, std::string_view key) {
  const auto found = nub.properties().find(key);
  if (found == nub.properties().end()) return 0;
  if (const auto* data = std::get_if<macos::PropertyData>(&found->second.value)) {
    uint32_t value = 0;
    for (size_t i = std::min<size_t>(data->size(), 4); i-- > 0;) value = (value << 8) | (*data)[i];
    return value;
  }
  const auto* plain = std::get_if<macos::PropertyNumber>(&found->second.value);
  return plain != nullptr ? static_cast<uint32_t>(plain->value) : 0;
}

bool is_set(const macos::PciNub& nub, std::string_view key) {
  const auto found = nub.properties().find(key);
  if (found == nub.properties().end()) return false;
  const bool* value = std::get_if<bool>(&found->second.value);
  return value == nullptr || *value;
}

bool matches(const PlistValue& personality, const macos::PciNub& nub) {
  if (!nub.conforms_to(personality.string("IOProviderClass"))) return false;
  if (is_set(nub, kIOPCITunnelledKey) && !personality.boolean(kIOPCITunnelCompatibleKey)) return false;
  const uint32_t primary = number(nub, "vendor-id") | number(nub, "device-id") << 16;
  const uint32_t secondary = number(nub, "subsystem-vendor-id") | number(nub, "subsystem-id") << 16;
  const uint32_t class_register = number(nub, "class-code") << 8 | number(nub, "revision-id");
  if (const PlistValue* key = personality.find(kIOPCIMatchKey)) {
    if (!matches(key->text, primary, UINT32_MAX) && !matches(key->text, secondary, UINT32_MAX)) return false;
  }
  if (const PlistValue* key = personality.find(kIOPCIPrimaryMatchKey)) {
    if (!matches(key->text, primary, UINT32_MAX)) return false;
  }
  if (const PlistValue* key = personality.find(kIOPCISecondaryMatchKey)) {
    if (!matches(key->text, secondary, UINT32_MAX)) return false;
  }
  if (const PlistValue* key = personality.find(kIOPCIClassMatchKey)) {
    if (!matches(key->text, class_register, 0xffff'ff00)) return false;
  }
  return true;
}

int64_t probe_score(const PlistValue& personality) {
  const PlistValue* score = personality.find("IOProbeScore");
  return score != nullptr && score->kind == PlistValue::kInteger ? static_cast<int64_t>(score->number) : 0;
}

class Matcher final : public macos::DriverMatcher {
 public:
  Matcher() { macos::register_driver_matcher(this); }
  void offer(macos::Kernel& kernel, macos::PciNub& nub) override;
  void shutdown(macos::Kernel& kernel) override;
  void inspect(InspectNode& node) const;

 private:
  bool start(macos::Kernel& kernel, macos::PciNub& nub, const PlistValue& personality);
  std::vector<Ref<DextService>> services_;  // in order of start
};

Matcher matcher;

void Matcher::offer(macos::Kernel& kernel, macos::PciNub& nub) {
  std::vector<const PlistValue*> candidates;
  for (const Bundle* bundle = Bundle::first(); bundle != nullptr; bundle = bundle->next()) {
    if (!bundle->enabled) continue;
    for (size_t i = 0; i < bundle->personalities().count; ++i) {
      const PlistValue& personality = bundle->personalities().children[i];
      if (matches(personality, nub)) candidates.push_back(&personality);
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const PlistValue* a, const PlistValue* b) { return probe_score(*a) > probe_score(*b); });
  std::vector<std::string_view> taken;  // match categories: one driver each; no category is one too
  for (const PlistValue* candidate : candidates) {
    const std::string_view category = candidate->string("IOMatchCategory");
    if (std::find(taken.begin(), taken.end(), category) != taken.end()) continue;
    if (start(kernel, nub, *candidate)) taken.push_back(category);
  }
}

bool Matcher::start(macos::Kernel& kernel, macos::PciNub& nub, const PlistValue& personality) {
  const std::string_view class_name = personality.string("IOUserClass");
  IOService* driver = instantiate(class_name);
  if (driver == nullptr) return false;
  auto service = Ref<DextService>::adopt(new DextService(std::string(class_name), driver));
  service->set_properties(personality);
  kernel.registry().add(service, nub);
  IOPCIDevice* provider = make_pci_device(nub);
  attach(driver, provider, service, service.get());
  const kern_return_t result = driver->Start(provider);
  provider->release();
  if (result != kIOReturnSuccess) {
    ++process.stats.start_failures;
    service->abandon();
    return false;
  }
  ++process.stats.drivers_started;
  std::erase_if(services_, [](const Ref<DextService>& s) { return s->terminated(); });
  services_.push_back(std::move(service));
  return true;
}

void Matcher::shutdown(macos::Kernel& kernel) {
  // What is still posted may start a driver once more (a dext that died is matched again).
  do {
    for (const Ref<DextService>& service : std::exchange(services_, {})) service->terminate();
    if (kernel.executor().pending()) kernel.executor().run_until_idle();
  } while (!services_.empty());
  process.stats.objects_leaked += reclaim_all_objects();
  process.current_queue = nullptr;
  reset_sessions();
}

void Matcher::inspect(InspectNode& node) const {
  for (const Ref<DextService>& service : services_) {
    node.child(service->name(), service->terminated()   ? "terminated"
                                : service->registered() ? "registered"
                                                        : "started");
  }
}

}  // namespace

void inspect(InspectNode& node) {
  InspectNode& dexts = node.child("dexts");
  for (const Bundle* b = Bundle::first(); b != nullptr; b = b->next()) {
    dexts.child(b->identifier(), b->enabled ? "enabled" : "disabled");
  }
  matcher.inspect(node.child("services"));
  const Stats& s = process.stats;
  const std::pair<const char*, uint64_t> rows[] = {
      {"drivers started", s.drivers_started}, {"start failures", s.start_failures},
      {"clients opened", s.clients_opened},   {"deadlocks", s.deadlocks},
      {"unimplemented", s.unimplemented},     {"warnings", s.warnings},
      {"objects leaked", s.objects_leaked},   {"objects alive", live_objects()}};
  for (const auto& [name, value] : rows) node.child(name, std::to_string(value));
}

}  // namespace dartboard::driverkit
