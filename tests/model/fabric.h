// tests/model/fabric.h - the one root complex the tests of the fabric share, with a fake device, observer and platform.
//
// SystemC elaborates once: the modules are built by a global test environment, before the first test can start the
// kernel. Each test begins with Fabric::start().
#pragma once

#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <tlm_utils/simple_initiator_socket.h>
#include <systemc>

#include "model/dart_registers.h"
#include "model/dart_tables.h"
#include "model/root_complex.h"

namespace dartboard::model::test {

/// Page-aligned memory of a "task".
class Pages {
 public:
  explicit Pages(uint64_t bytes, std::byte fill = std::byte{0}) : bytes_(bytes) {
    data_ = static_cast<std::byte*>(std::aligned_alloc(16 * kKiB, round_up(bytes, 16 * kKiB)));
    std::memset(data_, std::to_integer<int>(fill), bytes);
  }
  ~Pages() { std::free(data_); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  std::byte* data() { return data_; }
  std::byte& operator[](uint64_t i) { return data_[i]; }
  uint64_t size() const { return bytes_; }
  bool all(std::byte value) const {
    for (uint64_t i = 0; i < bytes_; ++i) {
      if (data_[i] != value) return false;
    }
    return true;
  }

 private:
  std::byte* data_;
  uint64_t bytes_;
};

/// Remembers what reaches it and answers as told.
class FakeDevice final : public PcieDevice {
 public:
  struct Request {
    TlpKind kind;
    uint64_t address;
    uint32_t length;
    Rid completer;
  };
  std::vector<Request> requests;
  std::vector<ResetKind> resets;
  std::array<uint8_t, 4096> config{};
  std::vector<std::byte> bar0 = std::vector<std::byte>(64 * kKiB);
  uint64_t read_value = 0x1122'3344'5566'7788;
  bool answer = true;     ///< false: leaves the payload as it came
  bool tlm_only = false;  ///< answers with the TLM response alone
  Outcome outcome = Outcome::kSuccess;
  Upstream* upstream = nullptr;

  std::string_view kind() const override { return "fake device"; }
  void attach(Upstream* up) override { upstream = up; }
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time&) override {
    auto* extension = payload.get_extension<TlpExtension>();
    const auto kind = extension != nullptr ? extension->kind
                      : payload.is_read()  ? TlpKind::kMemRead
                                           : TlpKind::kMemWrite;
    requests.push_back(
        {kind, payload.get_address(), payload.get_data_length(), extension != nullptr ? extension->completer : Rid()});
    if (!answer) return;
    if (is_config(kind) && payload.is_read()) {
      std::memcpy(payload.get_data_ptr(), config.data() + payload.get_address(), payload.get_data_length());
    } else if (payload.is_read()) {
      std::memcpy(payload.get_data_ptr(), &read_value, payload.get_data_length());
    } else if (is_config(kind)) {
      std::memcpy(config.data() + payload.get_address(), payload.get_data_ptr(), payload.get_data_length());
    }
    complete(payload, tlm_only ? nullptr : extension, outcome);
  }
  void reset(ResetKind kind) override { resets.push_back(kind); }
  DirectMemory direct_memory(unsigned bar, uint64_t offset, uint64_t length) override {
    if (bar != 0 || !in_range(offset, length, bar0.size())) return {};
    return {bar0.data() + offset, length};
  }
  void inspect(InspectNode& node) const override { node.child("fake"); }
};

class RecordingObserver final : public Observer {
 public:
  std::vector<TlpEvent> tlps;
  std::vector<DartFault> faults;
  std::vector<uint32_t> msis;
  std::vector<ResetKind> resets;
  std::vector<bool> links;
  void on_tlp(const TlpEvent& event) override { tlps.push_back(event); }
  void on_dart_fault(const DartFault& fault) override { faults.push_back(fault); }
  void on_msi(uint8_t, uint32_t vector) override { msis.push_back(vector); }
  void on_reset(uint8_t, ResetKind kind) override { resets.push_back(kind); }
  void on_link(uint8_t, bool up) override { links.push_back(up); }
};

class RecordingSink final : public PlatformSink {
 public:
  std::vector<uint32_t> msis;
  std::vector<DartFault> faults;
  std::vector<std::pair<unsigned, bool>> intx;
  std::vector<bool> links;
  std::vector<uint64_t> overflows;
  std::vector<RootError> errors;
  void on_root_error(unsigned, const RootError& error) override { errors.push_back(error); }
  void on_msi(unsigned, uint32_t vector) override { msis.push_back(vector); }
  void on_dart_error(unsigned, const DartFault& fault) override { faults.push_back(fault); }
  void on_intx(unsigned, unsigned pin, bool asserted) override { intx.emplace_back(pin, asserted); }
  void on_link_change(unsigned, bool up) override { links.push_back(up); }
  void on_address_overflow(unsigned, Rid, uint64_t address) override { overflows.push_back(address); }
};

inline std::string text(const InspectNode& node, const std::string& indent = {}) {
  std::string out = indent + node.name + " = " + node.value + "\n";
  for (const InspectNode& child : node.children) out += text(child, indent + "  ");
  return out;
}
template <class Module>
std::string inspect_text(const Module& module) {
  InspectNode node;
  module.inspect(node);
  return text(node);
}

/// The mapper's part in small: writes page tables with the declarations of dart_tables.h.
class TableWriter {
 public:
  TableWriter(HostMemory& memory, TableGeometry geometry, unsigned tables)
      : memory_(memory),
        geometry_(geometry),
        tables_(tables),
        root_(memory.allocate(kRootTableAlign, kRootTableAlign)) {}

