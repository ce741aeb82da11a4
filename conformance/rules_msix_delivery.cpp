// conformance/rules_msix_delivery.cpp - MSI-X: when a message is sent, when it is pending, and what it holds.
#include "conformance/bench.h"
#include "conformance/msix_view.h"
#include "conformance/rule.h"
#include "conformance/stimulus.h"

namespace dartboard::conformance {
namespace {

namespace cfg = model::cfg;
namespace msix = model::msix;
namespace entry = model::msix_entry;

constexpr uint64_t kTo = Bench::kDoorbell;
constexpr uint32_t kData = 9;

/// A function with MSI-X on, vector 0 programmed, and a way to make it interrupt.
struct Ready {
  MsixView v;
  std::string problem;
  Ready(Bench& b, uint32_t masked, uint16_t control) : v(b), problem(v.problem) {
    if (problem.empty() && b.stimulus() == nullptr) problem = "how to make this device interrupt is not known";
    if (!problem.empty()) return;
    v.program(0, kTo, kData, masked);
    v.set_control(control);
  }
};

Verdict send(Bench& b) {
  const Ready r(b, 0, msix::kEnable);
  if (!r.problem.empty()) return skipped("{}", r.problem);
  b.stimulus()->interrupt(b, 0);
  return one_msix_message(b, kTo, kData);
}

Verdict upper_address(Bench& b) {
  const Ready r(b, 0, msix::kEnable);
  if (!r.problem.empty()) return skipped("{}", r.problem);
  constexpr uint64_t kAddress = 0x0012'3456'7000;
  r.v.program(0, kAddress, 0xfeed'f00d, 0);
  b.stimulus()->interrupt(b, 0);
  return one_msix_message(b, kAddress, 0xfeed'f00d);
}

Verdict own_entry(Bench& b) {
  const Ready r(b, 0, msix::kEnable);
  if (!r.problem.empty()) return skipped("{}", r.problem);
  const uint32_t vectors = std::min(r.v.vectors, b.stimulus()->vectors());
  if (vectors < 2) return skipped("only one vector can be tried");
  for (uint32_t i = 0; i < vectors; ++i) r.v.program(i, kTo, i, 0);
  for (const uint32_t vector : {vectors - 1, 1u}) {
    b.forget();
    b.stimulus()->interrupt(b, vector);
    if (Verdict sent = one_msix_message(b, kTo, vector); sent.status != Status::kPass) {
      sent.seen = fmt::format("vector {}: {}", vector, sent.seen);
      return sent;
    }
  }
  return passed();
}

Verdict disabled(Bench& b) {
  const Ready r(b, 0, 0);
  if (!r.problem.empty()) return skipped("{}", r.problem);
  b.stimulus()->interrupt(b, 0);
  return b.messages(kTo).empty() ? passed() : failed("MSI-X is disabled, and a message was sent");
}

Verdict bus_master(Bench& b) {
  const Ready r(b, 0, msix::kEnable);
  if (!r.problem.empty()) return skipped("{}", r.problem);
  b.set_command(cfg::kCommandMemory);
  b.stimulus()->interrupt(b, 0);
  return b.sent().empty() ? passed() : failed("Bus Master Enable is off, and the device sent {} requests", b.sent().size());
}

Verdict vector_mask(Bench& b) {
  const Ready r(b, 1, msix::kEnable);
  if (!r.problem.empty()) return skipped("{}", r.problem);
  b.stimulus()->interrupt(b, 0);
  return b.messages(kTo).empty() ? passed() : failed("the vector is masked, and a message was sent");
}

Verdict pends(Bench& b) {
  const Ready r(b, 1, msix::kEnable);
  if (!r.problem.empty()) return skipped("{}", r.problem);
  b.stimulus()->interrupt(b, 0);
  if (!r.v.pending(0)) return failed("the masked vector has an interrupt, and its pending bit is 0");
  const uint64_t wide = b.load(r.v.pba, 8).value;
  return wide == 1 ? passed() : failed("vector 0 is pending, and 8 bytes of the PBA read {:#x}", wide);
}

Verdict fires_on_unmask(Bench& b) {
  const Ready r(b, 1, msix::kEnable);
  if (!r.problem.empty()) return skipped("{}", r.problem);
  b.stimulus()->interrupt(b, 0);
  b.store(r.v.entry(0) + entry::kControl, 0);
  if (Verdict sent = one_msix_message(b, kTo, kData); sent.status != Status::kPass) return sent;
  return r.v.pending(0) ? failed("the message was sent, and the pending bit is still 1") : passed();
}

Verdict fires_once(Bench& b) {
  const Ready r(b, 1, msix::kEnable);
  if (!r.problem.empty()) return skipped("{}", r.problem);
  b.stimulus()->interrupt(b, 0);
  for (const uint32_t control : {0u, 1u, 0u}) b.store(r.v.entry(0) + entry::kControl, control);
  return one_msix_message(b, kTo, kData);
}

/// A masked entry may be rewritten (PCIe 6.0 s6.1.4.2): what is sent is what is there when it is unmasked.
Verdict latest(Bench& b) {
  const Ready r(b, 1, msix::kEnable);
  if (!r.problem.empty()) return skipped("{}", r.problem);
  b.stimulus()->interrupt(b, 0);
  r.v.program(0, kTo, 21, 0);
  return one_msix_message(b, kTo, 21);
}

Verdict function_mask(Bench& b) {
  const Ready r(b, 0, msix::kEnable | msix::kFunctionMask);
  if (!r.problem.empty()) return skipped("{}", r.problem);
  b.stimulus()->interrupt(b, 0);
  if (!b.messages(kTo).empty()) return failed("the function is masked, and a message was sent");
  if (!r.v.pending(0)) return failed("the function is masked, and the vector is not pending");
  if ((b.load(r.v.entry(0) + entry::kControl).value & 1) != 0) return failed("Function Mask changed the vector's own mask");
  r.v.set_control(msix::kEnable);
  return passed();
}

// set_control() forgets what was sent before the write, so the register is written here.
Verdict function_unmask(Bench& b) {
  const Ready r(b, 0, msix::kEnable | msix::kFunctionMask);
  if (!r.problem.empty()) return skipped("{}", r.problem);
  b.stimulus()->interrupt(b, 0);
  b.forget();
  b.write(r.v.at + msix::kControl, msix::kEnable, 2);
  return one_msix_message(b, kTo, kData);
}

Verdict without_memory(Bench& b) {
  const Ready r(b, 0, msix::kEnable | msix::kFunctionMask);
  if (!r.problem.empty()) return skipped("{}", r.problem);
  b.stimulus()->interrupt(b, 0);
  b.set_command(cfg::kCommandBusMaster);
  b.forget();
  b.write(r.v.at + msix::kControl, msix::kEnable, 2);
  return one_msix_message(b, kTo, kData);
}

constexpr Rule kRules[] = {
    {"msix-send", "msix", "PCIe 6.0 s6.1.4", "An interrupt is one 4-byte write of the entry's data to its address.", nullptr,
     send},
    {"msix-upper-address", "msix", "PCIe 6.0 s7.7.2.6", "The message goes to all 64 bits of the address.", nullptr,
     upper_address},
    {"msix-own-entry", "msix", "PCIe 6.0 s6.1.4", "Each vector sends its own entry.", nullptr, own_entry},
    {"msix-disabled", "msix", "PCIe 6.0 s7.7.2.2", "Without MSI-X Enable no message is sent.", nullptr, disabled},
    {"msix-bus-master", "msix", "PCIe 6.0 s7.5.1.1.3", "Without Bus Master Enable no message is sent.", nullptr,
     bus_master},
    {"msix-vector-mask", "msix", "PCIe 6.0 s7.7.2.8", "A masked vector sends nothing.", nullptr, vector_mask},
    {"msix-pends", "msix", "PCIe 6.0 s7.7.2.9", "The interrupt of a masked vector is pending, by 4 and 8 bytes.", nullptr,
     pends},
    {"msix-fires-on-unmask", "msix", "PCIe 6.0 s6.1.4.5", "A pending vector is sent when it is unmasked.", nullptr,
     fires_on_unmask},
    {"msix-fires-once", "msix", "PCIe 6.0 s6.1.4.5", "A pending vector is sent once.", nullptr, fires_once},
    {"msix-latest-message", "msix", "PCIe 6.0 s6.1.4.2", "A pending vector is sent with the entry as it is then.", nullptr,
     latest},
    {"msix-function-mask", "msix", "PCIe 6.0 s7.7.2.2", "Function Mask makes every vector pending.", nullptr,
     function_mask},
    {"msix-function-unmask", "msix", "PCIe 6.0 s7.7.2.2", "Clearing Function Mask sends what is pending.", nullptr,
     function_unmask},
    {"msix-without-memory", "msix", "PCIe 6.0 s7.5.1.1.3", "Messages do not depend on Memory Space Enable.", nullptr,
     without_memory},
};

}  // namespace

std::span<const Rule> msix_delivery_rules() { return kRules; }

}  // namespace dartboard::conformance
