// model/endpoint/script/storage.cpp - memory, a file under a copy-on-write overlay, a file written through.
#include "model/endpoint/script/storage.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/types.h"

namespace dartboard::model {
namespace {

constexpr uint64_t kMemoryBytesMax = 1024 * kGiB;
constexpr uint64_t kBlockBytes = 4096;

class MemoryStorage final : public Storage {
 public:
  explicit MemoryStorage(uint64_t bytes) : memory_(bytes) {}
  uint64_t size() const override { return memory_.data() == nullptr ? 0 : memory_.size(); }
  bool read(uint64_t offset, std::byte* data, uint64_t length) override {
    std::memcpy(data, memory_.data() + offset, length);
    return true;
  }
  bool write(uint64_t offset, const std::byte* data, uint64_t length) override {
    memory_.mark_dirty(offset, length);
    std::memcpy(memory_.data() + offset, data, length);
    return true;
  }
  void power_on() override { memory_.reset(); }
  std::string description() const override { return fmt::format("{} bytes of memory", size()); }

 private:
  DeviceMemory memory_;
};

class FileStorage final : public Storage {
 public:
  FileStorage(int file, uint64_t bytes, std::string path, bool persistent)
      : file_(file), bytes_(bytes), path_(std::move(path)), persistent_(persistent) {}
  ~FileStorage() override { ::close(file_); }
  FileStorage(const FileStorage&) = delete;
  FileStorage& operator=(const FileStorage&) = delete;

  uint64_t size() const override { return bytes_; }

  bool read(uint64_t offset, std::byte* data, uint64_t length) override {
    if (!read_file(offset, data, length)) return false;
    const uint64_t end = offset + length;
    for (auto it = overlay_.lower_bound(round_down(offset, kBlockBytes)); it != overlay_.end() && it->first < end; ++it) {
      const uint64_t from = std::max(offset, it->first);
      const uint64_t to = std::min(end, it->first + kBlockBytes);
      std::memcpy(data + (from - offset), it->second.data() + (from - it->first), to - from);
    }
    return true;
  }

  bool write(uint64_t offset, const std::byte* data, uint64_t length) override {
    if (persistent_) return write_file(offset, data, length);
    for (uint64_t done = 0; done < length;) {
      const uint64_t block = round_down(offset + done, kBlockBytes);
      const uint64_t inside = offset + done - block;
      const uint64_t count = std::min(length - done, kBlockBytes - inside);
      std::vector<std::byte>& bytes = overlay_[block];
      if (bytes.empty()) {
        bytes.resize(kBlockBytes);
        if (!read_file(block, bytes.data(), std::min(kBlockBytes, bytes_ - block))) {
          overlay_.erase(block);
          return false;
        }
      }
      std::memcpy(bytes.data() + inside, data + done, count);
      done += count;
    }
    return true;
  }

  bool flush() override { return !persistent_ || ::fsync(file_) == 0; }
  void power_on() override { overlay_.clear(); }
  std::string description() const override {
    return fmt::format("{} ({} bytes{})", path_, bytes_, persistent_ ? ", written through" : ", changes kept in memory");
  }

 private:
  bool read_file(uint64_t offset, std::byte* data, uint64_t length) const {
    while (length != 0) {
      const ssize_t got = ::pread(file_, data, length, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;   // an end means that the file was truncated under us
      data += got;
      offset += static_cast<uint64_t>(got);
      length -= static_cast<uint64_t>(got);
    }
    return true;
  }
  bool write_file(uint64_t offset, const std::byte* data, uint64_t length) const {
    while (length != 0) {
      const ssize_t put = ::pwrite(file_, data, length, static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) return false;
      data += put;
      offset += static_cast<uint64_t>(put);
      length -= static_cast<uint64_t>(put);
    }
    return true;
  }

  int file_;
  uint64_t bytes_;
  std::string path_;
  bool persistent_;
  std::map<uint64_t, std::vector<std::byte>> overlay_;   ///< by offset of the block
};

}  // namespace

std::unique_ptr<Storage> make_memory_storage(uint64_t bytes) { return std::make_unique<MemoryStorage>(bytes); }

Result<std::unique_ptr<Storage>> open_file_storage(const std::string& path, bool persistent) {
  const int file = ::open(path.c_str(), (persistent ? O_RDWR : O_RDONLY) | O_CLOEXEC);
  if (file < 0) {
    return fail(ErrorName::kFileUnreadable, fmt::format("storage {}: {}", path, std::strerror(errno)));
  }
  struct stat info {};
  if (::fstat(file, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size <= 0) {
    ::close(file);
    return fail(ErrorName::kFileUnreadable,
                fmt::format("storage {}: expected a regular file that is not empty (make one with 'truncate -s 64M')", path));
  }
  return std::make_unique<FileStorage>(file, static_cast<uint64_t>(info.st_size), path, persistent);
}

Result<std::unique_ptr<Storage>> parse_storage(std::string_view text) {
  uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  if (error == std::errc() && (unit.empty() || unit == "K" || unit == "M" || unit == "G")) {
    const uint64_t scale = unit.empty() ? 1 : unit == "K" ? kKiB : unit == "M" ? kMiB : kGiB;
    if (bytes == 0 || bytes > kMemoryBytesMax / scale) {
      return fail(ErrorName::kBadArgument, fmt::format("storage '{}': expected 1 byte to 1024G", text));
    }
    auto storage = make_memory_storage(bytes * scale);
    if (storage->size() == 0) {
      return fail(ErrorName::kNotSupported, fmt::format("storage '{}': this host has no address space for it", text));
    }
    return storage;
  }
  const bool persistent = text.size() > 3 && text.substr(text.size() - 3) == ":rw";
  return open_file_storage(std::string(persistent ? text.substr(0, text.size() - 3) : text), persistent);
}

}  // namespace dartboard::model
