// traces/replay_registers.cpp - see replay_registers.h.
#include "traces/replay_registers.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include <fmt/format.h>

#include "base/types.h"

namespace dartboard::traces {

namespace {

constexpr uint64_t kMsixEntryBytes = 16;

uint64_t le_part(const Payload& data, uint64_t offset, unsigned width) {
  std::array<std::byte, 8> bytes{};
  data.copy_to(offset, std::span(bytes).first(width));
  uint64_t value = 0;
  std::memcpy(&value, bytes.data(), 8);
  return value;
}

}  // namespace

std::string_view to_string(RegisterClass c) {
  switch (c) {
    case RegisterClass::kRam: return "ram";
    case RegisterClass::kReadOnly: return "read-only";
    case RegisterClass::kQueue: return "queue";
    case RegisterClass::kWriteOnly: return "write-only";
  }
  return "queue";
}

bool reaches_msix(const MsixDescription& msix, unsigned bar, uint64_t offset, uint64_t length) {
  if (msix.entries == 0) return false;
  const auto overlaps = [&](unsigned in, uint64_t begin, uint64_t bytes) {
    return bar == in && offset < begin + bytes && begin < offset + length;
  };
  return overlaps(msix.table_bar, msix.table_offset, msix.entries * kMsixEntryBytes) ||
         overlaps(msix.pba_bar, msix.pba_offset, round_up(msix.entries, 64) / 8);
}

RegisterBook::RegisterBook(const DeviceDescription& device, const RegisterLimits& limits)
    : msix_(device.msix), limits_(limits) {
  for (unsigned bar = 0; bar < 6; ++bar) is_registers_[bar] = device.bars[bar].kind == BarKind::kRegisters;
}

Error RegisterBook::too_much(std::string_view what, uint64_t limit) const {
  return Error{ErrorName::kNotSupported, io_return::kUnsupported,
               fmt::format("--mode registers keeps at most {} {}, and this recording has more: replay a part of it "
                           "(dartboard trace cut), or take --mode strict",
                           limit, what)};
}

Result<RegisterBook::Register*> RegisterBook::find_or_make(unsigned bar, uint64_t offset, unsigned width) {
  const uint64_t k = key(bar, offset, width);
  const auto found = registers_.find(k);
  if (found != registers_.end()) return &found->second;
  if (registers_.size() >= limits_.registers_max) {
    return tl::unexpected(too_much("registers", limits_.registers_max));
  }
  return &registers_[k];
}

void RegisterBook::store(unsigned bar, uint64_t offset, unsigned width, uint64_t value) {
  Word& word = words_[word_key(bar, offset)];
  for (unsigned i = 0; i < width; ++i) {
    word.now[offset % 8 + i] = static_cast<std::byte>(value >> (8 * i));
    word.known |= static_cast<uint8_t>(1u << (offset % 8 + i));
  }
}

uint64_t RegisterBook::load(unsigned bar, uint64_t offset, unsigned width) const {
  uint64_t value = 0;
  const auto found = words_.find(word_key(bar, offset));
  if (found == words_.end()) return 0;
  std::memcpy(&value, found->second.now.data() + offset % 8, width);
  return value;
}

Result<void> RegisterBook::add_value(Register& r, uint64_t value) {
  if (!r.runs.empty() && r.runs.back().value == value) {
    ++r.runs.back().count;
    return {};
  }
  if (values_ >= limits_.values_max) {
    // RAM needs no queue. Without one it must stay RAM.
    for (auto& [k, other] : registers_) {
      if (!other.ram || other.dropped) continue;
      values_ -= other.runs.size();
      other.dropped = true;
      other.runs.clear();
      other.runs.shrink_to_fit();
    }
    if (r.dropped) return {};
    if (values_ >= limits_.values_max) return tl::unexpected(too_much("values", limits_.values_max));
  }
  r.runs.push_back({value, 1});
  ++values_;
  return {};
}

Result<void> RegisterBook::learn_read(unsigned bar, uint64_t offset, unsigned width, uint64_t value) {
  auto made = find_or_make(bar, offset, width);
  if (!made) return tl::unexpected(made.error());
  Register& r = **made;
  ++r.reads;
  Word& word = words_[word_key(bar, offset)];
  for (unsigned i = 0; i < width; ++i) {
    const unsigned byte = static_cast<unsigned>(offset % 8) + i;
    const auto read = static_cast<std::byte>(value >> (8 * i));
    if (((word.known >> byte) & 1) == 0) {
      word.first[byte] = read;
      word.first_known |= static_cast<uint8_t>(1u << byte);
    } else if (word.now[byte] != read) {
      r.ram = false;
    }
    word.now[byte] = read;
    word.known |= static_cast<uint8_t>(1u << byte);
  }
  if (!r.runs.empty() && r.runs.back().value != value) r.constant = false;
  if (r.dropped) {
    if (!r.ram) return tl::unexpected(too_much("values", limits_.values_max));
    return {};
  }
  return add_value(r, value);
}

Result<void> RegisterBook::learn_write(unsigned bar, uint64_t offset, unsigned width, uint64_t value) {
  auto made = find_or_make(bar, offset, width);
  if (!made) return tl::unexpected(made.error());
  ++(*made)->writes;
  store(bar, offset, width, value);
  return {};
}

Result<void> RegisterBook::learn(const EventBatch& batch) {
  Result<void> result;
  for (const Event& event : batch.events) {
    const bool is_write = event.kind == EventKind::kMmioWrite;
    if (!is_write && event.kind != EventKind::kMmioRead) continue;
    if (event.target >= 6 || !is_registers_[event.target] ||
        reaches_msix(msix_, event.target, event.address, event.length)) {
      continue;
    }
    const Reply* const reply = batch.reply_of(event);
    if (!is_write && (reply == nullptr || reply->status != 0)) continue;
    const Payload& data = is_write ? event.data : reply->data;
    if (!data.is_whole() || data.length != event.length) continue;
    for_each_register_word(event.address, event.length, [&](uint64_t done, unsigned width) {
      if (!result) return;
      const uint64_t value = le_part(data, done, width);
      result = is_write ? learn_write(event.target, event.address + done, width, value)
                        : learn_read(event.target, event.address + done, width, value);
    });
    if (!result) return result;
  }
  return result;
}

void RegisterBook::learned() {
  for (auto& [k, r] : registers_) {
    if (r.reads == 0) {
      r.register_class = RegisterClass::kWriteOnly;
    } else if (r.constant && !r.dropped && (!r.ram || r.writes == 0)) {
      r.register_class = RegisterClass::kReadOnly;
    } else {
      r.register_class = r.ram ? RegisterClass::kRam : RegisterClass::kQueue;
    }
    if (r.register_class == RegisterClass::kRam) {
      r.runs.clear();
      r.runs.shrink_to_fit();
    }
  }
  rewind();
}

void RegisterBook::rewind() {
  for (auto& [k, word] : words_) {
    word.now = word.first;  // zero where no read came before the first write
    word.known = word.first_known;
  }
  for (auto& [k, r] : registers_) {
    r.at = 0;
    r.used = 0;
  }
}

bool RegisterBook::read(unsigned bar, uint64_t offset, std::span<std::byte> data, std::optional<uint64_t> expected) {
  const auto width = static_cast<unsigned>(data.size());
  const auto found = registers_.find(key(bar, offset, width));
  uint64_t value = 0;
  if (found != registers_.end()) {
    Register& r = found->second;
    if (r.runs.empty()) {
      value = load(bar, offset, width);
    } else if (r.register_class == RegisterClass::kReadOnly) {
      value = r.runs.front().value;
    } else {
      const bool last = r.at + 1 == r.runs.size();
      if (!last) {
        const bool fits_now = expected && r.runs[r.at].value == *expected;
        const bool fits_next = expected && r.runs[r.at + 1].value == *expected;
        // Without a guest that says what it waits for, the recorded number of polls decides.
        if (!fits_now && (fits_next || r.used >= r.runs[r.at].count)) {
          ++r.at;
          r.used = 0;
        }
      }
      ++r.used;
      value = r.runs[r.at].value;
    }
    // As when it was learned: whoever reads these bytes with another width sees what this read saw.
    if (!r.runs.empty()) store(bar, offset, width, value);
  }
  std::memcpy(data.data(), &value, width);
  return found != registers_.end();
}

bool RegisterBook::write(unsigned bar, uint64_t offset, std::span<const std::byte> data) {
  uint64_t value = 0;
  std::memcpy(&value, data.data(), data.size());
  const auto width = static_cast<unsigned>(data.size());
  store(bar, offset, width, value);
  return registers_.find(key(bar, offset, width)) != registers_.end();
}

std::vector<RegisterBook::Entry> RegisterBook::entries() const {
  std::vector<Entry> out;
  out.reserve(registers_.size());
  for (const auto& [k, r] : registers_) {
    out.push_back({static_cast<unsigned>(k >> 61), 1u << ((k >> 59) & 3), k & ((uint64_t{1} << 59) - 1),
                   r.register_class, r.reads, r.writes, r.register_class == RegisterClass::kQueue ? r.runs.size() : 0});
  }
  std::sort(out.begin(), out.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.bar, a.offset, a.width) < std::tie(b.bar, b.offset, b.width);
  });
  return out;
}

std::array<uint64_t, kRegisterClassCount> RegisterBook::counts() const {
  std::array<uint64_t, kRegisterClassCount> out{};
  for (const auto& [k, r] : registers_) ++out[static_cast<size_t>(r.register_class)];
  return out;
}

}  // namespace dartboard::traces
