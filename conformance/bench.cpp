// conformance/bench.cpp - the fabric under the bench, and the set-up that firmware would do.
#include "conformance/bench.h"

#include <cassert>
#include <cstdlib>
#include <cstring>

#include <systemc>

#include "conformance/stimulus.h"
#include "model/dart_registers.h"
#include "model/dart_tables.h"
#include "model/host_memory.h"
#include "model/root_complex.h"
#include "model/timeline.h"

namespace dartboard::conformance {
namespace {

using model::Outcome;
namespace cfg = model::cfg;
namespace bridge = model::bridge;

constexpr uint64_t kMemoryBytes = 256 * kKiB;
constexpr uint64_t kPhysicalBytes = 64 * kMiB;
constexpr uint64_t kGranuleBytes = 16 * kKiB;   // a DART page
constexpr uint64_t kWindow32 = 0x4000'0000;
constexpr uint64_t kWindow32End = 0xf000'0000;
constexpr uint64_t kWindow64 = 0x20'0000'0000;
constexpr uint64_t kWindow64End = 0x8000'0000'0000;
constexpr uint64_t kHoleBytes = kMiB;           // between BARs: the addresses beside one belong to nobody
constexpr uint32_t kTypeMask = 0x6;
constexpr uint32_t kType64 = 0x4;
constexpr uint64_t kPollNs = kNsPerMs;
constexpr unsigned kPollsMax = 1000;            // a function has a second after a reset (PCIe 6.0 s6.6.1)
constexpr uint64_t kD3RecoveryNs = 10 * kNsPerMs;
constexpr size_t kSentMax = 65536;

class CpuPort final : public sc_core::sc_module, public tlm::tlm_bw_transport_if<> {
 public:
  tlm::tlm_initiator_socket<> socket;
  explicit CpuPort(sc_core::sc_module_name module_name) : sc_module(module_name), socket("socket") {
    socket.bind(*this);
  }
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload&, tlm::tlm_phase&, sc_core::sc_time&) override {
    return tlm::TLM_ACCEPTED;
  }
  void invalidate_direct_mem_ptr(sc_dt::uint64, sc_dt::uint64) override {}
};

}  // namespace

struct Bench::Impl final : model::Observer, model::PlatformSink {
  model::Timeline timeline{"conformance_timeline"};
  model::HostMemory physical{kPhysicalBytes};
  model::RootComplex root{"conformance_root", 0, timeline, physical};
  CpuPort cpu{"conformance_cpu"};
  std::vector<model::TlpEvent> sent;
  std::array<bool, 4> intx{};
  std::byte* memory = nullptr;
  model::Tlp tlp;
  std::array<unsigned char, 8> data{};
  std::array<unsigned char, 8> enables{};

  Impl() {
    cpu.socket.bind(root.cpu);
    memory = static_cast<std::byte*>(std::aligned_alloc(kGranuleBytes, kMemoryBytes));
  }
  ~Impl() override { std::free(memory); }

  void on_tlp(const model::TlpEvent& event) override {
    if (event.direction == model::Direction::kUpstream && sent.size() < kSentMax) sent.push_back(event);
  }
  void on_dart_fault(const model::DartFault&) override {}
  void on_msi(uint8_t, uint32_t) override {}
  void on_reset(uint8_t, model::ResetKind) override {}
  void on_link(uint8_t, bool) override {}

  void on_msi(unsigned, uint32_t) override {}
  void on_dart_error(unsigned, const model::DartFault&) override {}
  void on_intx(unsigned, unsigned pin, bool asserted) override { intx.at(pin) = asserted; }
  void on_link_change(unsigned, bool) override {}
  void on_address_overflow(unsigned, Rid, uint64_t) override {}

  void dart_write(uint32_t offset, uint32_t value) {
    tlp.request(model::TlpKind::kMemWrite, Rid(), model::kDartBase + offset, &value, sizeof value);
    sc_core::sc_time delay;
    cpu.socket->b_transport(tlp, delay);
  }

