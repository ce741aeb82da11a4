// tests/model/register_conformance.h - checks that a register file does what its declarations say, field by field.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "model/registers.h"

namespace dartboard::model::test {

inline constexpr ResetKind kResetKinds[] = {ResetKind::kPowerOn, ResetKind::kPerst, ResetKind::kHotReset,
                                            ResetKind::kFlr,     ResetKind::kD3ToD0, ResetKind::kLinkDown};

inline std::string label(const RegisterDecl& decl, const FieldDecl& field, uint32_t element) {
  return std::string(decl.name) + "[" + std::to_string(element) + "]." + std::string(field.name) + " (" +
         std::string(to_string(field.access)) + ")";
}

template <class Check>
void for_each_field(const RegisterFile& file, Check check) {
  for (const RegisterFile::Placed& placed : file.registers()) {
    for (uint32_t element = 0; element < placed.decl->count; ++element) {
      for (const FieldDecl& field : placed.decl->fields) check(*placed.decl, field, placed.offset(element), element);
    }
  }
}

/// Writes ones and zeros to every field of a file without hooks; `writable` is what limit_writable() left.
inline void expect_declared_access(RegisterFile& file) {
  for_each_field(file, [&](const RegisterDecl& decl, const FieldDecl& field, uint32_t offset, uint32_t element) {
    SCOPED_TRACE(label(decl, field, element));
    const unsigned width = decl.width_bytes;
    const uint64_t mask = mask_of(field);
    const uint64_t all = low_bits(8 * width);
    const auto value = [&] { return file.read(offset, width) & mask; };

    for (const uint64_t start : {uint64_t{0}, all}) {
      switch (field.access) {
        case Access::kRO:
        case Access::kROS:
        case Access::kHwInit:
          file.poke(offset, start, width);
          file.write(offset, ~start, width);
          EXPECT_EQ(value(), start & mask) << "read-only bits changed";
          break;
        case Access::kRsvd:
        case Access::kWO:
          file.poke(offset, 0, width);
          file.write(offset, all, width);
          EXPECT_EQ(value(), 0u) << "reserved and write-only bits read 0";
          break;
        case Access::kRW:
        case Access::kRWS: {
          const uint64_t writable = file.writable_bits(offset, width) & mask;
          file.poke(offset, start, width);
          file.write(offset, ~start, width);
          EXPECT_EQ(value(), ((start & ~writable) | (~start & writable)) & mask);
          break;
        }
        case Access::kRW1C:
        case Access::kRW1CS:
          file.poke(offset, all, width);
          file.write(offset, 0, width);
          EXPECT_EQ(value(), mask) << "writing 0 cleared a bit";
          for (unsigned bit = field.lo; bit <= field.hi; ++bit) {
            file.poke(offset, all, width);
            file.write(offset, uint64_t{1} << bit, width);
            EXPECT_EQ(value(), mask & ~(uint64_t{1} << bit)) << "writing 1 clears this bit and no other";
          }
          break;
      }
    }
    file.reset(ResetKind::kPowerOn);
  });
}

/// Writes each byte of every register alone: bytes that were not written keep their value.
inline void expect_partial_writes(RegisterFile& file) {
  for (const RegisterFile::Placed& placed : file.registers()) {
    SCOPED_TRACE(std::string(placed.decl->name));
    const uint32_t offset = placed.offset();
    const unsigned width = placed.decl->width_bytes;
    const uint64_t writable = file.writable_bits(offset, width);
    for (unsigned byte = 0; byte < width; ++byte) {
      const uint64_t lane = uint64_t{0xff} << (8 * byte);
      file.poke(offset, 0, width);
      file.write(offset + byte, 0xff, 1);
      EXPECT_EQ(file.peek(offset, width), writable & lane);
      file.poke(offset, 0, width);
      file.write(offset, low_bits(8 * width), width, static_cast<uint8_t>(1u << byte));
      EXPECT_EQ(file.peek(offset, width), writable & lane) << "by byte enables";
    }
    file.reset(ResetKind::kPowerOn);
  }
}

/// Inverts every field from the hardware side and applies each reset: the reset matrix, cell by cell.
inline void expect_declared_resets(RegisterFile& file) {
  for (const ResetKind kind : kResetKinds) {
    for_each_field(file, [&](const RegisterDecl& decl, const FieldDecl& field, uint32_t offset, uint32_t element) {
      if (field.access == Access::kRsvd || field.access == Access::kWO) return;
      SCOPED_TRACE(label(decl, field, element) + " on reset kind " + std::to_string(static_cast<int>(kind)));
      const unsigned width = decl.width_bytes;
      const uint64_t mask = mask_of(field);
      const uint64_t initial = file.reset_value(offset, width) & mask;
      file.poke(offset, ~initial, width);
      file.reset(kind);
      // A field whose access set_writable() replaced is reset by every reset; no declaration here has one.
      const uint64_t expected = resets(kind, reset_class_of(field)) ? initial : ~initial & mask;
      EXPECT_EQ(file.peek(offset, width) & mask, expected);
      file.reset(ResetKind::kPowerOn);
    });
  }
}

}  // namespace dartboard::model::test
