// tests/script/drivers.cpp - see drivers.h, and the fixed runs whose hash must not depend on what was before.
#include "tests/script/drivers.h"

#include <cstring>

namespace dartboard::script_test {

void EduDriver::dma(bool to_host, uint64_t offset, uint64_t at, uint32_t count, bool interrupt) {
  const uint64_t host = stack.iova(offset);
  stack.write64(0x80, to_host ? kBuffer + at : host);
  stack.write64(0x88, to_host ? host : kBuffer + at);
  stack.write64(0x90, count);
  stack.write64(0x98, 1u | (to_host ? 2u : 0u) | (interrupt ? 4u : 0u));
}

void NvmeDriver::start() {
  stack_.write32(0x24, uint32_t{kEntries - 1} << 16 | (kEntries - 1));
  stack_.write64(0x28, stack_.iova(kAsq));
  stack_.write64(0x30, stack_.iova(kAcq));
  stack_.write32(0x14, 4u << 20 | 6u << 16 | 1);
}

void NvmeDriver::create_queues() {
  admin({.opcode = 0x05, .prp1 = stack_.iova(kCq), .cdw10 = uint32_t{kEntries - 1} << 16 | 1, .cdw11 = 1u << 16 | 3});
  admin({.opcode = 0x01, .prp1 = stack_.iova(kSq), .cdw10 = uint32_t{kEntries - 1} << 16 | 1, .cdw11 = 1u << 16 | 1});
}

void NvmeDriver::put(unsigned queue, const Command& command) {
  const uint64_t at = (queue == 0 ? kAsq : kSq) + 64u * tail_[queue];
  std::memset(stack_.memory(at), 0, 64);
  stack_.store<uint32_t>(at, command.opcode | uint32_t{next_id_++} << 16);
  stack_.store(at + 4, command.nsid);
  stack_.store(at + 24, command.prp1);
  stack_.store(at + 32, command.prp2);
  stack_.store(at + 40, command.cdw10);
  stack_.store(at + 44, command.cdw11);
  stack_.store(at + 48, command.cdw12);
  tail_[queue] = static_cast<uint16_t>((tail_[queue] + 1) % kEntries);
}

NvmeDriver::Completion NvmeDriver::take(unsigned queue) {
  const uint64_t at = (queue == 0 ? kAcq : kCq) + 16u * head_[queue];
  const auto status = stack_.load<uint16_t>(at + 14);
  if ((status & 1) != phase_[queue]) return {};
  Completion c{stack_.load<uint32_t>(at), stack_.load<uint16_t>(at + 8), stack_.load<uint16_t>(at + 10),
               stack_.load<uint16_t>(at + 12), static_cast<uint16_t>(status >> 1)};
  head_[queue] = static_cast<uint16_t>((head_[queue] + 1) % kEntries);
  if (head_[queue] == 0) phase_[queue] ^= 1;
  stack_.write32(0x1000 + 8 * queue + 4, head_[queue]);
  return c;
}

std::string run_and_hash(Stack& stack, const std::string& name) {
  if (name == "nvme") {
    stack.enable_interrupts(backend::IrqKind::kMsix, 2);
    NvmeDriver nvme(stack);
    nvme.start();
    nvme.create_queues();
    for (uint32_t i = 0; i < 20; ++i) {
      stack.store<uint64_t>(NvmeDriver::kData, 0x1000 + i);
      nvme.io({.opcode = 0x01, .nsid = 1, .prp1 = stack.iova(NvmeDriver::kData), .cdw10 = i});
      nvme.io({.opcode = 0x02, .nsid = 1, .prp1 = stack.iova(NvmeDriver::kBack), .cdw10 = i + 1});
      stack.advance(1000);
    }
  } else if (name == "edu") {
    EduDriver edu(stack);
    for (uint32_t i = 0; i < 10; ++i) {
      stack.write32(0x08, i + 3);
      edu.dma((i & 1) != 0, 0x1000 * i, 8 * i, 256);
      stack.advance(200'000'000);
      (void)stack.read32(0x08);
    }
  } else if (name == "hostile") {
    stack.write32(0x28, 1);
    stack.write32(0x2c, 1);
    for (uint32_t i = 0; i < 10; ++i) {
      (void)stack.config32(0);
      stack.write64(0x08, 0x1234'5000u + i * 0x1000);
      stack.write32(0x14, i);
      stack.write32(0x20, i);
      stack.write32(0x30, 3);
      stack.advance(1000);
    }
  } else {
    for (uint32_t i = 0; i < 64; ++i) {
      stack.write32(0x38, i);
      stack.write32(0x3c, i * 3);
      (void)stack.read32(0x3c);
    }
  }
  return stack.machine().hash().value().hex();
}

std::string run_and_hash(const std::string& name) {
  Stack stack(shipped(name));
  return run_and_hash(stack, name);
}

}  // namespace dartboard::script_test
