// sim/profile_reader.h - a checked view of one device-tree node: every property is asked for once, typed, with a range.
//
// The first problem wins and is kept as a sentence that names file, node and property; later reads return defaults, so
// a reader can be written straight through and checked once at the end. A property nobody asked for is an error too:
// a misspelt name must not silently become a default.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace dartboard::sim {

class ProfileNode;

/// A flattened device tree and the first thing found wrong with it.
class ProfileTree {
 public:
  /// Checks magic, sizes and structure (libfdt fdt_check_full) before anything is read.
  static Result<ProfileTree> open(const void* dtb, size_t bytes, std::string_view origin);

  ProfileNode root();
  const std::optional<Error>& problem() const { return problem_; }
  void report(const std::string& node, const std::string& sentence);
  const void* blob() const { return blob_; }

 private:
  ProfileTree(const void* blob, std::string_view origin) : blob_(blob), origin_(origin) {}
  const void* blob_;
  std::string origin_;
  std::optional<Error> problem_;
};

class ProfileNode {
 public:
  ProfileNode(ProfileTree& tree, int offset, std::string path) : tree_(&tree), offset_(offset), path_(std::move(path)) {}

  /// One 32-bit cell in [min, max].
  uint32_t u32(const char* property, uint32_t min, uint32_t max);
  uint32_t optional_u32(const char* property, uint32_t absent, uint32_t min, uint32_t max);
  /// One 64-bit value (/bits/ 64) in [min, max].
  uint64_t u64(const char* property, uint64_t min, uint64_t max);
  /// Two 64-bit values: base and size.
  std::pair<uint64_t, uint64_t> range(const char* property);
  std::string text(const char* property);
  /// A string list; absent is empty.
  std::vector<std::string> texts(const char* property);
  /// Present or not.
  bool flag(const char* property);
  /// A string that must be one of `choices`; returns its index.
  size_t choice(const char* property, const std::vector<std::string_view>& choices);

  /// The child of that name; missing is a problem.
  ProfileNode child(const char* name);
  /// All children but those in `except`, in order.
  std::vector<ProfileNode> children(const std::vector<std::string_view>& except);
  /// Reports properties that were not asked for.
  void finish();
  std::string name() const;
  void report(const std::string& sentence) { tree_->report(path_, sentence); }

 private:
  const void* property(const char* name, int* bytes, bool required);
  ProfileTree* tree_;
  int offset_;   ///< negative: a child that was missing; reads give defaults
  std::string path_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace dartboard::sim
