// tests/traces/qemu_sessions_test.cpp - the QEMU logs that ship: every line is understood, as many of each kind as
// grep counts, and the devices are what the logs say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>

#include "import_support.h"

namespace dartboard::traces {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

struct Shipped {
  const char* file;
  uint64_t lines;
  std::map<std::string, uint64_t> lines_of;  // grep -c ' NAME '
  std::map<EventKind, uint64_t> events_of;
};

// cut -d' ' -f2 FILE | sort | uniq -c
const Shipped kShipped[] = {
    {"nvidia-ad104-vfio-head.log",
     29,
     {{"vfio_region_read", 25}, {"vfio_region_write", 4}},
     {{EventKind::kMmioRead, 25}, {EventKind::kMmioWrite, 4}}},
    {"qemu-ati.log",
     4921,
     {{"ati_mm_write", 3490},
      {"ati_mm_read", 1024},
      {"pci_cfg_read", 276},
      {"pci_cfg_write", 121},
      {"pci_update_mappings_add", 8},
      {"pci_update_mappings_del", 2}},
     // grep pci_cfg_read | grep -vc ' empty '
     {{EventKind::kMmioRead, 1024},
      {EventKind::kMmioWrite, 3490},
      {EventKind::kConfigRead, 174},
      {EventKind::kConfigWrite, 121}}},
    {"qemu-pcicfg_ts.log",
     1190,
     {{"pci_cfg_read", 980}, {"pci_cfg_write", 177}, {"pci_update_mappings_add", 21}, {"pci_update_mappings_del", 12}},
     {{EventKind::kConfigRead, 474}, {EventKind::kConfigWrite, 177}}},
    {"qemu-vfiouser_qtest.log",
     238,
     {{"vfio_user_send_write", 48},
      {"vfio_user_recv_hdr", 48},
      {"vfio_user_recv_read", 37},
      {"vfio_user_region_rw", 26},
      {"memory_region_ops_write", 9},
      {"vfio_user_get_region_info", 7},
      {"vfio_user_dma_map", 6},
      {"vfio_region_setup", 6},
      {"vfio_pci_read_config", 6},
      {"vfio_listener_region_add_ram", 6},
      {"memory_region_ops_read", 5},
      {"vfio_user_set_irqs", 4},
      {"vfio_pci_write_config", 4},
      {"vfio_region_read", 3},
      {"vfio_listener_region_skip", 3},
      {"pci_cfg_write", 3},
      {"vfio_user_version", 2},
      {"vfio_region_write", 2},
      {"vfio_intx_enable", 2},
      {"pci_cfg_read", 2},
      {"vfio_user_get_irq_info", 1},
      {"vfio_user_get_info", 1},
      {"vfio_user_dma_unmap", 1},
      {"vfio_region_mmaps_set_enabled", 1},
      {"vfio_pci_populate_device_config", 1},
      {"vfio_listener_region_del", 1},
      {"vfio_intx_disable", 1},
      {"vfio_device_reset_handler", 1},
      {"pci_update_mappings_add", 1}},
     {{EventKind::kMmioRead, 3},
      {EventKind::kMmioWrite, 2},
      {EventKind::kConfigRead, 6},
      {EventKind::kConfigWrite, 4},
      {EventKind::kDmaMap, 6},
      {EventKind::kDmaUnmap, 1},
      {EventKind::kReset, 1},
      {EventKind::kIrqSetup, 4}}},
    {"qemu-vfiouser_ts.log",
     4399,
     {{"memory_region_ops_read", 2679},
      {"memory_region_ops_write", 872},
      {"pci_cfg_read", 267},
      {"pci_cfg_write", 115},
      {"vfio_user_send_write", 96},
      {"vfio_user_recv_hdr", 96},
      {"vfio_user_recv_read", 73},
      {"vfio_user_region_rw", 51},
      {"vfio_pci_read_config", 35},
      {"vfio_pci_write_config", 20},
      {"vfio_user_dma_map", 18},
      {"vfio_listener_region_add_ram", 18},
      {"vfio_user_dma_unmap", 12},
      {"vfio_listener_region_del", 12},
      {"vfio_user_get_region_info", 7},
      {"vfio_region_setup", 6},
      {"vfio_listener_region_skip", 6},
      {"vfio_user_set_irqs", 4},
      {"vfio_user_version", 2},
      {"vfio_intx_update", 2},
      {"vfio_intx_enable", 2},
      {"vfio_user_get_irq_info", 1},
      {"vfio_user_get_info", 1},
      {"vfio_region_mmaps_set_enabled", 1},
      {"vfio_pci_populate_device_config", 1},
      {"vfio_intx_disable", 1},
      {"vfio_device_reset_handler", 1}},
     // MMIO: grep -c "name 'ahci'" (BAR5 of 00:1f.2). Configuration: the vfio lines, and the pci_cfg lines of the
     // others that are not ' empty '.
     {{EventKind::kMmioRead, 793},
      {EventKind::kMmioWrite, 62},
      {EventKind::kConfigRead, 35 + 134},
      {EventKind::kConfigWrite, 20 + 96},
      {EventKind::kDmaMap, 18},
      {EventKind::kDmaUnmap, 12},
      {EventKind::kReset, 1},
      {EventKind::kIrqSetup, 4}}},
};

Imported read(const char* file) {
  return import_file(std::string(DARTBOARD_SESSIONS "/") + file);
}

TEST(QemuSessions, EveryLineIsUnderstoodAndCounted) {
  for (const Shipped& shipped : kShipped) {
    const Imported log = read(shipped.file);
    EXPECT_EQ(log.info.source, "qemu-log") << shipped.file;
    EXPECT_EQ(log.report.records, shipped.lines) << shipped.file;
    EXPECT_EQ(log.report.unknown, 0u) << shipped.file << ": " << testing::PrintToString(log.report.first_unknown);
    EXPECT_TRUE(log.report.warnings.empty()) << shipped.file << ": " << testing::PrintToString(log.report.warnings);
    EXPECT_EQ(log.info.clock, Clock::kRealtime);
    EXPECT_FALSE(log.info.lossy);
    std::map<std::string, uint64_t> lines_of;
    for (const RecordCount& kind : log.report.kinds) lines_of[kind.name] += kind.count;
    EXPECT_EQ(lines_of, shipped.lines_of) << shipped.file;
    std::map<EventKind, uint64_t> events_of;
    for (const Event& event : log.events) ++events_of[event.kind];
    EXPECT_EQ(events_of, shipped.events_of) << shipped.file;
  }
}

const TraceDevice* device_at(const Imported& log, std::string_view address) {
  for (const TraceDevice& device : log.info.devices) {
    if (device.address == address) return &device;
  }
  ADD_FAILURE() << "no device at " << address;
  return nullptr;
}
std::string bars(const DeviceDescription& d) {
  std::string out;
  for (size_t i = 0; i < d.bars.size(); ++i) {
    if (!d.has_bar(i)) continue;
    out += fmt::format("{}{}:0x{:x}{}{}", out.empty() ? "" : " ", i, d.bars[i].size, d.bars[i].is_64bit ? " 64" : "",
                       d.bars[i].prefetchable ? " p" : "");
  }
  return out;
}
struct Identity {
  const char* file;
  const char* address;
  const char* name;
  uint16_t vendor_id, device_id;
  uint8_t revision_id;
  uint32_t class_code;
  const char* bars;
};

TEST(QemuSessions, DevicesAreWhatTheLogsSay) {
  const Identity identities[] = {
      {"qemu-ati.log", "00:00.0", "mch", 0x8086, 0x29c0, 0, 0x060000, ""},
      {"qemu-ati.log", "00:01.0", "ati-vga", 0x1002, 0x5046, 0, 0x030000, "0:0x4000000 p 1:0x100 2:0x4000"},
      {"qemu-ati.log", "00:1f.2", "ich9-ahci", 0x8086, 0x2922, 2, 0x010601, "4:0x20 5:0x1000"},
      {"qemu-pcicfg_ts.log", "00:01.0", "edu", 0x1234, 0x11e8, 0x10, 0x00ff00, "0:0x100000"},
      {"qemu-pcicfg_ts.log", "00:02.0", "VGA", 0x1234, 0x1111, 2, 0x030000, "0:0x1000000 p 2:0x1000"},
      {"qemu-pcicfg_ts.log", "00:03.0", "virtio-net-pci", 0x1af4, 0x1000, 0, 0x020000, "0:0x20 1:0x1000 4:0x4000 64 p"},
      {"qemu-pcicfg_ts.log", "00:1f.3", "ICH9-SMB", 0x8086, 0x2930, 2, 0x0c0500, "4:0x40"},
      {"qemu-vfiouser_qtest.log", "00:02.0", "vfio-user-pci", 0x494f, 0x0dc8, 0, 0xff0000, "2:0x100"},
      {"qemu-vfiouser_ts.log", "00:01.0", "vfio-user-pci", 0x494f, 0x0dc8, 0, 0x000000, "2:0x100"},
      // The highest access is a read of 4 bytes at 0x300020.
      {"nvidia-ad104-vfio-head.log", "0000:01:00.0", "vfio", 0, 0, 0, 0xff0000, "0:0x400000"},
  };
  for (const Identity& expected : identities) {
    const Imported log = read(expected.file);
    const TraceDevice* const device = device_at(log, expected.address);
    ASSERT_NE(device, nullptr);
    const DeviceDescription& d = device->description;
    EXPECT_EQ(d.name, expected.name);
    EXPECT_EQ(d.vendor_id, expected.vendor_id) << expected.name;
    EXPECT_EQ(d.device_id, expected.device_id) << expected.name;
    EXPECT_EQ(d.revision_id, expected.revision_id) << expected.name;
    EXPECT_EQ(d.class_code, expected.class_code) << expected.name;
    EXPECT_EQ(bars(d), expected.bars) << expected.name;
    EXPECT_EQ(d.msix.entries, 0u) << expected.name;  // no log shows where a table lies
    // And it is a description that can be written to a file and read again.
    const auto again = parse_device_description(format_device_description(d), "again");
    ASSERT_TRUE(again) << again.error().sentence;
    EXPECT_EQ(*again, d);
  }
}

TEST(QemuSessions, ConfigurationIsWhatWasSeenFirst) {
  const Imported log = read("qemu-pcicfg_ts.log");
  const ConfigImage& config = device_at(log, "00:03.0")->description.config;
  EXPECT_EQ(config.value(0x00, 4), 0x10001af4u);
  EXPECT_EQ(config.value(0x20, 4), 0xcu);     // not the sizing mask 0xffffc00c
  EXPECT_EQ(config.at(0x34), 0x98);           // the capabilities, as SeaBIOS walked them
  EXPECT_EQ(config.value(0x98, 2), 0x8411u);  // MSI-X
  EXPECT_EQ(config.value(0x84, 2), 0x7009u);  // vendor-specific: virtio
  EXPECT_FALSE(config.known(0x9a));           // its table was not looked at
}

TEST(QemuSessions, WhatIsAssumedIsSaid) {
  EXPECT_THAT(read("nvidia-ad104-vfio-head.log").info.notes,
              Contains(HasSubstr("BAR0: its size is not shown; 0x400000")));
  EXPECT_THAT(read("qemu-ati.log").info.notes, Contains(HasSubstr("4514 are taken to be of BAR2")));
  EXPECT_THAT(read("qemu-pcicfg_ts.log").info.notes, Contains(HasSubstr("of 651, 0 have the width")));
  EXPECT_THAT(read("qemu-vfiouser_ts.log").info.notes, Contains(HasSubstr("of 230, 230 have the width")));
  EXPECT_THAT(read("qemu-vfiouser_ts.log").info.notes, Contains(HasSubstr("guest address is taken to be the same")));
}

TEST(QemuSessions, NoPathComesThrough) {
  for (const Shipped& shipped : kShipped) {
    const Imported log = read(shipped.file);
    for (const std::string& note : log.info.notes) EXPECT_THAT(note, Not(HasSubstr("/run"))) << shipped.file;
    for (const TraceDevice& device : log.info.devices) {
      EXPECT_THAT(device.address, Not(HasSubstr("/"))) << shipped.file;
      EXPECT_THAT(device.description.name, Not(HasSubstr("/"))) << shipped.file;
    }
  }
}

TEST(QemuSessions, TheQtestSessionEventByEvent) {
  const Imported log = read("qemu-vfiouser_qtest.log");
  std::vector<std::string> texts;
  for (std::string text : log.texts()) {  // without the times
    if (text.starts_with("@+")) text.erase(0, text.find(' ') + 1);
    texts.push_back(text);
  }
  const std::vector<std::string> expected = {
      "dma-map h0 0x0+134217728 iova 0x0",
      "dma-map h1 0xfffc0000+262144 iova 0xfffc0000",
      "config-read 0x3d+1 = 0x1",
      "config-read 0x3d+1 = 0x1",
      "irq-setup INTx 0+1 on",
      "irq-setup error 0+1 on",
      "irq-setup INTx 0+1 off",
      "config-read 0x4+2 = 0x0",
      "config-write 0x4+2 = 0x0",
      "reset",
      "config-read 0x3d+1 = 0x1",
      "irq-setup INTx 0+1 on",
      "dma-unmap h0 +134217728",
      "dma-map h2 0x0+786432 iova 0x0",
      "dma-map h3 0xc0000+131072 iova 0xc0000",
      "dma-map h4 0xe0000+131072 iova 0xe0000",
      "dma-map h5 0x100000+133169152 iova 0x100000",
      "config-read 0x0+4 = 0xdc8494f",
      "config-write 0x18+4 = 0xffffffff",
      "config-read 0x18+4 = 0xffffff01",
      "config-write 0x18+4 = 0xc000",
      "config-write 0x4+2 = 0x1",
      "mmio-read 2:0x0+4 = 0x0",
      "mmio-write 2:0x0+1 = 0x64",
      "mmio-read 2:0x0+1 = 0x0",
      "mmio-read 2:0x10+2 = 0x0",
      "mmio-write 2:0x20+4 = 0xcafef00d",
  };
  EXPECT_EQ(texts, expected);
}

}  // namespace
}  // namespace dartboard::traces
