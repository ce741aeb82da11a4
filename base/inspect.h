// base/inspect.h - how every module prints itself: a tree of named values, rendered as text or JSON by the cli.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dartboard {

/// One node of `dartboard inspect`: a module, a register or a field. `value` is already formatted text;
/// `note` holds the spec section or the meaning.
struct InspectNode {
  std::string name;
  std::string value;
  std::string note;
  std::vector<InspectNode> children;

  InspectNode& child(std::string child_name, std::string child_value = {}, std::string child_note = {}) {
    children.push_back({std::move(child_name), std::move(child_value), std::move(child_note), {}});
    return children.back();
  }
};

}  // namespace dartboard
