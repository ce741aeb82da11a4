// cli/profiles.cpp - `dartboard profiles`: the platforms that can be simulated, and what sets them apart.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "sim/profile.h"

namespace dartboard::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* fault_text(sim::FaultPolicy policy) {
  switch (policy) {
    case sim::FaultPolicy::kPanic: return "panic";
    case sim::FaultPolicy::kAbort: return "abort";
    case sim::FaultPolicy::kEvent: return "event";
  }
  return "panic";
}

std::string limit_text(uint64_t limit, bool is_bytes) {
  if (limit == 0) return "no limit";
  return is_bytes ? bytes_text(limit) : with_commas(limit);
}

void print_text(const sim::Profile& profile, const Style& style) {
  fmt::print("{}  {}\n", style.strong(profile.name), profile.model);
  fmt::print("  {:<16}{}\n", "a DART fault", fmt::format("{}", fault_text(profile.on_dart_fault)));
  for (const sim::PortProfile& port : profile.ports) {
    const macos::MapperConfig& m = port.mapper;
    fmt::print("  {:<16}{}, pages of {}, IOVA 0x{:x} to 0x{:x}, {} guard pages\n", port.name,
               port.tunnelled ? "Thunderbolt" : "slot", bytes_text(m.page_bytes), m.window_base.value,
               m.window_base.value + m.window_bytes, m.guard_pages);
    fmt::print("  {:<16}at most {} mapped, {} mappings, {} MSI vectors\n", "", limit_text(m.mapped_bytes_max, true),
               limit_text(m.mappings_max, false), port.msi_vectors);
  }
  if (!profile.timings.assumed.empty()) {
    fmt::print("  {:<16}{}\n", "assumed",
               style.faint(fmt::format("{} (no measured figure)", fmt::join(profile.timings.assumed, ", "))));
  }
}

Json to_json(const sim::Profile& profile) {
  Json ports = Json::array();
  for (const sim::PortProfile& port : profile.ports) {
    const macos::MapperConfig& m = port.mapper;
    ports.push_back({{"name", port.name},
                     {"tunnelled", port.tunnelled},
                     {"page_bytes", m.page_bytes},
                     {"iova_base", m.window_base.value},
                     {"iova_bytes", m.window_bytes},
                     {"guard_pages", m.guard_pages},
                     {"mapped_bytes_max", m.mapped_bytes_max},
                     {"mappings_max", m.mappings_max},
                     {"msi_vectors", port.msi_vectors}});
  }
  return {{"name", profile.name},
          {"model", profile.model},
          {"dart_fault", fault_text(profile.on_dart_fault)},
          {"ports", std::move(ports)},
          {"assumed", profile.timings.assumed}};
}

}  // namespace

ExitCode run_profiles(const ProfilesOptions& options) {
  const Style style(stdout);
  Json all = Json::array();
  bool first = true;
  for (const std::string& name : sim::profile_names()) {
    const auto profile = sim::load_profile(name);
    if (!profile) return report(profile.error());
    if (options.json) {
      all.push_back(to_json(*profile));
    } else {
      if (!first) fmt::print("\n");
      print_text(*profile, style);
    }
    first = false;
  }
  if (options.json) fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
  return ExitCode::kOk;
}

}  // namespace dartboard::cli
