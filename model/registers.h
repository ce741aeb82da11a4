// model/registers.h - registers as data: a declaration per field, from which access, reset, dump and tests follow.
//
// A module writes its registers down once as constexpr RegisterDecl arrays (name, offset, width, fields with access,
// reset value and reset class, spec section). A RegisterFile lays them out in flat byte arrays and is then the only
// code that knows what a write does to a read-only, write-one-to-clear or sticky bit. What a register *does* beyond
// storing bits is a hook on its dword. Offsets without a register read 0 and ignore writes.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/inspect.h"
#include "model/reset_matrix.h"

namespace dartboard::model {

/// What software can do to a field (PCIe 6.0 s7.4, "Register Attributes").
enum class Access : uint8_t {
  kRO,      ///< read-only; hardware may change it
  kRW,      ///< read and write
  kRW1C,    ///< writing 1 clears the bit, writing 0 leaves it
  kROS,     ///< read-only, sticky
  kRWS,     ///< read and write, sticky
  kRW1CS,   ///< write 1 to clear, sticky
  kHwInit,  ///< set once by the owner (strapping, EEPROM), read-only after that
  kWO,      ///< reads 0; what is written reaches the hook only
  kRsvd,    ///< reserved: reads 0, writes ignored (RsvdP and RsvdZ alike)
};
inline constexpr unsigned kAccessCount = 9;
std::string_view to_string(Access access);

/// Bits hi..lo of a register. Sticky accesses and HwInit imply their reset class; see reset_class_of().
struct FieldDecl {
  std::string_view name;
  uint8_t hi;
  uint8_t lo;
  Access access;
  uint64_t reset = 0;                            ///< value of the field itself, not shifted
  ResetClass reset_class = ResetClass::kEvery;
};

/// A register, or an array of `count` equal ones `stride` bytes apart.
struct RegisterDecl {
  std::string_view name;
  uint32_t offset;
  uint8_t width_bytes;                 ///< 1, 2, 4 or 8
  std::span<const FieldDecl> fields;   ///< of an array with static storage
  std::string_view spec;               ///< section of the specification, or the source of the fact
  uint32_t count = 1;
  uint32_t stride = 0;
};

constexpr uint64_t low_bits(unsigned count) { return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1; }
constexpr uint64_t mask_of(const FieldDecl& f) { return low_bits(f.hi - f.lo + 1u) << f.lo; }
constexpr uint64_t get_field(const FieldDecl& f, uint64_t value) { return (value & mask_of(f)) >> f.lo; }
constexpr uint64_t set_field(const FieldDecl& f, uint64_t value, uint64_t field) {
  return (value & ~mask_of(f)) | ((field << f.lo) & mask_of(f));
}
constexpr ResetClass reset_class_of(const FieldDecl& f) {
  switch (f.access) {
    case Access::kROS:
    case Access::kRWS:
    case Access::kRW1CS: return ResetClass::kSticky;
    case Access::kHwInit: return ResetClass::kHwInit;
    default: return f.reset_class;
  }
}
constexpr bool is_writable(Access a) { return a == Access::kRW || a == Access::kRWS; }
constexpr bool is_write_one_to_clear(Access a) { return a == Access::kRW1C || a == Access::kRW1CS; }

/// True if the declarations make sense: fields inside their register, none overlapping, arrays with a stride.
/// For static_assert beside a constexpr table.
constexpr bool well_formed(std::span<const RegisterDecl> registers) {
  for (const RegisterDecl& r : registers) {
    if (r.width_bytes != 1 && r.width_bytes != 2 && r.width_bytes != 4 && r.width_bytes != 8) return false;
    if (r.offset % r.width_bytes != 0 && r.width_bytes != 8) return false;
    if (r.count == 0 || (r.count > 1 && r.stride < r.width_bytes)) return false;
    uint64_t seen = 0;
    for (const FieldDecl& f : r.fields) {
      if (f.hi < f.lo || f.hi >= r.width_bytes * 8u) return false;
      if ((seen & mask_of(f)) != 0) return false;
      if ((f.reset & ~low_bits(f.hi - f.lo + 1u)) != 0) return false;
      seen |= mask_of(f);
    }
  }
  return true;
}

/// What a write did to one dword, given to its hook after the bits are stored.
struct RegisterWrite {
  uint32_t offset;    ///< of the dword in the file (multiple of 4)
  uint32_t old_value;
  uint32_t value;     ///< stored now
  uint32_t written;   ///< what the bus carried, bytes not written are 0
  uint32_t lanes;     ///< 0xff in each byte that was written

