// tests/model/tlp_header_test.cpp - headers bit by bit, against packets worked out by hand from PCIe 6.0 s2.2.
#include "model/tlp_header.h"

#include <gtest/gtest.h>

namespace dartboard::model {
namespace {

struct Row {
  const char* what;
  RequestInfo request;
  std::array<uint32_t, 4> dwords;
};

TEST(TlpHeader, RequestsAreEncodedAsOnTheWire) {
  const Rid cpu(0, 0, 0), device(1, 0, 0);
  const Row rows[] = {
      {"read of a dword below 4 GiB",
       {TlpKind::kMemRead, cpu, {}, 0x8000'0010, 4},
       {0x0000'0001, 0x0000'000f, 0x8000'0010, 0}},
      {"write of a dword above 4 GiB",
       {TlpKind::kMemWrite, device, {}, 0x12'0000'0004, 4},
       {0x6000'0001, 0x0100'000f, 0x12, 0x0000'0004}},
      {"byte 3 of a dword", {TlpKind::kMemRead, cpu, {}, 0x1003, 1}, {0x0000'0001, 0x0000'0008, 0x1000, 0}},
      {"two bytes over a dword border",
       {TlpKind::kMemWrite, cpu, {}, 0x1003, 2},
       {0x4000'0002, 0x0000'0018, 0x1000, 0}},
      {"eight bytes", {TlpKind::kMemWrite, cpu, {}, 0x1000, 8}, {0x4000'0002, 0x0000'00ff, 0x1000, 0}},
      {"4 KiB: length 0 means 1024 dwords",
       {TlpKind::kMemWrite, cpu, {}, 0x2000, 4096},
       {0x4000'0000, 0x0000'00ff, 0x2000, 0}},
      {"the first packet ends at the 4 KiB border",
       {TlpKind::kMemWrite, cpu, {}, 0x2ffc, 4096},
       {0x4000'0001, 0x0000'000f, 0x2ffc, 0}},
      {"a flush enables no byte", {TlpKind::kMemRead, cpu, {}, 0x2000, 0}, {0x0000'0001, 0, 0x2000, 0}},
      {"I/O write", {TlpKind::kIoWrite, cpu, {}, 0xe002, 2}, {0x4200'0001, 0x0000'000c, 0xe000, 0}},
      {"type 0 configuration read of 104h",
       {TlpKind::kCfgRead0, cpu, Rid(1, 0, 2), 0x104, 4},
       {0x0400'0001, 0x0000'000f, 0x0102'0104, 0}},
      {"type 1 configuration write",
       {TlpKind::kCfgWrite1, cpu, Rid(2, 3, 0), 0x3c, 1},
       {0x4500'0001, 0x0000'0001, 0x0218'003c, 0}},
      {"message to the root complex", {TlpKind::kMessage, device, {}, 0, 0}, {0x3000'0001, 0x0100'0000, 0, 0}},
  };
  for (const Row& row : rows) EXPECT_EQ(request_header(row.request).dwords, row.dwords) << row.what;
}

TEST(TlpHeader, CompletionsCarryStatusCountAndRequester) {
  const RequestInfo read{TlpKind::kMemRead, Rid(0, 0, 0), {}, 0x8000'0094, 8};
  const RequestInfo config{TlpKind::kCfgRead0, Rid(0, 0, 0), Rid(1, 0, 0), 0x10, 4};
  const Rid device(1, 0, 0);
  using S = CompletionStatus;
  using Dwords = std::array<uint32_t, 4>;
  EXPECT_EQ(completion_header(read, device, S::kSuccess).dwords, (Dwords{0x4a00'0002, 0x0100'0008, 0x14, 0}));
  EXPECT_EQ(completion_header(read, device, S::kSuccess, true).dwords, (Dwords{0x4a00'4002, 0x0100'0008, 0x14, 0}))
      << "EP";
  EXPECT_EQ(completion_header(read, device, S::kUnsupportedRequest).dwords,
            (Dwords{0x0a00'0000, 0x0100'2008, 0x14, 0}));
  EXPECT_EQ(completion_header(read, device, S::kCompleterAbort, false, 7).dwords,
            (Dwords{0x0a00'0000, 0x0100'8008, 0x714, 0}));
  EXPECT_EQ(completion_header(config, device, S::kRequestRetry).dwords, (Dwords{0x0a00'0000, 0x0100'4004, 0, 0}));
}

}  // namespace
}  // namespace dartboard::model