  /// Stream 0 translates kMemoryAddress to the bench's memory, page by page.
  void map_memory() {
    using namespace model;
    std::memset(memory, 0, kMemoryBytes);
    const TableGeometry geometry = root.dart().geometry();
    const Hpa pages = physical.wire(memory, kMemoryBytes, kGranuleBytes);
    const Hpa upper = physical.allocate(kRootTableAlign, kRootTableAlign);
    const Hpa leaf = physical.allocate(geometry.table_bytes(), geometry.table_bytes());
    store_entry(physical, upper, geometry.index(Iova(kMemoryAddress), 1), encode_table_entry(geometry, leaf));
    for (uint64_t at = 0; at < kMemoryBytes; at += kGranuleBytes) {
      Pte pte;
      pte.valid = true;
      pte.address = pages + at;
      store_entry(physical, leaf, geometry.index(Iova(kMemoryAddress + at), 0), encode_pte(geometry, pte));
    }
    dart_write(dart_reg::kTtbr, dart_reg::encode_ttbr(upper.value));
    dart_write(dart_reg::kTcr, static_cast<uint32_t>(mask_of(dart_reg::kTcrTranslate)));
    dart_write(dart_reg::kEnableStreams, 1);
  }
};

Bench& Bench::instance() {
  static Bench* const bench = new Bench;   // SystemC's modules live as long as the process
  return *bench;
}
Bench::Bench() : impl_(std::make_unique<Impl>()) {}
Bench::~Bench() = default;

void Bench::plug(model::PcieDevice* device, Stimulus* stimulus) {
  impl_->root.plug(nullptr);
  stimulus_ = stimulus;
  if (device == nullptr) return;
  impl_->timeline.reset();
  impl_->root.configure({}, impl_.get(), impl_.get());
  impl_->root.reset();
  impl_->root.plug(device);
}

void Bench::start() {
  impl_->timeline.reset();
  impl_->physical.reset();
  impl_->root.configure({}, impl_.get(), impl_.get());
  impl_->root.reset();
  impl_->intx = {};
  impl_->map_memory();
  bus_ = 1;
  enumerate();
  if (stimulus_ != nullptr) stimulus_->prepare(*this);
  forget();
}

