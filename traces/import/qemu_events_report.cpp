// traces/import/qemu_events_report.cpp - what an import of QEMU's lines tells at its end: devices, notes, and every
// kind of line with the reason why it made no event (see qemu_events.h).
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "traces/import/qemu_events.h"

namespace dartboard::traces {

void QemuEvents::describe(TraceInfo* info) const {
  std::vector<std::string> notes;
  info->devices = devices_.describe(&notes);
  const auto note = [&](std::string text) { notes.push_back(std::move(text)); };
  if (widths_assumed_ + widths_shown_ != 0) {
    note(
        fmt::format("pci_cfg_read and pci_cfg_write do not show how wide an access is: of {}, {} have the width of the "
                    "memory_region_ops line beside them, {} that of the register, or the next that holds the value.",
                    widths_assumed_ + widths_shown_, widths_shown_, widths_assumed_));
  }
  if (model_bars_assumed_ != 0) {
    note(
        fmt::format("ati_mm_read and ati_mm_write do not show by which BAR: {} are taken to be of BAR2, its registers.",
                    model_bars_assumed_));
  }
  if (dma_seen_) {
    note(
        "DMA mappings are shown with their IOVA; unless the line says otherwise the guest address is taken to be the "
        "same, which holds without a guest IOMMU. What was transferred is not in such a log.");
    if (devices_.vfio_devices() > 1) {
      note("DMA mappings are not shown per device: each is given to the device that was named last before it.");
    }
  } else {
    note("The log shows no DMA mappings, and never what was transferred.");
  }
  if (!irq_seen_) note("The log shows no interrupts.");
  if (irq_kinds_assumed_ != 0) {
    note(fmt::format("{} interrupts are taken to be MSI-X: the log does not show which kind was on.",
                     irq_kinds_assumed_));
  }
  if (unmap_ids_assumed_ != 0) {
    note(fmt::format(
        "{} apple_dma_handle_unmap_entry lines name an id, which is taken to be the guest or bus address of "
        "the mapping.",
        unmap_ids_assumed_));
  }
  if (failed_writes_ != 0) {
    note(fmt::format("{} writes to BARs failed on the recording machine; they are events like the others.",
                     failed_writes_));
  }
  for (size_t i = 0; i < devices_.size(); ++i) info->lossy |= devices_[static_cast<int>(i)].has_maps;
  info->notes = std::move(notes);
}

std::vector<RecordCount> QemuEvents::kinds() const {
  std::vector<RecordCount> out;
  const auto signatures = qemu_signatures();
  for (size_t row = 0; row < signatures.size(); ++row) {
    for (unsigned why = 0; why < kWhyCount; ++why) {
      if (counts_[row][why] == 0) continue;
      const std::string_view text = why == kOwnReason ? signatures[row].why : why_text(static_cast<Why>(why));
      out.push_back({std::string(signatures[row].name), counts_[row][why], std::string(text)});
    }
  }
  std::sort(out.begin(), out.end(), [](const RecordCount& a, const RecordCount& b) {
    return a.name != b.name ? a.name < b.name : a.why < b.why;
  });
  return out;
}

std::string_view QemuEvents::why_text(Why why) {
  switch (why) {
    case kIsEvent:
    case kOwnReason:
    case kWhyCount: break;
    case kSameVfioAccess: return "the same access, seen by vfio_region_* or vfio_pci_*_config";
    case kSameAppleAccess: return "the same access, seen by apple_dext_* or apple_vfio_bar_*";
    case kSameAccess: return "the same access, seen by a line of another layer";
    case kSamePciConfig: return "an access to configuration space, which pci_cfg_* shows with its device";
    case kSelectsConfig: return "selects a register of configuration space; pci_cfg_* shows the access";
    case kSameMapping: return "the same mapping, seen by another line";
    case kSameSetup: return "the same set-up, seen by another line";
    case kNoFunction: return "no device is at that address: it reads as all ones";
    case kNoBar: return "not in a BAR of a PCI device that the log shows";
    case kNoBarAddress: return "a BAR whose address the log does not show";
    case kRegionIsNoBar: return "the expansion ROM or a legacy range, which the event model does not have";
    case kUnknownMapping: return "ends no mapping that the log shows";
    case kFailedMapping: return "it failed: nothing was mapped or unmapped";
    case kMasking: return "masks, unmasks or tests interrupts, which is no set-up";
    case kOtherMessage: return "the transport of vfio-user messages";
    case kShowsDevice: return "shows what the device is, not what it does";
    case kTooManyDevices: return "of a device beyond the first 256";
    case kTooManyMappings: return "more mappings at a time than an import keeps (262,144)";
  }
  return {};
}

}  // namespace dartboard::traces
