// tests/script/stack.cpp - see stack.h. A stack that cannot be built is a bug, so it ends the program.
#include "tests/script/stack.h"

#include <cstdio>
#include <cstdlib>

#include "dext/client/client.h"

namespace dartboard::script_test {
namespace {

std::string program_path;

template <class T>
T must(Result<T> result, const char* what) {
  if (!result) {
    std::fprintf(stderr, "%s: %s\n", what, result.error().sentence.c_str());
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace

void set_program(const char* path) { program_path = path; }
const std::string& program() { return program_path; }

model::ScriptSource shipped(const std::string& name, const std::string& from, const std::string& to) {
  model::ScriptSource source = must(model::load_script(name), "script");
  if (from.empty()) return source;
  const size_t at = source.text.find(from);
  if (at == std::string::npos) std::abort();
  source.text.replace(at, from.size(), to);
  return source;
}

Stack::Stack(const model::ScriptSource& source, const std::string& storage)
    : memory_(static_cast<std::byte*>(std::aligned_alloc(64 * kKiB, kMemoryBytes))) {
  model::ScriptOptions options;
  options.storage = must(model::parse_storage(storage), "storage");
  options.on_error = [](const model::ScriptError& e) { std::fprintf(stderr, "%s\n", e.sentence().c_str()); };
  options.draw = [this](uint64_t bound) { return machine_.tape().draw(sim::DrawId::kTest, bound == 0 ? UINT64_MAX : bound); };
  scripted_ = must(model::make_scripted(source, std::move(options)), "device");
  profile_ = must(sim::load_profile("linux-iommu"), "profile");
  profile_.ports.resize(1);
  sim::PowerOn what;
  what.profile = &profile_;
  what.devices = {scripted_.get()};
  must(machine_.power_on(what), "power on");
  open();
}

Stack::~Stack() {
  device_.reset();
  machine_.power_off();
}

void Stack::restart() {
  device_.reset();
  must(machine_.reset(0), "reset");
  open();
}

void Stack::open() {
  std::memset(memory_.get(), 0, kMemoryBytes);
  interrupts_.clear();
  backend::Budget budget;
  budget.page_bytes = profile_.ports[0].mapper.page_bytes;
  device_ = must(backend::PassthroughDevice::open(must(dext::open_vfio_user_pci({}), "client"), budget), "backend");
  const uint16_t command = 0x0006;
  must(device_->write(backend::Region::kConfig, 4, std::as_bytes(std::span(&command, 1))), "command");
  iova_ = must(device_->dma_map(1, memory_.get(), kMemoryBytes), "map").iova;
}

uint32_t Stack::read32(uint64_t offset) {
  uint32_t value = UINT32_MAX;
  if (!device_->read(backend::Region::kBar0, offset, std::as_writable_bytes(std::span(&value, 1)))) value = UINT32_MAX;
  return value;
}
uint64_t Stack::read64(uint64_t offset) {
  uint64_t value = UINT64_MAX;
  if (!device_->read(backend::Region::kBar0, offset, std::as_writable_bytes(std::span(&value, 1)))) value = UINT64_MAX;
  return value;
}
void Stack::write32(uint64_t offset, uint32_t value) {
  (void)device_->write(backend::Region::kBar0, offset, std::as_bytes(std::span(&value, 1)));   // lost if it fails
}
void Stack::write64(uint64_t offset, uint64_t value) {
  (void)device_->write(backend::Region::kBar0, offset, std::as_bytes(std::span(&value, 1)));
}
uint32_t Stack::config32(uint64_t offset) {
  uint32_t value = UINT32_MAX;
  (void)device_->read(backend::Region::kConfig, offset, std::as_writable_bytes(std::span(&value, 1)));
  return value;
}
void Stack::advance(uint64_t ns) {
  machine_.timeline().advance(ns);
  device_->pump();
}
void Stack::enable_interrupts(backend::IrqKind kind, uint32_t vectors) {
  const std::vector<backend::IrqSink> sinks(vectors, [this](uint32_t vector) { interrupts_.push_back(vector); });
  must(device_->set_irqs(kind, backend::IrqAction::kTrigger, 0, vectors, sinks), "interrupts");
}

}  // namespace dartboard::script_test
