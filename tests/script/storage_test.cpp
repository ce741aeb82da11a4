// tests/script/storage_test.cpp - memory, a file with changes kept apart, a file written through.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

#include "tests/script/support.h"

namespace dartboard::script_test {
namespace {

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text) {
    char path[] = "/tmp/dartboard-storage-XXXXXX";
    const int file = ::mkstemp(path);
    path_ = path;
    EXPECT_EQ(::write(file, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ::close(file);
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }
  std::string text() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  std::string path_;
};

std::string read(model::Storage& storage, uint64_t offset, uint64_t length) {
  std::string text(length, '?');
  EXPECT_TRUE(storage.read(offset, reinterpret_cast<std::byte*>(text.data()), length));
  return text;
}
void write(model::Storage& storage, uint64_t offset, const std::string& text) {
  EXPECT_TRUE(storage.write(offset, reinterpret_cast<const std::byte*>(text.data()), text.size()));
}

TEST(Storage, MemoryIsZeroAgainAfterPowerOn) {
  auto storage = model::parse_storage("64K");
  ASSERT_TRUE(storage.has_value());
  EXPECT_EQ((*storage)->size(), 65536u);
  write(**storage, 65530, "abc");
  EXPECT_EQ(read(**storage, 65530, 3), "abc");
  (*storage)->power_on();
  EXPECT_EQ(read(**storage, 65530, 3), std::string(3, '\0'));
}

TEST(Storage, FileIsNotChangedUnlessAskedFor) {
  const std::string image(10'000, 'i');
  TemporaryFile file(image);
  auto storage = model::parse_storage(file.path());
  ASSERT_TRUE(storage.has_value()) << storage.error().sentence;
  write(**storage, 4090, "across the border");
  EXPECT_EQ(read(**storage, 4088, 21), "iiacross the borderii");
  EXPECT_EQ(file.text(), image);
  (*storage)->power_on();
  EXPECT_EQ(read(**storage, 4090, 6), "iiiiii");
}

TEST(Storage, TheLastBlockMayBeShort) {
  TemporaryFile file(std::string(4100, 'i'));
  auto storage = model::parse_storage(file.path());
  ASSERT_TRUE(storage.has_value());
  write(**storage, 4098, "zz");
  EXPECT_EQ(read(**storage, 4096, 4), "iizz");
}

TEST(Storage, PersistentWritesThrough) {
  TemporaryFile file(std::string(16, 'i'));
  auto storage = model::parse_storage(file.path() + ":rw");
  ASSERT_TRUE(storage.has_value());
  write(**storage, 4, "disk");
  EXPECT_TRUE((*storage)->flush());
  EXPECT_EQ(file.text(), "iiiidiskiiiiiiii");
}

TEST(Storage, AFileThatShrinksIsAnErrorNotACrash) {
  TemporaryFile file(std::string(8192, 'i'));
  auto storage = model::parse_storage(file.path());
  ASSERT_TRUE(storage.has_value());
  std::filesystem::resize_file(file.path(), 10);
  std::byte data[16];
  EXPECT_FALSE((*storage)->read(4096, data, 16));
  EXPECT_FALSE((*storage)->write(4096, data, 16));
}

TEST(Storage, RefusesWhatIsNone) {
  TemporaryFile empty("");
  for (const std::string& text : {std::string("0"), std::string("2000G"), std::string("/does/not/exist"), empty.path(),
                                  std::string("/tmp")}) {
    EXPECT_FALSE(model::parse_storage(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace dartboard::script_test
