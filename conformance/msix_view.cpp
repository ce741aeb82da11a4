// conformance/msix_view.cpp - see msix_view.h.
#include "conformance/msix_view.h"

namespace dartboard::conformance {

namespace msix = model::msix;
namespace msix_entry = model::msix_entry;

Msix find_msix(Target& t) {
  Msix m;
  m.at = standard_capabilities(t).find(msix::kId);
  if (m.at == 0) return m;
  m.vectors = (t.config(m.at + msix::kControl, 2) & 0x7ff) + 1;
  const uint32_t table = t.config(m.at + msix::kTable, 4);
  const uint32_t pba = t.config(m.at + msix::kPba, 4);
  m.table_bar = table & 7;
  m.table_offset = table & ~7u;
  m.pba_bar = pba & 7;
  m.pba_offset = pba & ~7u;
  return m;
}

MsixView::MsixView(Bench& bench) : Msix(find_msix(bench)), bench_(bench) {
  if (at == 0) {
    problem = "the function has no MSI-X";
  } else if (table_bar >= kBars || pba_bar >= kBars || !bench.placed()[table_bar].placed ||
             !bench.placed()[pba_bar].placed) {
    problem = "the BAR with the MSI-X structures could not be placed";
  } else {
    table = bench.placed()[table_bar].address + table_offset;
    pba = bench.placed()[pba_bar].address + pba_offset;
  }
}

void MsixView::program(uint32_t vector, uint64_t address, uint32_t data, uint32_t control) const {
  bench_.store(entry(vector) + msix_entry::kAddressLow, static_cast<uint32_t>(address));
  bench_.store(entry(vector) + msix_entry::kAddressHigh, static_cast<uint32_t>(address >> 32));
  bench_.store(entry(vector) + msix_entry::kData, data);
  bench_.store(entry(vector) + msix_entry::kControl, control);
}

void MsixView::set_control(uint16_t bits) const {
  bench_.write(at + msix::kControl, bits, 2);
  bench_.forget();
}

bool MsixView::pending(uint32_t vector) const {
  return ((bench_.load(pba + vector / 64 * 8 + vector / 32 % 2 * 4).value >> (vector % 32)) & 1) != 0;
}

Verdict one_msix_message(Bench& bench, uint64_t address, uint32_t data) {
  const auto messages = bench.messages(address);
  if (messages.size() != 1) return failed("{} messages were sent to {:#x}; expected 1", messages.size(), address);
  if (messages[0].length != 4) return failed("the message is {} bytes long; expected 4", messages[0].length);
  if (messages[0].data != data) return failed("the message is {:#x}; expected {:#x}", messages[0].data, data);
  return passed();
}

}  // namespace dartboard::conformance
