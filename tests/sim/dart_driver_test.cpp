// tests/sim/dart_driver_test.cpp - the driver programs every DART variant, and undoes what it began.
#include "sim/macos/dart_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/dart.h"
#include "rig.h"
#include "sim/macos/dart_panic.h"

namespace dartboard::macos {
namespace {

using model::DartVariant;
using sim_test::ClientMemory;
using sim_test::kPage;
using sim_test::Rig;
using sim_test::RigTest;
using sim_test::test_profile;

struct DriverCase {
  const char* name;
  DartVariant variant;
  unsigned page_shift, va_width;
  uint64_t window;
};
void PrintTo(const DriverCase& c, std::ostream* out) { *out << c.name; }
constexpr DriverCase kCases[] = {
    {"t8020_16K", DartVariant::kT8020, 14, 32, 0x8000'0000},
    {"t8020_4K", DartVariant::kT8020, 12, 32, 0x8000'0000},  // the third TTBR: a TTBR reaches 30 bits
    {"t6000_16K", DartVariant::kT6000, 14, 32, 0x8000'0000},
    {"t6000_high", DartVariant::kT6000, 14, 38, 0x20'8000'0000},
    {"usb4_16K", DartVariant::kUsb4, 14, 32, 0x8000'0000},
    {"t8110_16K", DartVariant::kT8110, 14, 32, 0x8000'0000},
    {"t8110_four_levels", DartVariant::kT8110, 14, 42, 0x80'8000'0000},
    {"t8110_4K", DartVariant::kT8110, 12, 39, 0x8000'0000},
};

class DartDriverTest : public RigTest, public testing::WithParamInterface<DriverCase> {
 protected:
  void SetUp() override {
    sim::Profile profile = test_profile();
    profile.on_dart_fault = sim::FaultPolicy::kAbort;
    model::DartConfig& dart = profile.ports[0].root.dart;
    dart.variant = GetParam().variant;
    dart.page_shift = GetParam().page_shift;
    dart.va_width = GetParam().va_width;
    dart.pa_width = model::layout_of(dart.variant).pte_format == model::PteFormat::kDart1 ? 36 : 42;
    profile.ports[0].mapper.page_bytes = uint64_t{1} << GetParam().page_shift;
    profile.ports[0].mapper.window_base = Iova(GetParam().window);
    profile.ports[0].mapper.window_bytes = 256 * kMiB;
    boot(profile);
    claim();
  }
  Mapper::Mapping map(uint64_t bytes, bool reads = true, bool writes = true) {
    Mapper::Mapping mapping;
    EXPECT_EQ(mapper().map(nub().rid(), *memory_.object(bytes), 0, bytes, reads, writes, 64, &mapping),
              io_return::kSuccess);
    return mapping;
  }
  DartDriver& driver() { return kernel().root(0).dart; }
  model::Dart& dart() { return kernel().root(0).model.dart(); }
  ClientMemory memory_{8 * kPage};
};
INSTANTIATE_TEST_SUITE_P(Variants, DartDriverTest, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

TEST_P(DartDriverTest, TheDeviceReachesWhatIsMappedAndNothingAfterUnmap) {
  const Mapper::Mapping mapping = map(5 * kPage);
  EXPECT_TRUE(device_writes(mapping.iova, 5 * kPage));
  EXPECT_EQ(memory_.data()[5 * kPage - 1], std::byte{0xa5});
  EXPECT_FALSE(device_writes(mapping.iova + 5 * kPage, 4));
  EXPECT_TRUE(mapper().unmap(mapping));
  EXPECT_FALSE(device_writes(mapping.iova, 4));
}

TEST_P(DartDriverTest, AMappingForReadingRefusesWrites) {
  const Mapper::Mapping mapping = map(kPage, true, false);
  EXPECT_FALSE(device_writes(mapping.iova, 4));
}

TEST_P(DartDriverTest, TheErrorIsReadAndAcknowledged) {
  const Iova stray(GetParam().window + 0x40'0000);
  EXPECT_FALSE(device_writes(stray, 4));
  const DartDriver::ErrorReport report = driver().take_error();
  EXPECT_EQ(report.error >> 31, 1u);
  EXPECT_EQ(report.address, stray.value);
  EXPECT_EQ(driver().take_error().error, 0u);
}

TEST_P(DartDriverTest, ADetachedStreamIsRefused) {
  const Mapper::Mapping mapping = map(kPage);
  driver().detach(kDeviceSid);
  EXPECT_FALSE(device_writes(mapping.iova, 4));
  EXPECT_TRUE(driver().attach(kDeviceSid));
  EXPECT_TRUE(device_writes(mapping.iova, 4));
}

TEST_P(DartDriverTest, MemoryAboveWhatAnEntryHoldsIsRefused) {
  driver().begin();
  const Hpa above(uint64_t{1} << driver().geometry().pa_width);
  EXPECT_FALSE(driver().map(Iova(GetParam().window), 1, above, true, true));
  driver().rollback();
}

TEST_P(DartDriverTest, ALockedDartIsUsedWithTheTablesItHas) {
  const model::DartLayout& layout = driver().layout();
  const uint64_t root = layout.decode_ttbr(dart().registers().peek32(layout.ttbr_of(kDeviceSid)));
  if (layout.variant == DartVariant::kT8110) {
    dart().write(model::dart_reg::kProtect, model::dart_reg::kProtectTcrTtbr, 4);
  } else {
    dart().write(model::dart8020_reg::kConfig, model::mask_of(model::dart8020_reg::kConfigLock), 4);
  }
  DartDriver second(kernel().root(0).port, kernel().host_memory(), kernel().timeline());
  second.power_on(kernel().profile().ports[0].root.dart);
  EXPECT_FALSE(second.attach(Sid(7))) << "it does not translate, and cannot be made to";
  ASSERT_TRUE(second.attach(kDeviceSid));
  ASSERT_NE(root, 0u);
  const Hpa page = kernel().host_memory().allocate(kPage, kPage);
  second.begin();
  ASSERT_TRUE(second.map(Iova(GetParam().window), 1, page, true, true));
  EXPECT_TRUE(device_writes(Iova(GetParam().window), 4));
  second.clear(Iova(GetParam().window), 1);
  EXPECT_TRUE(second.invalidate(Iova(GetParam().window), 1));
  EXPECT_FALSE(device_writes(Iova(GetParam().window), 4));
  EXPECT_EQ(layout.decode_ttbr(dart().registers().peek32(layout.ttbr_of(kDeviceSid))), root);
  kernel().host_memory().release(page, kPage);
  second.power_off();
  sim_test::Rig::get().roots[0]->dart().reset();
}

TEST_P(DartDriverTest, ManyTablesAreGivenBackWhenNothingIsMapped) {
  const uint64_t leaf_bytes = driver().geometry().entries() * driver().geometry().page_bytes();
  const uint64_t before = driver().table_count();
  const Hpa page = kernel().host_memory().allocate(kPage, kPage);
  const uint64_t count = std::min<uint64_t>(100, kernel().profile().ports[0].mapper.window_bytes / leaf_bytes);
  for (uint64_t i = 0; i < count; ++i) {
    driver().begin();
    ASSERT_TRUE(driver().map(Iova(GetParam().window + i * leaf_bytes), 1, page, true, true));
  }
  EXPECT_GT(driver().table_count(), before);
  for (uint64_t i = 0; i < count; ++i) driver().clear(Iova(GetParam().window + i * leaf_bytes), 1);
  EXPECT_TRUE(driver().invalidate(Iova(GetParam().window), 1));
  if (count > 64) EXPECT_EQ(driver().table_count(), before);
  kernel().host_memory().release(page, kPage);
  const Mapper::Mapping mapping = map(kPage);
  EXPECT_TRUE(device_writes(mapping.iova, 4));
}

TEST(DartPanicText, IsTheVariantsOwn) {
  const model::DartFault fault{0, Sid(1), Rid(1, 0, 0), Iova(0x1234'5678), true, 0};
  model::DartFault t8110 = fault, usb4 = fault;
  t8110.code = 0x1018'0008;  // with SID 1, SECONDARY and WRITE_nREAD: a mask that Macs print
  usb4.code = 1u << 24 | model::dart8020_reg::kCodeNoPte;
  EXPECT_THAT(dart_panic_text(model::layout_of(DartVariant::kT8110), "pcic0-bridge", t8110),
              testing::HasSubstr("VIOLATION_T8110_DART_INVALID_ERR_MASK 0x90180008"));
  EXPECT_THAT(dart_panic_text(model::layout_of(DartVariant::kUsb4), "pcic0-bridge", usb4),
              testing::AllOf(testing::HasSubstr("SID 1 PTE invalid exception on write of DVA 0x12345678"),
                             testing::HasSubstr("ERROR_STATUS 0x81000004")));
  EXPECT_THAT(dart_panic_text(model::layout_of(DartVariant::kUsb4), "pcic0-bridge", fault),
              testing::HasSubstr("unknown"));
  EXPECT_THAT(address_overflow_panic_text("pcic0-bridge", 0x0222'0060, Rid(1, 0, 0), 0x1'0000'0000),
              testing::AllOf(testing::HasSubstr("handleInterrupt: Request address is greater than 32 bits"),
                             testing::HasSubstr("pcielint=0x02220060")));
}

}  // namespace
}  // namespace dartboard::macos
