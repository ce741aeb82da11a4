// backend/devicetree/tree.cpp - see tree.h. libfdt behind a checked view.
#include "backend/devicetree/tree.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <libfdt.h>

namespace dartboard::devicetree {

namespace {

constexpr size_t kPathCharactersMax = 300;

std::string printable(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (out.size() > kPathCharactersMax) return out + "...";
    const auto byte = static_cast<unsigned char>(c);
    out += byte >= 0x20 && byte < 0x7f ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }
  return out;
}

uint64_t number_of(const uint32_t* cells, unsigned count) {
  uint64_t value = 0;
  for (unsigned i = 0; i < count; ++i) value = value << 32 | cells[i];
  return value;
}

}  // namespace

Result<Tree> Tree::open(std::span<const uint8_t> dtb, std::string_view origin) {
  Tree tree(origin);
  if (dtb.size() > kTreeBytesMax) {
    return tree.refuse(
        ErrorName::kFileCorrupt,
        fmt::format("{} bytes are more than a device tree may have here ({} MiB)", dtb.size(), kTreeBytesMax / kMiB));
  }
  tree.bytes_.assign(dtb.begin(), dtb.end());
  if (auto checked = tree.check(); !checked) return tl::unexpected(checked.error());
  if (auto walked = tree.walk(); !walked) return tl::unexpected(walked.error());
  return Result<Tree>(std::move(tree));
}

Result<void> Tree::check() {
  const auto corrupt = [&](std::string_view what) {
    return refuse(
        ErrorName::kFileCorrupt,
        fmt::format("this is no device tree blob: {}; expected the output of dtc or of QEMU's dumpdtb", what));
  };
  if (bytes_.size() < sizeof(fdt_header)) return corrupt(fmt::format("it has only {} bytes", bytes_.size()));
  const void* const blob = bytes_.data();
  if (const int error = fdt_check_header(blob); error != 0) return corrupt(fdt_strerror(error));
  if (fdt_version(blob) < 16) {
    return corrupt(fmt::format("its version {} is older than 16, which Linux does not read", fdt_version(blob)));
  }
  if (fdt_totalsize(blob) > bytes_.size()) {
    return corrupt(fmt::format("it says {} bytes and ends after {}", fdt_totalsize(blob), bytes_.size()));
  }
  bytes_.resize(fdt_totalsize(blob));
  // Bounds the time of everything below: libfdt measures a property's name each time it meets the property.
  const uint8_t* const strings = bytes_.data() + fdt_off_dt_strings(bytes_.data());
  size_t run = 0;
  for (size_t i = 0; i < fdt_size_dt_strings(bytes_.data()); ++i) {
    run = strings[i] == 0 ? 0 : run + 1;
    if (run > kPropertyNameMax) return corrupt(fmt::format("a property's name is longer than {}", kPropertyNameMax));
  }
  if (const int error = fdt_check_full(bytes_.data(), bytes_.size()); error != 0) return corrupt(fdt_strerror(error));
  return {};
}

Result<void> Tree::walk() {
  const auto corrupt = [&](std::string_view what) {
    return refuse(ErrorName::kFileCorrupt, fmt::format("the device tree is malformed: {}", what));
  };
  const void* const blob = bytes_.data();
  std::vector<NodeIndex> open_nodes;
  bool in_properties = false;
  for (int offset = 0, next = 0;; offset = next) {
    const uint32_t tag = fdt_next_tag(blob, offset, &next);
    if (next < 0 || tag == FDT_END) break;
    if (tag == FDT_NOP) {
      if (nodes_.empty()) return corrupt("its root is not at its start");
      continue;
    }
    if (tag == FDT_BEGIN_NODE) {
      if (open_nodes.empty() && !nodes_.empty()) return corrupt("it has a second root");
      if (open_nodes.size() > kTreeDepthMax)
        return corrupt(fmt::format("it is more than {} levels deep", kTreeDepthMax));
      int length = 0;
      const char* const name = fdt_get_name(blob, offset, &length);
      if (name == nullptr) return corrupt(fdt_strerror(length));
      const std::string_view text(name, static_cast<size_t>(length));
      if (text.find('/') != text.npos) return corrupt("a node's name has a slash");
      nodes_.push_back(
          {offset, open_nodes.empty() ? kRoot : open_nodes.back(), static_cast<unsigned>(open_nodes.size()), text});
      open_nodes.push_back(nodes_.size() - 1);
      in_properties = true;
    } else if (tag == FDT_END_NODE) {
      open_nodes.pop_back();  // balanced: fdt_check_full
      in_properties = false;
    } else if (tag == FDT_PROP && !in_properties) {
      return corrupt("a property stands after a subnode or outside of all nodes");
    }
  }
  if (nodes_.empty()) return corrupt("it has no root");
  return {};
}

std::string Tree::path(NodeIndex node) const {
  if (node == kRoot) return "/";
  std::string out;
  for (; node != kRoot && out.size() <= kPathCharactersMax; node = nodes_[node].parent) {
    out = "/" + printable(nodes_[node].name) + out;
  }
  return node == kRoot ? out : "..." + out;
}

std::vector<NodeIndex> Tree::children(NodeIndex node) const {
  std::vector<NodeIndex> out;
  for (NodeIndex i = node + 1; i < nodes_.size() && nodes_[i].depth > nodes_[node].depth; ++i) {
    if (nodes_[i].parent == node) out.push_back(i);
  }
  return out;
}

