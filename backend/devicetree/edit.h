// backend/devicetree/edit.h - changes to a checked tree: properties to set and nodes to add, all at once.
//
// Nothing else moves: libfdt inserts in place, so memory reservations, the boot CPU, unknown nodes and the order of
// everything that was there stay as they are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backend/devicetree/tree.h"

namespace dartboard::devicetree {

struct NewProperty {
  std::string name;
  std::vector<uint8_t> value;

  static NewProperty empty(std::string name) { return {std::move(name), {}}; }
  static NewProperty text(std::string name, std::string_view value);
  static NewProperty cells(std::string name, const std::vector<uint32_t>& value);
};

struct NewNode {
  std::string name;
  std::vector<NewProperty> properties;
  std::vector<NewNode> children;
};

/// What comes to one node of the base tree. Its properties must not be there yet.
struct NodeEdit {
  NodeIndex node = kRoot;
  std::vector<NewProperty> properties;
  std::vector<NewNode> children;
};

/// `base` with `edits`, packed, as version 17. At most one edit a node. No edits: the bytes of `base`.
/// kFileCorrupt: libfdt could not edit it.
Result<std::vector<uint8_t>> apply_edits(const Tree& base, std::vector<NodeEdit> edits);

}  // namespace dartboard::devicetree
