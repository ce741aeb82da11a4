// sim/macos/pci_nub_word.h - PciNub::read_word and write_word: the checks and the TLM call in one piece.
//
// Apart from pci_nub.h because it needs SystemC's headers and few need it.
#pragma once

#include "sim/macos/cpu_port.h"
#include "sim/macos/pci_nub.h"

namespace dartboard::macos {

template <class T>
io_return::Code PciNub::read_word(uint64_t owner, unsigned memory_index, uint64_t offset, T* data) {
  if (!word_allowed(owner, memory_index, offset, sizeof(T))) [[unlikely]] {
    uint64_t ignored = 0;
    return memory_read(owner, memory_index, offset, sizeof(T), &ignored);   // says why
  }
  *data = port_.read_word<T>(windows_[memory_index].cpu_address + offset);
  return io_return::kSuccess;
}

template <class T>
io_return::Code PciNub::write_word(uint64_t owner, unsigned memory_index, uint64_t offset, T data) {
  if (!word_allowed(owner, memory_index, offset, sizeof(T)) || model::faults_installed()) [[unlikely]] {
    return memory_write(owner, memory_index, offset, sizeof(T), data);
  }
  port_.write_word<T>(windows_[memory_index].cpu_address + offset, data);
  return io_return::kSuccess;
}

}  // namespace dartboard::macos
