// tests/model/tlp_test.cpp - requests as TLM payloads: commands, responses, packets on the wire, names.
#include "model/tlp.h"

#include <array>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "model/observer.h"

namespace dartboard::model::test {
namespace {

TEST(Tlp, KindDecidesTheTlmCommand) {
  const struct {
    TlpKind kind;
    bool read, config, posted;
  } rows[] = {
      {TlpKind::kMemRead, true, false, false}, {TlpKind::kMemWrite, false, false, true},
      {TlpKind::kIoRead, true, false, false},  {TlpKind::kIoWrite, false, false, false},
      {TlpKind::kCfgRead0, true, true, false}, {TlpKind::kCfgWrite0, false, true, false},
      {TlpKind::kCfgRead1, true, true, false}, {TlpKind::kCfgWrite1, false, true, false},
      {TlpKind::kMessage, false, false, true},
  };
  Tlp tlp;
  std::array<std::byte, 4> data{};
  for (const auto& row : rows) {
    SCOPED_TRACE(std::string(to_string(row.kind)));
    tlp.request(row.kind, Rid(1, 2, 3), 0x1000, data.data(), 4, Rid(4, 5, 6));
    EXPECT_EQ(tlp.is_read(), row.read);
    EXPECT_EQ(is_config(row.kind), row.config);
    EXPECT_EQ(is_posted(row.kind), row.posted);
    EXPECT_EQ(tlp.outcome(), Outcome::kPending);
    EXPECT_EQ(tlp.get_response_status(), tlm::TLM_INCOMPLETE_RESPONSE);
    EXPECT_EQ(tlp.extension().requester, Rid(1, 2, 3));
    EXPECT_EQ(tlp.extension().completer, Rid(4, 5, 6));
  }
}

TEST(Tlp, OutcomeHasItsTlmResponse) {
  Tlp tlp;
  std::array<std::byte, 4> data{};
  tlp.request(TlpKind::kMemRead, Rid(), 0, data.data(), 4);
  complete(tlp, &tlp.extension(), Outcome::kSuccess);
  EXPECT_TRUE(tlp.is_response_ok());
  for (unsigned o = 2; o < kOutcomeCount; ++o) {
    complete(tlp, &tlp.extension(), static_cast<Outcome>(o));
    EXPECT_TRUE(tlp.is_response_error());
    EXPECT_EQ(tlp.outcome(), static_cast<Outcome>(o));
  }
}

TEST(Tlp, FailedReadIsAllOnesFailedWriteKeepsItsData) {
  Tlp tlp;
  std::array<std::byte, 4> data{};
  tlp.request(TlpKind::kMemWrite, Rid(), 0, data.data(), 4);
  complete_all_ones(tlp, nullptr, Outcome::kUnsupportedRequest);
  EXPECT_EQ(data[0], std::byte{0});
  tlp.request(TlpKind::kMemRead, Rid(), 0, data.data(), 4);
  complete_all_ones(tlp, nullptr, Outcome::kUnsupportedRequest);
  EXPECT_EQ(data[3], std::byte{0xff});
}

TEST(Tlp, PacketsAreSplitAtMaxPayloadBoundaries) {
  const struct {
    uint64_t address, length;
    uint32_t max_payload, packets;
  } rows[] = {
      {0, 0, 128, 1},   {0, 1, 128, 1},     {0, 128, 128, 1},   {1, 128, 128, 2},        {0, 129, 128, 2},
      {127, 2, 128, 2}, {0, 4096, 4096, 1}, {4095, 2, 4096, 2}, {0, 2 << 20, 256, 8192}, {64, 2 << 20, 256, 8193},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(packet_count(row.address, row.length, row.max_payload), row.packets)
        << row.address << "+" << row.length << " by " << row.max_payload;
  }
}

TEST(Tlp, NamesAreDistinct) {
  std::set<std::string_view> names;
  for (unsigned i = 0; i < kTlpKindCount; ++i) names.insert(to_string(static_cast<TlpKind>(i)));
  EXPECT_EQ(names.size(), kTlpKindCount);
  names.clear();
  for (unsigned i = 0; i < kOutcomeCount; ++i) names.insert(to_string(static_cast<Outcome>(i)));
  EXPECT_EQ(names.size(), kOutcomeCount);
  names.clear();
  for (unsigned i = 0; i < kResetKindCount; ++i) names.insert(to_string(static_cast<ResetKind>(i)));
  EXPECT_EQ(names.size(), kResetKindCount);
}

}  // namespace
}  // namespace dartboard::model::test
