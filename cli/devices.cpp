// cli/devices.cpp - `dartboard devices`: every device that has the dext on it.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/world.h"

namespace dartboard::cli {

namespace {

using Json = nlohmann::ordered_json;

std::string address_text(const dext::Identity& identity) {
  return fmt::format("{:02x}:{:02x}.{}", identity.bus, identity.device, identity.function);
}

}  // namespace

ExitCode run_devices(const DevicesOptions& options) {
  const auto choice = parse_world(options.dext, kDefaultProfile);
  if (!choice) return report(choice.error());
  auto world = make_world(*choice);
  if (!world) return report(world.error());
  if (auto powered = (*world)->power_on(nullptr); !powered) return report(powered.error());
  const auto devices = dext::list_devices();
  if (!devices) return report(devices.error());

  if (options.json) {
    Json all = Json::array();
    for (const dext::DeviceListing& d : *devices) {
      all.push_back({{"address", address_text(d.identity)},
                     {"root", d.root},
                     {"vendor_id", d.identity.vendor_id},
                     {"device_id", d.identity.device_id},
                     {"class_code", d.identity.class_code},
                     {"registry_id", d.registry_id}});
    }
    fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
    return ExitCode::kOk;
  }
  const Style style(stdout);
  fmt::print("{}\n", style.strong(fmt::format("{} ({})", (*world)->name(), (*world)->description())));
  for (const dext::DeviceListing& d : *devices) {
    fmt::print("  {}/{}  {:04x}:{:04x}  class {:06x}  registry id 0x{:x}\n", d.root, address_text(d.identity),
               d.identity.vendor_id, d.identity.device_id, d.identity.class_code, d.registry_id);
  }
  if (devices->empty()) fmt::print("  no device has the dext on it\n");
  return ExitCode::kOk;
}

}  // namespace dartboard::cli
