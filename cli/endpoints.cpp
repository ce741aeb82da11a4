// cli/endpoints.cpp - see endpoints.h.
#include "cli/endpoints.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "cli/exit_code.h"
#include "model/endpoint/rtl/rtl_endpoint.h"
#include "model/endpoint/script/script.h"
#include "model/endpoint/test.h"
#include "sim/machine.h"

namespace dartboard::cli {

Result<std::string> with_waves(const std::string& device, const std::string& file) {
  if (file.empty()) return device;
  if (device == kRtlEndpoint) return fmt::format("{}:{}", kRtlEndpoint, file);
  return fail(ErrorName::kBadArgument,
              fmt::format("--wave writes the signals of the RTL endpoint, and the device is '{:.60}'; name the device {}",
                          device.empty() ? kTestEndpoint : device, kRtlEndpoint));
}

Result<std::unique_ptr<model::PcieDevice>> make_endpoint(const std::string& notation, const std::string& storage) {
  const bool is_script = notation != kTestEndpoint && notation != kRtlEndpoint &&
                         notation.rfind(std::string(kRtlEndpoint) + ':', 0) != 0;
  if (!is_script && !storage.empty()) {
    return fail(ErrorName::kBadArgument,
                fmt::format("--storage is for a device that is a script, and the device is '{:.60}'", notation));
  }
  if (notation == kTestEndpoint) return std::make_unique<model::TestEndpoint>();
  const std::string_view rtl = kRtlEndpoint;
  if (notation.rfind(rtl, 0) == 0 && (notation.size() == rtl.size() || notation[rtl.size()] == ':')) {
    auto made = model::RtlEndpoint::make({.wave_file = notation.substr(std::min(rtl.size() + 1, notation.size()))});
    if (!made) return tl::unexpected(made.error());
    return std::move(*made);
  }
  auto source = model::load_script(notation);
  if (!source && source.error().name == ErrorName::kNotFound) {
    return fail(ErrorName::kNotFound, fmt::format("{}, {} or {}", source.error().sentence, kTestEndpoint, kRtlEndpoint));
  }
  if (!source) return tl::unexpected(source.error());
  auto opened = model::parse_storage(storage.empty() ? kDefaultStorage : storage);
  if (!opened) return tl::unexpected(opened.error());

  model::ScriptOptions options;
  options.storage = std::move(*opened);
  // A run of many power-ons meets the same error again and again: it is told once.
  options.on_error = [told = std::set<std::string>()](const model::ScriptError& error) mutable {
    if (!told.insert(error.sentence()).second) return;
    print_error_line(
        fmt::format("dartboard: {}. The device answers Unsupported Request from now on.", error.sentence()));
  };
  options.on_log = [name = source->name](std::string_view line) {
    print_error_line(fmt::format("{}: {}", name, line));
  };
  options.draw = [](uint64_t bound) {
    return sim::Machine::instance().tape().draw(sim::DrawId::kDevice, bound == 0 ? UINT64_MAX : bound);
  };
  auto made = model::make_scripted(*source, std::move(options));
  if (!made) return tl::unexpected(made.error());
  return std::move(*made);
}

}  // namespace dartboard::cli
