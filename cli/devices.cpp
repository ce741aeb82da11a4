// cli/devices.cpp - `dartboard devices`: every device that has the dext on it.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/world.h"
#include "model/endpoint/script/script.h"

namespace dartboard::cli {

namespace {

using Json = nlohmann::ordered_json;

std::string address_text(const dext::Identity& identity) {
  return fmt::format("{:02x}:{:02x}.{}", identity.bus, identity.device, identity.function);
}

/// What else can be in the slot.
void print_scripts(const Style& style) {
  fmt::print("\n{}\n", style.strong("devices for --device"));
  fmt::print("  {:<16}  {}\n", "test", "the test endpoint, with a register for every behaviour a test can ask for");
  fmt::print("  {:<16}  {}\n", "rtl", "a DMA engine in SystemVerilog with the test endpoint's registers");
  for (const model::BuiltinScript& script : model::builtin_scripts()) fmt::print("  {:<16}  {}\n", script.name, script.summary);
  fmt::print("  {:<16}  {}\n", "script:FILE.lua", "a script of your own (docs/scripting.md)");
}

}  // namespace

ExitCode run_devices(const DevicesOptions& options) {
  auto choice = parse_world(options.dext, kDefaultProfile);
  if (!choice) return report(choice.error());
  choice->endpoint = options.device;
  choice->storage = options.storage;
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
  if (choice->kind == WorldChoice::Kind::kSim) print_scripts(style);
  return ExitCode::kOk;
}

}  // namespace dartboard::cli
