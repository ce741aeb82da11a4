// conformance/rules_bar.cpp - base address registers and the expansion ROM: sizing, decoding, gating.
#include "conformance/bench.h"
#include "conformance/rule.h"

namespace dartboard::conformance {
namespace {

using model::Outcome;
namespace cfg = model::cfg;

constexpr uint64_t kBarBytesMin = 128;   // PCIe 6.0 s7.5.1.2.1
constexpr uint32_t bar_at(unsigned i) { return cfg::kBar0 + 4 * i; }

bool is_upper_half(const std::array<BarShape, kBars>& bars, unsigned i) { return i > 0 && bars[i - 1].wide; }

// Read only -----------------------------------------------------------------------------------------------------------

Verdict bytes_min(Target& t) {
  const auto bars = t.bars();
  for (unsigned i = 0; i < kBars; ++i) {
    if (bars[i].present && !bars[i].io && bars[i].bytes < kBarBytesMin) {
      return failed("BAR{} asks for {} bytes; a memory BAR asks for at least {}", i, bars[i].bytes, kBarBytesMin);
    }
    if (bars[i].present && bars[i].io && bars[i].bytes > 256) {
      return failed("I/O BAR{} asks for {} bytes; at most 256 are allowed", i, bars[i].bytes);
    }
  }
  return passed();
}

Verdict power_of_two(Target& t) {
  const auto bars = t.bars();
  for (unsigned i = 0; i < kBars; ++i) {
    if (bars[i].present && !is_power_of_two(bars[i].bytes)) {
      return failed("BAR{} is {:#x} bytes long, which is no power of two", i, bars[i].bytes);
    }
  }
  return passed();
}

Verdict type_bits(Target& t) {
  const auto bars = t.bars();
  for (unsigned i = 0; i < kBars; ++i) {
    if (!bars[i].present || is_upper_half(bars, i)) continue;
    const uint32_t low = t.config(bar_at(i), 4);
    if ((low & 1) != 0) {
      if ((low & 2) != 0) return failed("I/O BAR{} has reserved bit 1 set: {:#010x}", i, low);
      continue;
    }
    const uint32_t type = (low >> 1) & 3;
    if (type != 0 && type != 2) return failed("BAR{} has the reserved type {}: {:#010x}", i, type, low);
    if (type == 2 && i + 1 == kBars) return failed("BAR5 is 64 bits wide and has no upper half");
  }
  return passed();
}

Verdict prefetchable_wide(Target& t) {
  if (!is_pcie(t)) return skipped("the function has no PCI Express capability");
  const auto bars = t.bars();
  for (unsigned i = 0; i < kBars; ++i) {
    if (bars[i].present && !bars[i].io && bars[i].prefetchable && !bars[i].wide) {
      return failed("BAR{} is prefetchable and only 32 bits wide", i);
    }
  }
  return passed();
}

// On the bench --------------------------------------------------------------------------------------------------------

/// The address bits that can be written, and their complement of type bits.
Verdict sizing(Bench& b) {
  b.set_command(0);
  for (unsigned i = 0; i < kBars; ++i) {
    const PlacedBar& bar = b.placed()[i];
    if (!bar.present || bar.io) continue;
    const uint32_t at = bar_at(i);
    b.write(at, 0xffff'ffff);
    const uint32_t low = b.config32(at);
    uint64_t mask = low & ~0xfu;
    if (bar.wide) {
      b.write(at + 4, 0xffff'ffff);
      mask |= uint64_t{b.config32(at + 4)} << 32;
    } else {
      mask |= 0xffff'ffff'0000'0000;
    }
    // Ones from the size bit upwards, zeros below.
    if (mask == 0 || ~mask + 1 != (mask & (~mask + 1))) {
      return failed("BAR{} reads {:#018x} after ones: writable address bits must be the upper ones", i, mask);
    }
    b.write(at, 0);
    if (bar.wide) b.write(at + 4, 0);
    const uint64_t zero = (b.config32(at) & ~0xfu) | (bar.wide ? uint64_t{b.config32(at + 4)} << 32 : 0);
    if (zero != 0) return failed("BAR{} reads {:#x} after zeros", i, zero);
    if (bar.wide) ++i;
  }
  return passed();
}

Verdict low_bits(Bench& b) {
  b.set_command(0);
  for (unsigned i = 0; i < kBars; ++i) {
    const PlacedBar& bar = b.placed()[i];
    if (!bar.present) continue;
    const uint32_t bits = bar.io ? 3 : 0xf;
    const uint32_t before = b.config32(bar_at(i)) & bits;
    for (const uint32_t value : {0xffff'ffffu, 0u}) {
      b.write(bar_at(i), value);
      const uint32_t after = b.config32(bar_at(i)) & bits;
      if (after != before) return failed("the type bits of BAR{} changed from {:#x} to {:#x}", i, before, after);
    }
    if (bar.wide) ++i;
  }
  return passed();
}

Verdict unimplemented(Bench& b) {
  bool any = false;
  for (unsigned i = 0; i < kBars; ++i) {
    const PlacedBar& bar = b.placed()[i];
    if (bar.present) {
      if (bar.wide) ++i;
      continue;
    }
    any = true;
    b.write(bar_at(i), 0xffff'ffff);
    const uint32_t now = b.config32(bar_at(i));
    if (now != 0) return failed("BAR{} is not implemented and reads {:#010x} after ones", i, now);
  }
  return any ? passed() : skipped("every BAR is implemented");
}

Verdict readback(Bench& b) {
  b.set_command(0);
  bool any = false;
  for (unsigned i = 0; i < kBars; ++i) {
    const PlacedBar& bar = b.placed()[i];
    if (!bar.present || bar.io) continue;
    any = true;
    const uint64_t top = bar.wide ? 0xffff'ffff'ffff'ffff : 0xffff'ffff;
    for (const uint64_t pattern : {0x5555'5555'5555'5555u, 0xaaaa'aaaa'aaaa'aaaau}) {
      const uint64_t address = pattern & top & ~(bar.bytes - 1);
      b.write(bar_at(i), static_cast<uint32_t>(address));
      if (bar.wide) b.write(bar_at(i) + 4, static_cast<uint32_t>(address >> 32));
      const uint64_t now =
          (b.config32(bar_at(i)) & ~0xfu) | (bar.wide ? uint64_t{b.config32(bar_at(i) + 4)} << 32 : 0);
      if (now != address) return failed("BAR{} reads {:#x} after {:#x} was written", i, now, address);
    }
    if (bar.wide) ++i;
  }
  return any ? passed() : skipped("the function has no memory BAR");
}

/// One byte of a BAR at a time.
Verdict byte_writes(Bench& b) {
  b.set_command(0);
  for (unsigned i = 0; i < kBars; ++i) {
    const PlacedBar& bar = b.placed()[i];
    if (!bar.present || bar.io || bar.bytes > kGiB) continue;
    b.write(bar_at(i), 0);
    b.write(bar_at(i) + 3, 0xc0, 1);
    const uint32_t now = b.config32(bar_at(i)) & ~0xfu;
    return now == 0xc000'0000 ? passed() : failed("BAR{} is {:#010x} after c0h was written to its top byte", i, now);
  }
  return skipped("no memory BAR of at most 1 GiB");
}

Verdict edges(Bench& b) {
  bool any = false;
  for (unsigned i = 0; i < kBars; ++i) {
    const PlacedBar& bar = b.placed()[i];
    if (!bar.placed) continue;
    any = true;
    for (const uint64_t offset : {uint64_t{0}, bar.bytes - 4}) {
      const Reply reply = b.load(bar.address + offset);
      if (reply.outcome == Outcome::kUnsupportedRequest) return failed("BAR{} does not claim its offset {:#x}", i, offset);
    }
  }
  return any ? passed() : skipped("no memory BAR could be placed");
}

/// The bench leaves a hole on both sides of every BAR.
Verdict outside(Bench& b) {
  bool any = false;
  for (unsigned i = 0; i < kBars; ++i) {
    const PlacedBar& bar = b.placed()[i];
    if (!bar.placed) continue;
    any = true;
    for (const uint64_t address : {bar.address - 4, bar.address + bar.bytes}) {
      const Reply reply = b.load(address);
      if (reply.outcome != Outcome::kUnsupportedRequest || reply.value != 0xffff'ffff) {
        return failed("BAR{} is {:#x} bytes at {:#x}, and {:#x} was answered {}", i, bar.bytes, bar.address, address,
                      to_string(reply.outcome));
      }
    }
  }
  return any ? passed() : skipped("no memory BAR could be placed");
}

Verdict moves(Bench& b) {
  const PlacedBar* bar = b.first_bar();
  if (bar == nullptr) return skipped("no memory BAR could be placed");
  const auto index = static_cast<unsigned>(bar - b.placed().data());
  const uint64_t to = bar->wide ? 0x4000'0000'0000 : 0xe000'0000;
  if (!bar->wide && bar->bytes > 0x0800'0000) return skipped("BAR{} is too large to be moved on the bench", index);
  b.set_command(0);
  b.write(bar_at(index), static_cast<uint32_t>(to));
  if (bar->wide) b.write(bar_at(index) + 4, static_cast<uint32_t>(to >> 32));
  b.set_command(cfg::kCommandMemory);
  if (b.load(bar->address).outcome != Outcome::kUnsupportedRequest) {
    return failed("BAR{} moved to {:#x} and still claims {:#x}", index, to, bar->address);
  }
  return b.load(to).outcome != Outcome::kUnsupportedRequest ? passed()
                                                            : failed("BAR{} moved to {:#x} and does not claim it",
                                                                     index, to);
}

Verdict memory_enable(Bench& b) {
  bool any = false;
  for (unsigned i = 0; i < kBars; ++i) {
    const PlacedBar& bar = b.placed()[i];
    if (!bar.placed) continue;
    any = true;
    b.set_command(cfg::kCommandBusMaster);
    const Reply off = b.load(bar.address);
    b.set_command(cfg::kCommandMemory);
    const Reply on = b.load(bar.address);
    if (off.outcome != Outcome::kUnsupportedRequest) {
      return failed("BAR{} answered {} while Memory Space Enable was off", i, to_string(off.outcome));
    }
    if (on.outcome == Outcome::kUnsupportedRequest) return failed("BAR{} does not answer with Memory Space Enable", i);
  }
  return any ? passed() : skipped("no memory BAR could be placed");
}

Verdict zero_length(Bench& b) {
  const PlacedBar* bar = b.first_bar();
  if (bar == nullptr) return skipped("no memory BAR could be placed");
  const Reply reply = b.load_nothing(bar->address);
  return reply.ok() ? passed() : failed("a read with no byte enabled was answered {}", to_string(reply.outcome));
}

Verdict rebar(Bench& b) {
  const uint32_t at = b.extended(model::rebar::kId);
  if (at == 0) return skipped("the function has no Resizable BAR capability");
  b.set_command(0);
  const uint32_t count = (b.config32(at + model::rebar::kControl) >> model::rebar::kCountShift) & 7;
  if (count == 0 || count > kBars) return failed("the capability says that {} BARs are resizable", count);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t entry = at + 8 * i;
    const uint32_t sizes = b.config32(entry + model::rebar::kCapability) >> 4;
    const uint32_t control = b.config32(entry + model::rebar::kControl);
    const unsigned index = control & 7;
    if (index >= kBars) return failed("entry {} is about BAR{}", i, index);
    for (unsigned size = 0; size < 28; ++size) {
      b.write(entry + model::rebar::kControl, (control & ~0x3f00u) | size << model::rebar::kSizeShift);
      const bool offered = ((sizes >> size) & 1) != 0;
      const uint32_t now = (b.config32(entry + model::rebar::kControl) >> model::rebar::kSizeShift) & 0x3f;
      if (offered && now != size) return failed("BAR{} offers size code {} and did not take it", index, size);
      if (!offered) continue;
      const bool wide = b.placed()[index].wide;
      b.write(bar_at(index), 0xffff'ffff);
      if (wide) b.write(bar_at(index) + 4, 0xffff'ffff);
      const uint64_t high = wide ? b.config32(bar_at(index) + 4) : 0xffff'ffff;
      const uint64_t mask = (b.config32(bar_at(index)) & ~0xfu) | high << 32;
      if (~mask + 1 != kMiB << size) {
        return failed("BAR{} has size code {} and reads {:#x} after ones", index, size, mask);
      }
    }
    b.write(entry + model::rebar::kControl, control);
  }
  return passed();
}

constexpr Rule kBarRules[] = {
    {"bar-bytes-min", "bar", "PCIe 6.0 s7.5.1.2.1", "A memory BAR asks for 128 bytes or more, an I/O BAR for 256 or less.",
     bytes_min},
    {"bar-power-of-two", "bar", "PCIe 6.0 s7.5.1.2.1", "The size of a BAR is a power of two.", power_of_two},
    {"bar-type-bits", "bar", "PCIe 6.0 s7.5.1.2.1", "The type of a BAR is a defined one, and a 64-bit BAR has two registers.",
     type_bits},
    {"bar-prefetchable-64", "bar", "PCIe 6.0 s7.5.1.2.1", "A prefetchable BAR is 64 bits wide.", prefetchable_wide},
    {"bar-sizing", "bar", "PCIe 6.0 s7.5.1.2.1",
     "After ones a BAR reads ones from its size bit upwards and zeros below, over both halves if it is 64 bits wide.",
     nullptr, sizing},
    {"bar-low-bits", "bar", "PCIe 6.0 s7.5.1.2.1", "The type bits of a BAR cannot be written.", nullptr, low_bits},
    {"bar-unimplemented", "bar", "PCIe 6.0 s7.5.1.2.1", "A BAR that is not implemented reads 0, also after ones.", nullptr,
     unimplemented},
    {"bar-readback", "bar", "PCIe 6.0 s7.5.1.2.1", "A BAR reads back the address that was written.", nullptr, readback},
    {"bar-byte-writes", "bar", "PCIe 6.0 s2.2.5", "A byte of a BAR can be written alone.", nullptr, byte_writes},
    {"bar-decode-edges", "bar", "PCIe 6.0 s7.5.1.2.1", "A BAR claims its first and its last dword.", nullptr, edges},
    {"bar-decode-outside", "bar", "PCIe 6.0 s2.3.1", "The addresses beside a BAR are an unsupported request.", nullptr,
     outside},
    {"bar-moves", "bar", "PCIe 6.0 s7.5.1.2.1", "A BAR that was given another address claims that one only.", nullptr,
     moves},
    {"bar-memory-enable", "bar", "PCIe 6.0 s7.5.1.1.3", "A memory BAR claims nothing while Memory Space Enable is off.",
     nullptr, memory_enable},
    {"bar-zero-length-read", "bar", "PCIe 6.0 s2.2.5", "A read with no byte enabled completes successfully.", nullptr,
     zero_length},
    {"bar-resizable", "bar", "PCIe 6.0 s7.8.6", "A resizable BAR takes each size that it offers, and is that large.",
     nullptr, rebar},
};

// Expansion ROM -------------------------------------------------------------------------------------------------------

struct Rom {
  uint64_t bytes = 0;
  uint64_t address = 0xe800'0000;
};

Rom size_rom(Bench& b) {
  b.write(cfg::kRomBar, 0xffff'f800);
  const uint32_t mask = b.config32(cfg::kRomBar) & ~0x7ffu;
  b.write(cfg::kRomBar, 0);
  return {mask == 0 ? 0 : uint64_t{~mask} + 1};
}

Verdict rom_sizing(Bench& b) {
  const Rom rom = size_rom(b);
  b.write(cfg::kRomBar, 0xffff'ffff);
  const uint32_t ones = b.config32(cfg::kRomBar);
  b.write(cfg::kRomBar, 0);
  if (rom.bytes == 0) return ones == 0 ? passed() : failed("there is no ROM, and its BAR reads {:#010x}", ones);
  if (!is_power_of_two(rom.bytes)) return failed("the ROM BAR reads {:#010x} after ones", ones);
  if ((ones & 0x7f0) != 0) return failed("the ROM BAR reads {:#010x} after ones: bits 10:4 are reserved", ones);
  return (ones & 1) != 0 ? passed() : failed("the ROM BAR's enable bit cannot be set: {:#010x}", ones);
}

Verdict rom_enable(Bench& b) {
  const Rom rom = size_rom(b);
  if (rom.bytes == 0) return skipped("the function has no expansion ROM");
  if (rom.bytes > 0x0100'0000) return failed("the ROM asks for {:#x} bytes; at most 16 MiB are allowed", rom.bytes);
  struct Case {
    bool enable, memory;
  };
  for (const Case c : {Case{false, true}, Case{true, false}, Case{true, true}}) {
    b.write(cfg::kRomBar, static_cast<uint32_t>(rom.address) | (c.enable ? 1 : 0));
    b.set_command(c.memory ? cfg::kCommandMemory : 0);
    const bool claimed = b.load(rom.address).outcome != Outcome::kUnsupportedRequest;
    if (claimed != (c.enable && c.memory)) {
      return failed("ROM enable {}, Memory Space Enable {}: the ROM {}", c.enable, c.memory,
                    claimed ? "answers" : "does not answer");
    }
  }
  return passed();
}

Verdict rom_signature(Bench& b) {
  const Rom rom = size_rom(b);
  if (rom.bytes == 0) return skipped("the function has no expansion ROM");
  b.write(cfg::kRomBar, static_cast<uint32_t>(rom.address) | 1);
  const uint64_t signature = b.load(rom.address, 2).value;
  return signature == 0xaa55 ? passed() : failed("the ROM begins with {:#06x}, not 55h aah", signature);
}

constexpr Rule kRomRules[] = {
    {"rom-sizing", "rom", "PCIe 6.0 s7.5.1.2.4",
     "The ROM BAR reads its size after ones, or 0 if there is no ROM; bits 10:4 read 0.", nullptr, rom_sizing},
    {"rom-enable", "rom", "PCIe 6.0 s7.5.1.2.4",
     "The ROM answers only with its own enable bit and Memory Space Enable.", nullptr, rom_enable},
    {"rom-signature", "rom", "PCI Firmware 3.3 s5.1", "An expansion ROM begins with 55h aah.", nullptr, rom_signature},
};

}  // namespace

std::span<const Rule> bar_rules() { return kBarRules; }
std::span<const Rule> rom_rules() { return kRomRules; }

}  // namespace dartboard::conformance