  /// Bits the write turned from 0 to 1 and from 1 to 0.
  uint32_t rose() const { return value & ~old_value; }
  uint32_t fell() const { return old_value & ~value; }
};

/// Behaviour of a dword. Plain functions: no allocation, no virtual table per register.
struct RegisterHook {
  /// Called before a read of the dword, to bring its stored value up to date (poke()).
  void (*before_read)(void* owner, uint32_t offset) = nullptr;
  void (*after_write)(void* owner, const RegisterWrite& write) = nullptr;
};

class RegisterFile {
 public:
  /// A declaration at its place: element i lies at base + decl->offset + i * decl->stride.
  struct Placed {
    const RegisterDecl* decl;
    uint32_t base;
    uint32_t offset(uint32_t element = 0) const { return base + decl->offset + element * decl->stride; }
  };

  explicit RegisterFile(uint32_t bytes);

  // Construction ----------------------------------------------------------------------------------------------------

  /// Adds registers; `base` is added to their offsets. The declarations must have static storage.
  void declare(std::span<const RegisterDecl> registers, uint32_t base = 0);
  /// The owner's value for HwInit (and RO) bits of [offset, +length): becomes the reset value and the value now.
  void set_initial(uint32_t offset, uint64_t value, unsigned length);
  /// Takes write access away from the bits not in `mask` (BAR size bits, absent features).
  void limit_writable(uint32_t offset, uint64_t mask, unsigned length);
  /// Replaces the RW mask of [offset, +length); the bits in it are reset by every reset.
  /// For registers whose layout depends on another one (the upper half of a 64-bit BAR).
  void set_writable(uint32_t offset, uint64_t mask, unsigned length);
  /// Attaches behaviour to the dwords of [offset, +bytes). At most one hook a dword.
  void hook(uint32_t offset, uint32_t bytes, RegisterHook hook, void* owner);

  // Software's side: access rules and hooks apply -------------------------------------------------------------------

