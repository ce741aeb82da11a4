// tests/traces/support.cpp - see support.h.
#include "support.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zstd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "traces/inference.h"
#include "traces/jsonl_reader.h"

namespace dartboard::traces {

namespace {

/// The tests' own directory, gone when they end.
const std::string& directory() {
  struct Directory {
    const std::string path = testing::TempDir() + "dartboard-traces-" + std::to_string(getpid());
    Directory() { std::filesystem::create_directories(path); }
    ~Directory() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  };
  static const Directory own;
  return own.path;
}

}  // namespace

std::string write_file(const std::string& name, std::string_view content) {
  const std::string path = directory() + "/" + name;
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr || std::fwrite(content.data(), 1, content.size(), file) != content.size()) std::abort();
  std::fclose(file);
  return path;
}

std::string zstd(std::string_view content) {
  // With a checksum, as the zstd program writes: damage is noticed wherever it is.
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  std::string out(ZSTD_compressBound(content.size()), '\0');
  out.resize(ZSTD_compress2(context, out.data(), out.size(), content.data(), content.size()));
  ZSTD_freeCCtx(context);
  return out;
}

DeviceDescription small_device() {
  DeviceDescription device;
  device.name = "small";
  device.vendor_id = 0x1234;
  device.device_id = 0x5678;
  device.class_code = 0x030000;
  device.bars[0] = {BarKind::kMemory, 64 * kKiB, true, true};
  device.bars[2] = {BarKind::kRegisters, 4 * kKiB, false, false};
  device.bars[5] = {BarKind::kRegisters, 8 * kKiB, false, false};
  return device;
}

Result<Session> read_lines(std::string_view lines) {
  return read_jsonl(write_file("lines.jsonl", lines), small_device());
}

Session session_of(std::string_view lines) {
  auto session = read_lines(lines);
  if (!session) {
    ADD_FAILURE() << session.error().sentence;
    return {};
  }
  EXPECT_TRUE(infer_device_events(&*session));
  return std::move(*session);
}

Session load_shipped_session() {
  auto session = load_session(DARTBOARD_SESSIONS "/amd-am-boot-copy.jsonl.zst");
  if (!session) {
    ADD_FAILURE() << session.error().sentence;
    return {};
  }
  return std::move(*session);
}

const Session& shipped_session() {
  static const Session session = load_shipped_session();
  return session;
}

FakeTarget::FakeTarget(const Session& device) : device_(device), config_(4096) {
  for (const Event& event : device.events) {
    if (is_register_access(event)) accesses_.push_back(&event);
  }
  for (unsigned i = 0; i < 6; ++i) {
    if (device.device.bars[i].kind == BarKind::kMemory) bars_[i] = zeroed(device.device.bars[i].size);
  }
}

bool FakeTarget::is_register_access(const Event& event) const {
  return (event.kind == EventKind::kMmioRead || event.kind == EventKind::kMmioWrite) &&
         device_.device.bars[event.target].kind == BarKind::kRegisters;
}

const Event* FakeTarget::expect(EventKind kind, unsigned bar, uint64_t offset, uint64_t length) {
  if (next_ == accesses_.size()) {
    sink_->device_mismatch("end of the recording", to_string(kind));
    return nullptr;
  }
  const Event* const event = accesses_[next_];
  if (event->kind != kind || event->target != bar || event->address != offset || event->length != length) {
    sink_->device_mismatch(to_string(event->kind), to_string(kind));
    return nullptr;
  }
  ++next_;
  return event;
}

void FakeTarget::start(MismatchSink& sink) {
  sink_ = &sink;
}
void FakeTarget::resync(uint64_t next_request) {
  while (next_ < accesses_.size() && accesses_[next_]->request < next_request) ++next_;
}
void FakeTarget::finish() {
  if (next_ != accesses_.size()) sink_->device_mismatch(to_string(accesses_[next_]->kind), "the end of the replay");
}

Result<uint64_t> FakeTarget::probe(const ProbeQuery& query) {
  const DeviceDescription& d = device_.device;
  return query.matches(d.vendor_id, d.device_id, d.class_code) ? 1 : 0;
}
Result<uint64_t> FakeTarget::map_bar(unsigned bar) {
  return device_.device.bars[bar].size;
}
Result<void> FakeTarget::resize_bar(unsigned, uint64_t) {
  return fail(ErrorName::kNotSupported, "no Resizable BAR.");
}
Result<void> FakeTarget::reset() {
  return {};
}

Result<uint32_t> FakeTarget::config_read(uint64_t offset, unsigned width) {
  uint32_t value = 0;
  std::memcpy(&value, &config_[offset], width);
  return value;
}
Result<void> FakeTarget::config_write(uint64_t offset, unsigned width, uint32_t value) {
  std::memcpy(&config_[offset], &value, width);
  return {};
}

Result<void> FakeTarget::region_read(unsigned bar, uint64_t offset, std::span<std::byte> data) {
  if (const auto memory = bars_.find(bar); memory != bars_.end()) {
    std::memcpy(data.data(), &memory->second[offset], data.size());
  } else if (const Event* event = expect(EventKind::kMmioRead, bar, offset, data.size())) {
    device_.reply_of(*event)->data.copy_to(0, data);
  }
  return {};
}
Result<void> FakeTarget::region_write(unsigned bar, uint64_t offset, std::span<const std::byte> data) {
  ++region_writes;
  if (const auto memory = bars_.find(bar); memory != bars_.end()) {
    std::memcpy(&memory->second[offset], data.data(), data.size());
  } else if (const Event* event = expect(EventKind::kMmioWrite, bar, offset, data.size())) {
    if (event->data.first_difference(data) != data.size()) sink_->device_mismatch("written", "something else");
  }
  return {};
}

Result<void> FakeTarget::map_sysmem(uint32_t handle, uint64_t size, bool, const Payload& recorded,
                                    std::span<uint64_t> pages) {
  if (refuse_placement) return fail(ErrorName::kPlacement, "page 0 cannot be placed.");
  for (size_t i = 0; i < pages.size(); ++i) pages[i] = recorded.le64(8 * i);
  host_[handle] = {zeroed(size), {pages.begin(), pages.end()}};
  return {};
}
Result<void> FakeTarget::unmap_sysmem(uint32_t handle) {
  host_.erase(handle);
  return {};
}
Result<void> FakeTarget::sysmem_read(uint32_t handle, uint64_t offset, std::span<std::byte> data) {
  std::memcpy(data.data(), &host_[handle].bytes[offset], data.size());
  return {};
}
Result<void> FakeTarget::sysmem_write(uint32_t handle, uint64_t offset, std::span<const std::byte> data) {
  std::memcpy(&host_[handle].bytes[offset], data.data(), data.size());
  return {};
}

Result<void> FakeTarget::device_dma_write(Iova address, std::span<const std::byte> data) {
  for (size_t done = 0; done < data.size(); ++done) {
    const uint64_t at = address.value + done;
    bool found = false;
    for (auto& [handle, host] : host_) {
      for (size_t page = 0; page < host.pages.size() && !found; ++page) {
        if (at - host.pages[page] >= 4096) continue;
        host.bytes[page * 4096 + (at - host.pages[page])] = data[done];
        found = true;
      }
    }
    if (!found) return fail(ErrorName::kOutOfRange, "DMA to an address that is not mapped.");
  }
  return {};
}
Result<void> FakeTarget::device_memory_change(unsigned bar, uint64_t offset, std::span<const std::byte> data) {
  std::memcpy(&bars_.at(bar)[offset], data.data(), data.size());
  return {};
}

}  // namespace dartboard::traces
