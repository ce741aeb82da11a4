// traces/import/qemu_line.cpp - the grammar: one row per event, one function per format.
#include "traces/import/qemu_line.h"

#include <array>

#include "traces/event.h"
#include "traces/import/scan.h"

namespace dartboard::traces {

namespace {

using enum QemuEvent;
using Parse = bool (*)(Scan* scan, QemuLine* line);

bool fits(uint64_t value, uint64_t bytes) {
  return bytes >= 8 || value >> (8 * bytes) == 0;
}
uint64_t low_bytes(uint64_t value, uint64_t bytes) {
  return bytes >= 8 ? value : value & ((uint64_t{1} << (8 * bytes)) - 1);
}
/// An access, and nothing behind it.
bool access_ends(Scan* s, const QemuLine& l) {
  return s->done() && is_qemu_access(l.address, l.size, l.value);
}
/// start..last of a range, both included, to address and size.
bool set_range(uint64_t last, QemuLine* l) {
  if (last < l->address || last - l->address == UINT64_MAX) return false;
  l->size = last - l->address + 1;
  return true;
}
bool range_ends(Scan* s, const QemuLine& l) {
  return s->done() && l.size != 0 && l.address <= UINT64_MAX - (l.size - 1);
}

// (NAME:region0+0x4, 4) = 0x0; the name may hold spaces, colons and slashes
bool region_read(Scan* s, QemuLine* l) {
  return s->literal('(') && s->until_last(":region", &l->device) && s->dec(&l->index) && s->literal('+') &&
         s->hex0x(&l->address) && s->literal(", ") && s->dec(&l->size) && s->literal(") = ") && s->hex0x(&l->value) &&
         access_ends(s, *l);
}
// (NAME:region0+0x4, 0x0, 4)
bool region_write(Scan* s, QemuLine* l) {
  return s->literal('(') && s->until_last(":region", &l->device) && s->dec(&l->index) && s->literal('+') &&
         s->hex0x(&l->address) && s->literal(", ") && s->hex0x(&l->value) && s->literal(", ") && s->dec(&l->size) &&
         s->literal(')') && access_ends(s, *l);
}
bool is_config_access(const QemuLine& l) {
  return (l.size == 1 || l.size == 2 || l.size == 4) && l.address + l.size <= 4096 && fits(l.value, l.size);
}
// (NAME, @0x3d, len=0x1) 0x1
bool vfio_config_read(Scan* s, QemuLine* l) {
  return s->literal('(') && s->until_last(", @", &l->device) && s->hex0x(&l->address) && s->literal(", len=") &&
         s->hex0x(&l->size) && s->literal(") ") && s->hex0x(&l->value) && s->done() && l->address < 4096 &&
         is_config_access(*l);
}
// (NAME, @0x4, 0x0, len=0x2)
bool vfio_config_write(Scan* s, QemuLine* l) {
  return s->literal('(') && s->until_last(", @", &l->device) && s->hex0x(&l->address) && s->literal(", ") &&
         s->hex0x(&l->value) && s->literal(", len=") && s->hex0x(&l->size) && s->literal(')') && s->done() &&
         l->address < 4096 && is_config_access(*l);
}

/// TYPE 00:01.0, or TYPE 01:0 (slot and function, decimal) of older QEMU.
bool type_and_address(std::string_view text, QemuLine* l) {
  const size_t space = text.rfind(' ');
  if (space == std::string_view::npos) return false;
  l->device = text.substr(0, space);
  Scan s(text.substr(space + 1));
  uint64_t a = 0, b = 0, c = 0;
  const std::string_view whole = s.rest();
  if (s.hex(&a) && s.literal(':') && s.hex(&b) && s.literal('.') && s.hex(&c) && s.at_end()) {
    if (a > 255 || b > 31 || c > 7) return false;
  } else {
    Scan old(whole);
    if (!old.dec(&b) || !old.literal(':') || !old.dec(&c) || !old.at_end() || b > 31 || c > 7) return false;
    a = 0;
  }
  l->rid = static_cast<uint16_t>(a << 8 | b << 3 | c);
  return true;
}
bool pci_config(Scan* s, std::string_view arrow, QemuLine* l) {
  std::string_view who;
  return s->until_last(" @", &who) && type_and_address(who, l) && s->hex0x(&l->address) && s->literal(arrow) &&
         s->hex0x(&l->value) && s->done() && l->address < 4096 && fits(l->value, 4);
}
// TYPE 00:01.0 @0x0 -> 0x8086
bool pci_config_read(Scan* s, QemuLine* l) {
  return pci_config(s, " -> ", l);
}
bool pci_config_write(Scan* s, QemuLine* l) {
  return pci_config(s, " <- ", l);
}
// TYPE 00:01.0 0,0xf8000000+0x4000000; older: d=POINTER instead of the type
bool bar_mapping(Scan* s, QemuLine* l) {
  const std::string_view text = s->rest();
  const size_t comma = text.rfind(',');
  const size_t space = comma == std::string_view::npos ? comma : text.rfind(' ', comma);
  if (space == std::string_view::npos || !type_and_address(text.substr(0, space), l)) return false;
  if (l->device.starts_with("d=")) l->device = {};
  Scan rest(text.substr(space + 1));
  return rest.dec(&l->index) && rest.literal(',') && rest.hex0x(&l->address) && rest.literal('+') &&
         rest.hex0x(&l->size) && l->index <= 6 && range_ends(&rest, *l);
}

// cpu 0 mr 0x55 addr 0xcf8 value 0x80000000 size 4 name 'pci-conf-idx'; the name came with QEMU 5.2
bool memory_access(Scan* s, QemuLine* l) {
  int64_t cpu = 0;
  uint64_t region = 0;
  if (!s->literal("cpu ") || !s->signed_dec(&cpu) || !s->literal(" mr ") || !s->hex0x(&region) ||
      !s->literal(" addr ") || !s->hex0x(&l->address) || !s->literal(" value ") || !s->hex0x(&l->value) ||
      !s->literal(" size ") || !s->dec(&l->size)) {
    return false;
  }
  if (s->literal(" name '") && !s->until_last("'", &l->name)) return false;
  if (!s->done() || (l->size != 1 && l->size != 2 && l->size != 4 && l->size != 8) ||
      l->address > UINT64_MAX - (l->size - 1)) {
    return false;
  }
  // What a read's handler returned; whoever reads gets the bytes that were asked for.
  if (l->event == kMemoryRead) l->value = low_bytes(l->value, l->size);
  return fits(l->value, l->size);
}

// 4 0x68 NAME -> 0x2000400; the register's name may be empty
bool ati(Scan* s, std::string_view arrow, QemuLine* l) {
  l->device = "ati-vga";
  l->index = 2;
  return s->dec(&l->size) && s->literal(' ') && s->hex0x(&l->address) && s->until_last(arrow, &l->name) &&
         s->hex0x(&l->value) && access_ends(s, *l);
}
bool ati_read(Scan* s, QemuLine* l) {
  return ati(s, " -> ", l);
}
bool ati_write(Scan* s, QemuLine* l) {
  return ati(s, " <- ", l);
}

// region_add [ram] 0xS - 0xE_inclusive [POINTER]
bool listener_add(Scan* s, QemuLine* l) {
  uint64_t last = 0;
  std::string_view pointer;
  return s->literal("region_add [ram] ") && s->hex0x(&l->address) && s->literal(" - ") && s->hex0x(&last) &&
         s->literal(" [") && s->until("]", &pointer) && s->done() && set_range(last, l);
}
// region_del 0xS - 0xE_inclusive
bool listener_del(Scan* s, QemuLine* l) {
  uint64_t last = 0;
  return s->literal("region_del ") && s->hex0x(&l->address) && s->literal(" - ") && s->hex0x(&last) && s->done() &&
         set_range(last, l);
}
// iommu MAP @ 0xS - 0xE_inclusive
bool iommu_notify(Scan* s, QemuLine* l) {
  uint64_t last = 0;
  if (!s->literal("iommu ")) return false;
  if (s->literal("UNMAP")) {
    l->event = kIommuUnmap;
  } else if (!s->literal("MAP")) {
    return false;
  }
  return s->literal(" @ ") && s->hex0x(&l->address) && s->literal(" - ") && s->hex0x(&last) && s->done() &&
         set_range(last, l);
}
// iova 0x0 size 0x8000000 off 0x0 flags 0x3 async_ops 1; unmap has no off
bool user_dma(Scan* s, QemuLine* l) {
  uint64_t offset = 0, flags = 0, async = 0;
  if (!s->literal("iova ") || !s->hex0x(&l->address) || !s->literal(" size ") || !s->hex0x(&l->size)) return false;
  if (s->literal(" off ") && !s->hex0x(&offset)) return false;
  return s->literal(" flags ") && s->hex0x(&flags) && s->literal(" async_ops ") && s->dec(&async) && range_ends(s, *l);
}

// (NAME) ...: `behind` what follows
bool device_name(Scan* s, QemuLine* l) {
  return s->literal('(') && s->until_last(")", &l->device);
}
bool only_device(Scan* s, QemuLine* l) {
  return device_name(s, l);  // some versions say more behind it
}
// (NAME) Pin A
bool pin(Scan* s, QemuLine* l) {
  if (!device_name(s, l) || !s->literal(" Pin ") || s->peek() < 'A' || s->peek() > 'D') return false;
  l->index = static_cast<uint64_t>(s->peek() - 'A');
  return true;
}
constexpr uint64_t kVectorsMax = 2048;  // PCIe 6.0 s7.7.2.2
// (NAME) vector 3 0xfee00000/0x4021
bool vector(Scan* s, QemuLine* l) {
  return device_name(s, l) && s->literal(" vector ") && s->dec(&l->index) && l->index < kVectorsMax;
}
// (NAME) Enabled 4 MSI vectors
bool msi_enable(Scan* s, QemuLine* l) {
  return device_name(s, l) && s->literal(" Enabled ") && s->dec(&l->size) && l->size <= kVectorsMax;
}
// index 0 start 0 count 1 flags 0x24
bool set_irqs(Scan* s, QemuLine* l) {
  return s->literal("index ") && s->dec(&l->index) && s->literal(" start ") && s->dec(&l->address) &&
         s->literal(" count ") && s->dec(&l->size) && s->literal(" flags ") && s->hex0x(&l->value) && s->done() &&
         l->address <= kVectorsMax && l->size <= kVectorsMax - l->address;
}
// (unix:/run/x.sock) id 0x1 cmd 0xd size 0x10 flags 0x1
bool received_header(Scan* s, QemuLine* l) {
  uint64_t id = 0;
  return s->literal('(') && s->until_last(") id ", &l->device) && s->hex0x(&id) && s->literal(" cmd ") &&
         s->hex0x(&l->index) && s->literal(" size ") && s->hex0x(&l->size) && s->literal(" flags ") &&
         s->hex0x(&l->value) && s->done();
}

// Device NAME, region 2 "NAME BAR 2", flags: 0x3, offset: 0x0, size: 0x100
bool region_setup(Scan* s, QemuLine* l) {
  uint64_t flags = 0, offset = 0;
  std::string_view who;
  // From the right: the names before may hold anything.
  if (!s->literal("Device ") || !s->until_last("\", flags: ", &who) || !s->hex0x(&flags) || !s->literal(", offset: ") ||
      !s->hex0x(&offset) || !s->literal(", size: ") || !s->hex0x(&l->size) || !s->done()) {
    return false;
  }
  Scan inner(who);
  return inner.until(", region ", &l->device) && inner.dec(&l->index) && inner.literal(" \"");
}
// Region NAME BAR 0 [0x0 - 0xfff]
bool region_mmap(Scan* s, QemuLine* l) {
  return s->literal("Region ") && s->until_last(" [", &l->name);
}
// index 2 flags 0x3 size 0x100
bool user_region_info(Scan* s, QemuLine* l) {
  uint64_t flags = 0;
  return s->literal("index ") && s->dec(&l->index) && s->literal(" flags ") && s->hex0x(&flags) &&
         s->literal(" size ") && s->hex0x(&l->size) && s->done();
}
// NAME PCI MSI-X CAP @0x70, BAR 4, offset 0x0, entries 4, ..
bool msix_setup(Scan* s, QemuLine* l) {
  uint64_t capability = 0;
  return s->until_last(" PCI MSI-X CAP @", &l->device) && s->hex0x(&capability) && s->literal(", BAR ") &&
         s->dec(&l->index) && s->literal(", offset ") && s->hex0x(&l->address) && s->literal(", entries ") &&
         s->dec(&l->size) && l->index < 6 && l->size >= 1 && l->size <= kVectorsMax && l->address <= UINT32_MAX;
}

// bar=0 off=0x10 sz=4 -> val=0x1 kr=0x0; writes have no arrow; apple_vfio_* have no kr
bool apple_mmio(Scan* s, QemuLine* l) {
  if (!s->literal("bar=") || !s->dec(&l->index) || !s->literal(" off=") || !s->hex0x(&l->address) ||
      !s->literal(" sz=") || !s->dec(&l->size)) {
    return false;
  }
  s->literal(" ->");
  if (!s->literal(" val=") || !s->hex0x(&l->value)) return false;
  if (s->literal(" kr=") && !s->hex0x(&l->status)) return false;
  return access_ends(s, *l);
}
bool apple_config(Scan* s, QemuLine* l) {
  if (!s->literal("off=") || !s->hex0x(&l->address) || !s->literal(" sz=") || !s->dec(&l->size)) return false;
  s->literal(" ->");
  return s->literal(" val=") && s->hex0x(&l->value) && s->literal(" kr=") && s->hex0x(&l->status) && s->done() &&
         l->address < 4096 && is_config_access(*l);
}
// iova=0x1000 client_va=0x2000 size=4096 -> bus=0x3000 len=4096 kr=0x0
bool apple_register(Scan* s, QemuLine* l) {
  uint64_t client = 0, length = 0;
  return s->literal("iova=") && s->hex0x(&l->address) && s->literal(" client_va=") && s->hex0x(&client) &&
         s->literal(" size=") && s->dec(&l->size) && s->literal(" -> bus=") && s->hex0x(&l->value) &&
         s->literal(" len=") && s->dec(&length) && s->literal(" kr=") && s->hex0x(&l->status) && range_ends(s, *l);
}
// iova=0x1000 kr=0x0
bool apple_unregister(Scan* s, QemuLine* l) {
  return s->literal("iova=") && s->hex0x(&l->address) && s->literal(" kr=") && s->hex0x(&l->status) && s->done();
}
// idx=0 gpa=0x1000 req_len=4096 -> bus=0x3000 len=4096 ok=1
bool apple_map_entry(Scan* s, QemuLine* l) {
  uint64_t entry = 0, length = 0, ok = 0;
  const bool read = s->literal("idx=") && s->dec(&entry) && s->literal(" gpa=") && s->hex0x(&l->address) &&
                    s->literal(" req_len=") && s->dec(&l->size) && s->literal(" -> bus=") && s->hex0x(&l->value) &&
                    s->literal(" len=") && s->dec(&length) && s->literal(" ok=") && s->dec(&ok);
  l->status = ok != 0 ? 0 : 1;
  return read && range_ends(s, *l);
}
// idx=0 id=0x3000 status=0
bool apple_unmap_entry(Scan* s, QemuLine* l) {
  uint64_t entry = 0;
  return s->literal("idx=") && s->dec(&entry) && s->literal(" id=") && s->hex0x(&l->value) && s->literal(" status=") &&
         s->dec(&l->status) && s->done();
}
// vector=3
bool apple_interrupt(Scan* s, QemuLine* l) {
  return s->literal("vector=") && s->dec(&l->index) && s->done() && l->index < kVectorsMax;
}
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

bool is_qemu_access(uint64_t offset, uint64_t size, uint64_t value) {
  return (size == 1 || size == 2 || size == 4 || size == 8) && offset <= kQemuBarBytesMax - size && fits(value, size);
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
