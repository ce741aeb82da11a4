// conformance/rules_msix_table.cpp - MSI-X: the capability, the table and the pending bits as registers.
#include "conformance/bench.h"
#include "conformance/msix_view.h"
#include "conformance/rule.h"

namespace dartboard::conformance {
namespace {

namespace msix = model::msix;
namespace entry = model::msix_entry;

Verdict inside_bars(Target& t) {
  const Msix m = find_msix(t);
  if (m.at == 0) return skipped("the function has no MSI-X");
  const auto bars = t.bars();
  struct Part {
    const char* name;
    unsigned bar;
    uint64_t offset, bytes;
  };
  const uint64_t table_bytes = uint64_t{m.vectors} * model::kMsixEntryBytes;
  for (const Part& p : {Part{"table", m.table_bar, m.table_offset, table_bytes},
                        Part{"PBA", m.pba_bar, m.pba_offset, m.pba_bytes()}}) {
    if (p.bar >= kBars) return failed("the {} is in BAR{}", p.name, p.bar);
    if (p.bar > 0 && bars[p.bar - 1].wide) return failed("the {} is in BAR{}, the upper half of another", p.name, p.bar);
    if (!bars[p.bar].present || bars[p.bar].io) return failed("the {} is in BAR{}, which is no memory BAR", p.name, p.bar);
    if (!in_range(p.offset, p.bytes, bars[p.bar].bytes)) {
      return failed("the {} is {:#x} bytes at {:#x} of BAR{}, which has {:#x}", p.name, p.bytes, p.offset, p.bar,
                    bars[p.bar].bytes);
    }
  }
  return passed();
}

Verdict no_overlap(Target& t) {
  const Msix m = find_msix(t);
  if (m.at == 0) return skipped("the function has no MSI-X");
  const uint64_t table_end = m.table_offset + uint64_t{m.vectors} * model::kMsixEntryBytes;
  if (m.table_bar != m.pba_bar || m.pba_offset >= table_end || m.table_offset >= m.pba_offset + m.pba_bytes()) return passed();
  return failed("table and PBA overlap in BAR{}: {:#x} to {:#x} and {:#x}", m.table_bar, m.table_offset, table_end,
                m.pba_offset);
}

Verdict control(Bench& b) {
  const MsixView v(b);
  if (v.at == 0) return skipped("{}", v.problem);
  const uint32_t before = b.config16(v.at + msix::kControl);
  b.write(v.at + msix::kControl, 0xffff, 2);
  const uint32_t ones = b.config16(v.at + msix::kControl);
  b.write(v.at + msix::kControl, 0, 2);
  const uint32_t zeros = b.config16(v.at + msix::kControl);
  if ((ones & 0x7ff) != (before & 0x7ff) || (zeros & 0x7ff) != (before & 0x7ff)) return failed("Table Size could be written: {:#06x}", ones);
  if ((ones & 0x3800) != 0) return failed("Message Control is {:#06x} after ones: bits 13:11 are reserved", ones);
  if ((ones & 0xc000) != 0xc000) return failed("MSI-X Enable or Function Mask cannot be set: {:#06x}", ones);
  return (zeros & 0xc000) == 0 ? passed() : failed("MSI-X Enable or Function Mask cannot be cleared: {:#06x}", zeros);
}

Verdict location_ro(Bench& b) {
  const MsixView v(b);
  if (v.at == 0) return skipped("{}", v.problem);
  for (const uint32_t offset : {v.at + msix::kTable, v.at + msix::kPba}) {
    const uint32_t before = b.config32(offset);
    b.write(offset, ~before);
    if (b.config32(offset) != before) return failed("the register at {:#04x} could be written", offset);
  }
  return passed();
}

Verdict masked_at_start(Bench& b) {
  const MsixView v(b);
  if (!v.problem.empty()) return skipped("{}", v.problem);
  for (uint32_t i = 0; i < v.vectors; ++i) {
    if ((b.load(v.entry(i) + entry::kControl).value & 1) == 0) return failed("vector {} is not masked after power-on", i);
  }
  return passed();
}

/// Distinct values in every entry, by dwords: each keeps its own.
Verdict dwords(Bench& b) {
  const MsixView v(b);
  if (!v.problem.empty()) return skipped("{}", v.problem);
  for (uint32_t i = 0; i < v.vectors; ++i) v.program(i, 0x1'0000'1000u + 16 * i, 0xd000 + i, 1);
  for (uint32_t i = 0; i < v.vectors; ++i) {
    const uint64_t address = b.load(v.entry(i)).value | b.load(v.entry(i) + 4).value << 32;
    const uint64_t data = b.load(v.entry(i) + entry::kData).value;
    if (address != 0x1'0000'1000u + 16 * i) return failed("vector {}: the address is {:#x}; {:#x} was written", i, address, 0x1'0000'1000u + 16 * i);
    if (data != 0xd000 + i) return failed("vector {}: the data is {:#x}; {:#x} was written", i, data, 0xd000 + i);
  }
  return passed();
}

Verdict qwords(Bench& b) {
  const MsixView v(b);
  if (!v.problem.empty()) return skipped("{}", v.problem);
  for (const uint32_t i : {0u, v.vectors - 1}) {
    const uint64_t address = 0x0000'0002'cafe'0000u + 16 * i;
    const uint64_t data = 0x1'0000'beefu + i;   // the mask bit in the upper half
    if (b.store(v.entry(i), address, 8) != model::Outcome::kSuccess) return failed("an 8-byte write was refused");
    b.store(v.entry(i) + 8, data, 8);
    const Reply low = b.load(v.entry(i), 8);
    const Reply high = b.load(v.entry(i) + 8, 8);
    if (!low.ok() || low.value != address) return failed("vector {}: the address is {:#x}; {:#x} was written in 8 bytes", i, low.value, address);
    if (!high.ok() || high.value != data) return failed("vector {}: data and control are {:#x}; {:#x} was written in 8 bytes", i, high.value, data);
    const uint64_t by_dword = b.load(v.entry(i)).value | b.load(v.entry(i) + 4).value << 32;
    if (by_dword != address) return failed("vector {}: 8 bytes were written, and the dwords read {:#x}", i, by_dword);
  }
  return passed();
}

Verdict reserved_bits(Bench& b) {
  const MsixView v(b);
  if (!v.problem.empty()) return skipped("{}", v.problem);
  v.program(0, 0xffff'ffff'ffff'ffff, 0xffff'ffff, 0xffff'ffff);
  const uint64_t low = b.load(v.entry(0)).value;
  const uint64_t bits = b.load(v.entry(0) + entry::kControl).value;
  if (low != 0xffff'fffc) return failed("Message Address is {:#x} after ones; bits 1:0 read 0", low);
  return bits == 1 ? passed() : failed("Vector Control is {:#x} after ones; only bit 0 is defined", bits);
}

Verdict table_end(Bench& b) {
  const MsixView v(b);
  if (!v.problem.empty()) return skipped("{}", v.problem);
  const uint64_t end = v.table_offset + uint64_t{v.vectors} * model::kMsixEntryBytes;
  if (end + 16 > b.placed()[v.table_bar].bytes) return skipped("the BAR ends with the table");
  if (v.pba_bar == v.table_bar && end < v.pba_offset + v.pba_bytes() && v.pba_offset < end + 16) return skipped("the PBA follows the table");
  v.program(0, 0x1234'5670, 0x77, 1);
  v.program(v.vectors - 1, 0x1234'5670, 0x77, 1);
  for (uint64_t offset = 0; offset < 16; offset += 4) {
    const Reply reply = b.load(v.table + end - v.table_offset + offset);
    if (!reply.ok()) return failed("the dword {} bytes after the table was answered {}", offset, to_string(reply.outcome));
    if (reply.value == 0x1234'5670 || reply.value == 0x77) return failed("{} bytes after the table there is table content: {:#x}", offset, reply.value);
  }
  return passed();
}

Verdict pba_reads(Bench& b) {
  const MsixView v(b);
  if (!v.problem.empty()) return skipped("{}", v.problem);
  for (uint32_t i = 0; i < v.vectors; ++i) v.program(i, Bench::kDoorbell, i, 1);
  for (uint32_t offset = 0; offset < v.pba_bytes(); offset += 4) {
    const Reply reply = b.load(v.pba + offset);
    if (!reply.ok()) return failed("a read of the PBA was answered {}", to_string(reply.outcome));
    if (reply.value != 0) return failed("nothing is pending, and the PBA reads {:#x} at {:#x}", reply.value, offset);
  }
  const Reply wide = b.load(v.pba, 8);
  if (!wide.ok() || wide.value != 0) return failed("8 bytes of the PBA read {:#x} ({})", wide.value, to_string(wide.outcome));
  // Reading changed nothing.
  const uint64_t data = b.load(v.entry(0) + entry::kData).value;
  return data == 0 ? passed() : failed("reading the PBA changed the table");
}

Verdict pba_writes(Bench& b) {
  const MsixView v(b);
  if (!v.problem.empty()) return skipped("{}", v.problem);
  if (b.store(v.pba, 0xffff'ffff) != model::Outcome::kSuccess) return failed("a write to the PBA was refused; it is undefined, but not an error");
  b.store(v.pba, 0xffff'ffff'ffff'ffff, 8);
  const uint64_t now = b.load(v.pba, 8).value;
  return now == 0 ? passed() : failed("the PBA reads {:#x} after ones were written", now);
}

constexpr Rule kRules[] = {
    {"msix-inside-bars", "msix", "PCIe 6.0 s7.7.2.3", "Table and PBA lie inside memory BARs of the function.", inside_bars},
    {"msix-no-overlap", "msix", "PCIe 6.0 s7.7.2", "Table and PBA do not overlap.", no_overlap},
    {"msix-control", "msix", "PCIe 6.0 s7.7.2.2",
     "MSI-X Enable and Function Mask can be written, Table Size cannot, bits 13:11 read 0.", nullptr, control},
    {"msix-location-ro", "msix", "PCIe 6.0 s7.7.2.3", "Where table and PBA are cannot be written.", nullptr, location_ro},
    {"msix-masked-at-start", "msix", "PCIe 6.0 s7.7.2.8", "Every vector is masked after power-on.", nullptr,
     masked_at_start},
    {"msix-table-dword", "msix", "PCIe 6.0 s7.7.2.5", "Every entry keeps what was written to it, and nothing else.",
     nullptr, dwords},
    {"msix-table-qword", "msix", "PCIe 6.0 s6.1.4.2", "The table can be accessed by 8 bytes.", nullptr, qwords},
    {"msix-table-reserved", "msix", "PCIe 6.0 s7.7.2.8", "Reserved bits of an entry read 0.", nullptr, reserved_bits},
    {"msix-table-end", "msix", "PCIe 6.0 s7.7.2.2", "The table ends where Table Size says.", nullptr, table_end},
    {"msix-pba-read", "msix", "PCIe 6.0 s7.7.2.9", "The PBA reads 0 while nothing is pending, by 4 and 8 bytes.", nullptr,
     pba_reads},
    {"msix-pba-read-only", "msix", "PCIe 6.0 s7.7.2.9", "Writes do not set pending bits.", nullptr, pba_writes},
};

}  // namespace

std::span<const Rule> msix_table_rules() { return kRules; }

}  // namespace dartboard::conformance
