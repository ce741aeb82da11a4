// backend/devicetree/edit.cpp - see edit.h.
#include "backend/devicetree/edit.h"

#include <algorithm>

#include <fmt/format.h>
#include <libfdt.h>

namespace dartboard::devicetree {

namespace {

constexpr size_t kSlackBytes = 64;  // alignment of the blocks

size_t bytes_of(const std::vector<NewProperty>& properties) {
  size_t bytes = 0;
  for (const NewProperty& p : properties) bytes += 12 + round_up(p.value.size(), 4) + p.name.size() + 1;
  return bytes;
}

size_t bytes_of(const std::vector<NewNode>& nodes) {
  size_t bytes = 0;
  for (const NewNode& n : nodes) {
    bytes += 8 + round_up(n.name.size() + 1, 4) + bytes_of(n.properties) + bytes_of(n.children);
  }
  return bytes;
}

/// libfdt puts what is new before what is there, so the last comes first.
int add(void* blob, int node, const std::vector<NewProperty>& properties, const std::vector<NewNode>& children) {
  for (auto child = children.rbegin(); child != children.rend(); ++child) {
    const int at = fdt_add_subnode(blob, node, child->name.c_str());
    if (at < 0) return at;
    if (const int error = add(blob, at, child->properties, child->children); error != 0) return error;
  }
  for (auto p = properties.rbegin(); p != properties.rend(); ++p) {
    const int error = fdt_setprop(blob, node, p->name.c_str(), p->value.data(), static_cast<int>(p->value.size()));
    if (error != 0) return error;
  }
  return 0;
}

}  // namespace

NewProperty NewProperty::text(std::string name, std::string_view value) {
  NewProperty out{std::move(name), {value.begin(), value.end()}};
  out.value.push_back(0);
  return out;
}

NewProperty NewProperty::cells(std::string name, const std::vector<uint32_t>& value) {
  NewProperty out{std::move(name), {}};
  for (const uint32_t cell : value) {
    for (const int shift : {24, 16, 8, 0}) out.value.push_back(static_cast<uint8_t>(cell >> shift));
  }
  return out;
}

Result<std::vector<uint8_t>> apply_edits(const Tree& base, std::vector<NodeEdit> edits) {
  const std::span<const uint8_t> bytes = base.bytes();
  if (edits.empty()) return std::vector(bytes.begin(), bytes.end());

  const auto failed = [&](NodeIndex node, int error) {
    return base.refuse(
        ErrorName::kFileCorrupt, node,
        fmt::format("libfdt cannot edit this tree ({}); recompile it with dtc first", fdt_strerror(error)));
  };
  size_t room = bytes.size() + kSlackBytes;
  for (const NodeEdit& edit : edits) room += bytes_of(edit.properties) + bytes_of(edit.children);
  // A version 16 header is shorter, and the reservation block may have to move.
  room += sizeof(fdt_header) + base.memory_reservations().size() * sizeof(fdt_reserve_entry);
  std::vector<uint8_t> out(room);
  if (const int error = fdt_open_into(bytes.data(), out.data(), static_cast<int>(out.size())); error != 0) {
    return failed(kRoot, error);
  }
  // From the end to the start: what is edited later keeps the offset it had in the base.
  std::sort(edits.begin(), edits.end(), [](const NodeEdit& a, const NodeEdit& b) { return a.node > b.node; });
  for (const NodeEdit& edit : edits) {
    const int error = add(out.data(), base.nodes()[edit.node].offset, edit.properties, edit.children);
    if (error != 0) return failed(edit.node, error);
  }
  if (const int error = fdt_pack(out.data()); error != 0) return failed(kRoot, error);
  out.resize(fdt_totalsize(out.data()));
  return out;
}

}  // namespace dartboard::devicetree
