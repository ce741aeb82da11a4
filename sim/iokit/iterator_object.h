// sim/iokit/iterator_object.h - what is behind an io_iterator_t or a notification object.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "sim/iokit/context.h"
#include "sim/iokit/matching.h"

namespace dartboard::iokit {

/// Something IOIteratorNext works on.
class IteratorObject : public PortObject {
 public:
  IteratorObject() : PortObject(PortKind::kIterator) {}
  /// Null at the end.
  virtual macos::Ref<macos::RegistryEntry> next() = 0;
  virtual void restart() = 0;
};

/// The entries found when it was made.
class SnapshotIterator final : public IteratorObject {
 public:
  explicit SnapshotIterator(std::vector<macos::Ref<macos::RegistryEntry>> entries) : entries_(std::move(entries)) {}
  macos::Ref<macos::RegistryEntry> next() override;
  void restart() override { position_ = 0; }

 private:
  std::vector<macos::Ref<macos::RegistryEntry>> entries_;
  size_t position_ = 0;
};

/// IOServiceAddMatchingNotification: services that match, now and later. A message is sent when one arrives while the
/// iterator is armed, that is, after it was read to its end (IOServiceUserNotification, xnu IOUserClient.cpp).
class MatchingNotification final : public IteratorObject, public macos::Interest {
 public:
  MatchingNotification(macos::Kernel& kernel, MessageType type, bool first_only, macos::PropertyDictionary matching,
                       PortName port, uint64_t callback, uint64_t refcon);
  ~MatchingNotification() override;
  /// The name it was given; goes into its messages.
  void set_name(PortName name) { name_ = name; }
  macos::Ref<macos::RegistryEntry> next() override;
  void restart() override {}
  void message(macos::Service& service, macos::ServiceMessage message) override;

 private:
  void published(macos::Service& service);
  void watch(macos::Service& service);
  void add(macos::Service& service);
  macos::Kernel* kernel_;
  MessageType type_;
  bool first_only_;
  macos::PropertyDictionary matching_;
  PortName port_;
  PortName name_ = kNoPort;
  uint64_t callback_, refcon_;
  int hook_ = 0;
  bool armed_ = false;
  std::vector<macos::Ref<macos::Service>> pending_;   ///< not yet read by the client
  std::vector<macos::Ref<macos::Service>> watched_;   ///< termination notifications listen here
  std::vector<uint64_t> seen_;                        ///< registry ids, for the First types
};

/// IOServiceAddInterestNotification: a service's messages.
class InterestNotification final : public PortObject, public macos::Interest {
 public:
  InterestNotification(macos::Service& service, PortName port, uint64_t callback, uint64_t refcon);
  ~InterestNotification() override;
  void set_name(PortName name) { name_ = name; }
  void message(macos::Service& service, macos::ServiceMessage message) override;

 private:
  macos::Ref<macos::Service> service_;
  PortName port_;
  PortName name_ = kNoPort;
  uint64_t callback_, refcon_;
};

}  // namespace dartboard::iokit
