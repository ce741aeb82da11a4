// model/endpoint/script/storage.h - what a scripted device keeps its data on: memory, or a file that the host names.
//
// A script cannot open files; it gets one Storage. Contents are non-volatile for the device's resets, but power-on of
// the machine brings back the initial image, so that a run does not depend on the runs before it. Only a storage opened
// as persistent writes to its file, and gives that guarantee up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/device_memory.h"

namespace dartboard::model {

class Storage {
 public:
  virtual ~Storage() = default;
  virtual uint64_t size() const = 0;
  /// [offset, +length) lies inside. False: the host could not read or write (file error).
  virtual bool read(uint64_t offset, std::byte* data, uint64_t length) = 0;
  virtual bool write(uint64_t offset, const std::byte* data, uint64_t length) = 0;
  virtual bool flush() { return true; }
  /// Back to the initial image, where there is one.
  virtual void power_on() = 0;
  virtual std::string description() const = 0;
};

/// Zeros, in memory. `bytes` > 0; costs what is written.
std::unique_ptr<Storage> make_memory_storage(uint64_t bytes);

/// A file. Not persistent: the file is only read, what the device writes stays in memory until power-on.
/// Persistent: writes go to the file. kFileUnreadable (missing, empty, not permitted).
Result<std::unique_ptr<Storage>> open_file_storage(const std::string& path, bool persistent);

/// "SIZE[K|M|G]" (memory), "FILE" or "FILE:rw" (persistent). kBadArgument, kFileUnreadable.
Result<std::unique_ptr<Storage>> parse_storage(std::string_view text);

}  // namespace dartboard::model
