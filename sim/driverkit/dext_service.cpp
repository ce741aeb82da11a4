// sim/driverkit/dext_service.cpp - DextService: what the registry knows of a dext's driver, and how it comes and goes.
#include <optional>
#include <utility>
#include <vector>

#include <DriverKit/IOUserClient.h>
#include <DriverKit/OSCollections.h>

#include "sim/driverkit/internal.h"
#include "sim/driverkit/pci_device.h"
#include "sim/driverkit/properties.h"
#include "sim/driverkit/service.h"
#include "sim/driverkit/user_client.h"
#include "sim/macos/kernel.h"

namespace dartboard::driverkit {

DextService::DextService(std::string name, IOService* object)
    : Service(std::move(name), "IOUserService"), object_(object) {}

DextService::~DextService() {
  OSSafeReleaseNULL(object_);
}

void DextService::set_properties(const PlistValue& personality) {
  for (size_t i = 0; i < personality.count; ++i) {
    properties_.emplace(personality.children[i].key, to_property(personality.children[i]));
  }
}

io_return::Code DextService::new_user_client(uint32_t type, macos::Ref<macos::UserClient>* client) {
  if (object_ == nullptr || terminated_) return io_return::kOffline;
  if (!registered_) return io_return::kNotReady;
  IOUserClient* created = nullptr;
  const kern_return_t result = object_->NewUserClient(type, &created);
  if (result != kIOReturnSuccess) return to_code(result);
  if (created == nullptr) return io_return::kError;
  auto connection = macos::Ref<DextUserClient>::adopt(new DextUserClient(*this, created));
  const io_return::Code started = connection->start();
  if (started != io_return::kSuccess) return started;
  ++process.stats.clients_opened;
  clients_.push_back(connection);
  *client = macos::Ref<macos::UserClient>(connection);
  return io_return::kSuccess;
}

void DextService::forget(DextUserClient* client) {
  for (size_t i = 0; i < clients_.size(); ++i) {
    if (clients_[i].get() == client) {
      clients_.erase(clients_.begin() + static_cast<ptrdiff_t>(i));
      return;
    }
  }
}

void DextService::terminate() {
  if (terminated_) return;
  const macos::Ref<DextService> keep(this);
  Service::terminate();  // children, then whoever is interested hears it, then it leaves the tree
  const std::vector<macos::Ref<DextUserClient>> clients = std::exchange(clients_, {});
  for (const macos::Ref<DextUserClient>& client : clients) client->service_terminated();
  if (object_ == nullptr) return;
  IOService* object = std::exchange(object_, nullptr);
  stop(object, variables(object).provider);
  detach(object);
  object->release();
}

void DextService::abandon() {
  const macos::Ref<DextService> keep(this);
  terminated_ = true;
  detach_from_parent();
  IOService* object = std::exchange(object_, nullptr);
  detach(object);
  object->release();
}

void DextService::terminate_later() {
  macos::Kernel::current()->work().post([keep = macos::Ref<DextService>(this)] { keep->terminate(); });
}

void DextService::crash() {
  if (object_ == nullptr || terminated_) return;
  const macos::Ref<DextService> keep(this);
  IOService* const provider = variables(object_).provider;
  if (provider != nullptr) provider->ClientCrashed(object_, 0);
  // The nub is matched again when its driver is gone (IOService::startMatching), in a new process.
  const auto* device = OSDynamicCast(IOPCIDevice, provider);
  const std::optional<unsigned> root =
      device != nullptr ? std::optional(device->ivars->nub->root_index()) : std::nullopt;
  terminate();
  if (root) macos::Kernel::current()->work().post([root] { macos::Kernel::current()->rematch(*root); });
}

}  // namespace dartboard::driverkit
