// sim/guest/runner.h - runs a workload: a driver, its memory and its device, with every byte checked end to end.
//
// Checked: what the device reads is what the CPU put there; what the device wrote is what the CPU sees after sync or
// unmap; bytes beside it are what they were, to the edge of the page; free pages stay zero; coherent memory begins as
// zero. A difference is a LostByte with place, expected and got.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "sim/guest/dma_api.h"
#include "sim/guest/ram.h"
#include "sim/guest/workload.h"

namespace dartboard::guest {

struct LostByte {
  enum class Seen : uint8_t { kByDevice, kByCpu, kInFreePage };
  Seen seen = Seen::kByCpu;
  uint64_t step = 0;
  uint32_t buffer = 0;
  uint64_t offset = 0;  ///< in the buffer
  Gpa gpa;              ///< kByCpu, kInFreePage: where it is
  Iova iova;            ///< kByDevice: where the device read it
  uint8_t expected = 0, got = 0;
};
std::string sentence(const LostByte& lost);

struct Refusal {
  std::string name;  ///< of the error: "busy"
  uint64_t count = 0;
  std::string first;  ///< its sentence, the first time
};

struct RunResult {
  uint64_t steps = 0, skipped = 0;  ///< skipped: they hang on something that was refused
  uint64_t maps = 0, pieces = 0;    ///< mappings that the driver got, and the device addresses they have
  uint64_t transfers = 0, bytes_to_device = 0, bytes_from_device = 0;
  uint64_t transfers_failed = 0;
  std::string first_failed_transfer;
  uint64_t refused = 0;           ///< map and coherent requests that failed
  std::vector<Refusal> refusals;  ///< by name, in order of appearance
  uint64_t errors = 0;            ///< unmap, sync or free that failed
  std::string first_error;
  uint64_t lost = 0;                 ///< checks that found a wrong byte
  std::vector<LostByte> first_lost;  ///< at most 10
  uint64_t leaked = 0;               ///< mappings and coherent memory live at the end
  std::optional<Error> stopped;      ///< why it ended early: the host panicked
  bool clean() const { return lost == 0 && errors == 0 && leaked == 0 && !stopped; }
};

class Runner {
 public:
  /// All outlive the runner. `seed` is for where scattered memory lies, `run_pages` how many pages of it are in a row.
  Runner(Ram& ram, DmaOps& ops, DmaEngine& engine, uint64_t seed, uint64_t run_pages = 1);

  /// Runs all of it, then closes what is still open. `after_step` is called with the number of steps done.
  RunResult run(const Workload& workload, const std::function<void(uint64_t)>& after_step = {});

 private:
  struct Extent {
    Gpa gpa;
    uint64_t offset = 0, bytes = 0;  ///< in the buffer
    std::byte* memory = nullptr;
  };
  struct Buffer {
    bool live = false, coherent = false;
    bool spoiled = false;  ///< a transfer broke off: nobody knows its bytes
    uint64_t bytes = 0;    ///< asked for; extents are whole pages
    std::vector<Extent> extents;
    std::vector<std::byte> expected;
  };
  struct Write {             ///< by the device, not handed to the CPU yet
    uint64_t offset, bytes;  ///< in the buffer
    uint64_t seed, position;
  };
  struct Mapping {
    bool live = false;
    uint32_t buffer = 0;
    uint64_t offset = 0, bytes = 0;  ///< in the buffer
    Direction direction = Direction::kBidirectional;
    bool list = false;  ///< mapped by map_sg
    std::vector<SgEntry> pieces;
    std::vector<Write> pending;
    DmaCoherent coherent;
  };

  bool step(const Step& step);
  bool allocate(const Step& step);
  bool cpu_write(const Step& step);
  bool cpu_read(const Step& step);
  bool map(const Step& step);
  bool unmap(uint32_t id);
  bool sync(const Step& step, bool for_cpu);
  bool transfer(const Step& step, bool device_writes);
  bool coherent(const Step& step);
  bool free_coherent(uint32_t id);
  void release(Buffer& buffer);

  std::vector<SgEntry> entries(const Buffer& buffer, const Step& step) const;
  void write_memory(Buffer& buffer, uint64_t offset, std::span<const std::byte> data);
  void check_memory(uint32_t id, uint64_t offset, uint64_t bytes);
  void apply(Mapping& mapping, uint64_t offset, uint64_t bytes);
  void lose(const LostByte& lost);
  void refuse(const Error& error);
  void error(const Error& error);
  template <class F>
  void over_extents(const Buffer& buffer, uint64_t offset, uint64_t bytes, F&& f) const;

  Ram& ram_;
  DmaApi api_;
  DmaEngine& engine_;
  const uint64_t run_pages_;
  sim::Tape tape_;
  std::vector<Buffer> buffers_;
  std::vector<Mapping> mappings_;
  std::vector<std::vector<uint32_t>> mapped_by_buffer_;  ///< live mappings of each buffer
  std::vector<std::byte> staging_, own_view_;
  std::map<std::string, size_t> refusal_index_;
  RunResult result_;
};

}  // namespace dartboard::guest
