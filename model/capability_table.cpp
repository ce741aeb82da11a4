// model/capability_table.cpp - the rows.
#include "model/capability_table.h"

#include "model/capabilities.h"

namespace dartboard::model {
namespace {

constexpr Depth B = Depth::kBehaviour;
constexpr Depth R = Depth::kRegistersOnly;

constexpr FeatureRow kRows[] = {
    // Capabilities.
    {"PCI Power Management", pm::kId, false, B, "PCIe 6.0 s5.3, s7.5.2",
     "D0 and D3hot, time of the return, No_Soft_Reset; no D1, D2, PME"},
    {"MSI", msi::kId, false, B, "PCIe 6.0 s7.7.1", "64-bit address, 1 to 32 vectors, mask and pending bits"},
    {"Vendor-Specific", vendor::kId, false, R, "PCIe 6.0 s7.9.4", "one scratch byte"},
    {"PCI Express", pcie::kId, false, B, "PCIe 6.0 s7.5.3",
     "FLR, error status and enables, sizes of packets, link status of the root port, RRS visibility; ASPM and clock "
     "controls are registers only"},
    {"MSI-X", msix::kId, false, B, "PCIe 6.0 s7.7.2",
     "table and pending bits in any BAR, any access size, function and vector mask"},
    {"Advanced Error Reporting", aer::kId, true, B, "PCIe 6.0 s6.2, s7.8.4",
     "status, mask, severity, advisory errors, First Error Pointer, header log, Root Error Status, Source and "
     "interrupt; "
     "no ECRC, no multiple header recording"},
    {"Device Serial Number", serial::kId, true, B, "PCIe 6.0 s7.9.3", "the number"},
    {"Vendor-Specific Extended", vsec::kId, true, R, "PCIe 6.0 s7.9.5", "a scratch dword and a sticky one"},
    {"Address Translation Services", ats::kId, true, R, "PCIe 6.0 s10.5.1", "visible; Enable cannot be set"},
    {"Resizable BAR", rebar::kId, true, B, "PCIe 6.0 s7.8.6", "sizing, decode and memory follow BAR Size"},
    // Rules.
    {"Configuration requests", 0, false, B, "PCIe 6.0 s2.2.7, s7.3",
     "type 0 and 1, bus numbers, absent functions, byte enables; without RRS visibility a retry reads all-ones at "
     "once"},
    {"Memory requests", 0, false, B, "PCIe 6.0 s2.2.5",
     "byte enables, zero-length reads; no locked or atomic requests"},
    {"I/O requests", 0, false, B, "PCIe 6.0 s2.2.7", "by an endpoint's I/O BARs; the root port has no I/O window"},
    {"Base address registers", 0, false, B, "PCIe 6.0 s7.5.1.2.1",
     "32 and 64 bits, prefetchable, up to 64 TiB, I/O; gated by Command"},
    {"Expansion ROM", 0, false, B, "PCIe 6.0 s7.5.1.2.4", "sizing, enable, an image"},
    {"Bridge windows", 0, false, B, "PCIe 6.0 s7.5.1.3", "memory and prefetchable windows, both directions; no I/O"},
    {"Bus Master Enable", 0, false, B, "PCIe 6.0 s7.5.1.1.3", "gates DMA, MSI and MSI-X, in endpoint and root port"},
    {"INTx", 0, false, B, "PCIe 6.0 s2.2.8.1", "levels, Interrupt Disable and Status, swizzle, falls with the link"},
    {"Completion status", 0, false, B, "PCIe 6.0 s2.2.9, s2.3",
     "SC, UR, CA, RRS, poisoned, timeout, link down: every non-posted request ends in one of them"},
    {"Completion timeout", 0, false, B, "PCIe 6.0 s2.8",
     "of the root port and of DMA; its range and disable are registers"},
    {"Advisory non-fatal errors", 0, false, B, "PCIe 6.0 s6.2.3.2.4",
     "severity non-fatal only: the completer of a non-posted request that ends in UR or CA (.1), an unexpected "
     "completion "
     "(.5): ERR_COR, Advisory Non-Fatal Error, masked after power-on, which also keeps the uncorrectable status clear. "
     "Uncorrectable: a refused posted request, and a poisoned completion (.3) or a completion timeout (.4), as no "
     "requester here recovers by itself. There is no intermediate receiver (.2)"},
    {"D3hot", 0, false, B, "PCIe 6.0 s5.3.1.4.1",
     "configuration requests and messages only; no DMA, message or INTx; the error message of a refused request is "
     "sent"},
    {"Ordering", 0, false, B, "PCIe 6.0 s2.4",
     "in order; writes through the prefetchable window can be made to arrive late"},
    {"Packet sizes", 0, false, B, "PCIe 6.0 s2.2.2", "counted: Max_Payload_Size, Max_Read_Request_Size, 4 KiB"},
    {"Function level reset", 0, false, B, "PCIe 6.0 s6.6.2", "the reset matrix below; ready window; can fail"},
    {"Hot reset, PERST, link disable", 0, false, B, "PCIe 6.0 s6.6.1", "the reset matrix below; training time"},
    {"Surprise removal", 0, false, B, "PCIe 6.0 s3.2.1, s6.7",
     "ends what is under way, all-ones, Surprise Down in AER"},
    {"Link speed and width", 0, false, R, "PCIe 6.0 s7.5.3.8",
     "shown; training follows Target Link Speed, DMA time the rate"},
    {"Flow control, replay, flits", 0, false, R, "PCIe 6.0 s2.6, s3", "only their error bits, set by faults"},
};

}  // namespace

std::span<const FeatureRow> feature_rows() {
  return kRows;
}

std::string_view to_string(Depth depth) {
  return depth == Depth::kBehaviour ? "behaviour" : "registers only";
}

}  // namespace dartboard::model
