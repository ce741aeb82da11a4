// traces/import/qemu_formats.h - the formats of QEMU's trace events, one function each; an example of each line stands
// with the function. The table of qemu_line.cpp says which event has which.
//
// `scan` stands behind the event's name and the spaces after it. `line` has its event; the function fills in the rest.
// False: not as QEMU writes it.
#pragma once

#include "traces/import/qemu_line.h"
#include "traces/import/scan.h"

namespace dartboard::traces::qemu_format {

bool region_read(Scan* scan, QemuLine* line);
bool region_write(Scan* scan, QemuLine* line);
bool vfio_config_read(Scan* scan, QemuLine* line);
bool vfio_config_write(Scan* scan, QemuLine* line);
bool pci_config_read(Scan* scan, QemuLine* line);
bool pci_config_write(Scan* scan, QemuLine* line);
bool bar_mapping(Scan* scan, QemuLine* line);
bool memory_access(Scan* scan, QemuLine* line);
bool ati_read(Scan* scan, QemuLine* line);
bool ati_write(Scan* scan, QemuLine* line);
bool listener_add(Scan* scan, QemuLine* line);
bool listener_del(Scan* scan, QemuLine* line);
bool iommu_notify(Scan* scan, QemuLine* line);
bool user_dma(Scan* scan, QemuLine* line);
bool only_device(Scan* scan, QemuLine* line);
bool pin(Scan* scan, QemuLine* line);
bool vector(Scan* scan, QemuLine* line);
bool msi_enable(Scan* scan, QemuLine* line);
bool set_irqs(Scan* scan, QemuLine* line);
bool received_header(Scan* scan, QemuLine* line);
bool region_setup(Scan* scan, QemuLine* line);
bool region_mmap(Scan* scan, QemuLine* line);
bool user_region_info(Scan* scan, QemuLine* line);
bool msix_setup(Scan* scan, QemuLine* line);
bool apple_mmio(Scan* scan, QemuLine* line);
bool apple_config(Scan* scan, QemuLine* line);
bool apple_register(Scan* scan, QemuLine* line);
bool apple_unregister(Scan* scan, QemuLine* line);
bool apple_map_entry(Scan* scan, QemuLine* line);
bool apple_unmap_entry(Scan* scan, QemuLine* line);
bool apple_interrupt(Scan* scan, QemuLine* line);

}  // namespace dartboard::traces::qemu_format
