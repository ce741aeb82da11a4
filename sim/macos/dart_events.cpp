// sim/macos/dart_events.cpp - the property that collects events, and who waits for it.
#include "sim/macos/dart_events.h"

#include <utility>

#include <fmt/format.h>

namespace dartboard::macos {

std::array<uint32_t, kDartEventWords> words_of(const DartEvent& event) {
  return {event.error, static_cast<uint32_t>(event.address), static_cast<uint32_t>(event.address >> 32),
          event.sid.value, event.is_write ? 1u : 0u};
}

bool DartEvents::add(const DartEvent& event) {
  if (!enabled_) {
    ++ignored_;
    return false;
  }
  if (unread_ == kUnreadMax) {
    ++dropped_;
    return false;
  }
  Property& property = properties_.try_emplace(std::string(kDartErrorDataKey)).first->second;
  auto* data = std::get_if<PropertyData>(&property.value);
  // Read, or not there yet, or a dext put something else under this name: started anew.
  if (data == nullptr) data = &property.value.emplace<PropertyData>();
  if (unread_ == 0) data->clear();
  for (const uint32_t word : words_of(event)) {
    for (unsigned shift = 0; shift < 32; shift += 8) data->push_back(static_cast<uint8_t>(word >> shift));
  }
  ++unread_;
  ++events_;
  last_ = event;
  wake_all();
  return true;
}

void DartEvents::close() {
  enabled_ = false;
  wake_all();
}

void DartEvents::terminate() {
  enabled_ = false;
  terminated_ = true;
  wake_all();
}

io_return::Code DartEvents::result() const {
  if (enabled_) return io_return::kSuccess;
  return terminated_ ? io_return::kAborted : io_return::kNotOpen;
}

void DartEvents::wake_all() {
  for (const auto& wake : std::exchange(waiting_, {})) wake();
}

void DartEvents::inspect(InspectNode& node) const {
  node.value = fmt::format("{}", events_);
  node.note =
      fmt::format("{} unread, {} dropped, {} while closed, {} waiting", unread_, dropped_, ignored_, waiting_.size());
  if (events_ == 0) return;
  node.child(
      "last", fmt::format("{:#x}", last_.address),
      fmt::format("{}, SID {}, ERROR {:#010x}", last_.is_write ? "write" : "read", last_.sid.value, last_.error));
}

}  // namespace dartboard::macos
