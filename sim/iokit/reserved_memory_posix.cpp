// sim/iokit/reserved_memory_posix.cpp - reserved ranges and pages by mmap (POSIX: Linux and macOS alike).
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <vector>

#include "base/types.h"
#include "sim/iokit/reserved_memory.h"

namespace dartboard::iokit {
namespace {

uint64_t map_pages(uint64_t length, int protection) {
  if (length == 0 || length > kReservedBytesMax) return 0;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef MAP_NORESERVE
  flags |= MAP_NORESERVE;
#endif
  void* const base = mmap(nullptr, round_up(length, page_bytes()), protection, flags, -1, 0);
  return base != MAP_FAILED ? reinterpret_cast<uint64_t>(base) : 0;
}

void unmap_pages(uint64_t address, uint64_t length) {
  if (address != 0) munmap(reinterpret_cast<void*>(address), round_up(length, page_bytes()));
}

/// What allocate_pages gave out: address to length. Looked up only.
std::map<uint64_t, uint64_t>& pages() {
  static auto* const given = new std::map<uint64_t, uint64_t>;
  return *given;
}

// Reserved ranges cost no memory: a few are kept for the next connection, because a machine that is reset ten thousand
// times a second maps the same BARs each time.
constexpr size_t kSparesMax = 16;
struct Spare {
  uint64_t address, length;
};
std::vector<Spare>& spares() {
  static auto* const list = new std::vector<Spare>;
  return *list;
}

}  // namespace

uint64_t page_bytes() {
  static const auto bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

uint64_t reserve(uint64_t length) {
  std::vector<Spare>& list = spares();
  for (size_t i = list.size(); i-- > 0;) {
    if (list[i].length != length) continue;
    const uint64_t address = list[i].address;
    list[i] = list.back();
    list.pop_back();
    return address;
  }
  return map_pages(length, PROT_NONE);
}

void release_reserved(uint64_t address, uint64_t length) {
  if (address != 0 && spares().size() < kSparesMax) {
    spares().push_back({address, length});
  } else {
    unmap_pages(address, length);
  }
}

uint64_t allocate_pages(uint64_t length) {
  const uint64_t address = map_pages(length, PROT_READ | PROT_WRITE);
  if (address != 0) pages().emplace(address, length);
  return address;
}

bool free_pages(uint64_t address, uint64_t length) {
  const auto found = pages().find(address);
  if (found == pages().end() || round_up(found->second, page_bytes()) != round_up(length, page_bytes())) return false;
  unmap_pages(address, found->second);
  pages().erase(found);
  return true;
}

}  // namespace dartboard::iokit
