// tests/support/world.cpp - building the stack; a test world that cannot be built is a bug, so it ends the program.
#include "tests/support/world.h"

#include <cstdio>
#include <cstdlib>

#include "dext/client/client.h"

namespace dartboard::support {
namespace {

[[noreturn]] void die(const char* what, const Error& error) {
  std::fprintf(stderr, "test world: %s: %s\n", what, error.sentence.c_str());
  std::abort();
}

ViolationReport violation_report = [](const std::string& what) {
  std::fprintf(stderr, "test world: %s\n", what.c_str());
  std::abort();
};

}  // namespace

void on_violation(ViolationReport report) { violation_report = report; }

World::World(std::string_view profile_name, const model::TestEndpointOptions& options, size_t ports_max,
             Ledgers ledgers)
    : machine_(sim::Machine::instance()), endpoint_(options) {
  if (ledgers == Ledgers::kOn) watch_ = std::make_unique<sim::Watch>(machine_);
  Result<sim::Profile> profile = sim::load_profile(profile_name);
  if (!profile) die("profile", profile.error());
  profile_ = *profile;
  if (profile_.ports.size() > ports_max) profile_.ports.resize(ports_max);
  power_on();
  open();
}

void World::power_on() {
  sim::PowerOn what;
  what.profile = &profile_;
  what.devices = {&endpoint_};
  reported_ = 0;
  if (const Result<void> on = machine_.power_on(what); !on) die("power on", on.error());
}

World::~World() {
  device_.reset();
  check();
  machine_.power_off();
  check();
}

void World::open() {
  if (const Result<void> opened = try_open(); !opened) die("open", opened.error());
}

Result<std::unique_ptr<backend::PassthroughDevice>> World::open_another() {
  Result<std::unique_ptr<dext::Client>> client = dext::open_vfio_user_pci({});
  if (!client) return tl::unexpected(client.error());
  backend::Budget budget;
  budget.page_bytes = profile_.ports[0].mapper.page_bytes;
  if (profile_.ports[0].mapper.mapped_bytes_max != 0) budget.bytes_max = profile_.ports[0].mapper.mapped_bytes_max;
  if (profile_.ports[0].mapper.mappings_max != 0) budget.mappings_max = profile_.ports[0].mapper.mappings_max;
  return backend::PassthroughDevice::open(std::move(*client), budget);
}

Result<void> World::try_open() {
  auto device = open_another();
  if (!device) return tl::unexpected(device.error());
  device_ = std::move(*device);
  enable();
  return {};
}

void World::unplug() {
  machine_.root(0).plug(nullptr);
  machine_.kernel().executor().run_until_idle();
}

void World::plug(model::PcieDevice* other) {
  machine_.root(0).plug(other != nullptr ? other : &endpoint_);
  machine_.kernel().executor().run_until_idle();
}

void World::forgive_hardware(bool on) {
  if (watch_) watch_->forgive_hardware(on);
}

bool World::check() {
  if (!watch_) return true;
  const sim::Violations& found = watch_->violations();
  for (size_t i = reported_; i < found.first().size(); ++i) {
    const sim::Violation& violation = found.first()[i];
    violation_report(std::string(sim::number(violation.invariant)) + " (" +
                     std::string(sim::statement(violation.invariant)) + ") at " + std::to_string(violation.time_ns) +
                     " ns: " + violation.sentence);
  }
  const bool clean = found.count() == reported_;
  reported_ = found.count();
  return clean;
}

void World::enable() {
  const uint16_t command = 0x0006;
  (void)device_->write(backend::Region::kConfig, 4, std::as_bytes(std::span(&command, 1)));
}

void World::restart(uint64_t seed) {
  restart_closed(seed);
  open();
}

void World::restart_closed(uint64_t seed) {
  device_.reset();
  check();
  if (!machine_.powered()) power_on();   // somebody else used the machine in between
  if (const Result<void> on = machine_.reset(seed); !on) die("reset", on.error());
  reported_ = 0;
}

uint32_t World::read32(uint64_t offset) {
  uint32_t value = UINT32_MAX;
  // A device that is gone or a Mac that panicked is part of what tests do to this world: all-ones, as a guest sees it.
  if (!device_->read(backend::Region::kBar0, offset, std::as_writable_bytes(std::span(&value, 1)))) value = UINT32_MAX;
  return value;
}

void World::write32(uint64_t offset, uint32_t value) {
  (void)device_->write(backend::Region::kBar0, offset, std::as_bytes(std::span(&value, 1)));   // lost, likewise
}

void World::write64(uint64_t offset, uint64_t value) {
  write32(offset, static_cast<uint32_t>(value));
  write32(offset + 4, static_cast<uint32_t>(value >> 32));
}

}  // namespace dartboard::support
