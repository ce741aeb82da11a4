// backend/devicetree/tree.h - a flattened device tree that came from outside, checked once and read from then on.
//
// The bytes are hostile: libfdt checks header, blocks and every tag; on top of that the tree must have one root, a
// depth and names within limits, and properties before subnodes, so that no later reading can run away. Reading only:
// see edit.h for changes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/devicetree/gpa_range.h"
#include "base/error.h"

namespace dartboard::devicetree {

inline constexpr size_t kTreeBytesMax = 16 * kMiB;
inline constexpr unsigned kTreeDepthMax = 64;     // what Linux takes (FDT_MAX_DEPTH, drivers/of/fdt.c)
inline constexpr size_t kPropertyNameMax = 1024;  // the specification has 31; names are searched again and again

using NodeIndex = size_t;  ///< place in Tree::nodes(); 0 is the root
inline constexpr NodeIndex kRoot = 0;

struct TreeNode {
  int offset = 0;  ///< in the structure block, for libfdt
  NodeIndex parent = kRoot;
  unsigned depth = 0;     ///< the root has 0
  std::string_view name;  ///< with its unit address; any bytes but NUL and '/'
};

/// The number of 32-bit cells of an address and of a size below one node.
struct CellCounts {
  unsigned address = 0;
  unsigned size = 0;
  friend bool operator==(const CellCounts&, const CellCounts&) = default;
};

class Tree {
 public:
  /// Copies and checks `dtb`; bytes after the tree's own size are left out. `origin` begins every sentence.
  /// kFileCorrupt: not a device tree, cut short, damaged, or beyond a limit above.
  static Result<Tree> open(std::span<const uint8_t> dtb, std::string_view origin);

  Tree(Tree&&) = default;
  Tree& operator=(Tree&&) = default;

  std::span<const uint8_t> bytes() const { return bytes_; }
  const std::vector<TreeNode>& nodes() const { return nodes_; }

  /// "/soc/pcie@10000000"; bytes that cannot be printed as \xNN, and at most some 300 characters.
  std::string path(NodeIndex node) const;
  std::vector<NodeIndex> children(NodeIndex node) const;
  std::optional<NodeIndex> child(NodeIndex node, std::string_view name) const;

  /// The value of the first property of that name.
  std::optional<std::span<const uint8_t>> property(NodeIndex node, const char* name) const;
  bool has(NodeIndex node, const char* name) const { return property(node, name).has_value(); }
  /// The value as 32-bit cells. nullopt: absent, or no whole number of cells.
  std::optional<std::vector<uint32_t>> cells(NodeIndex node, const char* name) const;
  std::optional<uint32_t> cell(NodeIndex node, const char* name) const;
  /// True if the property is a list of strings with `text` among them.
  bool lists(NodeIndex node, const char* name, std::string_view text) const;
  /// No status, "okay" or "ok": what Linux takes for present.
  bool is_available(NodeIndex node) const;
  uint32_t phandle(NodeIndex node) const;  ///< 0: none, or malformed
  /// True if `phandle` leads to `node` and to no other.
  bool is_only(uint32_t phandle, NodeIndex node) const;

  /// #address-cells and #size-cells of `node` for its children. kTreeConflict: absent, or other than 1 or 2.
  Result<CellCounts> child_cells(NodeIndex node) const;
  /// A property that is a list of (address, size). Empty ranges are left out. kTreeConflict: absent or no whole number.
  Result<std::vector<GpaRange>> ranges(NodeIndex node, const char* name, CellCounts counts) const;
  /// The memory reservation block: what a boot loader keeps.
  std::vector<GpaRange> memory_reservations() const;

  /// The first phandle from `first` on that no node has.
  uint32_t free_phandle(uint32_t first) const;

  /// "ORIGIN: PATH: SENTENCE"
  tl::unexpected<Error> refuse(ErrorName name, NodeIndex node, std::string_view sentence) const;
  tl::unexpected<Error> refuse(ErrorName name, std::string_view sentence) const;

 private:
  explicit Tree(std::string_view origin) : origin_(origin) {}
  Result<void> check();
  Result<void> walk();

  std::string origin_;
  std::vector<uint8_t> bytes_;   // from the allocator, so aligned as libfdt wants it
  std::vector<TreeNode> nodes_;  // in the order of the structure block; names point into bytes_
};

}  // namespace dartboard::devicetree
