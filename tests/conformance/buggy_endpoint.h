// tests/conformance/buggy_endpoint.h - the test endpoint with one bug: a wrapper that meddles with what goes in and out.
#pragma once

#include <array>
#include <cstring>
#include <functional>
#include <string_view>
#include <vector>

#include "model/capabilities.h"
#include "model/endpoint/test.h"

namespace dartboard::conformance::test {

class BuggyEndpoint;

/// A request on its way, in either direction.
struct Request {
  tlm::tlm_generic_payload& payload;
  model::TlpExtension& extension;
  model::TlpKind kind() const { return extension.kind; }
  bool reads_config() const { return kind() == model::TlpKind::kCfgRead0; }
  bool writes_config() const { return kind() == model::TlpKind::kCfgWrite0; }
  bool reads_memory() const { return kind() == model::TlpKind::kMemRead; }
  bool writes_memory() const { return kind() == model::TlpKind::kMemWrite; }
  uint64_t address() const { return payload.get_address(); }
  uint32_t length() const { return payload.get_data_length(); }
  /// Whether it touches the byte at `offset`, of configuration space or of memory.
  bool touches(uint64_t offset) const { return offset >= address() && offset < address() + length(); }
  uint64_t value() const;
  void set_value(uint64_t value);
  /// Bits [lo, lo + bits) of the register at `offset`, as far as the request covers it: writes them into the data.
  void overlay(uint64_t offset, unsigned bytes, uint64_t value);
  /// The data of a write as it would be after it, starting from `old`: bytes of the register at `offset`.
  uint64_t merged(uint64_t offset, unsigned bytes, uint64_t old) const;
  void answer(model::Outcome outcome) { complete_all_ones(payload, &extension, outcome); }
  void answer_value(uint64_t value) {
    set_value(value);
    complete(payload, &extension, model::Outcome::kSuccess);
  }
};

/// A bug. What is not set behaves well.
struct Bug {
  std::string_view id;
  std::string_view what;
  std::string_view source;       ///< where it was seen
  std::string_view rule;         ///< the rule that must fail
  /// Before the endpoint gets a request. True: answered, the endpoint never sees it.
  std::function<bool(BuggyEndpoint&, Request&)> before;
  /// After the endpoint answered.
  std::function<void(BuggyEndpoint&, Request&)> after;
  /// A request of the endpoint. False: dropped.
  std::function<bool(BuggyEndpoint&, Request&)> upstream;
  /// The INTx pin to drive instead.
  std::function<unsigned(unsigned)> pin;
  /// Before a reset. False: the endpoint does not get it.
  std::function<bool(BuggyEndpoint&, model::ResetKind)> reset;
  model::TestEndpointOptions options{};
};

class BuggyEndpoint final : public model::PcieDevice {
 public:
  explicit BuggyEndpoint(const Bug& bug) : bug_(bug), inner_(bug.options) {}

  // The endpoint's own registers, past the bug.
  uint32_t config(uint32_t offset, unsigned bytes = 4);
  void set_config(uint32_t offset, uint32_t value, unsigned bytes = 4);
  uint32_t capability(uint8_t id) const { return inner_.config().find_capability(id); }
  uint32_t extended(uint16_t id) const { return inner_.config().find_extended_capability(id); }
  uint64_t bar(unsigned index);
  uint32_t load(uint64_t address);
  void store(uint64_t address, uint32_t value);
  model::TestEndpoint& inner() { return inner_; }
  model::Upstream* above() { return upstream_; }
  void forward(Request& request) { inner_.b_transport(request.payload, delay_); }
  /// Scratch of the bug; zero at power-on.
  std::array<uint64_t, 64> memory{};

  // PcieDevice
  std::string_view kind() const override { return "buggy endpoint"; }
  void attach(model::Upstream* upstream) override;
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override;
  void reset(model::ResetKind kind) override;
  model::DirectMemory direct_memory(unsigned, uint64_t, uint64_t) override { return {}; }
  void inspect(InspectNode& node) const override { inner_.inspect(node); }
  void record_failure(const model::RequestInfo& request, model::Outcome outcome) override {
    inner_.record_failure(request, outcome);
  }

 private:
  /// What the endpoint takes for its slot.
  struct Tap final : model::Upstream {
    explicit Tap(BuggyEndpoint& owner_in) : owner(owner_in) {}
    void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override;
    model::Timeline& timeline() override { return owner.upstream_->timeline(); }
    void set_intx(unsigned pin, bool asserted) override {
      owner.upstream_->set_intx(owner.bug_.pin ? owner.bug_.pin(pin) : pin, asserted);
    }
    bool link_up() const override { return owner.upstream_->link_up(); }
    void send_error(model::ErrorMessage message, Rid source) override { owner.upstream_->send_error(message, source); }
    BuggyEndpoint& owner;
  };

  const Bug& bug_;
  model::TestEndpoint inner_;
  model::Upstream* upstream_ = nullptr;
  Tap tap_{*this};
  model::Tlp tlp_;
  sc_core::sc_time delay_;
};

const std::vector<Bug>& planted_bugs();

}  // namespace dartboard::conformance::test
