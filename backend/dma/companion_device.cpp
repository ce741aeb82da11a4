// backend/dma/companion_device.cpp - registers, configuration space and the frame of a batch. The entries:
// companion_batch.cpp.
#include "backend/dma/companion_device.h"

#include <algorithm>

#include <fmt/format.h>

namespace dartboard::backend::dma {

using namespace companion;

namespace {

constexpr std::byte kAllOnes{0xff};

const Register* find_register(uint32_t offset) {
  for (const Register& r : kRegisters) {
    if (r.offset == offset) return &r;
  }
  return nullptr;
}

bool wraps(uint64_t first, uint64_t bytes) {
  return bytes != 0 && bytes - 1 > UINT64_MAX - first;
}

bool overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes) {
  return a < b ? b - a < a_bytes : a - b < b_bytes;
}

}  // namespace

CompanionDevice::CompanionDevice(GuestBus& bus, Mapper& mapper, const CompanionOptions& options)
    : bus_(bus), mapper_(mapper), options_(options) {
  reset();
}

void CompanionDevice::reset() {
  command_gpa_ = 0;
  status_ = Status::kOk;
  config_ = {};
  for (const ConfigField& field : kConfig) std::memcpy(config_.data() + field.offset, &field.reset, field.bytes);
}

uint32_t CompanionDevice::register_value(uint32_t offset) const {
  const Register* known = find_register(offset);
  if (known == nullptr || known->access != Access::kRead) return 0;
  switch (offset) {
    case kRegVersion: return kVersion;
    case kRegManagedBdf: return options_.managed.value;
    case kRegMaxEntries: return options_.entries_max;
    default: return static_cast<uint32_t>(status_);
  }
}

void CompanionDevice::read(uint64_t offset, std::span<std::byte> data) {
  const uint64_t inside = offset < kBarBytes ? std::min<uint64_t>(data.size(), kBarBytes - offset) : 0;
  if (inside < data.size()) ++stats_.outside;
  for (uint64_t i = 0; i < inside; ++i) {
    const auto at = static_cast<uint32_t>(offset + i);
    data[i] = static_cast<std::byte>(register_value(at & ~3u) >> (8 * (at & 3)));
  }
  std::fill(data.begin() + static_cast<std::ptrdiff_t>(inside), data.end(), kAllOnes);
}

void CompanionDevice::write(uint64_t offset, std::span<const std::byte> data) {
  if (offset >= kBarBytes || data.size() > kBarBytes - offset) ++stats_.outside;
  if (offset >= kBarBytes) return;
  data = data.first(std::min<uint64_t>(data.size(), kBarBytes - offset));
  while (!data.empty()) {
    const uint64_t in_register = offset & 3;
    const uint64_t bytes = std::min<uint64_t>(data.size(), 4 - in_register);
    const uint64_t which = offset - in_register;
    if (which == kRegCommandLow || which == kRegCommandHigh) {
      const unsigned shift = static_cast<unsigned>(8 * (in_register + (which - kRegCommandLow)));
      uint64_t value = 0;
      std::memcpy(&value, data.data(), bytes);
      const uint64_t mask = ((uint64_t{1} << (8 * bytes)) - 1) << shift;
      command_gpa_ = (command_gpa_ & ~mask) | (value << shift);
    } else if (which == kRegDoorbell) {
      doorbell();
    }
    offset += bytes;
    data = data.subspan(bytes);
  }
}

void CompanionDevice::read_config(uint64_t offset, std::span<std::byte> data) const {
  for (uint64_t i = 0; i < data.size(); ++i) {
    data[i] = offset < kConfigBytes && i < kConfigBytes - offset ? config_[offset + i] : kAllOnes;
  }
}

void CompanionDevice::write_config(uint64_t offset, std::span<const std::byte> data) {
  for (const ConfigField& field : kConfig) {
    for (uint32_t i = 0; i < field.bytes; ++i) {
      const uint64_t at = field.offset + i;
      if (at < offset || at - offset >= data.size()) continue;
      const auto mask = static_cast<std::byte>(field.writable >> (8 * i));
      config_[at] = (config_[at] & ~mask) | (data[at - offset] & mask);
    }
  }
}

void CompanionDevice::refuse(ErrorName name, std::string sentence) {
  refuse(Error{name, io_return::kSuccess, std::move(sentence)});
}
void CompanionDevice::refuse(const Error& error) {
  if (!refusal_) refusal_ = error;
}

void CompanionDevice::doorbell() {
  // Memory that the device writes may lie behind its own registers, and another processor may ring meanwhile.
  if (running_) {
    ++stats_.doorbells_dropped;
    return;
  }
  running_ = true;
  ++stats_.doorbells;
  refusal_.reset();
  status_ = run(Gpa(command_gpa_));
  running_ = false;
}

