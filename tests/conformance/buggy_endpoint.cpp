// tests/conformance/buggy_endpoint.cpp - see buggy_endpoint.h.
#include "tests/conformance/buggy_endpoint.h"

#include <algorithm>

namespace dartboard::conformance::test {

using model::Outcome;
using model::TlpKind;

uint64_t Request::value() const {
  uint64_t out = 0;
  std::memcpy(&out, payload.get_data_ptr(), std::min<uint32_t>(length(), 8));
  return out;
}
void Request::set_value(uint64_t new_value) {
  std::memcpy(payload.get_data_ptr(), &new_value, std::min<uint32_t>(length(), 8));
}
void Request::overlay(uint64_t offset, unsigned bytes, uint64_t new_value) {
  for (unsigned i = 0; i < bytes; ++i) {
    if (touches(offset + i)) payload.get_data_ptr()[offset + i - address()] = static_cast<uint8_t>(new_value >> (8 * i));
  }
}
uint64_t Request::merged(uint64_t offset, unsigned bytes, uint64_t old) const {
  const unsigned char* enables = payload.get_byte_enable_ptr();
  for (unsigned i = 0; i < bytes; ++i) {
    if (!touches(offset + i)) continue;
    const uint64_t at = offset + i - address();
    if (enables != nullptr && enables[at % payload.get_byte_enable_length()] != TLM_BYTE_ENABLED) continue;
    old = (old & ~(uint64_t{0xff} << (8 * i))) | uint64_t{payload.get_data_ptr()[at]} << (8 * i);
  }
  return old;
}

uint32_t BuggyEndpoint::config(uint32_t offset, unsigned bytes) {
  return static_cast<uint32_t>(inner_.config().file().peek(offset, bytes));
}
void BuggyEndpoint::set_config(uint32_t offset, uint32_t value, unsigned bytes) {
  tlp_.request(TlpKind::kCfgWrite0, Rid(), offset, &value, bytes, inner_.rid());
  inner_.b_transport(tlp_, delay_);
}
uint64_t BuggyEndpoint::bar(unsigned index) {
  const uint32_t at = model::cfg::kBar0 + 4 * index;
  const uint32_t low = config(at);
  return (low & ~0xfu) | ((low & 4) != 0 ? uint64_t{config(at + 4)} << 32 : 0);
}
uint32_t BuggyEndpoint::load(uint64_t address) {
  uint32_t value = 0;
  tlp_.request(TlpKind::kMemRead, Rid(), address, &value, 4);
  inner_.b_transport(tlp_, delay_);
  return value;
}
void BuggyEndpoint::store(uint64_t address, uint32_t value) {
  tlp_.request(TlpKind::kMemWrite, Rid(), address, &value, 4);
  inner_.b_transport(tlp_, delay_);
}

void BuggyEndpoint::attach(model::Upstream* upstream) {
  upstream_ = upstream;
  inner_.attach(upstream != nullptr ? &tap_ : nullptr);
}

void BuggyEndpoint::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  auto* extension = payload.get_extension<model::TlpExtension>();
  if (extension == nullptr) {   // the root complex always sends one
    inner_.b_transport(payload, delay);
    return;
  }
  Request request{payload, *extension};
  if (bug_.before && bug_.before(*this, request)) return;
  inner_.b_transport(payload, delay);
  if (bug_.after) bug_.after(*this, request);
}

void BuggyEndpoint::reset(model::ResetKind kind) {
  if (kind == model::ResetKind::kPowerOn) memory.fill(0);
  if (bug_.reset && !bug_.reset(*this, kind)) return;
  inner_.reset(kind);
}

void BuggyEndpoint::Tap::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  auto* extension = payload.get_extension<model::TlpExtension>();
  Request request{payload, *extension};
  if (owner.bug_.upstream && !owner.bug_.upstream(owner, request)) {
    complete(payload, extension, Outcome::kSuccess);
    return;
  }
  owner.upstream_->b_transport(payload, delay);
}

}  // namespace dartboard::conformance::test
