// tests/script/support.h - a scripted device on a bus of its own: no fabric, no Mac.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "model/endpoint/script/script.h"
#include "tests/model/fake_upstream.h"

namespace dartboard::script_test {

using model::Outcome;
using model::test::Bus;
using model::test::FakeUpstream;

/// Plugged, BAR0 (and BAR2 if there is one) placed, memory and bus master on.
struct Plugged {
  static constexpr uint64_t kBar0 = 0x4000'0000;
  static constexpr uint64_t kBar2 = 0x5000'0000;

  explicit Plugged(const std::string& text, model::ScriptOptions options = {}, std::string name = "test.lua") {
    if (!options.on_error) options.on_error = [this](const model::ScriptError& e) { errors.push_back(e); };
    if (!options.on_log) options.on_log = [this](std::string_view line) { log.emplace_back(line); };
    auto made = model::make_scripted({std::move(name), text}, std::move(options));
    if (!made) {
      ADD_FAILURE() << made.error().sentence;
      return;
    }
    device = std::move(*made);
    device->attach(&upstream);
    bus = std::make_unique<Bus>(*device);
    power_on();
  }
  ~Plugged() {
    if (device) device->attach(nullptr);
  }

  void power_on() {
    device->reset(model::ResetKind::kPowerOn);
    enable();
  }
  void enable() {
    bus->config_write(model::cfg::kBar0, kBar0, 4);
    bus->config_write(model::cfg::kBar0 + 8, kBar2, 4);
    bus->config_write(model::cfg::kCommand, 0x7, 2);
  }
  uint64_t read(uint64_t offset, uint32_t length = 4) { return bus->read(kBar0 + offset, length); }
  void write(uint64_t offset, uint64_t value, uint32_t length = 4) { bus->write(kBar0 + offset, value, length); }
  void advance(uint64_t ns) { upstream.timeline().advance(ns); }

  FakeUpstream upstream;
  std::vector<model::ScriptError> errors;
  std::vector<std::string> log;
  std::unique_ptr<model::ScriptedDevice> device;
  std::unique_ptr<Bus> bus;
};

/// A device{} with BAR0 of 4 KiB of registers; `registers` and `more` are Lua.
inline std::string device_with(const std::string& registers, const std::string& more = "") {
  return "device { vendor = 0x1234, device = 1, class = 0xff0000, interrupt_pin = 1,\n"
         "  bars = { [0] = bar { size = 0x1000, registers = {" + registers + "} } }, " + more + " }\n";
}

}  // namespace dartboard::script_test
