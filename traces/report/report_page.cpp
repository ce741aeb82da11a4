// traces/report/report_page.cpp - the page as a whole: its body, the data that its script draws from, and the file.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "traces/report/columns.h"
#include "traces/report/page_template.h"
#include "traces/report/report.h"
#include "traces/report/report_body.h"

namespace dartboard::traces {
namespace {

using Json = nlohmann::ordered_json;

std::string column_element(std::string_view name, const Column& column) {
  return fmt::format("<script type=\"application/octet-stream\" id=\"column-{}\" data-planes=\"{}\">{}</script>\n",
                     name, column.planes, column.base64);
}

/// JSON inside a script element: nothing in it may look like markup.
std::string script_json(const Json& json) {
  const std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  std::string out;
  for (const char c : text) {
    if (c == '<' || c == '>' || c == '&') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out;
}

/// What the script needs: tracks, classes and how many there are of what.
Json script_figures(const ReportData& data) {
  const Figures& f = data.figures;
  Json tracks = Json::array(), classes = Json::array();
  for (const TrackFigures& t : f.tracks) {
    tracks.push_back(
        {{"name", t.name}, {"kind", static_cast<unsigned>(t.kind)}, {"device", t.device}, {"index", t.index}});
  }
  for (const auto& c : data.timeline.classes) {
    classes.push_back({{"track", c.track},
                       {"kind", to_string(c.kind)},
                       {"in", is_inward(c.kind)},
                       {"bytes", moves_bytes(c.kind)},
                       {"value", c.has_value},
                       {"failed", c.failed},
                       {"request", c.source == Source::kGuest},
                       {"inferred", c.source == Source::kInferred}});
  }
  Json names = Json::array();
  for (const auto& n : data.timeline.names) names.push_back({n.track, fmt::format("{:#x}", n.address), n.name});
  size_t slices = 0;
  for (const auto& counts : data.timeline.slices) slices = std::max(slices, counts.size());
  return {{"names", names},
          {"events", f.events},
          {"detailed", f.detailed_events},
          {"duration_ns", f.duration_ns},
          {"has_times", f.has_times()},
          {"tracks", tracks},
          {"classes", classes},
          {"map_points", f.mapping_points.size()},
          {"slices", slices},
          {"slice_width", data.timeline.slice_width}};
}

std::string columns(const ReportData& data) {
  const ReportTimeline& t = data.timeline;
  std::string out;
  const auto add = [&]<class T>(std::string_view name, const std::vector<T>& numbers) {
    out += column_element(name, encode_column(std::span<const T>(numbers)));
  };
  add("step", t.time_steps_ns);
  add("address", t.addresses);
  add("length", t.lengths);
  add("value", t.values);
  add("class", t.class_of);
  std::vector<uint64_t> events, ns, mapped, mappings;
  for (const MappingPoint& m : data.figures.mapping_points) {
    events.push_back(m.event);
    ns.push_back(m.ns);
    mapped.push_back(m.bytes);
    mappings.push_back(m.mappings);
  }
  add("map-event", events);
  add("map-ns", ns);
  add("map-bytes", mapped);
  add("map-count", mappings);
  size_t slices = 0;
  for (const auto& counts : t.slices) slices = std::max(slices, counts.size());
  std::vector<uint32_t> flat;
  for (const auto& counts : t.slices) {
    flat.insert(flat.end(), counts.begin(), counts.end());
    flat.resize(flat.size() + slices - counts.size());
  }
  add("slices", flat);
  return out;
}

}  // namespace

std::string report_page(const ReportData& data) {
  const PageTemplate page = page_template();
  std::string out;
  out += page.before_title;
  out += escaped_markup(data.figures.file);
  out += page.before_body;
  out += report_body(data.figures);
  out += page.before_figures;
  out += script_json(script_figures(data));
  out += page.before_columns;
  out += columns(data);
  out += page.end;
  return out;
}

Result<void> write_report(const std::string& path, const ReportData& data) {
  const std::string page = report_page(data);
  // Through a link to the file it leads to, which keeps being one.
  std::error_code ignored;
  const std::string target =
      std::filesystem::is_symlink(path, ignored) ? std::filesystem::canonical(path, ignored).string() : path;
  const std::string& final_path = target.empty() ? path : target;
  if (std::filesystem::exists(final_path, ignored) && !std::filesystem::is_regular_file(final_path, ignored)) {
    return fail(ErrorName::kBadArgument, fmt::format("{}: is no file that a report could replace; name another", path));
  }
  const std::string temporary = final_path + ".part";
  std::FILE* const file = std::fopen(temporary.c_str(), "wb");
  int error = file == nullptr ? errno : 0;
  if (file != nullptr) {
    if (std::fwrite(page.data(), 1, page.size(), file) != page.size()) error = errno;
    if (std::fclose(file) != 0 && error == 0) error = errno;
    if (error == 0 && std::rename(temporary.c_str(), final_path.c_str()) != 0) error = errno;
    if (error != 0) std::remove(temporary.c_str());
  }
  if (error != 0) {
    return fail(ErrorName::kFileUnreadable,
                fmt::format("{}: the report cannot be written: {}.", path, std::strerror(error)));
  }
  return {};
}

}  // namespace dartboard::traces
