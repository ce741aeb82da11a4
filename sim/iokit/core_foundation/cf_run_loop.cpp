// sim/iokit/core_foundation/cf_run_loop.cpp - the one run loop: delivers what is due, lets simulated time pass.
#include <algorithm>

#include "sim/iokit/context.h"
#include "sim/iokit/core_foundation/run_loop.h"
#include "sim/iokit/pump.h"

using dartboard::iokit::cf_cast;
using dartboard::iokit::CfType;
using dartboard::iokit::Context;

namespace {

const __CFString kDefaultMode("kCFRunLoopDefaultMode", true);
const __CFString kCommonModes("kCFRunLoopCommonModes", true);

/// Never freed: sources outlive static destruction in some clients.
__CFRunLoop& loop() {
  static auto* const instance = new __CFRunLoop;
  return *instance;
}

__CFRunLoopSource* source_of(CFRunLoopSourceRef reference) {
  return cf_cast<__CFRunLoopSource>(reference, CfType::kRunLoopSource);
}

std::string mode_text(CFRunLoopMode mode) {
  const auto* text = cf_cast<__CFString>(mode, CfType::kString);
  return text != nullptr ? text->text : kDefaultMode.text;
}

bool mode_covers(const std::string& member, const std::string& asked) {
  return asked.empty() || member == asked || (member == kCommonModes.text && asked == kDefaultMode.text);
}

auto find(const __CFRunLoopSource& source, const std::string& mode) {
  return std::find_if(loop().members.begin(), loop().members.end(), [&](const __CFRunLoop::Member& member) {
    return member.source == &source && member.mode == mode;
  });
}

bool has_sources(const std::string& mode) {
  return std::any_of(loop().members.begin(), loop().members.end(), [&](const __CFRunLoop::Member& member) {
    return member.source->valid && mode_covers(member.mode, mode);
  });
}

constexpr double kForeverSeconds = 1e10;   // what CFRunLoopRun passes on a Mac

}  // namespace

namespace dartboard::iokit {

bool run_loop_has(const __CFRunLoopSource& source, const std::string& mode) {
  if (!source.valid) return false;
  return std::any_of(loop().members.begin(), loop().members.end(), [&](const __CFRunLoop::Member& member) {
    return member.source == &source && mode_covers(member.mode, mode);
  });
}

}  // namespace dartboard::iokit

extern "C" {

const CFRunLoopMode kCFRunLoopDefaultMode = &kDefaultMode;
const CFRunLoopMode kCFRunLoopCommonModes = &kCommonModes;

CFTypeID CFRunLoopGetTypeID(void) { return static_cast<CFTypeID>(CfType::kRunLoop); }
CFTypeID CFRunLoopSourceGetTypeID(void) { return static_cast<CFTypeID>(CfType::kRunLoopSource); }
CFRunLoopRef CFRunLoopGetCurrent(void) { return &loop(); }
CFRunLoopRef CFRunLoopGetMain(void) { return &loop(); }

void CFRunLoopRun(void) { CFRunLoopRunInMode(kCFRunLoopDefaultMode, kForeverSeconds, false); }

CFRunLoopRunResult CFRunLoopRunInMode(CFRunLoopMode mode, CFTimeInterval seconds, Boolean returnAfterSourceHandled) {
  const std::string name = mode_text(mode);
  Context& context = Context::instance();
  uint64_t budget_ns = 0;
  if (seconds > 0) budget_ns = seconds < kForeverSeconds ? static_cast<uint64_t>(seconds * 1e9) : UINT64_MAX;
  loop().stop = false;
  // Bounded: hardware with a periodic timer would keep an endless wait going for ever.
  for (uint64_t step = 0; step < dartboard::iokit::kCalloutsMax; ++step) {
    if (!has_sources(name)) return kCFRunLoopRunFinished;
    dartboard::iokit::run_kernel();
    if (context.notifications().run_one(name)) {
      if (loop().stop) return kCFRunLoopRunStopped;
      if (returnAfterSourceHandled) return kCFRunLoopRunHandledSource;
      continue;
    }
    if (loop().stop) return kCFRunLoopRunStopped;
    // Nothing is due now. Time passes to the hardware's next event, or to the end of the wait.
    if (!dartboard::iokit::pass_time(&budget_ns)) return kCFRunLoopRunTimedOut;
  }
  return kCFRunLoopRunTimedOut;
}

void CFRunLoopStop(CFRunLoopRef rl) {
  if (auto* l = cf_cast<__CFRunLoop>(rl, CfType::kRunLoop)) l->stop = true;
}

void CFRunLoopWakeUp(CFRunLoopRef) {}

Boolean CFRunLoopContainsSource(CFRunLoopRef, CFRunLoopSourceRef source, CFRunLoopMode mode) {
  const __CFRunLoopSource* s = source_of(source);
  return s != nullptr && find(*s, mode_text(mode)) != loop().members.end();
}

void CFRunLoopAddSource(CFRunLoopRef rl, CFRunLoopSourceRef source, CFRunLoopMode mode) {
  __CFRunLoopSource* s = source_of(source);
  if (rl == nullptr || s == nullptr || !s->valid || CFRunLoopContainsSource(rl, source, mode)) return;
  CFRetain(s);
  loop().members.push_back({s, mode_text(mode)});
}

void CFRunLoopRemoveSource(CFRunLoopRef, CFRunLoopSourceRef source, CFRunLoopMode mode) {
  __CFRunLoopSource* s = source_of(source);
  if (s == nullptr) return;
  const auto member = find(*s, mode_text(mode));
  if (member == loop().members.end()) return;
  loop().members.erase(member);
  CFRelease(s);
}

void CFRunLoopSourceInvalidate(CFRunLoopSourceRef source) {
  __CFRunLoopSource* s = source_of(source);
  if (s == nullptr) return;
  s->valid = false;
  CFRetain(s);   // the memberships may be the last references
  std::vector<__CFRunLoop::Member>& members = loop().members;
  for (size_t i = members.size(); i-- > 0;) {
    if (members[i].source != s) continue;
    members.erase(members.begin() + static_cast<std::ptrdiff_t>(i));
    CFRelease(s);
  }
  CFRelease(s);
}

Boolean CFRunLoopSourceIsValid(CFRunLoopSourceRef source) {
  const __CFRunLoopSource* s = source_of(source);
  return s != nullptr && s->valid;
}

}  // extern "C"
