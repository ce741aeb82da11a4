// tests/script/stack.h - a scripted device under the whole stack: machine, dext, client, backend; what a driver sees.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/passthrough_device.h"
#include "model/endpoint/script/script.h"
#include "sim/machine.h"

namespace dartboard::script_test {

class Stack {
 public:
  static constexpr uint64_t kMemoryBytes = 512 * kKiB;

  explicit Stack(const model::ScriptSource& source, const std::string& storage = "1M");
  ~Stack();

  /// Power-on of everything, the device opened again, guest memory zero.
  void restart();

  sim::Machine& machine() { return machine_; }
  model::ScriptedDevice& scripted() { return *scripted_; }
  backend::PassthroughDevice& device() { return *device_; }
  const std::vector<uint32_t>& interrupts() const { return interrupts_; }

  uint32_t read32(uint64_t offset);
  uint64_t read64(uint64_t offset);
  void write32(uint64_t offset, uint32_t value);
  void write64(uint64_t offset, uint64_t value);
  uint32_t config32(uint64_t offset);
  /// Moves time and delivers what is due.
  void advance(uint64_t ns);
  /// Assigns `vectors` vectors of `kind`; each delivery is noted in interrupts().
  void enable_interrupts(backend::IrqKind kind, uint32_t vectors);

  /// Guest memory, mapped for DMA as a whole, and where the device sees it.
  std::byte* memory(uint64_t offset) { return memory_.get() + offset; }
  uint64_t iova(uint64_t offset) const { return iova_.value + offset; }
  template <class T>
  T load(uint64_t offset) {
    T value;
    std::memcpy(&value, memory(offset), sizeof value);
    return value;
  }
  template <class T>
  void store(uint64_t offset, T value) {
    std::memcpy(memory(offset), &value, sizeof value);
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  void open();

  sim::Machine& machine_ = sim::Machine::instance();
  sim::Profile profile_;
  std::unique_ptr<model::ScriptedDevice> scripted_;
  std::unique_ptr<std::byte, Free> memory_;
  std::unique_ptr<backend::PassthroughDevice> device_;
  Iova iova_;
  std::vector<uint32_t> interrupts_;
};

/// A shipped script as a source; `from` is replaced by `to` in its text, as a user would edit it.
model::ScriptSource shipped(const std::string& name, const std::string& from = "", const std::string& to = "");

/// A driver's run on a freshly powered-on device of the shipped script `name`; the machine's hash after it.
std::string run_and_hash(const std::string& name);
std::string run_and_hash(Stack& stack, const std::string& name);

void set_program(const char* path);
const std::string& program();

}  // namespace dartboard::script_test
