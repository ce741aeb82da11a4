// sim/macos/registry.cpp - the service plane: tree, ids, matching hooks, orderly termination.
#include "sim/macos/registry.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace dartboard::macos {
namespace {

constexpr uint64_t kFirstId =
    0x1'0000'0001;  // ids on a Mac have 33 bits or more: a client that truncates them is wrong

// Kernel classes and what they derive from, as far as clients ask (IOObjectConformsTo). Classes that are not here
// derive from IOService.
struct ClassParent {
  std::string_view name, parent;
};
constexpr std::array kClassParents = {
    ClassParent{"IOService", "IORegistryEntry"},
    ClassParent{"IORegistryEntry", "OSObject"},
    ClassParent{"OSObject", ""},
    ClassParent{"IOPCI2PCIBridge", "IOPCIBridge"},
    ClassParent{"IOPCIHostBridge", "IOPCIBridge"},
    ClassParent{"IOUserUserClient", "IOUserClient"},
};

std::string_view parent_class(std::string_view name) {
  for (const ClassParent& c : kClassParents) {
    if (c.name == name) return c.parent;
  }
  return "IOService";
}

void visit_tree(RegistryEntry& entry, const std::function<void(RegistryEntry&)>& visit) {
  visit(entry);
  // By index: a visitor may attach (seen) or detach what follows.
  for (size_t i = 0; i < entry.children().size(); ++i) {
    const Ref<RegistryEntry> child = entry.children()[i];
    visit_tree(*child, visit);
  }
}

RegistryEntry* find_in(RegistryEntry& entry, uint64_t id) {
  if (entry.id() == id) return &entry;
  for (const Ref<RegistryEntry>& child : entry.children()) {
    if (RegistryEntry* found = find_in(*child, id)) return found;
  }
  return nullptr;
}

std::string to_text(const Property& property) {
  struct Printer {
    std::string operator()(bool v) const { return v ? "Yes" : "No"; }
    std::string operator()(const PropertyNumber& v) const { return fmt::format("{:#x}", v.value); }
    std::string operator()(const std::string& v) const { return fmt::format("\"{}\"", v); }
    std::string operator()(const PropertyData& v) const {
      std::string text = "<";
      for (uint8_t byte : v) text += fmt::format("{:02x}", byte);
      return text + ">";
    }
    std::string operator()(const PropertyArray& v) const { return fmt::format("({} elements)", v.size()); }
    std::string operator()(const PropertyDictionary& v) const { return fmt::format("{{{} keys}}", v.size()); }
  };
  return std::visit(Printer{}, property.value);
}

void inspect_entry(const RegistryEntry& entry, InspectNode& node) {
  node.name = entry.location().empty() ? entry.name() : entry.name() + "@" + entry.location();
  node.value = entry.class_name();
  node.note = fmt::format("id {:#x}", entry.id());
  for (const auto& [key, property] : entry.properties()) node.child(key, to_text(property));
  for (const Ref<RegistryEntry>& child : entry.children()) inspect_entry(*child, node.child({}));
}

}  // namespace

RegistryEntry::RegistryEntry(std::string name, std::string class_name)
    : name_(std::move(name)), class_name_(std::move(class_name)) {}

RegistryEntry::~RegistryEntry() {
  for (const Ref<RegistryEntry>& child : children_) child->parent_ = nullptr;
}

void RegistryEntry::property_read(std::string_view) {}

bool RegistryEntry::conforms_to(std::string_view class_name) const {
  for (std::string_view c = class_name_; !c.empty(); c = parent_class(c)) {
    if (c == class_name) return true;
  }
  return false;
}

void RegistryEntry::attach_child(Ref<RegistryEntry> child) {
  child->detach_from_parent();
  child->parent_ = this;
  children_.push_back(std::move(child));
}