  Hpa root() const { return root_; }
  /// The leaf table of `iova`, made if `make`; Hpa 0 if there is none.
  Hpa leaf(Iova iova, bool make) {
    Hpa table = root_;
    for (unsigned height = tables_ - 1; height > 0; --height) {
      uint64_t entry = 0;
      load_entry(memory_, table, geometry_.index(iova, height), &entry);
      if ((entry & kPteValid) == 0) {
        if (!make) return Hpa(0);
        entry = encode_table_entry(geometry_, memory_.allocate(geometry_.table_bytes(), geometry_.table_bytes()));
        store_entry(memory_, table, geometry_.index(iova, height), entry);
      }
      table = pte_address(geometry_, entry);
    }
    return table;
  }
  void map(Iova iova, Pte pte) {
    pte.valid = true;
    store_entry(memory_, leaf(iova, true), geometry_.index(iova, 0), encode_pte(geometry_, pte));
  }
  void map(Iova iova, Hpa page) { map(iova, Pte{.address = page}); }
  void unmap(Iova iova) {
    const Hpa table = leaf(iova, false);
    if (table != Hpa(0)) store_entry(memory_, table, geometry_.index(iova, 0), 0);
  }

 private:
  HostMemory& memory_;
  TableGeometry geometry_;
  unsigned tables_;
  Hpa root_;
};

class CpuPort final : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<CpuPort> socket;
  explicit CpuPort(sc_core::sc_module_name module_name) : sc_module(module_name), socket("socket") {}
};

/// A process with a clock of its own, as a Verilated endpoint has.
class Ticker final : public sc_core::sc_module {
 public:
  uint64_t ticks = 0;
  bool running = false;
#if IEEE_1666_SYSTEMC < 202301L
  SC_HAS_PROCESS(Ticker);  // obsolete since IEEE 1666-2023
#endif
  explicit Ticker(sc_core::sc_module_name module_name) : sc_module(module_name) {
    SC_METHOD(tick);
    sensitive << next_;
    dont_initialize();
  }
  void start() {
    running = true;
    next_.notify(sc_core::sc_time(10, sc_core::SC_NS));
  }
  void stop() {
    running = false;
    next_.cancel();
  }

 private:
  void tick() {
    ++ticks;
    if (running) next_.notify(sc_core::sc_time(10, sc_core::SC_NS));
  }
  sc_core::sc_event next_;
};

class Fabric {
 public:
  static Fabric& instance() {
    static Fabric* fabric = new Fabric;  // SystemC's modules live as long as the process
    return *fabric;
  }

  Timeline timeline{"fabric_timeline"};
  HostMemory memory{4 * kGiB};
  RootComplex root{"fabric_root", 0, timeline, memory};
  CpuPort cpu{"fabric_cpu"};
  Ticker ticker{"fabric_ticker"};
  std::unique_ptr<FakeDevice> device;
  std::unique_ptr<RecordingObserver> observer;
  std::unique_ptr<RecordingSink> sink;

  static constexpr uint64_t kBus = uint64_t{1} << 20;
  static constexpr uint64_t kBar = 0x4000'0000;
  static constexpr Rid kRid{1, 0, 0};

