// tests/traces/tools_printer_test.cpp - lines for people, and objects for programs.
#include "traces/tools/printer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools_support.h"

namespace dartboard::traces {
namespace {

using testing::HasSubstr;
using testing::Not;

RegisterNames names_for_test() {
  auto names = parse_register_names(R"({"schema":"dartboard-names-1",
    "registers":[{"bar":5,"offset":16,"name":"STATUS","fields":[{"name":"BUSY","bits":31},{"name":"COUNT","bits":"3:0"}]}],
    "memory":[{"handle":1,"name":"ring"}]})",
                                    "names");
  EXPECT_TRUE(names) << names.error().sentence;
  return std::move(*names);
}

std::string print(const TraceBuilder& trace, PrintOptions options = {}, const RegisterNames* names = nullptr) {
  std::string out;
  Printer printer(names, options, [&](std::string_view text) { out += text; });
  NameTracker tracker(names);
  uint64_t number = 0;
  for (const auto& e : trace.entries) {
    const Reply* const reply = e.replied ? &e.reply : nullptr;
    Event event = e.event;
    if (e.replied) event.reply = 0;
    printer.print(number++, event, reply, tracker.see(event, reply));
  }
  printer.finish();
  return out;
}

TEST(Printer, ArrowsSayWhichWayAValueWent) {
  const RegisterNames names = names_for_test();
  const std::string text = print(TraceBuilder().write(5, 16, 0x3).read(5, 16, 0x80000001), {}, &names);
  EXPECT_EQ(text,
            "       #0    0.000000 BAR5+0x000010  W32 <= 0x00000003 STATUS { COUNT = 0x3 }\n"
            "       #1    0.000001 BAR5+0x000010  R32 => 0x80000001 STATUS { BUSY, COUNT = 0x1 }\n");
}

TEST(Printer, AGapIsASleep) {
  TraceBuilder trace;
  trace.write(5, 0, 1).pass(100'000).write(5, 4, 1).pass(2'500'000).write(5, 8, 1);
  const std::string text = print(trace);
  EXPECT_THAT(text, HasSubstr("SLEEP 0.101ms\n"));
  EXPECT_THAT(text, HasSubstr("SLEEP 2.501ms\n"));
  PrintOptions patient;
  patient.sleep_ns = 1'000'000;
  EXPECT_THAT(print(trace, patient), Not(HasSubstr("SLEEP 0.101ms\n")));
  // The time a request took is no sleep.
  trace.entries[0].replied = true;
  trace.entries[0].reply.duration_ns = 101'000;
  EXPECT_THAT(print(trace), Not(HasSubstr("SLEEP 0.101ms\n")));
}

TEST(Printer, APollIsOneLine) {
  TraceBuilder trace;
  for (int i = 0; i < 3841; ++i) trace.read(5, 16, i == 3840);
  trace.read(5, 20, 0);
  const std::string text = print(trace);
  EXPECT_THAT(text, HasSubstr("#0    0.000000 BAR5+0x000010  R32 => 0x00000000 x 3841, last 0x00000001, 3.840 ms\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_THAT(text, HasSubstr("#3841"));
  PrintOptions all;
  all.fold_polls = false;
  const std::string long_text = print(trace, all);
  EXPECT_EQ(std::count(long_text.begin(), long_text.end(), '\n'), 3842);
}

TEST(Printer, TwoReadsAreNoPoll) {
  const std::string text = print(TraceBuilder().read(5, 16, 1).read(5, 16, 2).write(5, 0, 0));
  EXPECT_THAT(text, HasSubstr("=> 0x00000001\n"));
  EXPECT_THAT(text, HasSubstr("#1    0.000001 BAR5+0x000010  R32 => 0x00000002\n"));
}

TEST(Printer, MarksPayloadsMapsAndInterruptsAreShown) {
  const RegisterNames names = names_for_test();
  TraceBuilder trace;
  const std::string& bytes = trace.keep("0123456789abcdefXYZ");
  trace.mark("begin\x1b[31m").map(1, 4096, 0x100000).write_bytes(0, 0, Payload::of(std::as_bytes(std::span(bytes))));
  trace.write_bytes(0, 0x1000, Payload::filled(std::byte{0xff}, 65536)).interrupt(IrqKind::kMsix, 3);
  trace.write_bytes(0, 0x2000, Payload::omitted(64)).config_read(0, 0x74a11002).unmap(1, 4096);
  const std::string text = print(trace, {}, &names);
  EXPECT_THAT(text, HasSubstr("MARK begin?[31m\n"));
  EXPECT_THAT(text, HasSubstr("MAP DMA#1 ring 4 KiB => 0x100000\n"));
  EXPECT_THAT(text, HasSubstr("W   <= 19 bytes: 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 ...\n"));
  EXPECT_THAT(text, HasSubstr("W   <= 64 KiB, all ff\n"));
  EXPECT_THAT(text, HasSubstr("IRQ MSI-X vector 3  (by the device)\n"));
  EXPECT_THAT(text, HasSubstr("W   <= 64 bytes, not kept\n"));
  EXPECT_THAT(text, HasSubstr("config+0x000000 R32 => 0x74a11002\n"));
  EXPECT_THAT(text, HasSubstr("UNMAP DMA#1 ring 4 KiB\n"));
}

TEST(Printer, AFailureSaysItsStatusAndText) {
  TraceBuilder trace;
  trace.read(5, 16, 0);
  const std::string& why = trace.keep("no such BAR");
  trace.last().reply.status = 1;
  trace.last().reply.data = Payload::of(std::as_bytes(std::span(why)));
  EXPECT_THAT(print(trace), HasSubstr("BAR5+0x000010  R32 => failed, status 1: no such BAR\n"));
}

TEST(Printer, SeveralDevicesHaveNumbersAndNoClockHasNoTimes) {
  PrintOptions options;
  options.show_devices = true;
  options.show_times = false;
  EXPECT_EQ(print(TraceBuilder().write(5, 0, 1).device(3), options),
            "       #0 [3] BAR5+0x000000  W32 <= 0x00000001\n");
}

TEST(EventJson, HasWhatTheKindHas) {
  const RegisterNames names = names_for_test();
  TraceBuilder trace;
  trace.read(5, 16, 0x80000001);
  const auto& e = trace.entries[0];
  NameTracker tracker(&names);
  EXPECT_EQ(event_json(7, e.event, &e.reply, tracker.see(e.event, &e.reply), &names, 16),
            R"({"event":7,"time_ns":1000000,"device":0,"kind":"mmio-read","space":"BAR5","address":16,"length":4,)"
            R"("value":2147483649,"name":"STATUS","fields":{"BUSY":1,"COUNT":1}})");
}

}  // namespace
}  // namespace dartboard::traces