void RegistryEntry::detach_from_parent() {
  if (parent_ == nullptr) return;
  RegistryEntry* const parent = std::exchange(parent_, nullptr);
  const auto it = std::find_if(parent->children_.begin(), parent->children_.end(),
                               [this](const Ref<RegistryEntry>& c) { return c.get() == this; });
  if (it == parent->children_.end()) return;
  const Ref<RegistryEntry> keep = std::move(*it);  // goes last: it may be the last reference to this
  parent->children_.erase(it);
}

std::string RegistryEntry::path() const {
  if (parent_ == nullptr) return "IOService:/";
  std::string text;
  for (const RegistryEntry* e = this; e->parent_ != nullptr; e = e->parent_) {
    text = "/" + (e->location_.empty() ? e->name_ : e->name_ + "@" + e->location_) + text;
  }
  return "IOService:" + text;
}

io_return::Code Service::new_user_client(uint32_t, Ref<UserClient>*) {
  return io_return::kUnsupported;
}

void Service::register_service() {
  if (terminated_) return;
  registered_ = true;
  if (registry_ != nullptr) registry_->published(*this);
}

void Service::terminate() {
  if (terminated_) return;
  const Ref<Service> keep(this);
  terminated_ = true;
  registered_ = false;
  // Clients of this service are its children and stop before it (IOService::terminateWorker goes leaf first).
  const std::vector<Ref<RegistryEntry>> children = children_;
  for (const Ref<RegistryEntry>& child : children) {
    if (auto* service = dynamic_cast<Service*>(child.get())) {
      service->terminate();
    } else {
      child->detach_from_parent();
    }
  }
  if (registry_ != nullptr) registry_->terminated(*this);
  notify(ServiceMessage::kIsTerminated);
  interests_.clear();
  detach_from_parent();
}

void Service::add_interest(Interest* interest) {
  if (std::find(interests_.begin(), interests_.end(), interest) == interests_.end()) interests_.push_back(interest);
}

void Service::remove_interest(Interest* interest) {
  std::erase(interests_, interest);
}

void Service::notify(ServiceMessage message) {
  const std::vector<Interest*> listeners = interests_;  // one may remove itself or another
  for (Interest* interest : listeners) {
    if (std::find(interests_.begin(), interests_.end(), interest) != interests_.end()) {
      interest->message(*this, message);
    }
  }
}

Registry::Registry() {
  reset();
}

RegistryEntry& Registry::root() {
  return *root_;
}

void Registry::add(Ref<RegistryEntry> entry, RegistryEntry& parent) {
  entry->id_ = next_id_++;
  entry->registry_ = this;
  parent.attach_child(std::move(entry));
}

void Registry::for_each(const std::function<void(RegistryEntry&)>& visit) {
  visit_tree(*root_, visit);
}

RegistryEntry* Registry::find(uint64_t id) {
  return find_in(*root_, id);
}

int Registry::add_publish_hook(PublishHook hook) {
  hooks_.emplace(next_hook_, std::move(hook));
  return next_hook_++;
}

void Registry::remove_publish_hook(int token) {
  hooks_.erase(token);
}

void Registry::published(Service& service) {
  if (log_ != nullptr) log_->on_published(service);
  if (hooks_.empty()) return;
  std::vector<int> tokens;  // a hook may add or remove hooks
  for (const auto& [token, hook] : hooks_) tokens.push_back(token);
  for (int token : tokens) {
    const auto it = hooks_.find(token);
    if (it == hooks_.end()) continue;
    const PublishHook hook = it->second;
    hook(service);
  }
}

void Registry::terminated(const Service& service) {
  if (log_ != nullptr) log_->on_terminated(service);
}

void Registry::reset() {
  next_id_ = kFirstId;
  root_ = Ref<RegistryEntry>::adopt(new RegistryEntry("Root", "IORegistryEntry"));
  root_->id_ = next_id_ - 1;
  root_->registry_ = this;
}

void Registry::inspect(InspectNode& node) {
  for (const Ref<RegistryEntry>& child : root_->children()) inspect_entry(*child, node.child({}));
}

}  // namespace dartboard::macos
