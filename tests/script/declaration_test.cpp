// tests/script/declaration_test.cpp - declarations that cannot be: refused before anything is plugged, with the line.
#include "tests/script/support.h"

namespace dartboard::script_test {
namespace {

struct Wrong {
  const char* script;
  const char* sentence;
};
class WrongDeclaration : public testing::TestWithParam<Wrong> {};

TEST_P(WrongDeclaration, IsRefusedWithPlaceAndExpectation) {
  const auto made = model::make_scripted({"my.lua", GetParam().script});
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().name, ErrorName::kScriptInvalid);
  EXPECT_EQ(made.error().sentence, GetParam().sentence);
}

#define HEAD "device { vendor = 1, device = 2, class = 3,\nbars = { [0] = bar { size = 0x1000,\nregisters = {\n"
#define TAIL "\n} } } }"

INSTANTIATE_TEST_SUITE_P(
    Table, WrongDeclaration,
    testing::Values(
        Wrong{"", "my.lua:1: the script declares no device: expected a call of device{ ... }"},
        Wrong{"x = = 1", "my.lua:1: unexpected symbol near '='"},
        Wrong{"\n\nerror('no')", "my.lua:3: no"},
        Wrong{"device(1)", "my.lua:1: device: expected one table, as in device{ ... }"},
        Wrong{"device { vendor = 1, device = 2, class = 3 }\ndevice { vendor = 1, device = 2, class = 3 }",
              "my.lua:2: device{} was called before: a script declares one device"},
        Wrong{"\ndevice { device = 2, class = 3 }", "my.lua:2: device: 'vendor' is missing"},
        Wrong{"device { vendor = 0xffff, device = 2, class = 3 }",
              "my.lua:1: device: 'vendor' is 0xffff: expected 0x0 to 0xfffe"},
        Wrong{"device { vendor = 'x', device = 2, class = 3 }", "my.lua:1: device: 'vendor' is a string: expected an integer"},
        Wrong{"device { vendor = 1, device = 2, class = 3, clas = 4, bar = 5 }",
              "my.lua:1: device: there is no field 'bar'; expected bars, capabilities, class, device, flr_ready_ns, "
              "interrupt_pin, name, on_config_read, on_config_write, on_reset, reset_ready_ns, revision, rom, serial, subsystem, subsystem_vendor, "
              "vendor"},
        Wrong{"device { vendor = 1, device = 2, class = 3, bars = { [6] = bar { size = 16 } } }",
              "my.lua:1: device: 'bars' has a key that is no BAR: expected [0] to [5]"},
        Wrong{"device { vendor = 1, device = 2, class = 3,\nbars = { [0] = bar { size = 100 } } }",
              "my.lua:1: device: BAR0 has a size of 100 bytes: a BAR's size is a power of two."},
        Wrong{"device { vendor = 1, device = 2, class = 3, bars = {\n[0] = bar { size = 64, bits = 48 } } }",
              "my.lua:2: BAR0: 'bits' is 48: expected 32 or 64"},
        Wrong{"device { vendor = 1, device = 2, class = 3, bars = { [0] = bar { size = 64, holds = 'x' } } }",
              "my.lua:1: BAR0: 'holds' is \"x\": expected one of registers, memory, msix"},
        Wrong{"device { vendor = 1, device = 2, class = 3, on_reset = 1 }",
              "my.lua:1: device: 'on_reset' is a number: expected a function"},
        Wrong{HEAD "register { 'A', 0 },\nregister { 'B', 0x1000 }" TAIL,
              "my.lua:5: register B: 'offset' is 0x1000: expected 0x0 to 0xfff"},
        Wrong{HEAD "register { 'A', 2 }" TAIL, "my.lua:4: register A: the offset 0x2 is not a multiple of its width"},
        Wrong{HEAD "register { 'A', 0, width = 3 }" TAIL, "my.lua:4: register A: 'width' is 3: expected 1, 2, 4 or 8"},
        Wrong{HEAD "register { 'A', 0 },\nregister { 'A', 4 }" TAIL,
              "my.lua:5: there are two registers A; the other is in line 4"},
        Wrong{HEAD "register { 'A', 0, width = 8 },\nregister { 'B', 4 }" TAIL,
              "my.lua:5: B at 0x4 of BAR0 overlaps A, which ends at 0x8"},
        Wrong{HEAD "register { 'A', 0, count = 4096 }" TAIL,
              "my.lua:4: register A: it ends at 0x4000: expected at most 0x1000 (the BAR's size, or 4 MiB of registers)"},
        Wrong{HEAD "register { 'A', 0, access = 'rx' }" TAIL,
              "my.lua:4: register A: 'access' is \"rx\": expected ro, rw, w1c, wo, ros, rws, w1cs or hwinit"},
        Wrong{HEAD "register { 'A', 0, rw = 3, w1c = 1 }" TAIL, "my.lua:4: register A: bits 0:0 (bit 0) are declared twice"},
        Wrong{HEAD "register { 'A', 0, reset = 1 << 32 }" TAIL,
              "my.lua:4: register A: 'reset' is 0x100000000: expected 0x0 to 0xffffffff"},
        Wrong{HEAD "register { 'A', 0, on_read = 'f' }" TAIL, "my.lua:4: register A: 'on_read' is a string: expected a function"},
        Wrong{HEAD "5" TAIL, "my.lua:2: BAR0: registers[1] is a number: expected a table"},
        Wrong{"device { vendor = 1, device = 2, class = 3, capabilities = { msi = 3 } }",
              "my.lua:1: device: The number of MSI vectors is 3: expected 0, 1, 2, 4, 8, 16 or 32."},
        Wrong{"device { vendor = 1, device = 2, class = 3, capabilities = { msix = { vectors = 4, bar = 0, pba = 64 } } }",
              "my.lua:1: device: The MSI-X table is in BAR0, which is not a memory BAR."},
        Wrong{"dev.raise(0)", "my.lua:1: the device does not exist yet while its script is being loaded; call this from a "
                              "reaction"},
        Wrong{"while true do end", "my.lua:1: it used up its instruction budget (an endless loop?)"},
        Wrong{"local t = {}\nfor i = 1, 1 << 40 do\nt[i] = i end", "my.lua:3: the script used up its memory"}));

TEST(Declaration, BytecodeIsNotAScript) {
  EXPECT_FALSE(model::make_scripted({"my.lua", "\x1bLua"}).has_value());
}

TEST(Declaration, IsWhatTheFunctionBecomes) {
  Plugged p(R"(device { vendor = 0x1234, device = 0x5678, revision = 9, class = 0x010802, subsystem_vendor = 0xaaaa,
      subsystem = 0xbbbb, serial = 0x1122334455667788, interrupt_pin = 2,
      capabilities = { msi = 8, msix = { vectors = 5, bar = 2, table = 0, pba = 0x800 }, flr = false, vendor = true },
      bars = { [0] = bar { size = 0x1000 }, [2] = bar { size = 0x2000, bits = 64, prefetchable = true, holds = "msix" },
               [4] = bar { size = 64, io = true } } })");
  const model::EndpointDeclaration& d = p.device->declaration();
  EXPECT_EQ(d.vendor_id, 0x1234);
  EXPECT_EQ(d.device_id, 0x5678);
  EXPECT_EQ(d.revision, 9);
  EXPECT_EQ(d.class_code, 0x010802u);
  EXPECT_EQ(d.subsystem_vendor_id, 0xaaaa);
  EXPECT_EQ(d.subsystem_id, 0xbbbb);
  EXPECT_EQ(d.serial_number, 0x1122334455667788u);
  EXPECT_EQ(d.interrupt_pin, 2);
  EXPECT_EQ(d.msi_vectors, 8u);
  EXPECT_EQ(d.msix_vectors, 5u);
  EXPECT_FALSE(d.flr);
  EXPECT_TRUE(d.vendor_capability);
  EXPECT_EQ(d.bars[2].kind, model::BarKind::kMem64Prefetchable);
  EXPECT_EQ(d.bars[4].kind, model::BarKind::kIo);
}

