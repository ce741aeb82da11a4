// tests/devicetree/support.cpp - see support.h.
#include "support.h"

#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>
#include <libfdt.h>

namespace dartboard::devicetree {

namespace {

constexpr size_t kRoomBytes = 65536;

void must(int result, const std::string& what) {
  if (result >= 0) return;
  std::fprintf(stderr, "test tree: %s: %s\n", what.c_str(), fdt_strerror(result));
  std::abort();
}

std::string hex(const void* data, int length) {
  std::string out;
  for (int i = 0; i < length; ++i) out += fmt::format("{:02x}", static_cast<const uint8_t*>(data)[i]);
  return out;
}

std::string big_endian(const Cells& cells) {
  std::string out;
  for (const uint32_t cell : cells) {
    for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(cell >> shift);
  }
  return out;
}

std::string line(const std::string& path, const std::string& name, const std::string& bytes) {
  return path + " " + name + " = " + hex(bytes.data(), static_cast<int>(bytes.size()));
}

}  // namespace

const Blob& virt_tree() {
  static const Blob tree = [] {
    Blob out(1 << 20);
    std::FILE* const file = std::fopen(DARTBOARD_VIRT_TREE, "rb");
    if (file == nullptr) std::abort();
    out.resize(std::fread(out.data(), 1, out.size(), file));
    std::fclose(file);
    return out;
  }();
  return tree;
}

TestTree::TestTree(const Blob& base) : blob_(base.size() + kRoomBytes) {
  must(fdt_open_into(base.data(), blob_.data(), static_cast<int>(blob_.size())), "open");
}

int TestTree::at(const std::string& path) const {
  const int offset = fdt_path_offset(blob_.data(), path.c_str());
  must(offset, path);
  return offset;
}

TestTree& TestTree::add_node(const std::string& parent, const std::string& name) {
  must(fdt_add_subnode(blob_.data(), at(parent), name.c_str()), parent + " + " + name);
  return *this;
}

TestTree& TestTree::remove_node(const std::string& path) {
  must(fdt_del_node(blob_.data(), at(path)), path);
  return *this;
}

TestTree& TestTree::set(const std::string& path, const std::string& name, const Cells& cells) {
  return set_bytes(path, name, big_endian(cells));
}

TestTree& TestTree::set_text(const std::string& path, const std::string& name, const std::string& text) {
  return set_bytes(path, name, text + '\0');
}

TestTree& TestTree::set_bytes(const std::string& path, const std::string& name, const std::string& bytes) {
  must(fdt_setprop(blob_.data(), at(path), name.c_str(), bytes.data(), static_cast<int>(bytes.size())),
       path + " " + name);
  return *this;
}

TestTree& TestTree::remove(const std::string& path, const std::string& name) {
  must(fdt_delprop(blob_.data(), at(path), name.c_str()), path + " - " + name);
  return *this;
}

TestTree& TestTree::reserve(uint64_t start, uint64_t bytes) {
  must(fdt_add_mem_rsv(blob_.data(), start, bytes), "memreserve");
  return *this;
}

TestTree& TestTree::boot_cpu(uint32_t cpu) {
  fdt_set_boot_cpuid_phys(blob_.data(), cpu);
  return *this;
}

TestTree& TestTree::memory(const std::vector<GpaRange>& banks) {
  remove_node("/memory@40000000");
  for (const GpaRange& bank : banks) {
    const std::string name = fmt::format("memory@{:x}", bank.start.value);
    add_node("/", name);
    const auto high = [](uint64_t v) { return static_cast<uint32_t>(v >> 32); };
    const auto low = [](uint64_t v) { return static_cast<uint32_t>(v); };
    set("/" + name, "reg", {high(bank.start.value), low(bank.start.value), high(bank.bytes), low(bank.bytes)});
    set_text("/" + name, "device_type", "memory");
  }
  return *this;
}

Blob TestTree::bytes() const {
  Blob out = blob_;
  must(fdt_pack(out.data()), "pack");
  out.resize(fdt_totalsize(out.data()));
  return out;
}

std::vector<std::string> lines_of(const Blob& tree) {
  std::vector<std::string> out;
  if (tree.empty()) return out;  // a merge that failed
  const void* const blob = tree.data();
  out.push_back(fmt::format("boot cpu {}", fdt_boot_cpuid_phys(blob)));
  for (int i = 0; i < fdt_num_mem_rsv(blob); ++i) {
    uint64_t start = 0, bytes = 0;
    must(fdt_get_mem_rsv(blob, i, &start, &bytes), "memreserve");
    out.push_back(fmt::format("reserve {:#x} {:#x}", start, bytes));
  }
  int depth = 0;
  for (int node = 0; node >= 0 && depth >= 0; node = fdt_next_node(blob, node, &depth)) {
    char path[4096];
    must(fdt_get_path(blob, node, path, sizeof path), "path");
    out.push_back(std::string(path) + " {");
    int property = 0;
    fdt_for_each_property_offset(property, blob, node) {
      const char* name = nullptr;
      int length = 0;
      const void* const value = fdt_getprop_by_offset(blob, property, &name, &length);
      out.push_back(std::string(path) + " " + name + " = " + hex(value, length));
    }
  }
  return out;
}

std::string cells_line(const std::string& path, const std::string& name, const Cells& cells) {
  return line(path, name, big_endian(cells));
}

std::string text_line(const std::string& path, const std::string& name, const std::string& text) {
  return line(path, name, text + '\0');
}

Addition recipe_addition() {
  Addition addition;
  addition.pool = {{Gpa(0x50000000), Iova(0x8'0000'0000), 64 * kMiB}};
  addition.user = Rid(0, 4, 0);
  return addition;
}

}  // namespace dartboard::devicetree
