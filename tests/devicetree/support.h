// tests/devicetree/support.h - base trees to merge into, and trees as lines to compare.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/devicetree/merger.h"

namespace dartboard::devicetree {

using Blob = std::vector<uint8_t>;
using Cells = std::vector<uint32_t>;

/// What QEMU's virt machine writes for 512 MiB at 0x40000000 (README.md).
const Blob& virt_tree();

/// A tree to change before it is the base. Every call must succeed.
class TestTree {
 public:
  explicit TestTree(const Blob& base = virt_tree());
  TestTree& add_node(const std::string& parent, const std::string& name);
  TestTree& remove_node(const std::string& path);
  TestTree& set(const std::string& path, const std::string& name, const Cells& cells);
  TestTree& set_text(const std::string& path, const std::string& name, const std::string& text);
  TestTree& set_bytes(const std::string& path, const std::string& name, const std::string& bytes);
  TestTree& remove(const std::string& path, const std::string& name);
  TestTree& reserve(uint64_t start, uint64_t bytes);  ///< /memreserve/
  TestTree& boot_cpu(uint32_t cpu);
  /// Takes all memory away and gives these banks.
  TestTree& memory(const std::vector<GpaRange>& banks);
  Blob bytes() const;

 private:
  int at(const std::string& path) const;
  Blob blob_;
};

/// One line for each node ("/a/b {") and property ("/a/b name = 00 01"), in order; first the boot CPU and reservations.
std::vector<std::string> lines_of(const Blob& tree);
/// "/a/b name = ..." as lines_of would have it.
std::string cells_line(const std::string& path, const std::string& name, const Cells& cells);
std::string text_line(const std::string& path, const std::string& name, const std::string& text);

/// The recipe's parameters (docs/device-tree.md): 64 MiB at 0x50000000, bus address 0x8_0000_0000, slot 4.
Addition recipe_addition();

}  // namespace dartboard::devicetree
