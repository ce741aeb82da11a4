// tests/dma/companion_rig.h - the companion device with a guest that writes its batches by hand.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "backend/dma/companion_device.h"
#include "tests/dma/fake_guest.h"
#include "tests/dma/fake_mapper.h"

namespace dartboard::backend::dma {

/// Guest memory that counts how often each byte is fetched, and calls out before each fetch and store.
class WatchedBus final : public GuestBus {
 public:
  explicit WatchedBus(const GuestMemory& memory) : memory_(memory) {}

  bool read(Gpa gpa, std::span<std::byte> data) override {
    if (before) before();
    for (uint64_t i = 0; i < data.size(); ++i) ++fetches[gpa.value + i];
    return memory_.read(gpa, data);
  }
  bool write(Gpa gpa, std::span<const std::byte> data) override {
    ++writes;
    if (before) before();
    if (writes == fail_write) return false;
    return memory_.write(gpa, data);
  }
  bool covers(Gpa gpa, uint64_t bytes) override { return memory_.covers(gpa, bytes); }
  std::byte* memory(Gpa gpa, uint64_t bytes) override { return memory_.at(gpa, bytes); }

  std::function<void()> before;
  std::map<uint64_t, unsigned> fetches;
  uint64_t writes = 0, fail_write = 0;

 private:
  const GuestMemory& memory_;
};

struct CompanionRig {
  struct Request {
    Gpa gpa;
    uint64_t bytes;
  };
  struct Answer {
    uint64_t id, iova, length;
    uint32_t status;
  };

  static constexpr Gpa kCommand{0x4000'0120}, kRequests{0x4000'1001}, kResponses{0x4002'0003};
  static constexpr uint64_t kFree = kMiB;  ///< from here on RAM is free

  explicit CompanionRig(const CompanionOptions& o = {}, const Budget& budget = {})
      : options(o), mapper(budget), bus(guest.memory), device(bus, mapper, options) {
    std::memset(guest.memory.at(kCommand, 32), 0, 32);
  }

  Gpa ram(uint64_t offset) const { return FakeGuest::kBase + kFree + offset; }
  void put(Gpa gpa, uint64_t value, unsigned bytes) { std::memcpy(guest.memory.at(gpa, bytes), &value, bytes); }
  void put32(Gpa gpa, uint32_t value) { put(gpa, value, 4); }
  uint64_t get(Gpa gpa, unsigned bytes) const {
    uint64_t value = 0;
    std::memcpy(&value, guest.memory.at(gpa, bytes), bytes);
    return value;
  }
  uint32_t get32(Gpa gpa) const { return static_cast<uint32_t>(get(gpa, 4)); }

  void write32(uint32_t offset, uint32_t value) { device.write(offset, std::as_bytes(std::span(&value, 1))); }
  uint32_t status() {
    uint32_t value = 0;
    device.read(companion::kRegStatus, std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }

  void command(uint32_t type, uint32_t count, Gpa requests = kRequests, Gpa responses = kResponses) {
    const companion::CommandPage& page = companion::kCommandPage;
    put(kCommand + page.type.offset, type, 4);
    put(kCommand + page.count.offset, count, 4);
    put(kCommand + page.status.offset, 0xaaaa, 4);
    put(kCommand + page.requests.offset, requests.value, 8);
    put(kCommand + page.responses.offset, responses.value, 8);
    write32(companion::kRegCommandLow, static_cast<uint32_t>(kCommand.value));
    write32(companion::kRegCommandHigh, static_cast<uint32_t>(kCommand.value >> 32));
  }
  void ring() { write32(companion::kRegDoorbell, 1); }

  void put_map(uint32_t i, Gpa gpa, uint64_t bytes, Gpa requests = kRequests) {
    const companion::MapRequestLayout& r = options.layout->map_request;
    const Gpa at = requests + uint64_t{i} * r.bytes;
    put(at + r.gpa.offset, gpa.value, r.gpa.bytes);
    put(at + r.length.offset, bytes, r.length.bytes);
    put(at + r.flags.offset, 0, r.flags.bytes);
  }
  void put_unmap(uint32_t i, uint64_t id, Gpa requests = kRequests) {
    const companion::UnmapRequestLayout& r = options.layout->unmap_request;
    put(requests + uint64_t{i} * r.bytes + r.id.offset, id, r.id.bytes);
    put(requests + uint64_t{i} * r.bytes + r.size.offset, 0, r.size.bytes);
  }
  Answer answer(uint32_t i, Gpa responses = kResponses) const {
    const companion::MapResponseLayout& r = options.layout->map_response;
    const Gpa at = responses + uint64_t{i} * r.bytes;
    return {get(at + r.id.offset, r.id.bytes), get(at + r.iova.offset, r.iova.bytes),
            get(at + r.length.offset, r.length.bytes), get32(at + r.status.offset)};
  }

  std::vector<Answer> map(const std::vector<Request>& requests) {
    command(1, static_cast<uint32_t>(requests.size()));
    for (uint32_t i = 0; i < requests.size(); ++i) put_map(i, requests[i].gpa, requests[i].bytes);
    ring();
    EXPECT_EQ(get32(kCommand + companion::kCommandPage.status.offset), status()) << "in the page and in the register";
    std::vector<Answer> answers;
    for (uint32_t i = 0; i < requests.size(); ++i) answers.push_back(answer(i));
    return answers;
  }
  std::vector<uint32_t> unmap(const std::vector<uint64_t>& ids) {
    command(2, static_cast<uint32_t>(ids.size()));
    for (uint32_t i = 0; i < ids.size(); ++i) put_unmap(i, ids[i]);
    ring();
    const companion::UnmapResponseLayout& r = options.layout->unmap_response;
    std::vector<uint32_t> all;
    for (uint32_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(get(kResponses + i * r.bytes + r.id.offset, 8), ids[i]);
      all.push_back(get32(kResponses + i * r.bytes + r.status.offset));
    }
    return all;
  }

  CompanionOptions options;
  FakeGuest guest;
  FakeMapper mapper;
  WatchedBus bus;
  CompanionDevice device;
};

}  // namespace dartboard::backend::dma
