// sim/iokit/iterator_object.cpp - see iterator_object.h.
#include "sim/iokit/iterator_object.h"

#include <algorithm>

namespace dartboard::iokit {
namespace {

void post(PortName port, Message message) {
  auto* const right = Context::instance().handles().find<ReceiveRight>(port, PortKind::kReceive);
  if (right != nullptr) right->post(std::move(message));
}

}  // namespace

macos::Ref<macos::RegistryEntry> SnapshotIterator::next() {
  return position_ < entries_.size() ? entries_[position_++] : nullptr;
}

MatchingNotification::MatchingNotification(macos::Kernel& kernel, MessageType type, bool first_only,
                                           macos::PropertyDictionary matching, PortName port, uint64_t callback,
                                           uint64_t refcon)
    : kernel_(&kernel), type_(type), first_only_(first_only), matching_(std::move(matching)), port_(port),
      callback_(callback), refcon_(refcon) {
  for (macos::Ref<macos::Service>& service : find_matching(kernel, matching_)) {
    if (type_ == MessageType::kTerminated) {
      watch(*service);
    } else {
      add(*service);
    }
  }
  hook_ = kernel.registry().add_publish_hook([this](macos::Service& service) { published(service); });
}

MatchingNotification::~MatchingNotification() {
  // A kernel that is no longer current has dropped its hooks with itself.
  if (macos::Kernel::current() == kernel_) kernel_->registry().remove_publish_hook(hook_);
  for (const macos::Ref<macos::Service>& service : watched_) service->remove_interest(this);
}

void MatchingNotification::published(macos::Service& service) {
  if (!matches(matching_, service)) return;
  if (type_ == MessageType::kTerminated) {
    watch(service);
  } else {
    add(service);
  }
}

void MatchingNotification::watch(macos::Service& service) {
  service.add_interest(this);
  const macos::Ref<macos::Service> reference(&service);
  if (std::find(watched_.begin(), watched_.end(), reference) == watched_.end()) watched_.push_back(reference);
}

void MatchingNotification::message(macos::Service& service, macos::ServiceMessage message) {
  if (message != macos::ServiceMessage::kIsTerminated) return;
  add(service);
  std::erase(watched_, macos::Ref<macos::Service>(&service));
}

void MatchingNotification::add(macos::Service& service) {
  const macos::Ref<macos::Service> reference(&service);
  if (first_only_) {
    if (std::find(seen_.begin(), seen_.end(), service.id()) != seen_.end()) return;
    seen_.push_back(service.id());
  }
  if (std::find(pending_.begin(), pending_.end(), reference) != pending_.end()) return;
  pending_.push_back(reference);
  if (!armed_) return;
  armed_ = false;
  Message message;
  message.type = type_;
  message.callback = callback_;
  message.refcon = refcon_;
  message.notification = name_;
  post(port_, std::move(message));
}

macos::Ref<macos::RegistryEntry> MatchingNotification::next() {
  if (pending_.empty()) {
    armed_ = true;
    return nullptr;
  }
  const macos::Ref<macos::RegistryEntry> first(pending_.front().get());
  pending_.erase(pending_.begin());
  return first;
}

InterestNotification::InterestNotification(macos::Service& service, PortName port, uint64_t callback, uint64_t refcon)
    : PortObject(PortKind::kNotification), service_(&service), port_(port), callback_(callback), refcon_(refcon) {
  service.add_interest(this);
}

InterestNotification::~InterestNotification() { service_->remove_interest(this); }

void InterestNotification::message(macos::Service& service, macos::ServiceMessage message) {
  Message out;
  out.type = MessageType::kInterest;
  out.callback = callback_;
  out.refcon = refcon_;
  out.notification = name_;
  out.service = macos::Ref<macos::RegistryEntry>(&service);
  out.code = static_cast<uint32_t>(message);
  post(port_, std::move(out));
}

}  // namespace dartboard::iokit
