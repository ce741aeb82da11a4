// traces/import/simpletrace_events.cpp - the table. An event whose arguments changed over time has a row for each form.
#include "traces/import/simpletrace_events.h"

#include <cstdint>
#include <cstring>
#include <optional>

#include "traces/import/qemu_line.h"

namespace dartboard::traces {

namespace {

// In a text: %s string, %d number, %x hexadecimal, %2 hexadecimal of two digits, %c character. Arguments come in the
// order of the text.
struct Signature {
  std::string_view name;
  std::string_view text;
};

constexpr Signature kSignatures[] = {
    {"vfio_region_read", "(%s:region%d+0x%x, %d) = 0x%x"},
    {"vfio_region_write", "(%s:region%d+0x%x, 0x%x, %d)"},
    {"vfio_pci_read_config", "(%s, @0x%x, len=0x%x) 0x%x"},
    {"vfio_pci_write_config", "(%s, @0x%x, 0x%x, len=0x%x)"},
    {"pci_cfg_read", "%s %2:%2.%x @0x%x -> 0x%x"},
    {"pci_cfg_read", "%s %d:%d @0x%x -> 0x%x"},
    {"pci_cfg_write", "%s %2:%2.%x @0x%x <- 0x%x"},
    {"pci_cfg_write", "%s %d:%d @0x%x <- 0x%x"},
    {"memory_region_ops_read", "cpu %d mr 0x%x addr 0x%x value 0x%x size %d name '%s'"},
    {"memory_region_ops_read", "cpu %d mr 0x%x addr 0x%x value 0x%x size %d"},
    {"memory_region_ops_write", "cpu %d mr 0x%x addr 0x%x value 0x%x size %d name '%s'"},
    {"memory_region_ops_write", "cpu %d mr 0x%x addr 0x%x value 0x%x size %d"},
    {"ati_mm_read", "%d 0x%x %s -> 0x%x"},
    {"ati_mm_write", "%d 0x%x %s <- 0x%x"},
    {"pci_update_mappings_add", "%s %2:%2.%x %d,0x%x+0x%x"},
    {"pci_update_mappings_del", "%s %2:%2.%x %d,0x%x+0x%x"},
    {"vfio_listener_region_add_ram", "region_add [ram] 0x%x - 0x%x [0x%x]"},
    {"vfio_listener_region_del", "region_del 0x%x - 0x%x"},
    {"vfio_iommu_map_notify", "iommu %s @ 0x%x - 0x%x"},
    {"vfio_user_dma_map", "iova 0x%x size 0x%x off 0x%x flags 0x%x async_ops %d"},
    {"vfio_user_dma_unmap", "iova 0x%x size 0x%x flags 0x%x async_ops %d"},
    {"vfio_intx_interrupt", "(%s) Pin %c"},
    {"vfio_msi_interrupt", "(%s) vector %d 0x%x/0x%x"},
    {"vfio_intx_enable", "(%s)"},
    {"vfio_intx_disable", "(%s)"},
    {"vfio_msi_enable", "(%s) Enabled %d MSI vectors"},
    {"vfio_msi_disable", "(%s)"},
    {"vfio_msix_enable", "(%s)"},
    {"vfio_msix_disable", "(%s)"},
    {"vfio_msix_vector_do_use", "(%s) vector %d used"},
    {"vfio_msix_vector_release", "(%s) vector %d released"},
    {"vfio_user_set_irqs", "index %d start %d count %d flags 0x%x"},
    {"vfio_pci_reset_flr", "(%s)"},
    {"vfio_pci_reset_pm", "(%s)"},
    {"vfio_pci_hot_reset", "(%s) %s"},
    {"vfio_user_recv_hdr", "(%s) id 0x%x cmd 0x%x size 0x%x flags 0x%x"},
    {"vfio_region_setup", "Device %s, region %d \"%s\", flags: 0x%x, offset: 0x%x, size: 0x%x"},
    {"vfio_region_mmap", "Region %s [0x%x - 0x%x]"},
    {"vfio_user_get_region_info", "index %d flags 0x%x size 0x%x"},
    {"vfio_msix_early_setup", "%s PCI MSI-X CAP @0x%x, BAR %d, offset 0x%x, entries %d, noresize %d"},
    {"vfio_msix_early_setup", "%s PCI MSI-X CAP @0x%x, BAR %d, offset 0x%x, entries %d"},
    {"apple_dext_mmio_read", "bar=%d off=0x%x sz=%d -> val=0x%x kr=0x%x"},
    {"apple_dext_mmio_write", "bar=%d off=0x%x sz=%d val=0x%x kr=0x%x"},
    {"apple_vfio_bar_read", "bar=%d off=0x%x sz=%d -> val=0x%x"},
    {"apple_vfio_bar_write", "bar=%d off=0x%x sz=%d val=0x%x"},
    {"apple_dext_config_read", "off=0x%x sz=%d -> val=0x%x kr=0x%x"},
    {"apple_dext_config_write", "off=0x%x sz=%d val=0x%x kr=0x%x"},
    {"apple_dext_register_dma", "iova=0x%x client_va=0x%x size=%d -> bus=0x%x len=%d kr=0x%x"},
    {"apple_dext_unregister_dma", "iova=0x%x kr=0x%x"},
    {"apple_dma_handle_map_entry", "idx=%d gpa=0x%x req_len=%d -> bus=0x%x len=%d ok=%d"},
    {"apple_dma_handle_unmap_entry", "idx=%d id=0x%x status=%d"},
    {"apple_dext_interrupt", "vector=%d"},
};

template <class T>
std::optional<T> take(std::span<const std::byte>* bytes) {
  if (bytes->size() < sizeof(T)) return std::nullopt;
  T value = 0;
  for (size_t i = sizeof(T); i-- > 0;) value = static_cast<T>(value << 8 | std::to_integer<T>((*bytes)[i]));
  *bytes = bytes->subspan(sizeof(T));
  return value;
}

bool append_argument(char form, std::span<const std::byte>* arguments, fmt::memory_buffer* line) {
  if (form == 's') {
    const auto length = take<uint32_t>(arguments);
    if (!length || *length > arguments->size()) return false;
    for (const std::byte b : arguments->first(*length)) {
      // The log backend ends a line where a string has a newline; names have none.
      if (std::to_integer<unsigned char>(b) < 0x20) return false;
      line->push_back(std::to_integer<char>(b));
    }
    *arguments = arguments->subspan(*length);
    return true;
  }
  const auto value = take<uint64_t>(arguments);
  if (!value) return false;
  const auto out = fmt::appender(*line);
  switch (form) {
    case 'd': fmt::format_to(out, "{}", static_cast<int64_t>(*value)); break;
    case '2': fmt::format_to(out, "{:02x}", *value); break;
    case 'c': line->push_back(*value < 0x80 ? static_cast<char>(*value) : '?'); break;
    default: fmt::format_to(out, "{:x}", *value); break;
  }
  return true;
}

bool append_text(std::string_view text, std::span<const std::byte> arguments, fmt::memory_buffer* line) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      line->push_back(text[i]);
    } else if (!append_argument(text[++i], &arguments, line)) {
      return false;
    }
  }
  return arguments.empty();
}

}  // namespace

bool append_simpletrace_line(std::string_view name, std::span<const std::byte> arguments, fmt::memory_buffer* line) {
  const size_t begin = line->size();
  const auto start = [&] {
    line->resize(begin);
    line->append(name);
    line->push_back(' ');
  };
  for (const Signature& signature : kSignatures) {
    if (signature.name != name) continue;
    start();
    if (append_text(signature.text, arguments, line)) return true;
  }
  // What makes no event needs no arguments.
  const int row = find_qemu_event(name);
  if (row < 0 || qemu_signatures()[static_cast<size_t>(row)].event != QemuEvent::kNoEvent) return false;
  start();
  return true;
}

}  // namespace dartboard::traces
