// tests/guest/fake_host.h - a host that is nothing but a mapper, and a device that reads and writes through it: for
// tests with many operations, or with a mapper that fails where they want.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "backend/dma/strategy.h"
#include "base/lazy_memory.h"
#include "cli/dma_adapter.h"
#include "cli/strategies.h"
#include "sim/guest/ram.h"
#include "sim/guest/runner.h"

namespace dartboard::guest {

class FakeMapper final : public backend::dma::Mapper {
 public:
  FakeMapper(const backend::Budget& budget, bool places, Iova window, uint64_t window_bytes);

  Result<backend::DmaMapping> map(uint64_t key, void* base, uint64_t size) override;
  Result<void> unmap(uint64_t key) override;
  bool places() const override { return places_; }
  Result<backend::DmaMapping> map_at(uint64_t key, void* base, uint64_t size, Iova iova) override;
  Result<dext::DmaBuffer> allocate_buffer(uint64_t size, uint64_t alignment) override;
  Result<void> free_buffer() override;
  Result<void> quiesce() override;
  const backend::BudgetUse& use() const override { return use_; }
  const backend::Budget& budget() const override { return budget_; }

  /// The call after so many fails, once. UINT64_MAX: none.
  void fail_after(uint64_t calls) { fail_after_ = calls; }
  bool failed() const { return failed_; }
  uint64_t live() const { return live_.size(); }
  bool quiet() const { return quiet_; }

  /// What the device reaches at `iova`: memory and how many bytes follow. Null: a fault.
  std::byte* reach(Iova iova, uint64_t* bytes) const;

 private:
  struct Live {
    std::byte* base;
    uint64_t size;
  };
  Result<void> count(const char* call);
  Result<Iova> place(std::byte* base, uint64_t size, Iova at);
  uint64_t pages(Iova iova, uint64_t size) const;

  backend::Budget budget_;
  bool places_;
  Iova window_;
  macos::IovaAllocator space_;
  std::map<uint64_t, Live> live_;  ///< by device address
  std::map<uint64_t, Iova> by_key_;
  LazyMemory buffer_;
  Iova buffer_iova_;
  bool has_buffer_ = false, quiet_ = false, failed_ = false;
  uint64_t fail_after_ = UINT64_MAX;
  backend::BudgetUse use_;
};

/// The device: bytes go where the mapper says, or the transfer fails.
class FakeEngine : public DmaEngine {
 public:
  explicit FakeEngine(const FakeMapper& mapper) : mapper_(mapper) {}
  Result<void> device_reads(Iova from, std::span<std::byte> data) override;
  Result<void> device_writes(Iova to, std::span<const std::byte> data) override;

 private:
  const FakeMapper& mapper_;
};

struct HostOptions {
  bool mac = true;  ///< 16 KiB pages and budgets, and the mapper chooses
  uint64_t ram_bytes = 256 * kMiB;
  uint64_t pool_bytes = 16 * kMiB;
  uint64_t align_mask = 0;
};

/// A guest with RAM, a strategy by name, and what lies below.
struct Host {
  explicit Host(std::string_view strategy_name, const HostOptions& options = {});
  ~Host();
  RunResult run(const Workload& workload, uint64_t seed = 1);
  backend::dma::Mapped must_map(Gpa gpa, uint64_t bytes);

  Ram ram;
  cli::RamPages pages;
  backend::dma::GuestMemory memory;
  FakeMapper mapper;
  sim::PortProfile port;
  std::unique_ptr<backend::dma::Strategy> strategy;
  FakeEngine engine;
};

/// All strategies; those that work where the mapper chooses; those that need a host where the caller chooses.
std::vector<std::string> all_strategies();
bool needs_placing(std::string_view strategy);

}  // namespace dartboard::guest
