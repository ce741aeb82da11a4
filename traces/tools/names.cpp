// traces/tools/names.cpp - looking names up, and following index registers.
#include "traces/tools/names.h"

#include <fnmatch.h>

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "traces/tools/access.h"

namespace dartboard::traces {

std::string Named::text() const {
  std::string out;
  if (pair != nullptr) out = reg == nullptr ? fmt::format("{}[{:#x}]", pair->name, index) : pair->name + ":";
  if (reg != nullptr) {
    out += reg->name;
    if (reg->is_array) out += fmt::format("[{}]", element);
  }
  if (byte != 0) out += fmt::format("+{}", byte);
  return out;
}

bool RegisterNames::build(std::string* problem) {
  elements_.clear();
  uint64_t total = 0;
  for (const RegisterName& reg : registers) total += reg.count;  // each count is at most kElementsMax
  if (total > kElementsMax) {
    *problem = fmt::format("the arrays have {} elements together; expected at most {}", total, kElementsMax);
    return false;
  }
  elements_.reserve(total);
  for (uint32_t i = 0; i < registers.size(); ++i) {
    const RegisterName& reg = registers[i];
    for (uint32_t n = 0; n < reg.count; ++n) elements_.push_back({reg.offset + n * reg.stride, reg.space, i, n});
  }
  std::sort(elements_.begin(), elements_.end(), [](const Element& a, const Element& b) {
    return std::tie(a.space, a.offset, a.reg) < std::tie(b.space, b.offset, b.reg);
  });
  for (size_t i = 1; i < elements_.size(); ++i) {
    const Element &before = elements_[i - 1], &after = elements_[i];
    if (before.space != after.space || after.offset - before.offset >= registers[before.reg].width) continue;
    *problem = fmt::format("'{}' and '{}' overlap at {}+{:#x}", registers[before.reg].name, registers[after.reg].name,
                           space_name(after.space), after.offset);
    return false;
  }
  return true;
}

Named RegisterNames::at(uint32_t space, uint64_t offset) const {
  const auto after = std::upper_bound(
      elements_.begin(), elements_.end(), std::tie(space, offset),
      [](const auto& where, const Element& element) { return where < std::tie(element.space, element.offset); });
  Named named;
  if (after == elements_.begin()) return named;
  const Element& element = *std::prev(after);
  if (element.space != space || offset - element.offset >= registers[element.reg].width) return named;
  named.reg = &registers[element.reg];
  named.element = element.number;
  named.byte = offset - element.offset;
  return named;
}

std::string_view RegisterNames::memory_name(uint32_t handle) const {
  const auto found = std::lower_bound(memory.begin(), memory.end(), handle,
                                      [](const auto& entry, uint32_t wanted) { return entry.first < wanted; });
  return found != memory.end() && found->first == handle ? std::string_view(found->second) : std::string_view();
}

bool name_fits(const std::string& glob, const Named& named, const std::string& text) {
  return fnmatch(glob.c_str(), text.c_str(), 0) == 0 ||
         (named.reg != nullptr && fnmatch(glob.c_str(), named.reg->name.c_str(), 0) == 0);
}

std::string fields_text(const RegisterName& reg, uint64_t value) {
  std::string out;
  for (const FieldName& field : reg.fields) {
    const uint64_t part = field.of(value);
    const auto found = std::lower_bound(field.values.begin(), field.values.end(), part,
                                        [](const auto& entry, uint64_t wanted) { return entry.first < wanted; });
    const bool is_named = found != field.values.end() && found->first == part;
    if (part == 0 && !is_named) continue;
    out += out.empty() ? " " : ", ";
    out += field.name;
    if (is_named) {
      out += " = " + found->second;
    } else if (field.high != field.low || !field.values.empty()) {
      out += fmt::format(" = {:#x}", part);
    }
  }
  if (reg.fields.empty()) return out;
  return out.empty() ? "{ }" : "{" + out + " }";
}

bool NameTracker::belongs_to(uint16_t device) const {
  if (names_->vendor_id == 0 || info_ == nullptr || device >= info_->devices.size()) return true;
  const DeviceDescription& known = info_->devices[device].description;
  // A recording that does not know its device is taken at the user's word.
  return known.vendor_id == 0 || (known.vendor_id == names_->vendor_id && known.device_id == names_->device_id);
}

Named NameTracker::see(const Event& event, const Reply* reply) {
  if (names_ == nullptr || !belongs_to(event.device)) return {};
  const size_t pairs = names_->pairs.size();
  State* const states = [&]() -> State* {
    if (pairs == 0 || event.device >= kDevicesMax) return nullptr;
    if (states_.size() < (event.device + size_t{1}) * pairs) states_.resize((event.device + size_t{1}) * pairs);
    return states_.data() + event.device * pairs;
  }();
  if (event.kind == EventKind::kReset && states != nullptr) std::fill(states, states + pairs, State{});
  const uint32_t space = space_of(event);
  if (space == kNoSpace) return {};
  Named named = names_->at(space, event.address);
  for (size_t i = 0; i < pairs && states != nullptr; ++i) {
    const IndexPair& pair = names_->pairs[i];
    if (pair.space != space) continue;
    if (event.address == pair.index && direction_of(event.kind) == Direction::kWrite) {
      const auto value = value_of(event, reply);
      states[i] = {value.has_value(), value.value_or(0)};
    }
    if (event.address != pair.data || !states[i].known) continue;
    named = {};
    named.pair = &pair;
    named.index = states[i].index;
    const auto found = std::lower_bound(pair.registers.begin(), pair.registers.end(), named.index,
                                        [](const RegisterName& reg, uint64_t wanted) { return reg.offset < wanted; });
    if (found != pair.registers.end() && found->offset == named.index) named.reg = &*found;
    states[i].index += pair.increment;
  }
  return named;
}

}  // namespace dartboard::traces