  /// `length` 1..8, any alignment. Little endian.
  uint64_t read(uint32_t offset, unsigned length) {
    if (uint64_t{offset} + length > size_ || hooked(offset, length, kReadHook)) [[unlikely]] {
      return read_slow(offset, length);
    }
    return peek(offset, length);
  }
  /// Bit i of `byte_enables` enables byte offset+i.
  void write(uint32_t offset, uint64_t value, unsigned length, uint8_t byte_enables = 0xff) {
    if (length == 4 && offset % 4 == 0 && offset < size_ && byte_enables == 0xff) [[likely]] {
      write_dword(offset / 4, static_cast<uint32_t>(value), 0xffff'ffff);
    } else {
      write_slow(offset, value, length, byte_enables);
    }
  }

  /// The same for any length, as the data of a memory request: split at 8-byte boundaries, ascending.
  void read_bytes(uint32_t offset, std::byte* data, uint32_t length) {
    if (length == 4) [[likely]] {
      const auto value = static_cast<uint32_t>(read(offset, 4));
      std::memcpy(data, &value, sizeof value);
    } else {
      read_bytes_slow(offset, data, length);
    }
  }
  void write_bytes(uint32_t offset, const std::byte* data, uint32_t length) {
    if (length == 4) [[likely]] {
      uint32_t value;
      std::memcpy(&value, data, sizeof value);
      write(offset, value, 4);
    } else {
      write_bytes_slow(offset, data, length);
    }
  }

  // Hardware's side: no rules, no hooks -----------------------------------------------------------------------------

  /// Bytes beyond the file read 0. Little-endian host assumed, as everywhere in the model.
  uint64_t peek(uint32_t offset, unsigned length) const {
    assert(length >= 1 && length <= 8);
    if (uint64_t{offset} + length > size_) [[unlikely]] return 0;
    if (length == 4) return load<uint32_t>(offset);
    uint64_t value = 0;
    std::memcpy(&value, value_.data() + offset, length);
    return value;
  }
  void poke(uint32_t offset, uint64_t value, unsigned length) {
    assert(length >= 1 && length <= 8 && uint64_t{offset} + length <= size_);
    std::memcpy(value_.data() + offset, &value, length);
  }
  uint32_t peek32(uint32_t offset) const { return load<uint32_t>(offset); }
  void poke32(uint32_t offset, uint32_t value) { std::memcpy(value_.data() + offset, &value, sizeof value); }
  uint16_t peek16(uint32_t offset) const { return load<uint16_t>(offset); }
  void poke16(uint32_t offset, uint16_t value) { std::memcpy(value_.data() + offset, &value, sizeof value); }
  uint64_t peek64(uint32_t offset) const { return load<uint64_t>(offset); }
  void poke64(uint32_t offset, uint64_t value) { std::memcpy(value_.data() + offset, &value, sizeof value); }

  /// Applies the reset matrix to every declared field. Hooks are not called: the owner resets its own state.
  void reset(ResetKind kind);

  // Enumeration: dumps and conformance tests ------------------------------------------------------------------------

  uint32_t size() const { return size_; }
  std::span<const Placed> registers() const { return placed_; }
  /// Bits that a write can set and clear / clear by writing 1, after limit_writable().
  uint64_t writable_bits(uint32_t offset, unsigned length) const { return gather(write_mask_, offset, length); }
  uint64_t write_one_to_clear_bits(uint32_t offset, unsigned length) const { return gather(w1c_mask_, offset, length); }
  uint64_t reset_value(uint32_t offset, unsigned length) const { return gather(reset_value_, offset, length); }
  /// One child per register with value and spec, one grandchild per field. Array elements that hold their reset value
  /// are left out.
  void inspect(InspectNode& node) const;

 private:
  static constexpr uint8_t kReadHook = 1;
  static constexpr uint8_t kWriteHook = 2;
  struct BoundHook {
    RegisterHook hook;
    void* owner;
  };

  template <class T>
  T load(uint32_t offset) const {
    assert(uint64_t{offset} + sizeof(T) <= size_);
    T value;
    std::memcpy(&value, value_.data() + offset, sizeof value);
    return value;
  }
  bool hooked(uint32_t offset, unsigned length, uint8_t which) const {
    // An access of up to 8 bytes touches at most three dwords; the flags array has two spare entries at its end.
    const uint8_t* flags = hook_flags_.data() + offset / 4;
    const unsigned last = (offset % 4 + length - 1) / 4;
    uint8_t any = flags[0];
    if (last > 0) [[unlikely]] any |= last > 1 ? static_cast<uint8_t>(flags[1] | flags[2]) : flags[1];
    return (any & which) != 0;
  }
  uint64_t read_slow(uint32_t offset, unsigned length);
  void write_slow(uint32_t offset, uint64_t value, unsigned length, uint8_t byte_enables);
  void read_bytes_slow(uint32_t offset, std::byte* data, uint32_t length);
  void write_bytes_slow(uint32_t offset, const std::byte* data, uint32_t length);
  void write_dword(uint32_t dword, uint32_t value, uint32_t lanes);
  uint64_t gather(const std::vector<uint8_t>& bytes, uint32_t offset, unsigned length) const;

  uint32_t size_;
  std::vector<uint8_t> value_;
  std::vector<uint8_t> write_mask_;
  std::vector<uint8_t> w1c_mask_;
  std::vector<uint8_t> reset_value_;
  std::vector<uint8_t> class_mask_[kResetClassCount];   ///< bits of each reset class
  std::vector<uint8_t> hook_flags_;                    ///< per dword
  std::vector<uint16_t> hook_index_;                   ///< per dword, into hooks_
  std::vector<BoundHook> hooks_;
  std::vector<Placed> placed_;
};

}  // namespace dartboard::model
