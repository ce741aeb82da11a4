// cli/world.cpp - which world, and the way into its device.
#include "cli/world.h"

#include <fmt/format.h>

#include "cli/iokit_world.h"
#include "cli/recording.h"
#include "cli/sim_world.h"

namespace dartboard::cli {

Result<WorldChoice> parse_world(std::string_view text, std::string_view default_profile) {
  WorldChoice choice;
  const size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  const std::string rest(colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1));
  if (kind == "sim") {
    choice.kind = WorldChoice::Kind::kSim;
    if (colon != std::string_view::npos && rest.empty()) {
      return fail(ErrorName::kBadArgument, "--dext sim: names no profile; expected 'sim' or 'sim:PROFILE'");
    }
    choice.profile = rest.empty() ? std::string(default_profile) : rest;
    return choice;
  }
  if (kind == "iokit") {
    choice.kind = WorldChoice::Kind::kIokit;
    auto available = iokit_available();
    if (!available) return tl::unexpected(available.error());
    auto device = dext::parse_selector(rest);
    if (!device) return tl::unexpected(device.error());
    choice.device = std::move(*device);
    return choice;
  }
  return fail(ErrorName::kBadArgument,
              fmt::format("--dext '{:.60}' is no world; expected 'sim[:PROFILE]' or 'iokit[:[ROOT/]BB:DD.F]'", text));
}

Result<std::unique_ptr<World>> make_world(const WorldChoice& choice) {
  if (choice.kind == WorldChoice::Kind::kIokit) return make_iokit_world(choice.device);
  return make_sim_world(choice.profile, choice.endpoint, choice.storage);
}

Result<std::unique_ptr<backend::PassthroughDevice>> open_device(World& world, dext::Client** client) {
  auto opened = dext::open_vfio_user_pci(world.selector());
  if (!opened) return tl::unexpected(opened.error());
  Recording* const recording = world.recording();
  if (recording != nullptr) *opened = recording->client(std::move(*opened));
  if (client != nullptr) *client = opened->get();
  auto device = backend::PassthroughDevice::open(std::move(*opened), world.budget());
  if (device && recording != nullptr) recording->opened(**device);
  return device;
}

}  // namespace dartboard::cli