std::optional<NodeIndex> Tree::child(NodeIndex node, std::string_view name) const {
  for (const NodeIndex i : children(node)) {
    if (nodes_[i].name == name) return i;
  }
  return std::nullopt;
}

std::optional<std::span<const uint8_t>> Tree::property(NodeIndex node, const char* name) const {
  int length = 0;
  const void* const value = fdt_getprop(bytes_.data(), nodes_[node].offset, name, &length);
  if (value == nullptr) return std::nullopt;
  return std::span(static_cast<const uint8_t*>(value), static_cast<size_t>(length));
}

std::optional<std::vector<uint32_t>> Tree::cells(NodeIndex node, const char* name) const {
  const auto value = property(node, name);
  if (!value || value->size() % 4 != 0) return std::nullopt;
  std::vector<uint32_t> out;
  for (size_t i = 0; i < value->size(); i += 4) {
    const uint8_t* const b = value->data() + i;
    out.push_back(static_cast<uint32_t>(b[0]) << 24 | static_cast<uint32_t>(b[1]) << 16 |
                  static_cast<uint32_t>(b[2]) << 8 | b[3]);
  }
  return out;
}

std::optional<uint32_t> Tree::cell(NodeIndex node, const char* name) const {
  const auto value = cells(node, name);
  return value && value->size() == 1 ? std::optional((*value)[0]) : std::nullopt;
}

bool Tree::lists(NodeIndex node, const char* name, std::string_view text) const {
  const auto value = property(node, name);
  if (!value || value->empty() || value->back() != 0) return false;
  std::string_view rest(reinterpret_cast<const char*>(value->data()), value->size());
  while (!rest.empty()) {
    const size_t end = rest.find('\0');
    if (rest.substr(0, end) == text) return true;
    rest.remove_prefix(end + 1);
  }
  return false;
}

bool Tree::is_available(NodeIndex node) const {
  return !has(node, "status") || lists(node, "status", "okay") || lists(node, "status", "ok");
}

uint32_t Tree::phandle(NodeIndex node) const {
  return fdt_get_phandle(bytes_.data(), nodes_[node].offset);
}

bool Tree::is_only(uint32_t phandle, NodeIndex node) const {
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (i != node && this->phandle(i) == phandle) return false;
  }
  return this->phandle(node) == phandle;
}

Result<CellCounts> Tree::child_cells(NodeIndex node) const {
  CellCounts counts;
  for (auto [name, out] : {std::pair("#address-cells", &counts.address), std::pair("#size-cells", &counts.size)}) {
    const auto value = cell(node, name);
    if (!value || *value < 1 || *value > 2) {
      return refuse(ErrorName::kTreeConflict, node,
                    fmt::format("'{}' is {}; expected 1 or 2: correct the base tree", name,
                                value ? std::to_string(*value) : "missing or malformed"));
    }
    *out = *value;
  }
  return counts;
}

Result<std::vector<GpaRange>> Tree::ranges(NodeIndex node, const char* name, CellCounts counts) const {
  const auto value = cells(node, name);
  const unsigned stride = counts.address + counts.size;
  if (!value || value->size() % stride != 0) {
    return refuse(
        ErrorName::kTreeConflict, node,
        fmt::format("'{}' is {}; expected pairs of an address of {} and a size of {} cells: correct the base tree",
                    name, value ? fmt::format("{} cells", value->size()) : "missing or no list of cells",
                    counts.address, counts.size));
  }
  std::vector<GpaRange> out;
  for (size_t i = 0; i < value->size(); i += stride) {
    const uint64_t start = number_of(value->data() + i, counts.address);
    const uint64_t bytes = number_of(value->data() + i + counts.address, counts.size);
    if (bytes != 0) out.push_back({Gpa(start), bytes});
  }
  return out;
}

std::vector<GpaRange> Tree::memory_reservations() const {
  std::vector<GpaRange> out;
  const int count = fdt_num_mem_rsv(bytes_.data());
  for (int i = 0; i < count; ++i) {
    uint64_t start = 0, bytes = 0;
    if (fdt_get_mem_rsv(bytes_.data(), i, &start, &bytes) == 0 && bytes != 0) out.push_back({Gpa(start), bytes});
  }
  return out;
}

uint32_t Tree::free_phandle(uint32_t first) const {
  std::vector<uint32_t> taken;
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    for (const char* const name : {"phandle", "linux,phandle"}) {
      if (const auto value = cell(i, name)) taken.push_back(*value);
    }
  }
  std::sort(taken.begin(), taken.end());
  // Fewer nodes than numbers: there is a free one before the numbers end (16 MiB of tree against 4 G).
  while (first == 0 || first == ~0u || std::binary_search(taken.begin(), taken.end(), first)) ++first;
  return first;
}

tl::unexpected<Error> Tree::refuse(ErrorName name, NodeIndex node, std::string_view sentence) const {
  return fail(name, fmt::format("{}: {}: {}", origin_, path(node), sentence));
}

tl::unexpected<Error> Tree::refuse(ErrorName name, std::string_view sentence) const {
  return fail(name, fmt::format("{}: {}", origin_, sentence));
}

}  // namespace dartboard::devicetree
