// sim/profile_reader.cpp - libfdt behind the checked view.
#include "sim/profile_reader.h"

#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <libfdt.h>

namespace dartboard::sim {

Result<ProfileTree> ProfileTree::open(const void* dtb, size_t bytes, std::string_view origin) {
  const int error = fdt_check_full(dtb, bytes);
  if (error != 0) {
    return fail(ErrorName::kProfileInvalid,
                fmt::format("{}: not a flattened device tree ({}); expected the output of dtc", origin,
                            fdt_strerror(error)));
  }
  return ProfileTree(dtb, origin);
}

ProfileNode ProfileTree::root() { return ProfileNode(*this, fdt_path_offset(blob_, "/"), "/"); }

void ProfileTree::report(const std::string& node, const std::string& sentence) {
  if (problem_) return;
  problem_ = Error{ErrorName::kProfileInvalid, io_return::kSuccess,
                   fmt::format("{}: node {}: {}", origin_, node, sentence)};
}

const void* ProfileNode::property(const char* name, int* bytes, bool required) {
  *bytes = 0;
  asked_.insert(name);
  if (offset_ < 0) return nullptr;
  const void* data = fdt_getprop(tree_->blob(), offset_, name, bytes);
  if (data == nullptr) {
    *bytes = 0;
    if (required) report(fmt::format("property '{}' is missing", name));
  }
  return data;
}

uint32_t ProfileNode::u32(const char* name, uint32_t min, uint32_t max) {
  int bytes = 0;
  const void* data = property(name, &bytes, true);
  if (data == nullptr) return min;
  if (bytes != 4) {
    report(fmt::format("property '{}' has {} bytes; expected one 32-bit cell", name, bytes));
    return min;
  }
  const uint32_t value = fdt32_ld(static_cast<const fdt32_t*>(data));
  if (value < min || value > max) {
    report(fmt::format("property '{}' is {}; expected {} to {}", name, value, min, max));
    return min;
  }
  return value;
}

uint32_t ProfileNode::optional_u32(const char* name, uint32_t absent, uint32_t min, uint32_t max) {
  int bytes = 0;
  return property(name, &bytes, false) == nullptr ? absent : u32(name, min, max);
}

uint64_t ProfileNode::u64(const char* name, uint64_t min, uint64_t max) {
  int bytes = 0;
  const void* data = property(name, &bytes, true);
  if (data == nullptr) return min;
  if (bytes != 8) {
    report(fmt::format("property '{}' has {} bytes; expected one 64-bit value (/bits/ 64)", name, bytes));
    return min;
  }
  const uint64_t value = fdt64_ld(static_cast<const fdt64_t*>(data));
  if (value < min || value > max) {
    report(fmt::format("property '{}' is {:#x}; expected {:#x} to {:#x}", name, value, min, max));
    return min;
  }
  return value;
}

std::pair<uint64_t, uint64_t> ProfileNode::range(const char* name) {
  int bytes = 0;
  const void* data = property(name, &bytes, true);
  if (data == nullptr) return {0, 0};
  if (bytes != 16) {
    report(fmt::format("property '{}' has {} bytes; expected base and size (/bits/ 64 <base size>)", name, bytes));
    return {0, 0};
  }
  const auto* cells = static_cast<const fdt64_t*>(data);
  const uint64_t base = fdt64_ld(cells);
  const uint64_t size = fdt64_ld(cells + 1);
  if (base + size < base) {
    report(fmt::format("property '{}' wraps: base {:#x}, size {:#x}", name, base, size));
    return {0, 0};
  }
  return {base, size};
}

std::vector<std::string> ProfileNode::texts(const char* name) {
  int bytes = 0;
  const void* data = property(name, &bytes, false);
  std::vector<std::string> list;
  if (data == nullptr) return list;
  const char* p = static_cast<const char*>(data);
  if (bytes == 0 || p[bytes - 1] != '\0') {
    report(fmt::format("property '{}' is not a string", name));
    return list;
  }
  for (const char* const end = p + bytes; p < end; p += std::strlen(p) + 1) list.emplace_back(p);
  return list;
}

std::string ProfileNode::text(const char* name) {
  int bytes = 0;
  if (property(name, &bytes, true) == nullptr) return {};
  const std::vector<std::string> list = texts(name);
  if (list.size() != 1) {
    report(fmt::format("property '{}' holds {} strings; expected one", name, list.size()));
    return {};
  }
  return list.front();
}

bool ProfileNode::flag(const char* name) {
  int bytes = 0;
  return property(name, &bytes, false) != nullptr;
}

size_t ProfileNode::choice(const char* name, const std::vector<std::string_view>& choices) {
  const std::string value = text(name);
  for (size_t i = 0; i < choices.size(); ++i) {
    if (value == choices[i]) return i;
  }
  report(fmt::format("property '{}' is \"{}\"; expected one of {}", name, value, fmt::join(choices, ", ")));
  return 0;
}

ProfileNode ProfileNode::child(const char* name) {
  const int offset = offset_ < 0 ? -1 : fdt_subnode_offset(tree_->blob(), offset_, name);
  if (offset < 0 && offset_ >= 0) report(fmt::format("node '{}' is missing", name));
  return ProfileNode(*tree_, offset, (path_ == "/" ? "/" : path_ + "/") + name);
}

std::vector<ProfileNode> ProfileNode::children(const std::vector<std::string_view>& except) {
  std::vector<ProfileNode> list;
  int offset = 0;
  if (offset_ < 0) return list;
  fdt_for_each_subnode(offset, tree_->blob(), offset_) {
    const std::string_view child_name = fdt_get_name(tree_->blob(), offset, nullptr);
    bool skip = false;
    for (const std::string_view e : except) skip = skip || e == child_name;
    if (!skip) list.emplace_back(*tree_, offset, (path_ == "/" ? "/" : path_ + "/") + std::string(child_name));
  }
  return list;
}

std::string ProfileNode::name() const { return path_.substr(path_.rfind('/') + 1); }

void ProfileNode::finish() {
  if (offset_ < 0) return;
  int offset = 0;
  fdt_for_each_property_offset(offset, tree_->blob(), offset_) {
    const char* name = nullptr;
    int bytes = 0;
    if (fdt_getprop_by_offset(tree_->blob(), offset, &name, &bytes) == nullptr) return;
    if (asked_.find(std::string_view(name)) == asked_.end()) {
      report(fmt::format("property '{}' is not known; is it misspelt?", name));
      return;
    }
  }
}

}  // namespace dartboard::sim
