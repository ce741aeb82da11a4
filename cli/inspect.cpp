// cli/inspect.cpp - `dartboard inspect`: the machine as a tree of modules, registers and fields.
#include <algorithm>
#include <cctype>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/world.h"

namespace dartboard::cli {

namespace {

using Json = nlohmann::ordered_json;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return out;
}

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    if (slash != 0) out.push_back(lower(path.substr(0, slash)));
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return out;
}

/// Keeps what lies on the way to a node that matches all `parts` in order, and everything below that node. A part
/// matches a node whose name contains it; nodes in between may be skipped.
std::optional<InspectNode> filter(const InspectNode& node, const std::vector<std::string>& parts, size_t next) {
  if (lower(node.name).find(parts[next]) != std::string::npos && ++next == parts.size()) return node;
  InspectNode out{node.name, node.value, node.note, {}};
  for (const InspectNode& child : node.children) {
    if (auto kept = filter(child, parts, next)) out.children.push_back(std::move(*kept));
  }
  if (out.children.empty()) return std::nullopt;
  return out;
}

void prune(InspectNode& node, unsigned depth) {
  if (depth == 0) {
    node.children.clear();
    return;
  }
  for (InspectNode& child : node.children) prune(child, depth - 1);
}

void print_text(const InspectNode& node, unsigned level, const Style& style) {
  std::string line(2 * level, ' ');
  line += node.children.empty() ? node.name : style.strong(node.name);
  if (!node.value.empty()) line += "  " + node.value;
  if (!node.note.empty()) line += "  " + style.faint("- " + node.note);
  fmt::print("{}\n", line);
  for (const InspectNode& child : node.children) print_text(child, level + 1, style);
}

Json to_json(const InspectNode& node) {
  Json out;
  out["name"] = node.name;
  if (!node.value.empty()) out["value"] = node.value;
  if (!node.note.empty()) out["note"] = node.note;
  if (!node.children.empty()) {
    Json children = Json::array();
    for (const InspectNode& child : node.children) children.push_back(to_json(child));
    out["children"] = std::move(children);
  }
  return out;
}

}  // namespace

ExitCode run_inspect(const InspectOptions& options) {
  WorldChoice choice;
  choice.profile = options.profile;
  choice.endpoint = options.device;
  choice.storage = options.storage;
  auto world = make_world(choice);
  if (!world) return report(world.error());
  if (auto powered = (*world)->power_on(nullptr); !powered) return report(powered.error());

  if (!options.open && !options.record.file.empty()) {
    return report(Error{ErrorName::kBadArgument, io_return::kBadArgument,
                        "--record records a device that is open: give --open too"});
  }
  auto recording = Recording::make(options.record, **world);
  if (!recording) return report(recording.error());
  std::unique_ptr<backend::PassthroughDevice> device;
  if (options.open) {
    auto opened = open_device(**world);
    if (!opened) return report(opened.error());
    device = std::move(*opened);
  }
  const auto recorded = finish(*recording);
  InspectNode tree = (*world)->inspect();
  if (device) device->inspect(tree.child("backend", "", "the device as a guest's backend holds it"));

  if (const auto parts = split(options.path); !parts.empty()) {
    auto kept = filter(tree, parts, 0);
    if (!kept) {
      return report(Error{
          ErrorName::kBadArgument, io_return::kSuccess,
          fmt::format("--path '{:.60}' matches nothing; 'dartboard inspect --depth 2' shows the names", options.path)});
    }
    tree = std::move(*kept);
  }
  if (options.depth != 0) prune(tree, options.depth);
  if (options.json) {
    Json out = to_json(tree);
    if (recorded) out["recorded"] = recorded->json();
    fmt::print("{}\n", out.dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    print_text(tree, 0, Style(stdout));
    if (recorded) fmt::print("{}\n", recorded->line());
  }
  return recorded ? recorded->exit_code(ExitCode::kOk) : ExitCode::kOk;
}

}  // namespace dartboard::cli
