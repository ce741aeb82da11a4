// model/endpoint/test.h - the test endpoint 1b36:00db: a device whose every behaviour a test can ask for.
//
// The identity is in the range Red Hat gives to virtual devices, at a number that no QEMU device uses.
//   BAR0  mem32, 16 KiB        registers, below
//   BAR2  mem64 prefetchable   device memory, 1 MiB unless the options say otherwise
//   BAR4  mem32, 4 KiB         MSI-X table at 0, PBA at 800h
//
// Registers (BAR0). 64-bit registers may be accessed as two dwords; what is not listed reads 0.
//   000 ID             RO   "DBTE" (45544244h)
//   004 VERSION        RO   1
//   008 SCRATCH        RW
//   00c CONTROL        RW   0 DMA_IMMEDIATE: a command is complete when its write returns
//                           1 IRQ_ENABLE: a completed DMA raises interrupt DMA_VECTOR
//   010 STATUS              0 BUSY (RO); RW1C: 1 DONE, 2 ERROR, 3 OVERRUN (command while busy, ignored)
//   014 DMA_ERROR      RO   TestDmaError of the last completed DMA
//   020 DMA_SOURCE     RW   64 bit: I/O virtual address, or offset in device memory
//   028 DMA_DESTINATION RW  64 bit: likewise
//   030 DMA_LENGTH     RW   bytes, at most 16 MiB
//   034 DMA_COMMAND    WO   TestDmaCommand; starts the DMA
//   038 DMA_DELAY_NS   RW   simulated time between the command and the transfer
//   03c DMA_VECTOR     RW   10:0 interrupt vector
//   040 DMA_COUNT      RO   DMAs completed, well or badly
//   044 DMA_PATTERN    RW   32-bit pattern of the fill commands
//   050 RAISE          WO   raises interrupt vector 10:0 (MSI-X, MSI or INTx, whatever is enabled)
//   054 INTX           RW   0 ASSERT: the INTx condition of the device
//   058 RAISE_COUNT    RO   interrupts asked for, by RAISE and by DMA
//   060 TIME           RO   64 bit: simulated time in ns; read 8 bytes at once
//   068 DOORBELL       WO
//   06c DOORBELL_COUNT RO   writes to DOORBELL
//   070 DOORBELL_VALUE RO   last value written to it
//   080 EVENT          RW1C 31:0
//   084 EVENT_SET      WO   sets bits in EVENT
//   088 STICKY         RWS  survives everything but power-on and PERST
//   08c FLR_KEPT       RW   survives FLR and D3hot->D0
//   090 STRAP          HwInit  a5a50001h
//   100 RAM[64]        RW   plain dwords
#pragma once

#include <cstdint>
#include <vector>

#include "model/endpoint.h"