Status CompanionDevice::run(Gpa command) {
  std::array<std::byte, kCommandPage.bytes> page{};
  if (command.value == 0 || wraps(command.value, page.size()) || !bus_.read(command, page)) {
    ++stats_.batches_refused;
    refuse(ErrorName::kBadArgument,
           fmt::format("companion: the command page at {:#x} is not guest RAM; write CMD_GPA first", command.value));
    return Status::kInvalid;  // there is nowhere to write it
  }
  const auto type = static_cast<Command>(get(page.data(), kCommandPage.type));
  const auto count = static_cast<uint32_t>(get(page.data(), kCommandPage.count));
  const Gpa requests(get(page.data(), kCommandPage.requests)), responses(get(page.data(), kCommandPage.responses));

  Status status = Status::kInvalid;
  if (fetch(type, count, requests, responses, command)) {
    status = type == Command::kMap ? run_map(count) : run_unmap(count);
    if (!bus_.write(responses, responses_)) {
      refuse(ErrorName::kBadArgument,
             fmt::format("companion: the responses at {:#x} can no longer be written; what the "
                         "batch mapped is unmapped",
                         responses.value));
      status = give_back(type);
    }
  } else {
    ++stats_.batches_refused;
  }
  std::array<std::byte, 4> word{};
  put(word.data(), {0, 4}, static_cast<uint64_t>(status));
  if (!bus_.write(command + kCommandPage.status.offset, word) && status != Status::kInvalid) {
    refuse(ErrorName::kBadArgument,
           fmt::format("companion: the command page at {:#x} can no longer be written; what the "
                       "batch mapped is unmapped",
                       command.value));
    status = give_back(type);
  }
  return status;
}

/// Checks the batch as a whole and copies its requests. False: refused.
bool CompanionDevice::fetch(Command type, uint32_t count, Gpa requests, Gpa responses, Gpa command) {
  const WireLayout& wire = *options_.layout;
  if (type != Command::kMap && type != Command::kUnmap) {
    refuse(ErrorName::kBadArgument,
           fmt::format("companion: command {} is neither map (1) nor unmap (2)", static_cast<uint32_t>(type)));
    return false;
  }
  if (count == 0 || count > options_.entries_max) {
    refuse(ErrorName::kBadArgument,
           fmt::format("companion: a batch of {} entries; expected 1 to {}", count, options_.entries_max));
    return false;
  }
  const bool map = type == Command::kMap;
  const uint64_t request_bytes = uint64_t{count} * (map ? wire.map_request.bytes : wire.unmap_request.bytes);
  const uint64_t response_bytes = uint64_t{count} * (map ? wire.map_response.bytes : wire.unmap_response.bytes);
  requests_.resize(request_bytes);
  if (requests.value == 0 || wraps(requests.value, request_bytes) || !bus_.read(requests, requests_)) {
    refuse(ErrorName::kBadArgument, fmt::format("companion: the requests, {:#x} bytes at {:#x}, are not guest RAM",
                                                request_bytes, requests.value));
    return false;
  }
  // Over the requests the responses may lie, those are fetched; over the command page they would take its status.
  if (responses.value == 0 || wraps(responses.value, response_bytes) || !bus_.covers(responses, response_bytes) ||
      overlap(responses.value, response_bytes, command.value, kCommandPage.bytes)) {
    refuse(ErrorName::kBadArgument,
           fmt::format("companion: the responses, {:#x} bytes at {:#x}, are not guest RAM or lie over the command page",
                       response_bytes, responses.value));
    return false;
  }
  responses_.assign(response_bytes, std::byte{});
  return true;
}

void CompanionDevice::inspect(InspectNode& node) const {
  node.value = "apple-dma-pci";
  for (const Register& r : kRegisters) {
    if (r.access == Access::kRead) {
      node.child(std::string(r.name), fmt::format("{:#x}", register_value(r.offset)), std::string(r.meaning));
    }
  }
  node.child("CMD_GPA", fmt::format("{:#x}", command_gpa_));
  node.child("layout", std::string(options_.layout->name));
  node.child("live entries", fmt::format("{}", live()), fmt::format("in {} registrations", registrations()));
  node.child("doorbells", fmt::format("{}", stats_.doorbells),
             fmt::format("{} dropped, {} batches and {} entries refused", stats_.doorbells_dropped,
                         stats_.batches_refused, stats_.entries_refused));
  if (refusal_) node.child("last refusal", refusal_->sentence);
}

}  // namespace dartboard::backend::dma
