// traces/dbt/metadata.cpp - see metadata.h.
#include "traces/dbt/metadata.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "traces/json_text.h"

namespace dartboard::traces::dbt {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::array kClocks = {Clock::kNone, Clock::kMonotonic, Clock::kRealtime, Clock::kSimulated};
constexpr std::array kPolicies = {PayloadPolicy::kFull, PayloadPolicy::kHash, PayloadPolicy::kNone};
constexpr size_t kDevicesMax = 65536;  // Event::device has 16 bits
constexpr unsigned kDepthMax = 8;           // the schema needs 6

class MetadataReader {
 public:
  MetadataReader(const Json& root, const std::string& origin) : root_(root), origin_(origin) {}

  Result<TraceInfo> read() {
    if (!root_.is_object()) return wrong("", "is not a JSON object");
    TraceInfo info;
    if (!text("source", &info.source) || !text("profile", &info.profile) || !flag("lossy", &info.lossy) ||
        !number("dropped_events", &info.dropped_events) || !number("dropped_bytes", &info.dropped_bytes) ||
        !one_of("clock", kClocks, &info.clock) || !one_of("payloads", kPolicies, &info.payloads) ||
        !sentences("notes", &info.notes)) {
      return tl::unexpected(*error_);
    }
    const auto devices = root_.find("devices");
    if (devices == root_.end() || !devices->is_array() || devices->empty() || devices->size() > kDevicesMax) {
      return wrong("devices", fmt::format("expected an array of 1 to {} devices", kDevicesMax));
    }
    for (const Json& item : *devices) {
      TraceDevice device;
      if (!item.is_object() || !item.contains("description")) return wrong("devices", "expected a description in each");
      if (item.contains("address")) {
        if (!item["address"].is_string()) return wrong("devices.address", "expected text");
        device.address = item["address"].get<std::string>();
      }
      auto description = parse_device_description(item["description"].dump(), origin_);
      if (!description) return tl::unexpected(description.error());
      device.description = std::move(*description);
      info.devices.push_back(std::move(device));
    }
    return info;
  }

 private:
  tl::unexpected<Error> wrong(const std::string& field, const std::string& what) {
    error_ = Error{ErrorName::kFileCorrupt, io_return::kSuccess,
                   fmt::format("{}: what the trace says about itself is not readable: {}{}.", origin_,
                               field.empty() ? "" : fmt::format("field '{}': ", field), what)};
    return tl::unexpected<Error>(*error_);
  }
  bool bad(const char* name, const char* what) {
    static_cast<void>(wrong(name, what));
    return false;
  }
  bool text(const char* name, std::string* out) {
    const auto m = root_.find(name);
    if (m == root_.end()) return true;
    if (!m->is_string()) return bad(name, "expected text");
    *out = m->get<std::string>();
    return true;
  }
  bool flag(const char* name, bool* out) {
    const auto m = root_.find(name);
    if (m == root_.end()) return true;
    if (!m->is_boolean()) return bad(name, "expected true or false");
    *out = m->get<bool>();
    return true;
  }
  bool number(const char* name, uint64_t* out) {
    const auto m = root_.find(name);
    if (m == root_.end()) return true;
    if (!m->is_number_unsigned()) return bad(name, "expected a number");
    *out = m->get<uint64_t>();
    return true;
  }
  template <class T, size_t N>
  bool one_of(const char* name, const std::array<T, N>& values, T* out) {
    std::string given;
    if (!text(name, &given)) return false;
    if (given.empty()) return true;
    for (const T value : values) {
      if (given != to_string(value)) continue;
      *out = value;
      return true;
    }
    return bad(name, "is not a value of this format");
  }
  bool sentences(const char* name, std::vector<std::string>* out) {
    const auto m = root_.find(name);
    if (m == root_.end()) return true;
    const bool fits = m->is_array() && std::all_of(m->begin(), m->end(), [](const Json& j) { return j.is_string(); });
    if (!fits) return bad(name, "expected an array of sentences");
    for (const Json& j : *m) out->push_back(j.get<std::string>());
    return true;
  }

  const Json& root_;
  const std::string& origin_;
  std::optional<Error> error_;
};

}  // namespace

std::string format_metadata(const TraceInfo& info) {
  Json root;
  root["source"] = info.source;
  root["profile"] = info.profile;
  root["clock"] = to_string(info.clock);
  root["payloads"] = to_string(info.payloads);
  root["lossy"] = info.lossy;
  root["dropped_events"] = info.dropped_events;
  root["dropped_bytes"] = info.dropped_bytes;
  root["notes"] = info.notes;
  Json& devices = root["devices"] = Json::array();
  for (const TraceDevice& device : info.devices) {
    devices.push_back(
        {{"address", device.address}, {"description", Json::parse(format_device_description(device.description))}});
  }
  return root.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<TraceInfo> parse_metadata(std::string_view text, const std::string& origin) {
  const JsonCheck check = check_json(text, kDepthMax);
  if (!check.is_json) {
    return fail(ErrorName::kFileCorrupt, fmt::format("{}: what the trace says about itself is not JSON{}.", origin,
                                                     check.too_deep ? " of such a depth" : ""));
  }
  const Json root = Json::parse(text.begin(), text.end(), nullptr, false);
  return MetadataReader(root, origin).read();
}

}  // namespace dartboard::traces::dbt
