// tests/traces/qemu_log_test.cpp - lines of a QEMU log to events, the layers, bad lines.
#include "traces/import/qemu_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <fmt/format.h>

#include "import_support.h"
#include "support.h"

namespace dartboard::traces {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Imported read(std::string_view text) {
  return import_bytes(text, open_qemu_log);
}

struct Case {
  const char* rule;
  const char* lines;
  std::vector<std::string> events;
};

const Case kCases[] = {
    {"vfio_region_read has the size before the value",
     "vfio_region_read  (0000:01:00.0:region0+0x118128, 4) = 0xcafe\n",
     {"mmio-read 0:0x118128+4 = 0xcafe"}},
    {"vfio_region_write has the value before the size",
     "vfio_region_write  (0000:01:00.0:region3+0x10, 0x8ac70, 8)\n",
     {"mmio-write 3:0x10+8 = 0x8ac70"}},
    {"a name with spaces, colons and slashes is read from the right",
     "vfio_region_read  (VFIO user </var/run/a:region1+0x0 b.cntrl>:region2+0x4, 2) = 0xffff\n",
     {"mmio-read 2:0x4+2 = 0xffff"}},
    {"vfio_pci_*_config",
     "vfio_pci_read_config  (0000:01:00.0, @0x3d, len=0x1) 0x1\n"
     "vfio_pci_write_config  (0000:01:00.0, @0x4, 0x103, len=0x2)\n",
     {"config-read 0x3d+1 = 0x1", "config-write 0x4+2 = 0x103"}},
    {"the older prefix",
     "4711@1718218249.000001:vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x1\n"
     "4711@1718218250.000000:vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x2\n",
     {"mmio-read 0:0x0+4 = 0x1", "@+999999000 mmio-read 0:0x0+4 = 0x2"}},
    {"the newer prefix, whose fraction may be missing",
     "2026-02-28T23:59:59.999999Z vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x1\n"
     "2026-03-01T00:00:00Z vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x2\n",
     {"mmio-read 0:0x0+4 = 0x1", "@+1000 mmio-read 0:0x0+4 = 0x2"}},
    {"a leap day has its second of February",
     "2024-02-28T23:59:59Z vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x1\n"
     "2024-03-01T00:00:00Z vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x2\n",
     {"mmio-read 0:0x0+4 = 0x1", "@+86401000000000 mmio-read 0:0x0+4 = 0x2"}},
    {"several devices",
     "vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x1\nvfio_region_read  (0000:02:00.0:region0+0x0, 4) = 0x2\n"
     "vfio_region_read  (0000:01:00.0:region0+0x4, 4) = 0x3\npci_cfg_read nvme 00:05.0 @0x0 -> 0x1b36\n",
     {"mmio-read 0:0x0+4 = 0x1", "#1 mmio-read 0:0x0+4 = 0x2", "mmio-read 0:0x4+4 = 0x3",
      "#2 config-read 0x0+2 = 0x1b36"}},
    {"pci_cfg_* takes the width of the register, or the next that holds the value",
     "pci_cfg_read nvme 00:05.0 @0x0 -> 0x11b36\npci_cfg_read nvme 00:05.0 @0x3d -> 0x1\n"
     "pci_cfg_write nvme 00:05.0 @0x10 <- 0x0\npci_cfg_read nvme 00:05.0 @0x44 -> 0x1ff\n",
     {"config-read 0x0+4 = 0x11b36", "config-read 0x3d+1 = 0x1", "config-write 0x10+4 = 0x0",
      "config-read 0x44+2 = 0x1ff"}},
    {"pci_cfg_* has the width of the memory_region_ops line beside it",
     "pci_cfg_read nvme 00:05.0 @0x44 -> 0x0\n"
     "memory_region_ops_read cpu 0 mr 0x1 addr 0xcfc value 0x0 size 4 name 'pci-conf-data'\n"
     "memory_region_ops_write cpu 0 mr 0x1 addr 0xcfe value 0x7 size 2 name 'pci-conf-data'\n"
     "pci_cfg_write nvme 00:05.0 @0x46 <- 0x7\n"
     "pci_cfg_write nvme 00:05.0 @0x46 <- 0x7\n",
     {"config-read 0x44+4 = 0x0", "config-write 0x46+2 = 0x7", "config-write 0x46+1 = 0x7"}},
    {"the older pci_cfg_read has slot and function",
     "pci_cfg_read nvme 05:1 @0x0 -> 0x1b36\n",
     {"config-read 0x0+2 = 0x1b36"}},
    {"an empty slot is no device", "pci_cfg_read empty 00:05.0 @0x0 -> 0xffffffff\n", {}},
    {"config: vfio wins over pci_cfg, either way round",
     "vfio_pci_read_config  (0000:01:00.0, @0x0, len=0x2) 0x10de\npci_cfg_read vfio-pci 00:03.0 @0x0 -> 0x10de\n"
     "pci_cfg_write vfio-pci 00:03.0 @0x4 <- 0x2\nvfio_pci_write_config  (0000:01:00.0, @0x4, 0x2, len=0x2)\n",
     {"config-read 0x0+2 = 0x10de", "config-write 0x4+2 = 0x2"}},
    {"config: a pci_cfg line before the first line of vfio is its pair",
     "pci_cfg_write vfio-pci 00:03.0 @0x3c <- 0x2\nvfio_pci_write_config  (0000:01:00.0, @0x3c, 0x2, len=0x2)\n"
     "pci_cfg_write vfio-pci 00:03.0 @0x3c <- 0x3\nvfio_pci_write_config  (0000:01:00.0, @0x3c, 0x3, len=0x1)\n",
     {"config-write 0x3c+2 = 0x2", "config-write 0x3c+1 = 0x3"}},
    {"two vfio devices are told apart by what both layers show",
     "vfio_pci_read_config  (0000:01:00.0, @0x0, len=0x2) 0x10de\npci_cfg_read vfio-pci 00:03.0 @0x0 -> 0x10de\n"
     "vfio_pci_read_config  (0000:02:00.0, @0x0, len=0x2) 0x1002\npci_cfg_read vfio-pci 00:04.0 @0x0 -> 0x1002\n"
     "pci_cfg_write vfio-pci 00:04.0 @0x4 <- 0x2\nvfio_pci_write_config  (0000:02:00.0, @0x4, 0x2, len=0x2)\n",
     {"config-read 0x0+2 = 0x10de", "#1 config-read 0x0+2 = 0x1002", "#1 config-write 0x4+2 = 0x2"}},
    {"BARs: vfio wins over memory_region_ops, either way round",
     "vfio_pci_write_config  (0000:01:00.0, @0x10, 0xfe000000, len=0x4)\n"
     "vfio_region_setup Device 0000:01:00.0, region 0 \"0000:01:00.0 BAR 0\", flags: 0x3, offset: 0x0, size: 0x1000\n"
     "memory_region_ops_write cpu 0 mr 0x1 addr 0xfe000010 value 0x5 size 4 name '0000:01:00.0 BAR 0'\n"
     "vfio_region_write  (0000:01:00.0:region0+0x10, 0x5, 4)\n"
     "vfio_region_read  (0000:01:00.0:region0+0x10, 4) = 0x5\n"
     "memory_region_ops_read cpu 0 mr 0x1 addr 0xfe000010 value 0x5 size 4 name '0000:01:00.0 BAR 0'\n"
     "memory_region_ops_write cpu 0 mr 0x1 addr 0xfe000010 value 0x5 size 4 name '0000:01:00.0 BAR 0'\n"
     "vfio_region_write  (0000:01:00.0:region0+0x10, 0x5, 4)\n",
     {"config-write 0x10+4 = 0xfe000000", "mmio-write 0:0x10+4 = 0x5", "mmio-read 0:0x10+4 = 0x5",
      "mmio-write 0:0x10+4 = 0x5"}},
    {"lines of two CPUs may stand between those of one access",
     "vfio_pci_write_config  (0000:01:00.0, @0x10, 0xfe000000, len=0x4)\n"
     "vfio_region_setup Device 0000:01:00.0, region 0 \"0000:01:00.0 BAR 0\", flags: 0x3, offset: 0x0, size: 0x1000\n"
     "vfio_region_read  (0000:01:00.0:region0+0x10, 4) = 0x5\n"
     "vfio_region_read  (0000:01:00.0:region0+0x20, 4) = 0x6\n"
     "memory_region_ops_read cpu 0 mr 0x1 addr 0xfe000010 value 0x5 size 4 name '0000:01:00.0 BAR 0'\n"
     "memory_region_ops_read cpu 1 mr 0x1 addr 0xfe000020 value 0x6 size 4 name '0000:01:00.0 BAR 0'\n",
     {"config-write 0x10+4 = 0xfe000000", "mmio-read 0:0x10+4 = 0x5", "mmio-read 0:0x20+4 = 0x6"}},
    {"the MSI-X table of a vfio device is QEMU's own",
     "vfio_pci_write_config  (0000:01:00.0, @0x10, 0xfe000000, len=0x4)\n"
     "vfio_region_setup Device 0000:01:00.0, region 0 \"0000:01:00.0 BAR 0\", flags: 0x3, offset: 0x0, size: 0x1000\n"
     "vfio_region_read  (0000:01:00.0:region0+0x10, 4) = 0x5\n"
     "memory_region_ops_write cpu 0 mr 0x1 addr 0xfe000800 value 0xfee00000 size 4 name 'msix-table'\n",
     {"config-write 0x10+4 = 0xfe000000", "mmio-read 0:0x10+4 = 0x5", "mmio-write 0:0x800+4 = 0xfee00000"}},
    {"memory_region_ops are placed by what the log shows of BARs",
     "pci_update_mappings_add nvme 00:05.0 0,0xfebf0000+0x4000\n"
     "memory_region_ops_read cpu 1 mr 0x1 addr 0xfebf001c value 0x1 size 4 name 'nvme'\n"
     "memory_region_ops_read cpu 1 mr 0x1 addr 0xfebf4000 value 0x1 size 4 name 'other'\n"
     "pci_update_mappings_del nvme 00:05.0 0,0xfebf0000+0x4000\n"
     "memory_region_ops_read cpu 1 mr 0x1 addr 0xfebf001c value 0x1 size 4 name 'nvme'\n",
     {"mmio-read 0:0x1c+4 = 0x1"}},
    {"memory_region_ops of older QEMU have no name; a read's value may be wider than the read",
     "pci_update_mappings_add nvme 00:05.0 0,0xfebf0000+0x4000\n"
     "memory_region_ops_read cpu -1 mr 0x1 addr 0xfebf001c value 0xffffffffffffffff size 2\n",
     {"mmio-read 0:0x1c+2 = 0xffff"}},
    {"a device model's line and the memory region's are one, and the region's says which BAR",
     "pci_update_mappings_add ati-vga 00:01.0 1,0xc000+0x100\npci_update_mappings_add ati-vga 00:01.0 "
     "2,0xfe0000+0x4000\n"
     "memory_region_ops_write cpu 0 mr 0x1 addr 0xc068 value 0x5 size 4 name 'ati.mmregs'\n"
     "ati_mm_write 4 0x68 GPIO_DVI_DDC <- 0x5\n"
     "ati_mm_read 4 0x68  -> 0x5\n"
     "memory_region_ops_read cpu 0 mr 0x1 addr 0xc068 value 0x5 size 4 name 'ati.mmregs'\n"
     "ati_mm_read 4 0x68  -> 0x5\n",
     {"mmio-write 1:0x68+4 = 0x5", "mmio-read 1:0x68+4 = 0x5", "mmio-read 2:0x68+4 = 0x5"}},
    {"listener lines end with the last byte; vfio-user's line is the same mapping",
     "vfio_listener_region_add_ram region_add [ram] 0x0 - 0x7ffffff [0x7fc52bfff000]\n"
     "vfio_user_dma_map  iova 0x0 size 0x8000000 off 0x0 flags 0x3 async_ops 1\n"
     "vfio_user_dma_map  iova 0xfffc0000 size 0x40000 off 0x0 flags 0x1 async_ops 1\n"
     "vfio_listener_region_del region_del 0x0 - 0x7ffffff\n"
     "vfio_user_dma_unmap  iova 0x0 size 0x8000000 flags 0x0 async_ops 1\n",
     {"dma-map h0 0x0+134217728 iova 0x0", "dma-map h1 0xfffc0000+262144 iova 0xfffc0000", "dma-unmap h0 +134217728"}},
    {"one unmap may end several mappings",
     "vfio_user_dma_map  iova 0x1000 size 0x1000 off 0x0 flags 0x3 async_ops 1\n"
     "vfio_user_dma_map  iova 0x3000 size 0x1000 off 0x0 flags 0x3 async_ops 1\n"
     "vfio_listener_region_del region_del 0x0 - 0xfffff\n",
     {"dma-map h0 0x1000+4096 iova 0x1000", "dma-map h1 0x3000+4096 iova 0x3000", "dma-unmap h0 +4096",
      "dma-unmap h1 +4096"}},
    {"a guest IOMMU",
     "vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff\nvfio_iommu_map_notify iommu UNMAP @ 0x1000 - 0x1fff\n",
     {"dma-map h0 0x1000+4096 iova 0x1000", "dma-unmap h0 +4096"}},
    {"interrupts: pins, and messages of the kind that is on",
     "vfio_intx_interrupt  (0000:01:00.0) Pin B\nvfio_msi_enable  (0000:01:00.0) Enabled 2 MSI vectors\n"
     "vfio_msi_interrupt  (0000:01:00.0) vector 1 0xfee00000/0x4021\nvfio_msi_disable  (0000:01:00.0)\n"
     "vfio_msix_vector_do_use  (0000:01:00.0) vector 3 used\nvfio_msix_enable  (0000:01:00.0)\n"
     "vfio_msi_interrupt  (0000:01:00.0) vector 3 0xfee00000/0x4021\n"
     "vfio_msix_vector_release  (0000:01:00.0) vector 3 released\n",
     {"interrupt INTx 1", "irq-setup MSI 0+2 on", "interrupt MSI 1", "irq-setup MSI 0+2 off", "irq-setup MSI-X 3+1 on",
      "interrupt MSI-X 3", "irq-setup MSI-X 3+1 off"}},
    {"vfio_user_set_irqs: on, off; masking is no set-up",
     "vfio_user_set_irqs  index 0 start 0 count 1 flags 0x24\nvfio_intx_enable  (vfio-user:/run/x.sock)\n"
     "vfio_user_set_irqs  index 0 start 0 count 1 flags 0x9\nvfio_user_set_irqs  index 0 start 0 count 0 flags 0x21\n"
     "vfio_user_set_irqs  index 3 start 0 count 1 flags 0x24\n",
     {"irq-setup INTx 0+1 on", "irq-setup INTx 0+1 off", "irq-setup error 0+1 on"}},
    {"resets",
     "vfio_pci_reset  (0000:01:00.0)\nvfio_pci_reset_flr  (0000:01:00.0)\nvfio_pci_hot_reset  (0000:01:00.0) one\n"
     "vfio_user_recv_hdr  (unix:/run/x.sock) id 0x19 cmd 0xd size 0x10 flags 0x1\n",
     {"reset", "reset", "#1 reset"}},
    {"the Apple fork: BARs, configuration, interrupts",
     "apple_dext_mmio_read bar=0 off=0x10 sz=4 -> val=0x1 kr=0x0\napple_vfio_bar_read bar=0 off=0x10 sz=4 -> val=0x1\n"
     "apple_vfio_bar_write bar=0 off=0x10 sz=4 val=0x2\napple_dext_mmio_write bar=0 off=0x10 sz=4 val=0x2 kr=0x0\n"
     "apple_dext_config_read off=0x0 sz=4 -> val=0x74a11002 kr=0x0\napple_dext_config_write off=0x4 sz=2 val=0x6 "
     "kr=0x0\n"
     "apple_dext_interrupt vector=2\n",
     {"mmio-read 0:0x10+4 = 0x1", "mmio-write 0:0x10+4 = 0x2", "config-read 0x0+4 = 0x74a11002",
      "config-write 0x4+2 = 0x6", "interrupt MSI-X 2"}},
    {"the Apple fork: a failed read has no data",
     "apple_dext_mmio_read bar=0 off=0x10 sz=4 -> val=0x0 kr=0xe00002bc\n",
     {"mmio-read 0:0x10+4 failed 0xe00002bc"}},
    {"the Apple fork: DMA",
     "apple_dma_doorbell cmd_gpa=0x1000 type=1 count=1 req=0x2000 resp=0x3000\n"
     "apple_dext_register_dma iova=0x40000000 client_va=0x700000 size=16384 -> bus=0x80000000 len=16384 kr=0x0\n"
     "apple_dma_handle_map_entry idx=0 gpa=0x40000000 req_len=16384 -> bus=0x80000000 len=16384 ok=1\n"
     "apple_dma_handle_map_entry idx=1 gpa=0x50000000 req_len=16384 -> bus=0x0 len=0 ok=0\n"
     "apple_dext_unregister_dma iova=0x40000000 kr=0x0\n",
     {"dma-map h0 0x40000000+16384 iova 0x80000000", "dma-unmap h0 +16384"}},
};

TEST(QemuLog, LinesAreEvents) {
  for (const Case& c : kCases) {
    const Imported log = read(c.lines);
    EXPECT_EQ(log.texts(), c.events) << c.rule;
    EXPECT_EQ(log.report.unknown, 0u) << c.rule << ": " << testing::PrintToString(log.report.first_unknown);
    EXPECT_THAT(log.report.warnings, IsEmpty()) << c.rule;
  }
}

TEST(QemuLog, CrlfChangesNothing) {
  for (const Case& c : kCases) {
    std::string text;
    for (const char* at = c.lines; *at != '\0'; ++at) text += *at == '\n' ? std::string("\r\n") : std::string(1, *at);
    EXPECT_EQ(read(text).texts(), c.events) << c.rule;
  }
}

TEST(QemuLog, WhatIsNotALineOfQemusIsUnknown) {
  const std::string_view lines[] = {
      "qemu-system-x86_64: warning: something",
      "{\"t\": 1}",
      "vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x1 trailing",
      "vfio_region_read  (0000:01:00.0:region0+0x0, 4) = ",
      "vfio_region_read  (0000:01:00.0:region0+0x0, -4) = 0x1",                 // a negative size
      "vfio_region_read  (0000:01:00.0:region0+0x0, 3) = 0x1",                  // no width
      "vfio_region_read  (0000:01:00.0:region0+0x0, 2) = 0x12345",              // wider than it says
      "vfio_region_read  (0000:01:00.0:region0+0x10000000000000000, 4) = 0x1",  // above 2^64
      "vfio_region_read  (0000:01:00.0:region0+0xffffffffffffffff, 4) = 0x1",   // past the end
      "vfio_region_read  (0000:01:00.0:region99999999999999999999+0x0, 4) = 0x1",
      "vfio_region_read  (0000:01:00.0:region-1+0x0, 4) = 0x1",
      "vfio_pci_read_config  (0000:01:00.0, @0x1000, len=0x1) 0x1",
      "vfio_pci_read_config  (0000:01:00.0, @0xffe, len=0x4) 0x1",
      "pci_cfg_read nvme 00:20.0 @0x0 -> 0x1",
      "pci_cfg_read nvme 00:05.8 @0x0 -> 0x1",
      "pci_cfg_write nvme 00:05.0 @0x0 -> 0x1",
      "vfio_listener_region_add_ram region_add [ram] 0x2000 - 0x1000 [0x1]",
      "vfio_listener_region_add_ram region_add [ram] 0x0 - 0xffffffffffffffff [0x1]",
      "vfio_user_dma_map  iova 0xfffffffffffff000 size 0x2000 off 0x0 flags 0x3 async_ops 1",
      "vfio_user_dma_map  iova 0x0 size 0x0 off 0x0 flags 0x3 async_ops 1",
      "vfio_msi_interrupt  (0000:01:00.0) vector 70000 0x0/0x0",
      "memory_region_ops_read cpu 0 mr 0x1 addr 0xffffffffffffffff value 0x1 size 4 name 'x'",
      "2026-13-01T00:00:00Z vfio_device_reset_handler",
      "vfio_no_such_event 1 2 3",
  };
  for (const std::string_view line : lines) {
    const Imported log = read(std::string(line) + "\n");
    EXPECT_EQ(log.report.unknown, 1u) << line;
    EXPECT_THAT(log.texts(), IsEmpty()) << line;
    EXPECT_EQ(log.report.first_unknown.size(), 1u) << line;
  }
}

TEST(QemuLog, TheFirstUnknownLinesAreKeptPrintable) {
  using namespace std::string_literals;
  std::string text = "\0\x01\xff unknown\n"s;
  for (int i = 0; i < 20; ++i) text += "more\n";
  const Imported log = read(text);
  EXPECT_EQ(log.report.unknown, 21u);
  ASSERT_EQ(log.report.first_unknown.size(), kUnknownKept);
  EXPECT_EQ(log.report.first_unknown[0].first, 1u);
  EXPECT_EQ(log.report.first_unknown[0].second, "\\x00\\x01\\xff unknown");
  EXPECT_EQ(log.info.devices.size(), 1u);  // a trace has one
}

TEST(QemuLog, ALastLineWithoutItsEndIsNotUsed) {
  const Imported log = read(
      "vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x1\nvfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x12");
  EXPECT_THAT(log.texts(), ElementsAre("mmio-read 0:0x0+4 = 0x1"));
  EXPECT_TRUE(log.report.truncated);
  EXPECT_THAT(log.report.warnings, ElementsAre(HasSubstr("may be cut short")));
}

TEST(QemuLog, ALineOfAHundredMegabytesIsOneUnknownLine) {
  const std::string line = "vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x1\n";
  const Imported log = read(zstd(line + "vfio_region_read  (" + std::string(100'000'000, 'x') + "\n" + line));
  EXPECT_EQ(log.texts().size(), 2u);
  EXPECT_EQ(log.report.unknown, 1u);
  EXPECT_THAT(log.report.warnings, ElementsAre(HasSubstr("1 lines are longer than")));
}

TEST(QemuLog, ADamagedFileIsReadUpToThere) {
  std::string text;
  for (int i = 0; i < 100; ++i)
    text += fmt::format("vfio_region_read  (0000:01:00.0:region0+0x{:x}, 4) = 0x1\n", 4 * i);
  const std::string whole = zstd(text);
  const Imported log = read(std::string_view(whole).substr(0, whole.size() - 4));
  EXPECT_EQ(log.texts().size(), 100u);
  EXPECT_TRUE(log.report.truncated);
  EXPECT_THAT(log.report.warnings, ElementsAre(HasSubstr("truncated")));
}

TEST(QemuLog, TimesDoNotGoBack) {
  const auto line = [](const char* time) {
    return fmt::format("{} vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x1\n", time);
  };
  const Imported log =
      read(line("2026-01-01T00:00:10.000002Z") + line("2026-01-01T00:00:10.000001Z") +
           line("2026-01-01T00:00:10.000003Z") + line("2025-01-01T00:00:00Z") + line("2025-01-01T00:00:01Z"));
  EXPECT_THAT(log.gaps_ns(), ElementsAre(0, 0, 1000, 0, 1'000'000'000));
  EXPECT_THAT(log.report.warnings, ElementsAre(HasSubstr("goes back 2 times")));
  EXPECT_EQ(log.info.clock, Clock::kRealtime);
}

TEST(QemuLog, WithoutTimesTheClockIsNone) {
  const Imported log = read("vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x1\n");
  EXPECT_EQ(log.info.clock, Clock::kNone);
  EXPECT_THAT(log.info.notes, Contains(HasSubstr("no times")));
}

TEST(QemuLog, NamesOfHostsAndPathsDoNotComeThrough) {
  const Imported log = read(
      "vfio_region_read  (VFIO user </home/someone/secret.sock>:region0+0x0, 4) = 0x1\n"
      "vfio_user_recv_hdr  (unix:/home/someone/secret.sock) id 0x19 cmd 0xd size 0x10 flags 0x1\n"
      "vfio_region_read  (build-machine.example.org:region0+0x0, 4) = 0x1\n"
      "pci_cfg_read /home/someone/secret 00:05.0 @0x0 -> 0x1b36\n");
  ASSERT_EQ(log.info.devices.size(), 3u);  // the socket is one device by both its names
  EXPECT_EQ(log.info.devices[0].address, "vfio-user");
  EXPECT_EQ(log.info.devices[1].address, "vfio");
  std::string all;
  for (const TraceDevice& device : log.info.devices) all += device.address + device.description.name + "\n";
  for (const std::string& note : log.info.notes) all += note + "\n";
  for (const std::string& text : log.texts()) all += text + "\n";
  EXPECT_THAT(all, Not(HasSubstr("secret")));
  EXPECT_THAT(all, Not(HasSubstr("example")));
}

TEST(QemuLog, ALogOfMoreDevicesThanThereMayBe) {
  std::string text;
  for (int i = 0; i < 300; ++i) {
    text += fmt::format("vfio_region_read  (0000:{:02x}:{:02x}.0:region0+0x0, 4) = 0x1\n", i / 32, i % 32);
  }
  const Imported log = read(text);
  EXPECT_EQ(log.info.devices.size(), 256u);
  EXPECT_EQ(log.count("vfio_region_read", "beyond the first 256"), 44u);
}

TEST(QemuLog, ALogOfMoreMappingsThanAnImportKeeps) {
  std::string text;
  constexpr uint64_t kMappingsMax = 262'144;
  for (uint64_t i = 0; i < kMappingsMax + 7; ++i) {
    text += fmt::format("vfio_user_dma_map  iova 0x{:x} size 0x1000 off 0x0 flags 0x3 async_ops 1\n", i << 12);
  }
  const Imported log = read(text);
  EXPECT_EQ(log.events.size(), kMappingsMax);
  EXPECT_EQ(log.count("vfio_user_dma_map", "more mappings at a time"), 7u);
}

TEST(QemuLog, AnIdThatIsTakenToBeAnAddressIsNoted) {
  const Imported log = read(
      "apple_dma_handle_map_entry idx=0 gpa=0x40000000 req_len=16384 -> bus=0x80000000 len=16384 ok=1\n"
      "apple_dma_handle_unmap_entry idx=0 id=0x7 status=0\n"
      "apple_dma_handle_unmap_entry idx=0 id=0x80000000 status=0\n");
  EXPECT_EQ(log.events.size(), 2u);
  EXPECT_EQ(log.count("apple_dma_handle_unmap_entry", "ends no mapping"), 1u);
  EXPECT_THAT(log.info.notes, Contains(HasSubstr("1 apple_dma_handle_unmap_entry lines name an id")));
}

TEST(QemuLog, AddressesOfDevicesComeThrough) {
  const Imported log = read(
      "vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x1\n"
      "vfio_region_read  (83b8f4f2-509f-382f-3c1e-e6bfe0fa1001:region0+0x0, 4) = 0x1\n"
      "vfio_region_read  (cafe-01:region0+0x0, 4) = 0x1\n");
  ASSERT_EQ(log.info.devices.size(), 3u);
  EXPECT_EQ(log.info.devices[0].address, "0000:01:00.0");
  EXPECT_EQ(log.info.devices[1].address, "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001");
  EXPECT_EQ(log.info.devices[2].address, "vfio");
}

TEST(QemuLog, AMappedBarMeansThatAccessesAreMissing) {
  const Imported log = read("vfio_region_mmap Region 0000:01:00.0 BAR 1 [0x0 - 0xfffffff]\n");
  EXPECT_TRUE(log.info.lossy);
  EXPECT_THAT(log.report.warnings, ElementsAre(HasSubstr("x-no-mmap=on")));
}

TEST(QemuLog, ALongLogIsTheSameInBatches) {
  std::string text;
  constexpr int kLines = 3 * kBatchEvents + 100;
  for (int i = 0; i < kLines; ++i) text += fmt::format("pci_cfg_read nvme 00:05.0 @0x44 -> 0x{:x}\n", i);
  const Imported log = read(text);
  ASSERT_EQ(log.events.size(), size_t{kLines});
  for (int i = 0; i < kLines; ++i) {
    ASSERT_EQ(log.events[static_cast<size_t>(i)].request, static_cast<uint64_t>(i));
    ASSERT_EQ(log.replies[static_cast<size_t>(i)].value0, static_cast<uint64_t>(i));
  }
  EXPECT_LE(log.largest_batch, kBatchEvents);
}

TEST(QemuLog, AnUnmapOfMoreMappingsThanABatchHoldsGoesOn) {
  std::string text;
  constexpr int kMappings = kBatchEvents + 10;
  for (int i = 0; i < kMappings; ++i) {
    text += fmt::format("vfio_user_dma_map  iova 0x{:x} size 0x1000 off 0x0 flags 0x3 async_ops 1\n", i * 0x1000);
  }
  text += "vfio_listener_region_del region_del 0x0 - 0xffffffff\nvfio_pci_reset_flr  (0000:01:00.0)\n";
  const Imported log = read(text);
  EXPECT_EQ(log.events.size(), size_t{2 * kMappings + 1});
  EXPECT_EQ(log.events.back().kind, EventKind::kReset);
  EXPECT_LE(log.largest_batch, kBatchEvents);
}

TEST(QemuLog, IsFoundByContent) {
  EXPECT_GE(detect_qemu_log("2026-01-01T00:00:00Z vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x1\n"), 90);
  EXPECT_GE(detect_qemu_log("1@2.000003:pci_cfg_read nvme 00:05.0 @0x0 -> 0x1\n"), 90);
  EXPECT_GE(detect_qemu_log("launching\nwith\nmany\nwords\npci_cfg_read nvme 00:05.0 @0x0 -> 0x1\n"), 50);
  EXPECT_EQ(detect_qemu_log("{\"t\":1,\"cmd\":\"PROBE\"}\n"), 0);
  EXPECT_EQ(detect_qemu_log("VERSION 20070824\nR 4 1.000000 1 0xfe000000 0x1 0x0 0\n"), 0);
  EXPECT_EQ(detect_qemu_log(""), 0);
}

}  // namespace
}  // namespace dartboard::traces
