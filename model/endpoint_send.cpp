// model/endpoint_send.cpp - what a function sends by itself: DMA, interrupts, error messages.
#include <algorithm>

#include "model/capabilities.h"
#include "model/endpoint.h"
#include "model/fault.h"

namespace dartboard::model {
namespace {

constexpr uint64_t kDmaChunkBytesMax = kGiB;  // a payload's length is 32 bits
constexpr uint32_t kMsiVectorsMax = 32;

}  // namespace

// DMA -----------------------------------------------------------------------------------------------------------------

Outcome Endpoint::dma(TlpKind kind, Iova address, std::byte* data, uint64_t length) {
  if (!bus_master_) [[unlikely]]
    return Outcome::kUnsupportedRequest;
  if (upstream_ == nullptr) [[unlikely]]
    return Outcome::kLinkDown;
  if (in_dma_) [[unlikely]]
    return Outcome::kCompleterAbort;
  in_dma_ = true;
  if (faults_installed() && !stray_requests(address)) [[unlikely]] {
    in_dma_ = false;
    record_dma_failure(kind, address, static_cast<uint32_t>(std::min(length, kDmaChunkBytesMax)),
                       Outcome::kUnsupportedRequest);
    return Outcome::kUnsupportedRequest;
  }
  dma_delay_ = sc_core::SC_ZERO_TIME;
  dma_tlp_.extension().packet_bytes = kind == TlpKind::kMemRead ? read_request_bytes_ : payload_bytes_;
  Outcome outcome = Outcome::kSuccess;
  do {
    const auto chunk = static_cast<uint32_t>(std::min(length, kDmaChunkBytesMax));
    dma_tlp_.request(kind, rid_, address.value, data, chunk);
    upstream_->b_transport(dma_tlp_, dma_delay_);
    outcome = dma_tlp_.outcome();
    address = address + chunk;
    data += chunk;
    length -= chunk;
  } while (length != 0 && outcome == Outcome::kSuccess);
  in_dma_ = false;
  if (outcome != Outcome::kSuccess) [[unlikely]] {
    const uint32_t failed_bytes = dma_tlp_.get_data_length();
    record_dma_failure(kind, Iova(address.value - failed_bytes), failed_bytes, outcome);
  }
  return outcome;
}

uint64_t Endpoint::last_dma_ns() const {
  static const sc_core::sc_time kOneNs(1, sc_core::SC_NS);
  return dma_delay_.value() / kOneNs.value();
}

// A requester records how its request ended (PCIe 6.0 s7.5.1.1.4, s6.2.3.2.3). A posted write has no completion: if it
// was refused, only who refused it knows.
void Endpoint::record_dma_failure(TlpKind kind, Iova address, uint32_t length, Outcome outcome) {
  if (is_posted(kind)) return;
  const RequestInfo request{.kind = kind, .requester = rid_, .address = address.value, .length = length};
  switch (outcome) {
    case Outcome::kUnsupportedRequest: config_.set_status(cfg::kStatusReceivedMasterAbort); break;
    case Outcome::kCompleterAbort: config_.set_status(cfg::kStatusReceivedTargetAbort); break;
    case Outcome::kCompletionTimeout: {
      const TlpHeader header = request_header(request);
      report_error(PcieError::kCompletionTimeout, &header, false);
      break;
    }
    case Outcome::kPoisoned: {
      config_.set_status(cfg::kStatusDetectedParityError);
      if ((config_.command() & cfg::kCommandParityResponse) != 0) config_.set_status(cfg::kStatusMasterDataParityError);
      const TlpHeader header = completion_header(request, Rid(), CompletionStatus::kSuccess, true);
      report_error(PcieError::kPoisoned, &header, false);
      break;
    }
    default: break;
  }
}

// Errors --------------------------------------------------------------------------------------------------------------

// The completer's side. A refused non-posted request is an advisory error, because the requester deals with it
// (PCIe 6.0 s6.2.3.2.4.1); nobody but the completer knows of a refused posted one.
void Endpoint::record_failure(const RequestInfo& request, Outcome outcome) {
  const bool posted = is_posted(request.kind);
  const TlpHeader header = request_header(request);
  if (outcome == Outcome::kUnsupportedRequest) {
    report_error(PcieError::kUnsupportedRequest, &header, !posted);
  } else if (outcome == Outcome::kCompleterAbort) {
    config_.set_status(cfg::kStatusSignaledTargetAbort);  // posted or not (PCIe 6.0 s7.5.1.1.4)
    report_error(PcieError::kCompleterAbort, &header, !posted);
  }
}

void Endpoint::record_link_error(PcieError error, const TlpHeader& header) {
  // An unexpected completion is always advisory for its receiver (PCIe 6.0 s6.2.3.2.4.5).
  report_error(error, &header, error == PcieError::kUnexpectedCompletion);
}

void Endpoint::report_error(PcieError error, const TlpHeader* header, bool advisory) {
  if (ready_at_ns_ != 0) return;
  const ErrorMessage message = ErrorReporter(config_, pcie_, aer_).report(error, header, advisory);
  // In D3hot too: an error of a TLP that was received is told (PCIe 6.0 s5.3.1.4.1), and there are no others, because a
  // function in D3hot requests nothing.
  if (message != ErrorMessage::kNone && upstream_ != nullptr) upstream_->send_error(message, rid_);
}

// Interrupts ----------------------------------------------------------------------------------------------------------

void Endpoint::raise(uint32_t vector) {
  if (faults_installed() && msix_.vectors() != 0 && !msix_.enabled() && !msi_enabled_ &&
      (fault(FaultKind::kInterruptBeforeEnable, vector) || fault(FaultKind::kInterruptAfterDisable, vector))) {
    msix_.send_regardless(vector);  // whatever the table holds: the device does not look at MSI-X Enable
    return;
  }
  if (msix_.enabled()) {
    msix_.raise(vector);
  } else if (msi_enabled_) {
    raise_msi(vector);
  } else {
    set_intx(true);
  }
}

void Endpoint::raise_msi(uint32_t vector) {
  // With fewer vectors granted than the device has, several share a message (PCIe 6.0 s7.7.1.2).
  RegisterFile& file = config_.file();
  const unsigned granted_log2 = (file.peek16(msi_ + msi::kControl) >> msi::kMultipleMessageEnableShift) & 7;
  const uint32_t granted = std::min(1u << granted_log2, declaration_.msi_vectors);
  vector &= granted - 1;
  const uint32_t mask = file.peek32(msi_ + msi::kMask);
  if (!bus_master_ || ((mask >> vector) & 1) != 0) {
    file.poke32(msi_ + msi::kPending, file.peek32(msi_ + msi::kPending) | (1u << vector));
    return;
  }
  const uint32_t data = (file.peek16(msi_ + msi::kData) & ~(granted - 1)) | vector;
  send_message(file.peek64(msi_ + msi::kAddressLow), data);
}

void Endpoint::send_pending_msi() {
  RegisterFile& file = config_.file();
  const uint32_t ready = file.peek32(msi_ + msi::kPending) & ~file.peek32(msi_ + msi::kMask);
  if (ready == 0) return;
  file.poke32(msi_ + msi::kPending, file.peek32(msi_ + msi::kPending) & ~ready);
  for (uint32_t vector = 0; vector < kMsiVectorsMax; ++vector) {
    if ((ready >> vector) & 1) raise_msi(vector);
  }
}

void Endpoint::send_message(uint64_t address, uint32_t data) {
  // A message whose address leads back to a register that raises it would never end.
  if (upstream_ == nullptr || !bus_master_ || in_message_) return;
  in_message_ = true;
  message_data_ = data;
  message_tlp_.request(TlpKind::kMemWrite, rid_, address, &message_data_, sizeof message_data_);
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  upstream_->b_transport(message_tlp_, delay);
  in_message_ = false;
}

void Endpoint::set_intx(bool asserted) {
  if (declaration_.interrupt_pin == 0) return;
  intx_ = asserted;
  drive_intx();
}

void Endpoint::drive_intx() {
  if (declaration_.interrupt_pin == 0) return;
  if (intx_) {
    config_.set_status(cfg::kStatusInterrupt);
  } else {
    config_.clear_status(cfg::kStatusInterrupt);
  }
  const bool disabled = (config_.command() & cfg::kCommandIntxDisable) != 0;
  // In D3hot a function interrupts by no means (PCIe 6.0 s5.3.1.4.1).
  const bool line = intx_ && powered_ && !disabled && !msi_enabled_ && !msix_.enabled();
  if (line == intx_line_) return;
  intx_line_ = line;
  if (upstream_ != nullptr) upstream_->set_intx(declaration_.interrupt_pin - 1u, line);
}

}  // namespace dartboard::model