namespace dartboard::model {

namespace test_register {
inline constexpr uint32_t kId = 0x000;
inline constexpr uint32_t kVersion = 0x004;
inline constexpr uint32_t kScratch = 0x008;
inline constexpr uint32_t kControl = 0x00c;
inline constexpr uint32_t kStatus = 0x010;
inline constexpr uint32_t kDmaError = 0x014;
inline constexpr uint32_t kDmaSource = 0x020;
inline constexpr uint32_t kDmaDestination = 0x028;
inline constexpr uint32_t kDmaLength = 0x030;
inline constexpr uint32_t kDmaCommand = 0x034;
inline constexpr uint32_t kDmaDelayNs = 0x038;
inline constexpr uint32_t kDmaVector = 0x03c;
inline constexpr uint32_t kDmaCount = 0x040;
inline constexpr uint32_t kDmaPattern = 0x044;
inline constexpr uint32_t kRaise = 0x050;
inline constexpr uint32_t kIntx = 0x054;
inline constexpr uint32_t kRaiseCount = 0x058;
inline constexpr uint32_t kTime = 0x060;
inline constexpr uint32_t kDoorbell = 0x068;
inline constexpr uint32_t kDoorbellCount = 0x06c;
inline constexpr uint32_t kDoorbellValue = 0x070;
inline constexpr uint32_t kEvent = 0x080;
inline constexpr uint32_t kEventSet = 0x084;
inline constexpr uint32_t kSticky = 0x088;
inline constexpr uint32_t kFlrKept = 0x08c;
inline constexpr uint32_t kStrap = 0x090;
inline constexpr uint32_t kRam = 0x100;

inline constexpr uint32_t kIdValue = 0x4554'4244;
inline constexpr uint32_t kControlImmediate = 1u << 0;
inline constexpr uint32_t kControlIrqEnable = 1u << 1;
inline constexpr uint32_t kStatusBusy = 1u << 0;
inline constexpr uint32_t kStatusDone = 1u << 1;
inline constexpr uint32_t kStatusError = 1u << 2;
inline constexpr uint32_t kStatusOverrun = 1u << 3;
}  // namespace test_register

inline constexpr uint16_t kTestVendorId = 0x1b36;
inline constexpr uint16_t kTestDeviceId = 0x00db;
inline constexpr unsigned kTestRegisterBar = 0;
inline constexpr unsigned kTestMemoryBar = 2;
inline constexpr unsigned kTestMsixBar = 4;
inline constexpr uint32_t kTestMsixPbaOffset = 0x800;
inline constexpr uint32_t kTestDmaBytesMax = 16 * kMiB;

/// Values of DMA_COMMAND.
enum class TestDmaCommand : uint32_t {
  kHostToDevice = 1,   ///< host memory at SOURCE to device memory at DESTINATION
  kDeviceToHost = 2,   ///< device memory at SOURCE to host memory at DESTINATION
  kFillHost = 3,       ///< PATTERN to host memory at DESTINATION
  kFillDevice = 4,     ///< PATTERN to device memory at DESTINATION
  kReverse = 5,        ///< host memory at SOURCE to host memory at DESTINATION, last byte first
};

/// Values of DMA_ERROR.
enum class TestDmaError : uint32_t {
  kNone = 0,
  kUnsupportedRequest = 1,
  kCompleterAbort = 2,
  kCompletionTimeout = 3,
  kPoisoned = 4,
  kLinkDown = 5,
  kBusMasterOff = 6,    ///< nothing was sent
  kOutOfRange = 7,      ///< outside device memory, or longer than kTestDmaBytesMax
  kBadCommand = 8,
};

/// What DMA_ERROR says of a request of the engine that ended so.
TestDmaError test_dma_error(Outcome outcome);

extern const std::span<const RegisterDecl> kTestEndpointRegisters;

struct TestEndpointOptions {
  bool pcie = true;                  ///< false: no PCI Express capability, so no FLR
  bool flr = true;
  bool flr_fails = false;            ///< after FLR the function does not answer until a hot reset
  bool hot_reset_fails = false;      ///< after hot reset, PERST or link down it does not answer until power-on
  bool msix = true;
  bool msi = true;
  bool intx = true;
  bool no_soft_reset = false;
  uint32_t msix_vectors = 32;        ///< at most 128, so that the table ends below the PBA
  uint64_t memory_bytes = kMiB;      ///< of BAR2, a power of two
  uint64_t reset_ready_ns = 0;       ///< RRS window after a reset
  uint64_t serial_number = 0x0000'1b36'00db'0001;
};

EndpointDeclaration test_endpoint_declaration(const TestEndpointOptions& options);

class TestEndpoint : public Endpoint {
 public:
  explicit TestEndpoint(const TestEndpointOptions& options = {});
  ~TestEndpoint() override;

  std::string_view kind() const override { return "test endpoint"; }
  void attach(Upstream* upstream) override;
  void reset(ResetKind kind) override;
  void inspect(InspectNode& node) const override;

  const RegisterFile& registers() const { return registers_; }

 protected:
  Outcome read_bar(unsigned bar, uint64_t offset, std::byte* data, uint32_t length) override;
  Outcome write_bar(unsigned bar, uint64_t offset, const std::byte* data, uint32_t length) override;

 private:
  enum class DmaPhase : uint8_t { kIdle, kWaiting, kOnTheLink };
  struct DmaTimer final : Timer {
    explicit DmaTimer(TestEndpoint& owner_in) : owner(owner_in) {}
    void expire() override { owner.dma_timer_expired(); }
    TestEndpoint& owner;
  };

  static void before_time_read(void* owner, uint32_t offset);
  static void after_command_write(void* owner, const RegisterWrite& write);
  void start_dma(uint32_t command);
  void dma_timer_expired();
  void cancel_dma();
  TestDmaError run_dma();
  TestDmaError move(TestDmaCommand command, uint64_t source, uint64_t destination, uint32_t length);
  TestDmaError check(Outcome outcome);
  TestDmaError fill_host(uint64_t destination, uint32_t length);
  TestDmaError reverse(uint64_t source, uint64_t destination, uint32_t length);
  std::byte* device_bytes(uint64_t offset, uint32_t length);
  void finish_dma(TestDmaError error);
  void count_and_raise(uint32_t vector);

  TestEndpointOptions options_;
  RegisterFile registers_;
  std::vector<std::byte> staging_;
  DmaTimer dma_timer_;
  DmaPhase dma_phase_ = DmaPhase::kIdle;
  uint32_t dma_command_ = 0;
  uint64_t dma_link_ns_ = 0;
  TestDmaError dma_result_ = TestDmaError::kNone;
};

}  // namespace dartboard::model
