// traces/import/qemu_formats.cpp - the grammar: one function per format, each under an example of its lines.
#include "traces/import/qemu_formats.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "traces/event.h"

namespace dartboard::traces {

namespace {

using enum QemuEvent;

constexpr uint64_t kVectorsMax = 2048;  // PCIe 6.0 s7.7.2.2

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
bool is_config_access(const QemuLine& l) {
  return (l.size == 1 || l.size == 2 || l.size == 4) && l.address + l.size <= 4096 && fits(l.value, l.size);
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
bool ati(Scan* s, std::string_view arrow, QemuLine* l) {
  l->device = "ati-vga";
  l->index = 2;
  return s->dec(&l->size) && s->literal(' ') && s->hex0x(&l->address) && s->until_last(arrow, &l->name) &&
         s->hex0x(&l->value) && access_ends(s, *l);
}
// (NAME)
bool device_name(Scan* s, QemuLine* l) {
  return s->literal('(') && s->until_last(")", &l->device);
}

}  // namespace

bool is_qemu_access(uint64_t offset, uint64_t size, uint64_t value) {
  return (size == 1 || size == 2 || size == 4 || size == 8) && offset <= kQemuBarBytesMax - size && fits(value, size);
}

namespace qemu_format {

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
bool only_device(Scan* s, QemuLine* l) {
  return device_name(s, l);  // some versions say more behind it
}
// (NAME) Pin A
bool pin(Scan* s, QemuLine* l) {
  if (!device_name(s, l) || !s->literal(" Pin ") || s->peek() < 'A' || s->peek() > 'D') return false;
  l->index = static_cast<uint64_t>(s->peek() - 'A');
  return true;
}
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

}  // namespace qemu_format

}  // namespace dartboard::traces
