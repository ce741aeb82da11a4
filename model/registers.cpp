// model/registers.cpp - layout, access rules, reset and dump of declared registers.
#include "model/registers.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/types.h"

namespace dartboard::model {

std::string_view to_string(Access access) {
  switch (access) {
    case Access::kRO: return "RO";
    case Access::kRW: return "RW";
    case Access::kRW1C: return "RW1C";
    case Access::kROS: return "ROS";
    case Access::kRWS: return "RWS";
    case Access::kRW1CS: return "RW1CS";
    case Access::kHwInit: return "HwInit";
    case Access::kWO: return "WO";
    case Access::kRsvd: return "Rsvd";
  }
  return "?";
}

RegisterFile::RegisterFile(uint32_t bytes) : size_(static_cast<uint32_t>(round_up(bytes, 4))) {
  for (auto* bytes_of : {&value_, &write_mask_, &w1c_mask_, &reset_value_}) bytes_of->assign(size_, 0);
  for (auto& mask : class_mask_) mask.assign(size_, 0);
  hook_flags_.assign(size_ / 4 + 2, 0);
  hook_index_.assign(size_ / 4 + 2, 0);
}

void RegisterFile::declare(std::span<const RegisterDecl> registers, uint32_t base) {
  assert(well_formed(registers));
  for (const RegisterDecl& decl : registers) {
    placed_.push_back({&decl, base});
    for (uint32_t element = 0; element < decl.count; ++element) {
      const uint32_t offset = placed_.back().offset(element);
      assert(in_range(offset, decl.width_bytes, size_));
      for (const FieldDecl& field : decl.fields) {
        const uint64_t mask = mask_of(field);
        const uint64_t reset = field.reset << field.lo;
        for (unsigned i = 0; i < decl.width_bytes; ++i) {
          const auto byte_mask = static_cast<uint8_t>(mask >> (8 * i));
          if (is_writable(field.access)) write_mask_[offset + i] |= byte_mask;
          if (is_write_one_to_clear(field.access)) w1c_mask_[offset + i] |= byte_mask;
          reset_value_[offset + i] |= static_cast<uint8_t>(reset >> (8 * i));
          class_mask_[static_cast<unsigned>(reset_class_of(field))][offset + i] |= byte_mask;
        }
      }
      std::memcpy(value_.data() + offset, reset_value_.data() + offset, decl.width_bytes);
    }
  }
}

void RegisterFile::set_initial(uint32_t offset, uint64_t value, unsigned length) {
  poke(offset, value, length);
  std::memcpy(reset_value_.data() + offset, &value, length);
}

void RegisterFile::limit_writable(uint32_t offset, uint64_t mask, unsigned length) {
  assert(length <= 8 && in_range(offset, length, size_));
  for (unsigned i = 0; i < length; ++i) {
    write_mask_[offset + i] &= static_cast<uint8_t>(mask >> (8 * i));
    w1c_mask_[offset + i] &= static_cast<uint8_t>(mask >> (8 * i));
  }
}

void RegisterFile::set_writable(uint32_t offset, uint64_t mask, unsigned length) {
  assert(length <= 8 && in_range(offset, length, size_));
  for (unsigned i = 0; i < length; ++i) {
    const auto byte_mask = static_cast<uint8_t>(mask >> (8 * i));
    write_mask_[offset + i] = byte_mask;
    for (auto& of_class : class_mask_) of_class[offset + i] &= static_cast<uint8_t>(~byte_mask);
    class_mask_[static_cast<unsigned>(ResetClass::kEvery)][offset + i] |= byte_mask;
  }
}

void RegisterFile::hook(uint32_t offset, uint32_t bytes, RegisterHook hook, void* owner) {
  assert(bytes > 0 && in_range(offset, bytes, size_));
  const auto flags = static_cast<uint8_t>((hook.before_read != nullptr ? kReadHook : 0) |
                                          (hook.after_write != nullptr ? kWriteHook : 0));
  hooks_.push_back({hook, owner});
  for (uint32_t dword = offset / 4; dword <= (offset + bytes - 1) / 4; ++dword) {
    assert(hook_flags_[dword] == 0 && "a dword has one hook");
    hook_flags_[dword] = flags;
    hook_index_[dword] = static_cast<uint16_t>(hooks_.size() - 1);
  }
}

uint64_t RegisterFile::read_slow(uint32_t offset, unsigned length) {
  assert(length >= 1 && length <= 8);
  if (offset >= size_) return 0;
  length = static_cast<unsigned>(std::min<uint64_t>(length, size_ - offset));
  for (uint32_t dword = offset / 4; dword <= (offset + length - 1) / 4; ++dword) {
    if ((hook_flags_[dword] & kReadHook) == 0) continue;
    const BoundHook& bound = hooks_[hook_index_[dword]];
    bound.hook.before_read(bound.owner, dword * 4);
  }
  return peek(offset, length);
}

void RegisterFile::write_slow(uint32_t offset, uint64_t value, unsigned length, uint8_t byte_enables) {
  assert(length >= 1 && length <= 8);
  if (offset >= size_) return;
  length = static_cast<unsigned>(std::min<uint64_t>(length, size_ - offset));
  // Dword by dword, ascending: what a hook sees does not depend on how the access was split.
  unsigned done = 0;
  while (done < length) {
    const uint32_t at = offset + done;
    const unsigned first = at % 4;
    const unsigned count = std::min(4 - first, length - done);
    uint32_t lanes = 0;
    for (unsigned i = 0; i < count; ++i) {
      if ((byte_enables >> (done + i)) & 1) lanes |= 0xffu << (8 * (first + i));
    }
    if (lanes != 0) write_dword(at / 4, static_cast<uint32_t>(value >> (8 * done)) << (8 * first), lanes);
    done += count;
  }
}

void RegisterFile::read_bytes_slow(uint32_t offset, std::byte* data, uint32_t length) {
  for (uint32_t done = 0; done < length;) {
    const uint32_t count = std::min(8 - (offset + done) % 8, length - done);
    const uint64_t value = read(offset + done, count);
    std::memcpy(data + done, &value, count);
    done += count;
  }
}

void RegisterFile::write_bytes_slow(uint32_t offset, const std::byte* data, uint32_t length) {
  for (uint32_t done = 0; done < length;) {
    const uint32_t count = std::min(8 - (offset + done) % 8, length - done);
    uint64_t value = 0;
    std::memcpy(&value, data + done, count);
    write(offset + done, value, count);
    done += count;
  }
}

void RegisterFile::write_dword(uint32_t dword, uint32_t value, uint32_t lanes) {
  const uint32_t offset = dword * 4;
  uint32_t write_mask;
  uint32_t w1c_mask;
  std::memcpy(&write_mask, write_mask_.data() + offset, 4);
  std::memcpy(&w1c_mask, w1c_mask_.data() + offset, 4);
  const uint32_t old_value = peek32(offset);
  const uint32_t written = value & lanes;
  uint32_t new_value = (old_value & ~(write_mask & lanes)) | (written & write_mask);
  new_value &= ~(written & w1c_mask);
  poke32(offset, new_value);
  if ((hook_flags_[dword] & kWriteHook) != 0) {
    const BoundHook& bound = hooks_[hook_index_[dword]];
    bound.hook.after_write(bound.owner, RegisterWrite{offset, old_value, new_value, written, lanes});
  }
}

void RegisterFile::reset(ResetKind kind) {
  if (kind == ResetKind::kPowerOn) {
    value_ = reset_value_;
    return;
  }
  for (unsigned c = 0; c < kResetClassCount; ++c) {
    if (!resets(kind, static_cast<ResetClass>(c))) continue;
    for (uint32_t i = 0; i < size_; i += 4) {
      uint32_t mask;
      std::memcpy(&mask, class_mask_[c].data() + i, 4);
      if (mask == 0) continue;
      uint32_t reset;
      std::memcpy(&reset, reset_value_.data() + i, 4);
      poke32(i, (peek32(i) & ~mask) | (reset & mask));
    }
  }
}

uint64_t RegisterFile::gather(const std::vector<uint8_t>& bytes, uint32_t offset, unsigned length) const {
  assert(length <= 8);
  if (!in_range(offset, length, size_)) return 0;
  uint64_t value = 0;
  std::memcpy(&value, bytes.data() + offset, length);
  return value;
}

void RegisterFile::inspect(InspectNode& node) const {
  for (const Placed& placed : placed_) {
    const RegisterDecl& decl = *placed.decl;
    for (uint32_t element = 0; element < decl.count; ++element) {
      const uint32_t offset = placed.offset(element);
      const uint64_t value = peek(offset, decl.width_bytes);
      if (decl.count > 1 && value == reset_value(offset, decl.width_bytes)) continue;
      std::string name(decl.name);
      if (decl.count > 1) name += fmt::format("[{}]", element);
      InspectNode& reg = node.child(fmt::format("{:#05x} {}", offset, name),
                                    fmt::format("{:#0{}x}", value, 2 + 2 * decl.width_bytes), std::string(decl.spec));
      for (const FieldDecl& field : decl.fields) {
        if (field.access == Access::kRsvd) continue;
        reg.child(std::string(field.name), fmt::format("{:#x}", get_field(field, value)),
                  std::string(to_string(field.access)));
      }
    }
  }
}

}  // namespace dartboard::model
