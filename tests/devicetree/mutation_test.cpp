// tests/devicetree/mutation_test.cpp - damaged trees: always a value, and where it is a tree, a sound one.
#include <gtest/gtest.h>
#include <libfdt.h>

#include <algorithm>

#include "support.h"

namespace dartboard::devicetree {
namespace {

/// Merges a copy of exactly its size on the heap, so that a sanitizer sees every byte beyond.
bool merges(const Blob& base) {
  const Blob exact(base);
  const auto out = merge(exact, recipe_addition(), "base.dtb");
  if (!out) {
    EXPECT_FALSE(out.error().sentence.empty());
    EXPECT_NE(out.error().name, ErrorName::kInternal);
    return false;
  }
  EXPECT_EQ(fdt_check_full(out->dtb.data(), out->dtb.size()), 0);
  return true;
}

/// A base with everything in it that the merger reads.
Blob rich_tree() {
  return TestTree()
      .reserve(0x41000000, 0x1000)
      .add_node("/", "reserved-memory")
      .set("/reserved-memory", "#address-cells", {2})
      .set("/reserved-memory", "#size-cells", {2})
      .set("/reserved-memory", "ranges", {})
      .add_node("/reserved-memory", "dma-pool@50000000")
      .set("/reserved-memory/dma-pool@50000000", "reg", {0, 0x50000000, 0, 0x4000000})
      .set_text("/reserved-memory/dma-pool@50000000", "compatible", "restricted-dma-pool")
      .set("/reserved-memory/dma-pool@50000000", "phandle", {0x9001})
      .add_node("/pcie@10000000", "dev@4,0")
      .set("/pcie@10000000/dev@4,0", "reg", {0x2000, 0, 0, 0, 0})
      .set("/pcie@10000000/dev@4,0", "memory-region", {0x9001})
      .bytes();
}

TEST(Mutation, EveryByteOfTheTreeChanged) {
  const Blob base = rich_tree();
  ASSERT_TRUE(merges(base));
  size_t taken = 0, refused = 0;
  for (size_t at = 0; at < base.size(); ++at) {
    for (const uint8_t change : {0x01, 0x80, 0xff}) {
      Blob changed = base;
      changed[at] ^= change;
      (merges(changed) ? taken : refused)++;
    }
  }
  EXPECT_GT(taken, base.size() / 2) << "most bytes are names and values of other nodes";
  EXPECT_GT(refused, 500u);
}

TEST(Mutation, EveryAlignedWordOfTheHeaderExtreme) {
  for (const uint32_t value : {0u, 1u, 4u, 0x28u, 0x7fffffffu, 0x80000000u, 0xfffffff8u, 0xffffffffu}) {
    for (size_t field = 0; field < sizeof(fdt_header) / 4; ++field) {
      Blob changed = rich_tree();
      for (int i = 0; i < 4; ++i)
        changed[4 * field + static_cast<size_t>(i)] = static_cast<uint8_t>(value >> (24 - 8 * i));
      merges(changed);
    }
  }
}

TEST(Mutation, EveryLengthShorterIsRefused) {
  const Blob base = rich_tree();
  for (size_t bytes = 0; bytes < base.size(); ++bytes) {
    const auto out = merge(std::span(base.data(), bytes), recipe_addition(), "base.dtb");
    ASSERT_FALSE(out) << bytes;
    EXPECT_EQ(out.error().name, ErrorName::kFileCorrupt) << bytes;
  }
}

TEST(Mutation, EveryTagOfTheStructureReplaced) {
  const Blob base = rich_tree();
  const size_t begin = fdt_off_dt_struct(base.data()), end = begin + fdt_size_dt_struct(base.data());
  for (size_t at = begin; at + 4 <= end; at += 4) {
    for (const uint8_t tag : {1, 2, 3, 4, 9}) {
      Blob changed = base;
      std::fill_n(changed.begin() + static_cast<ptrdiff_t>(at), 3, uint8_t{0});
      changed[at + 3] = tag;
      merges(changed);
    }
  }
}

/// A tree of nodes only, by its tags.
Blob tree_of_tags(const std::vector<uint32_t>& tags) {
  const Blob& from = virt_tree();
  Blob out(40 + 16, 0);  // header and an empty reservation block
  std::copy_n(from.begin(), 40, out.begin());
  for (const uint32_t tag : tags) {
    for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<uint8_t>(tag >> shift));
  }
  const auto bytes = static_cast<uint32_t>(out.size());
  fdt_set_off_mem_rsvmap(out.data(), 40);
  fdt_set_off_dt_struct(out.data(), 56);
  fdt_set_size_dt_struct(out.data(), bytes - 56);
  fdt_set_off_dt_strings(out.data(), bytes);
  fdt_set_size_dt_strings(out.data(), 0);
  fdt_set_totalsize(out.data(), bytes);
  return out;
}

TEST(Mutation, ShapesThatAreNoTree) {
  constexpr uint32_t kBegin = 1, kEnd = 2, kNop = 4, kLast = 9, kNoName = 0;
  struct Shape {
    const char* what;
    std::vector<uint32_t> tags;
    const char* sentence;
  };
  std::vector<uint32_t> deep;
  for (int i = 0; i < 100; ++i) deep.insert(deep.end(), {kBegin, kNoName});
  for (int i = 0; i < 100; ++i) deep.push_back(kEnd);
  deep.push_back(kLast);
  const Shape shapes[] = {
      {"empty", {kLast}, "it has no root"},
      {"two roots", {kBegin, kNoName, kEnd, kBegin, kNoName, kEnd, kLast}, "base.dtb: "},
      {"late root", {kNop, kBegin, kNoName, kEnd, kLast}, "its root is not at its start"},
      {"deep", deep, "it is more than 64 levels deep"},
      {"slash", {kBegin, kNoName, kBegin, 0x612f6200, kEnd, kEnd, kLast}, "a node's name has a slash"},
      {"open", {kBegin, kNoName, kLast}, "this is no device tree blob"},
  };
  for (const Shape& shape : shapes) {
    const auto out = merge(tree_of_tags(shape.tags), recipe_addition(), "base.dtb");
    ASSERT_FALSE(out) << shape.what;
    EXPECT_EQ(out.error().name, ErrorName::kFileCorrupt) << shape.what;
    EXPECT_NE(out.error().sentence.find(shape.sentence), std::string::npos)
        << shape.what << ": " << out.error().sentence;
  }
}

TEST(Mutation, ALongNameOfAPropertyIsRefusedBeforeItIsSearched) {
  Blob base = TestTree().set("/chosen", std::string(2000, 'x'), {1}).bytes();
  const auto out = merge(base, recipe_addition(), "base.dtb");
  ASSERT_FALSE(out);
  EXPECT_NE(out.error().sentence.find("name is longer than 1024"), std::string::npos) << out.error().sentence;
}

TEST(Mutation, NamesThatCannotBePrintedAreEscaped) {
  TestTree tree;
  tree.add_node("/pcie@10000000", "evil\x1b[2J\xff").set("/pcie@10000000/evil\x1b[2J\xff", "reg", {0x2000, 0, 0, 0, 0});
  const auto out = merge(tree.bytes(), recipe_addition(), "base.dtb");
  ASSERT_FALSE(out);
  EXPECT_NE(out.error().sentence.find("/pcie@10000000/evil\\x1b[2J\\xff: "), std::string::npos) << out.error().sentence;
}

}  // namespace
}  // namespace dartboard::devicetree
