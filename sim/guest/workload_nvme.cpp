// sim/guest/workload_nvme.cpp - an NVMe driver with one I/O queue, kept full.
//
// Submission and completion queues are coherent; so is a PRP list for what has more than two pages. Data is scattered
// page-cache pages. The device fetches the command, the list and the data, or writes the data, then a completion.
#include <algorithm>
#include <deque>

#include "sim/guest/generators.h"

namespace dartboard::guest {
namespace {

constexpr unsigned kDepth = 64, kCommands = 2000, kReadPercent = 70;
constexpr uint64_t kEntry = 64, kCompletion = 16, kPage = 4 * kKiB;
constexpr uint64_t kLow = 4 * kKiB, kHigh = 128 * kKiB;

}  // namespace

void make_nvme(Workload& w, WorkloadWriter& out) {
  w.parameters = {
      {"queue depth", "64", ""},
      {"commands", "2,000", ""},
      {"reads", "70 %", ""},
      {"size of a command", "4 KiB to 128 KiB, log-uniform, whole pages", ""},
      {"queue entry, completion", "64 and 16 bytes", "NVM Express base specification"},
      {"min_align_mask", "4095", "Linux drivers/nvme/host/pci.c (NVME_CTRL_PAGE_SIZE)"},
      {"splits by dma_max_mapping_size", "yes", "Linux drivers/nvme/host/pci.c"},
  };
  w.ram_bytes = 64 * kMiB;
  w.align_mask = 4095;
  const auto submissions = out.coherent(kDepth * kEntry);
  const auto completions = out.coherent(kDepth * kCompletion);
  struct Command {
    uint32_t buffer, mapping;
    uint64_t bytes;
    bool read;
    WorkloadWriter::Ring list;
  };
  std::deque<Command> flying;
  unsigned submitted = 0, completed = 0;
  const auto complete = [&] {
    const Command command = flying.front();
    flying.pop_front();
    if (command.read)
      out.device_write(command.mapping, 0, command.bytes);
    else
      out.device_read(command.mapping, 0, command.bytes);
    const uint64_t at = (completed++ % kDepth) * kCompletion;
    out.device_write(completions.mapping, at, kCompletion);
    out.cpu_read(completions.buffer, at, kCompletion);
    out.unmap(command.mapping);
    if (command.read) out.cpu_read(command.buffer, 0, command.bytes);
    if (command.list.bytes != 0) out.free_coherent(command.list);
    out.release(command.buffer);
  };
  while (submitted < kCommands) {
    Command command{};
    command.bytes = (out.draw_log(kLow, kHigh) + kPage - 1) / kPage * kPage;
    command.read = out.chance(kReadPercent);
    command.buffer = out.allocate(command.bytes, true);
    if (!command.read) out.cpu_write(command.buffer, 0, command.bytes);
    command.mapping = out.map(command.buffer, 0, command.bytes,
                              command.read ? Direction::kFromDevice : Direction::kToDevice, Context::kSleeping, true);
    const uint64_t pages = command.bytes / kPage;
    if (pages > 2) {
      command.list = out.coherent(kPage);
      out.cpu_write(command.list.buffer, 0, (pages - 1) * 8);
    }
    const uint64_t at = (submitted++ % kDepth) * kEntry;
    out.cpu_write(submissions.buffer, at, kEntry);
    out.device_read(submissions.mapping, at, kEntry);
    if (command.list.bytes != 0) out.device_read(command.list.mapping, 0, (pages - 1) * 8);
    flying.push_back(command);
    if (flying.size() == kDepth) complete();
  }
  while (!flying.empty()) complete();
  out.free_coherent(completions);
  out.free_coherent(submissions);
}

}  // namespace dartboard::guest