  /// Power-on with `config` and a device in the slot; nothing enumerated.
  void start(const RootComplexConfig& config = {}) {
    timeline.set_native_activity(false);
    root.plug(nullptr);
    device = std::make_unique<FakeDevice>();
    observer = std::make_unique<RecordingObserver>();
    sink = std::make_unique<RecordingSink>();
    timeline.reset();
    memory.reset();
    root.configure(config, observer.get(), sink.get());
    root.reset();
    root.plug(device.get());
    device->requests.clear();
    device->resets.clear();
    *observer = {};
    *sink = {};
  }
  /// Bus numbers, windows (memory 0x40000000..0x7fffffff) and Command as an enumerator sets them.
  void enumerate() {
    config_write(bridge::kPrimaryBus, 0x01'01'00, 4);
    config_write(bridge::kMemoryBase, 0x7ff0'4000, 4);
    config_write(bridge::kPrefetchBase, 0x0001'fff1, 4);
    config_write(cfg::kCommand, cfg::kCommandMemory | cfg::kCommandBusMaster, 2);
    write(kPortBase + port_reg::kInterruptStatus, 0xffff'ffff);
    observer->tlps.clear();
  }

  Outcome request(uint64_t address, void* data, uint32_t length, bool writing) {
    tlp_.request(writing ? TlpKind::kMemWrite : TlpKind::kMemRead, Rid(), address, data, length);
    sc_core::sc_time delay;
    cpu.socket->b_transport(tlp_, delay);
    return tlp_.outcome();
  }
  uint32_t read(uint64_t address, uint32_t length = 4, Outcome* outcome = nullptr) {
    uint32_t value = 0;
    const Outcome got = request(address, &value, length, false);
    if (outcome != nullptr) *outcome = got;
    return value;
  }
  Outcome write(uint64_t address, uint32_t value, uint32_t length = 4) {
    return request(address, &value, length, true);
  }
  uint32_t config_read(uint64_t ecam, uint32_t length = 4) { return read(kEcamBase + ecam, length); }
  void config_write(uint64_t ecam, uint32_t value, uint32_t length) { write(kEcamBase + ecam, value, length); }
  uint32_t port_read(uint32_t offset) { return read(kPortBase + offset); }
  uint32_t dart_read(uint32_t offset) { return read(kDartBase + offset); }
  void dart_write(uint32_t offset, uint32_t value) { write(kDartBase + offset, value); }

  /// A request of the device. `delay_ns`: link time it was charged.
  Outcome dma(uint64_t address, void* data, uint32_t length, bool writing, Rid rid = kRid,
              uint64_t* delay_ns = nullptr) {
    Tlp tlp;
    tlp.request(writing ? TlpKind::kMemWrite : TlpKind::kMemRead, rid, address, data, length);
    sc_core::sc_time delay;
    device->upstream->b_transport(tlp, delay);
    if (delay_ns != nullptr) *delay_ns = delay.value() / timeline.to_sc_time(1).value();
    return tlp.outcome();
  }

  /// Stream `sid` translating with `tables` (null root: TTBR invalid).
  void set_stream(Sid sid, Hpa root_table, bool four_levels = false) {
    using namespace dart_reg;
    dart_write(kTtbr + 4 * sid.value, root_table == Hpa(0) ? 0 : encode_ttbr(root_table.value));
    dart_write(kTcr + 4 * sid.value,
               static_cast<uint32_t>(mask_of(kTcrTranslate) | (four_levels ? mask_of(kTcrFourLevels) : 0)));
    dart_write(kEnableStreams + sid.value / 32 * 4, 1u << (sid.value % 32));
  }
  void flush_all() { dart_write(dart_reg::kTlbCmd, 0); }
  void flush_sid(Sid sid) {
    dart_write(dart_reg::kTlbCmd,
               static_cast<uint32_t>(set_field(dart_reg::kTlbOp, sid.value, dart_reg::kTlbOpFlushSid)));
  }
  void flush_range(Sid sid, uint64_t first_page, uint64_t last_page) {
    dart_write(dart_reg::kTlbStartPage, static_cast<uint32_t>(set_field(dart_reg::kTlbPage, 0, first_page)));
    dart_write(dart_reg::kTlbEndPage, static_cast<uint32_t>(set_field(dart_reg::kTlbPage, 0, last_page)));
    dart_write(dart_reg::kTlbCmd,
               static_cast<uint32_t>(set_field(dart_reg::kTlbOp, sid.value, dart_reg::kTlbOpFlushSid) |
                                     mask_of(dart_reg::kTlbFlushRange)));
  }

 private:
  Fabric() { cpu.socket.bind(root.cpu); }
  Tlp tlp_;
};

class FabricEnvironment final : public testing::Environment {
 public:
  void SetUp() override { Fabric::instance(); }
};
inline testing::Environment* const kFabricEnvironment = testing::AddGlobalTestEnvironment(new FabricEnvironment);

/// A test with the fabric powered on and enumerated.
class FabricTest : public testing::Test {
 protected:
  void SetUp() override {
    fabric.start();
    fabric.enumerate();
  }
  Fabric& fabric = Fabric::instance();
};

}  // namespace dartboard::model::test