TEST(Declaration, CanHaveARomAndAResizableBar) {
  Plugged p(R"(device { vendor = 1, device = 1, class = 0, rom = "\x55\xaa" .. ("\0"):rep(2046), flr_ready_ns = 5,
      capabilities = { ats = true, vendor_extended = true },
      bars = { [0] = bar { size = 1 << 20, bits = 64, prefetchable = true, holds = "memory", resizable = 3 << 20 } } })");
  const model::EndpointDeclaration& d = p.device->declaration();
  EXPECT_EQ(d.rom_image.size(), 2048u);
  EXPECT_EQ(d.rom_image[1], std::byte{0xaa});
  EXPECT_EQ(d.flr_ready_ns, 5u);
  EXPECT_TRUE(d.ats && d.vendor_extended);
  EXPECT_EQ(d.bars[0].resizable_sizes, 3u << 20);
}

TEST(Declaration, UnknownNotationNamesWhatThereIs) {
  const auto none = model::load_script("floppy");
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().sentence, "there is no device 'floppy'; expected edu, gpu, hostile, nvme, script:FILE.lua");
  EXPECT_EQ(model::load_script("script:/does/not/exist.lua").error().name, ErrorName::kFileUnreadable);
}

}  // namespace
}  // namespace dartboard::script_test
