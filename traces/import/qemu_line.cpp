// traces/import/qemu_line.cpp - the table of events, one row each, and the way from a line to its row. What a row's
// lines look like is in qemu_formats.cpp.
#include "traces/import/qemu_line.h"

#include <array>

#include "traces/import/qemu_formats.h"
#include "traces/import/scan.h"

namespace dartboard::traces {

namespace {

using namespace qemu_format;
using enum QemuEvent;
using Parse = bool (*)(Scan* scan, QemuLine* line);

bool anything(Scan*, QemuLine*) {
  return true;
}

struct Row {
  QemuSignature signature;
  Parse parse;
};

constexpr std::string_view kTransport = "the transport of vfio-user messages";
constexpr std::string_view kNoData = "an access without its value; vfio_region_* and vfio_pci_*_config have it";
constexpr std::string_view kSetUp = "how QEMU sets the device up";
constexpr std::string_view kQuirk = "what QEMU does around an access that has a line of its own";
constexpr std::string_view kMigration = "migration and dirty tracking";
constexpr std::string_view kResetAround = "around a reset; the reset itself has a line of its own";
constexpr std::string_view kRouting = "how QEMU routes an interrupt";
constexpr std::string_view kNotMapped = "nothing is mapped for DMA by it";
constexpr std::string_view kRom = "the expansion ROM, which the event model does not have";
constexpr std::string_view kVga = "legacy VGA ranges, which the event model does not have";
constexpr std::string_view kNoAddress = "it does not show an absolute address";
constexpr std::string_view kDoorbell = "a request to map; each entry has a line of its own";
constexpr std::string_view kMapFailed = "a mapping that failed: nothing is mapped";

constexpr Row row(std::string_view name, QemuEvent event, Parse parse) {
  return {{name, event, {}}, parse};
}
constexpr Row none(std::string_view name, std::string_view why) {
  return {{name, kNoEvent, why}, &anything};
}

constexpr auto kRows = std::to_array<Row>({
    row("vfio_region_read", kVfioRegionRead, &region_read),
    row("vfio_region_write", kVfioRegionWrite, &region_write),
    row("memory_region_ops_read", kMemoryRead, &memory_access),
    row("memory_region_ops_write", kMemoryWrite, &memory_access),
    row("pci_cfg_read", kPciConfigRead, &pci_config_read),
    row("pci_cfg_write", kPciConfigWrite, &pci_config_write),
    row("vfio_pci_read_config", kVfioConfigRead, &vfio_config_read),
    row("vfio_pci_write_config", kVfioConfigWrite, &vfio_config_write),
    row("ati_mm_read", kModelRead, &ati_read),
    row("ati_mm_write", kModelWrite, &ati_write),
    row("pci_update_mappings_add", kBarMapped, &bar_mapping),
    row("pci_update_mappings_del", kBarUnmapped, &bar_mapping),
    row("vfio_listener_region_add_ram", kListenerAdd, &listener_add),
    row("vfio_listener_region_del", kListenerDel, &listener_del),
    row("vfio_iommu_map_notify", kIommuMap, &iommu_notify),
    row("vfio_user_dma_map", kUserDmaMap, &user_dma),
    row("vfio_user_dma_unmap", kUserDmaUnmap, &user_dma),
    row("vfio_intx_interrupt", kIntxInterrupt, &pin),
    row("vfio_msi_interrupt", kMsiInterrupt, &vector),
    row("vfio_intx_enable", kIntxEnable, &only_device),
    row("vfio_intx_disable", kIntxDisable, &only_device),
    row("vfio_msi_enable", kMsiEnable, &msi_enable),
    row("vfio_msi_disable", kMsiDisable, &only_device),
    row("vfio_msix_enable", kMsixEnable, &only_device),
    row("vfio_msix_disable", kMsixDisable, &only_device),
    row("vfio_msix_vector_do_use", kMsixVectorUse, &vector),
    row("vfio_msix_vector_release", kMsixVectorRelease, &vector),
    row("vfio_user_set_irqs", kUserSetIrqs, &set_irqs),
    row("vfio_pci_reset_flr", kReset, &only_device),
    row("vfio_pci_reset_pm", kReset, &only_device),
    row("vfio_pci_hot_reset", kReset, &only_device),
    row("vfio_user_recv_hdr", kUserReceivedHeader, &received_header),
    row("vfio_region_setup", kRegionSetup, &region_setup),
    row("vfio_region_mmap", kRegionMmap, &region_mmap),
    row("vfio_user_get_region_info", kUserRegionInfo, &user_region_info),
    row("vfio_msix_early_setup", kMsixSetup, &msix_setup),
    // The fork for Apple silicon.
    row("apple_dext_mmio_read", kAppleMmioRead, &apple_mmio),
    row("apple_dext_mmio_write", kAppleMmioWrite, &apple_mmio),
    row("apple_vfio_bar_read", kAppleBarRead, &apple_mmio),
    row("apple_vfio_bar_write", kAppleBarWrite, &apple_mmio),
    row("apple_dext_config_read", kAppleConfigRead, &apple_config),
    row("apple_dext_config_write", kAppleConfigWrite, &apple_config),
    row("apple_dext_register_dma", kAppleDmaMap, &apple_register),
    row("apple_dext_unregister_dma", kAppleDmaUnmap, &apple_unregister),
    row("apple_dma_handle_map_entry", kAppleMapEntry, &apple_map_entry),
    row("apple_dma_handle_unmap_entry", kAppleUnmapEntry, &apple_unmap_entry),
    row("apple_dext_interrupt", kAppleInterrupt, &apple_interrupt),
    none("apple_dma_doorbell", kDoorbell),
    none("apple_dma_backend_map_fail", kMapFailed),
    // Known, and no event.
    none("vfio_user_recv_read", kTransport),
    none("vfio_user_recv_request", kTransport),
    none("vfio_user_send_write", kTransport),
    none("vfio_user_version", kTransport),
    none("vfio_user_wrmulti", kTransport),
    none("vfio_user_region_rw", kNoData),
    none("vfio_user_get_info", kSetUp),
    none("vfio_user_get_irq_info", kSetUp),
    none("vfio_populate_device_config", kSetUp),
    none("vfio_pci_populate_device_config", kSetUp),
    none("vfio_populate_device_get_irq_info_failure", kSetUp),
    none("vfio_pci_populate_device_get_irq_info_failure", kSetUp),
    none("vfio_attach_device", kSetUp),
    none("vfio_device_attach", kSetUp),
    none("vfio_detach_device", kSetUp),
    none("vfio_device_detach", kSetUp),
    none("vfio_realize", kSetUp),
    none("vfio_mdev", kSetUp),
    none("vfio_initfn", kSetUp),
    none("vfio_get_device", kSetUp),
    none("vfio_device_get", kSetUp),
    none("vfio_put_base_device", kSetUp),
    none("vfio_device_put", kSetUp),
    none("vfio_put_group", kSetUp),
    none("vfio_group_put", kSetUp),
    none("vfio_disconnect_container", kSetUp),
    none("vfio_container_disconnect", kSetUp),
    none("vfio_get_dev_region", kSetUp),
    none("vfio_add_ext_cap_dropped", kSetUp),
    none("vfio_pci_emulated_*", kSetUp),
    none("vfio_msi_setup", kSetUp),
    none("vfio_msix_fixup", kSetUp),
    none("vfio_msix_relo", kSetUp),
    none("vfio_msix_pba_enable", kSetUp),
    none("vfio_msix_pba_disable", kSetUp),
    none("vfio_check_pcie_flr", kSetUp),
    none("vfio_check_pm_reset", kSetUp),
    none("vfio_check_af_flr", kSetUp),
    none("vfio_region_exit", kSetUp),
    none("vfio_region_finalize", kSetUp),
    none("vfio_region_unmap", kSetUp),
    none("vfio_region_mmaps_set_enabled", kSetUp),
    none("vfio_region_mmap_fault", kSetUp),
    none("vfio_region_sparse_mmap_header", kSetUp),
    none("vfio_region_sparse_mmap_entry", kSetUp),
    none("vfio_display_*", kSetUp),
    none("vfio_pci_igd_*", kSetUp),
    none("iommufd_*", kSetUp),
    none("vfio_intx_eoi", kRouting),
    none("vfio_pci_intx_eoi", kRouting),
    none("vfio_intx_update", kRouting),
    none("vfio_intx_enable_kvm", kRouting),
    none("vfio_intx_disable_kvm", kRouting),
    none("vfio_device_reset_handler", kResetAround),
    none("vfio_reset_handler", kResetAround),
    none("vfio_pci_reset", kResetAround),
    none("vfio_pci_hot_reset_has_dep_devices", kResetAround),
    none("vfio_pci_hot_reset_dep_devices", kResetAround),
    none("vfio_pci_hot_reset_result", kResetAround),
    none("vfio_listener_region_skip", kNotMapped),
    none("vfio_listener_region_add_skip", kNotMapped),
    none("vfio_listener_region_del_skip", kNotMapped),
    none("vfio_listener_region_add_iommu", kNotMapped),
    none("vfio_listener_region_del_iommu", kNotMapped),
    none("vfio_listener_region_add_no_dma_map", kNotMapped),
    none("vfio_known_safe_misalignment", kNotMapped),
    none("vfio_legacy_dma_unmap_overflow_workaround", kNotMapped),
    none("vfio_spapr_*", kNotMapped),
    none("vfio_rom_read", kRom),
    none("vfio_pci_load_rom", kRom),
    none("vfio_pci_size_rom", kRom),
    none("vfio_vga_read", kVga),
    none("vfio_vga_write", kVga),
    none("vfio_quirk_*", kQuirk),
    none("vfio_ioeventfd_*", kQuirk),
    none("vfio_migration_*", kMigration),
    none("vfio_save_*", kMigration),
    none("vfio_load_*", kMigration),
    none("vfio_vmstate_*", kMigration),
    none("vfio_device_dirty_tracking_*", kMigration),
    none("vfio_get_dirty_bitmap", kMigration),
    none("vfio_iommu_map_dirty_notify", kMigration),
    none("memory_region_ram_device_read", kNoAddress),
    none("memory_region_ram_device_write", kNoAddress),
    none("memory_region_subpage_read", kNoAddress),
    none("memory_region_subpage_write", kNoAddress),
});
static_assert(kRows.size() < 256);

constexpr auto kSignatures = [] {
  std::array<QemuSignature, kRows.size()> out{};
  for (size_t i = 0; i < out.size(); ++i) out[i] = kRows[i].signature;
  return out;
}();

constexpr size_t kSlots = 1024;  // a sparse table: few names meet
constexpr size_t slot_of(std::string_view name) {
  uint32_t hash = 2166136261u;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return (hash ^ hash >> 15) % kSlots;
}
/// Row + 1 by slot, linear probing. Names with a '*' are not in it.
constexpr auto kTable = [] {
  std::array<uint8_t, kSlots> table{};
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].signature.name.ends_with('*')) continue;
    size_t slot = slot_of(kRows[i].signature.name);
    while (table[slot] != 0) slot = (slot + 1) % kSlots;
    table[slot] = static_cast<uint8_t>(i + 1);
  }
  return table;
}();

}  // namespace

std::span<const QemuSignature> qemu_signatures() {
  return kSignatures;
}

int find_qemu_event(std::string_view name) {
  constexpr size_t kNameBytesMax = 64;
  if (name.empty() || name.size() > kNameBytesMax) return -1;
  for (size_t slot = slot_of(name); kTable[slot] != 0; slot = (slot + 1) % kSlots) {
    if (kRows[kTable[slot] - 1u].signature.name == name) return kTable[slot] - 1;
  }
  for (size_t i = 0; i < kRows.size(); ++i) {
    const std::string_view family = kRows[i].signature.name;
    if (family.ends_with('*') && name.starts_with(family.substr(0, family.size() - 1))) return static_cast<int>(i);
  }
  return -1;
}

bool parse_qemu_line(std::string_view text, QemuLine* line) {
  Scan scan(text);
  std::string_view name;
  if (!scan.word(&name)) return false;
  const int found = find_qemu_event(name);
  if (found < 0) return false;
  const Row& row = kRows[static_cast<size_t>(found)];
  *line = QemuLine{};
  line->event = row.signature.event;
  line->row = static_cast<uint8_t>(found);
  scan.spaces();  // formats of vfio begin with one of their own
  return row.parse(&scan, line);
}

}  // namespace dartboard::traces
