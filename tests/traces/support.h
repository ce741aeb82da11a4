// tests/traces/support.h - what the tests of this room share: files to read, and a device that answers from a session.
#pragma once

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "traces/replay.h"
#include "traces/session.h"
#include "traces/sparse_shadow.h"

namespace dartboard::traces {

/// A file in the test's own directory; returns its path.
std::string write_file(const std::string& name, std::string_view content);
std::string zstd(std::string_view content);

/// A device with BAR0 (64 KiB memory, 64 bit), BAR2 (4 KiB registers), BAR5 (8 KiB registers).
DeviceDescription small_device();

/// Reads `lines` as a session of small_device().
Result<Session> read_lines(std::string_view lines);
/// The same with inference; fails the test if it does not read.
Session session_of(std::string_view lines);

/// The session that ships, read once. Tests that change it load their own.
const Session& shipped_session();
Session load_shipped_session();

/// Agrees to everything and does nothing; tests override what they look at.
class QuietTarget : public ReplayTarget {
 public:
  void start(MismatchSink&) override {}
  void resync(uint64_t) override {}
  void finish() override {}
  Result<uint64_t> probe(const ProbeQuery&) override { return 0; }
  Result<uint64_t> map_bar(unsigned) override { return 0; }
  Result<void> resize_bar(unsigned, uint64_t) override { return {}; }
  Result<void> reset() override { return {}; }
  Result<uint32_t> config_read(uint64_t, unsigned) override { return 0; }
  Result<void> config_write(uint64_t, unsigned, uint32_t) override { return {}; }
  Result<void> region_read(unsigned, uint64_t, std::span<std::byte>) override { return {}; }
  Result<void> region_write(unsigned, uint64_t, std::span<const std::byte>) override { return {}; }
  Result<void> map_sysmem(uint32_t, uint64_t, bool, const Payload&, std::span<uint64_t>) override { return {}; }
  Result<void> unmap_sysmem(uint32_t) override { return {}; }
  Result<void> sysmem_read(uint32_t, uint64_t, std::span<std::byte>) override { return {}; }
  Result<void> sysmem_write(uint32_t, uint64_t, std::span<const std::byte>) override { return {}; }
  Result<void> device_dma_write(Iova, std::span<const std::byte>) override { return {}; }
  Result<void> device_memory_change(unsigned, uint64_t, std::span<const std::byte>) override { return {}; }
};

/// Answers from a session the way a machine would: memory is memory, registers answer from the recording in order.
class FakeTarget final : public ReplayTarget {
 public:
  explicit FakeTarget(const Session& device);

  void start(MismatchSink& sink) override;
  void resync(uint64_t next_request) override;
  void finish() override;
  Result<uint64_t> probe(const ProbeQuery& query) override;
  Result<uint64_t> map_bar(unsigned bar) override;
  Result<void> resize_bar(unsigned bar, uint64_t size) override;
  Result<void> reset() override;
  Result<uint32_t> config_read(uint64_t offset, unsigned width) override;
  Result<void> config_write(uint64_t offset, unsigned width, uint32_t value) override;
  Result<void> region_read(unsigned bar, uint64_t offset, std::span<std::byte> data) override;
  Result<void> region_write(unsigned bar, uint64_t offset, std::span<const std::byte> data) override;
  Result<void> map_sysmem(uint32_t handle, uint64_t size, bool contiguous, const Payload& recorded,
                          std::span<uint64_t> pages) override;
  Result<void> unmap_sysmem(uint32_t handle) override;
  Result<void> sysmem_read(uint32_t handle, uint64_t offset, std::span<std::byte> data) override;
  Result<void> sysmem_write(uint32_t handle, uint64_t offset, std::span<const std::byte> data) override;
  Result<void> device_dma_write(Iova address, std::span<const std::byte> data) override;
  Result<void> device_memory_change(unsigned bar, uint64_t offset, std::span<const std::byte> data) override;

  uint64_t region_writes = 0;  ///< pieces received
  bool refuse_placement = false;

 private:
  struct Freer {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  using Memory = std::unique_ptr<std::byte[], Freer>;  // zeroed, and only touched pages take memory
  static Memory zeroed(uint64_t bytes) { return Memory(static_cast<std::byte*>(std::calloc(bytes, 1))); }
  struct Host {
    Memory bytes;
    std::vector<uint64_t> pages;
  };
  const Event* expect(EventKind kind, unsigned bar, uint64_t offset, uint64_t length);
  bool is_register_access(const Event& event) const;

  const Session& device_;
  MismatchSink* sink_ = nullptr;
  std::vector<const Event*> accesses_;  // to registers, in order
  size_t next_ = 0;
  std::map<unsigned, Memory> bars_;
  std::vector<std::byte> config_;
  std::map<uint32_t, Host> host_;
};

}  // namespace dartboard::traces