void Bench::enumerate() {
  root_write(bridge::kPrimaryBus, 0x0f'01'00u, 3);
  root_write(bridge::kMemoryBase, static_cast<uint32_t>(kWindow32 >> 16), 2);
  root_write(bridge::kMemoryLimit, static_cast<uint32_t>((kWindow32End - kMiB) >> 16), 2);
  root_write(bridge::kPrefetchBase, static_cast<uint32_t>((kWindow64 & 0xffff'ffff) >> 16 | 1), 2);
  root_write(bridge::kPrefetchLimit, 0xfff1, 2);
  root_write(bridge::kPrefetchBaseUpper, static_cast<uint32_t>(kWindow64 >> 32), 4);
  root_write(bridge::kPrefetchLimitUpper, static_cast<uint32_t>((kWindow64End - 1) >> 32), 4);
  root_write(cfg::kCommand, cfg::kCommandMemory | cfg::kCommandBusMaster | cfg::kCommandSerr, 2);
  root_write(bridge::kBridgeControl, bridge::kSerrEnable, 2);
  renumber(bus_);
  wait_ready();
  write(cfg::kCommand, 0, 2);
  place_bars();
  set_command(cfg::kCommandMemory | cfg::kCommandBusMaster);
}

void Bench::renumber(uint8_t bus) {
  bus_ = bus;
  root_write(bridge::kSecondaryBus, bus, 1);
  root_write(bridge::kSubordinateBus, 0x0f, 1);
  impl_->root.map_stream(Rid(bus, 0, 0), Sid(0));
}

// BARs ----------------------------------------------------------------------------------------------------------------

/// Sizes BAR `index` by writing all-ones (PCIe 6.0 s7.5.1.2.1) and puts the old value back.
PlacedBar Bench::size_bar(unsigned index) {
  const uint32_t at = cfg::kBar0 + 4 * index;
  PlacedBar bar;
  const uint32_t old_low = config32(at);
  write(at, 0xffff'ffff);
  const uint32_t low = config32(at);
  write(at, old_low);
  // No BAR has all four low bits set: a register that keeps whatever is written is none.
  if (low == 0 || low == 0xffff'ffff) return bar;
  bar.present = true;
  bar.io = (low & 1) != 0;
  if (bar.io) {
    bar.bytes = (~(low & ~3u) & 0xffffu) + 1;
    return bar;
  }
  bar.wide = (low & kTypeMask) == kType64 && index + 1 < kBars;
  bar.prefetchable = (low & 8) != 0;
  uint64_t mask = low & ~0xfu;
  if (bar.wide) {
    const uint32_t old_high = config32(at + 4);
    write(at, 0xffff'ffff);
    write(at + 4, 0xffff'ffff);
    mask = (config32(at) & ~0xfu) | uint64_t{config32(at + 4)} << 32;
    write(at, old_low);
    write(at + 4, old_high);
  } else {
    mask |= 0xffff'ffff'0000'0000;
  }
  bar.bytes = mask == 0 ? 0 : mask & (~mask + 1);   // the lowest writable address bit
  bar.present = bar.bytes != 0 && mask != 0xffff'ffff'0000'0000;
  return bar;
}

void Bench::place_bars() {
  next32_ = kWindow32;
  next64_ = kWindow64;
  placed_ = {};
  for (unsigned i = 0; i < kBars; ++i) {
    PlacedBar& bar = placed_[i] = size_bar(i);
    const uint32_t at = cfg::kBar0 + 4 * i;
    if (!bar.present || bar.io) continue;
    uint64_t& next = bar.wide ? next64_ : next32_;
    const uint64_t end = bar.wide ? kWindow64End : kWindow32End;
    const uint64_t address = round_up(next + kHoleBytes, bar.bytes);
    if (address < end && bar.bytes <= end - address && kHoleBytes <= end - address - bar.bytes) {
      bar.address = address;
      bar.placed = true;
      next = address + bar.bytes;
      write(at, static_cast<uint32_t>(address));
      if (bar.wide) write(at + 4, static_cast<uint32_t>(address >> 32));
    }
    if (bar.wide) ++i;
  }
}

std::array<BarShape, kBars> Bench::bars() {
  std::array<BarShape, kBars> shapes;
  for (unsigned i = 0; i < kBars; ++i) shapes[i] = placed_[i];
  return shapes;
}

const PlacedBar* Bench::first_bar() const {
  for (const PlacedBar& bar : placed_) {
    if (bar.placed) return &bar;
  }
  return nullptr;
}

uint64_t Bench::unclaimed() const { return kWindow32; }   // the hole below the first BAR

// Requests ------------------------------------------------------------------------------------------------------------

Reply Bench::request(uint64_t address, uint64_t value, unsigned bytes, bool writing, uint32_t byte_enables) {
  assert(bytes <= impl_->data.size());
  if (writing) {
    std::memcpy(impl_->data.data(), &value, bytes);
  } else {
    impl_->data.fill(0);
  }
  impl_->tlp.request(writing ? model::TlpKind::kMemWrite : model::TlpKind::kMemRead, Rid(), address,
                     impl_->data.data(), bytes);
  if ((byte_enables & 0xff) != 0xff) {
    for (unsigned i = 0; i < bytes; ++i) {
      impl_->enables[i] = ((byte_enables >> i) & 1) != 0 ? TLM_BYTE_ENABLED : TLM_BYTE_DISABLED;
    }
    impl_->tlp.set_byte_enable_ptr(impl_->enables.data());
    impl_->tlp.set_byte_enable_length(bytes);
  }
  sc_core::sc_time delay;
  impl_->cpu.socket->b_transport(impl_->tlp, delay);
  Reply reply;
  reply.outcome = impl_->tlp.outcome();
  if (!writing) std::memcpy(&reply.value, impl_->data.data(), bytes);
  return reply;
}

Reply Bench::read(uint32_t offset, unsigned bytes, unsigned function) {
  return request(model::kEcamBase + (uint64_t{bus_} << 20) + (function << 12) + offset, 0, bytes, false, 0xff);
}
Outcome Bench::write(uint32_t offset, uint32_t value, unsigned bytes, uint8_t byte_enables, unsigned function) {
  const uint64_t address = model::kEcamBase + (uint64_t{bus_} << 20) + (function << 12) + offset;
  return request(address, value, bytes, true, byte_enables).outcome;
}
Reply Bench::read_type1(uint32_t offset) {
  return request(model::kEcamBase + (uint64_t{bus_ + 1u} << 20) + offset, 0, 4, false, 0xff);
}
uint32_t Bench::config(uint32_t offset, unsigned bytes) { return static_cast<uint32_t>(read(offset, bytes).value); }

uint32_t Bench::root_config(uint32_t offset, unsigned bytes) {
  return static_cast<uint32_t>(request(model::kEcamBase + offset, 0, bytes, false, 0xff).value);
}
void Bench::root_write(uint32_t offset, uint32_t value, unsigned bytes) {
  // Three bytes (the bus numbers) go as a dword with the last byte disabled.
  request(model::kEcamBase + offset, value, bytes == 3 ? 4 : bytes, true, bytes == 3 ? 0x7 : 0xff);
}

Reply Bench::load(uint64_t address, unsigned bytes) {
  return request(model::kMmioBase + address, 0, bytes, false, 0xff);
}
Outcome Bench::store(uint64_t address, uint64_t value, unsigned bytes) {
  return request(model::kMmioBase + address, value, bytes, true, 0xff).outcome;
}
Reply Bench::load_nothing(uint64_t address, unsigned bytes) {
  return request(model::kMmioBase + address, 0, bytes, false, 0);
}

// What the device does ------------------------------------------------------------------------------------------------

std::span<const model::TlpEvent> Bench::sent() const { return impl_->sent; }
void Bench::forget() { impl_->sent.clear(); }

std::vector<model::TlpEvent> Bench::messages(uint64_t address) const {
  std::vector<model::TlpEvent> found;
  for (const model::TlpEvent& event : impl_->sent) {
    if (event.kind == model::TlpKind::kMemWrite && event.address == address) found.push_back(event);
  }
  return found;
}

bool Bench::intx(unsigned pin) const { return impl_->intx.at(pin); }
std::span<std::byte> Bench::memory() { return {impl_->memory, kMemoryBytes}; }

// Time and resets -----------------------------------------------------------------------------------------------------

void Bench::pass_ns(uint64_t ns) { impl_->timeline.advance(ns); }

void Bench::hot_reset() {
  const uint32_t control = root_config(bridge::kBridgeControl, 2);
  root_write(bridge::kBridgeControl, control | bridge::kSecondaryBusReset, 2);
  pass_ns(kNsPerMs);
  root_write(bridge::kBridgeControl, control & ~uint32_t{bridge::kSecondaryBusReset}, 2);
}

void Bench::link_down() { impl_->root.link().take_down(); }
void Bench::link_up() { impl_->root.link().bring_up(); }

bool Bench::function_reset() {
  const uint32_t at = capability(model::pcie::kId);
  if (at == 0 || (config32(at + model::pcie::kDeviceCapabilities) & model::pcie::kFlrCapable) == 0) return false;
  const uint16_t control = config16(at + model::pcie::kDeviceControl);
  write(at + model::pcie::kDeviceControl, control | model::pcie::kInitiateFlr, 2);
  return true;
}

bool Bench::set_power_state(unsigned state) {
  const uint32_t at = capability(model::pm::kId);
  if (at == 0) return false;
  const uint16_t old = config16(at + model::pm::kControlStatus);
  write(at + model::pm::kControlStatus, (old & ~uint32_t{model::pm::kPowerStateMask}) | state, 2);
  pass_ns(kD3RecoveryNs);
  return true;
}

Reply Bench::wait_ready() {
  Reply reply = read(cfg::kVendorId, 4);
  for (unsigned i = 0; i < kPollsMax && reply.outcome == Outcome::kRequestRetry; ++i) {
    pass_ns(kPollNs);
    reply = read(cfg::kVendorId, 4);
  }
  return reply;
}

}  // namespace dartboard::conformance
