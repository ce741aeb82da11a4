// traces/dbt/chunk_builder.cpp - events to columns. A column is as wide as its largest value needs, and costs nothing
// when all its values are 0.
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <memory>

#include <fmt/format.h>

#include "traces/dbt/chunk.h"

namespace dartboard::traces::dbt {

namespace {

constexpr uint64_t zigzag(uint64_t difference) {
  return difference << 1 ^ (static_cast<int64_t>(difference) < 0 ? UINT64_MAX : 0);
}

uint64_t hash_of(const Payload& payload) {
  if (payload.bytes != nullptr) return XXH3_64bits(payload.bytes, payload.length);
  std::array<std::byte, 4096> piece;
  piece.fill(payload.fill);
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), &XXH3_freeState);
  XXH3_64bits_reset(state.get());
  for (uint64_t left = payload.length; left != 0;) {
    const uint64_t count = std::min<uint64_t>(left, piece.size());
    XXH3_64bits_update(state.get(), piece.data(), count);
    left -= count;
  }
  return XXH3_64bits_digest(state.get());
}

Coding coding_of(Column c) {
  return c == Column::kTime || c == Column::kAddress ? Coding::kDelta : Coding::kPlain;
}

}  // namespace

void ChunkBuilder::add(const Event& event, const Reply* reply) {
  if (events() == 0) first_time_ns_ = last_time_ns_ = event.time_ns;
  column(Column::kTag)
      .push_back(static_cast<uint64_t>(event.kind) | static_cast<uint64_t>(event.source) << 5 |
                 (reply != nullptr ? 0x80u : 0u));
  column(Column::kDevice).push_back(event.device);
  column(Column::kTarget).push_back(event.target);
  column(Column::kTime).push_back(zigzag(event.time_ns - last_time_ns_));
  column(Column::kAddress).push_back(zigzag(event.address - last_address_));
  column(Column::kLength).push_back(event.length);
  column(Column::kValue).push_back(event.value);
  last_time_ns_ = event.time_ns;
  last_address_ = event.address;
  requests_ += event.is_request() ? 1 : 0;
  // What a trace means by itself is no payload: which pages were handed out, what was probed for, marks.
  const bool kept = event.kind == EventKind::kDmaMap || event.kind == EventKind::kProbe || event.kind == EventKind::kMark;
  const PayloadPolicy policy = kept ? PayloadPolicy::kFull : policy_;
  add_payload(event.data, policy, event.length, Column::kDataForm, Column::kDataLength, Column::kDataFill);
  if (reply == nullptr) return;
  column(Column::kStatus).push_back(reply->status);
  column(Column::kValue0).push_back(reply->value0);
  column(Column::kValue1).push_back(reply->value1);
  column(Column::kDuration).push_back(reply->duration_ns);
  add_payload(reply->data, policy, event.length, Column::kReplyForm, Column::kReplyLength, Column::kReplyFill);
}

void ChunkBuilder::add_payload(const Payload& payload, PayloadPolicy policy, uint64_t implied_length,
                               Column form_column, Column length, Column fill) {
  const bool implied = payload.length == implied_length;
  Form form = Form::kNone;
  if (payload.empty()) {
    form = Form::kNone;
  } else if (payload.form == PayloadForm::kOmitted ||
             (policy == PayloadPolicy::kNone && payload.length > kValueBytesMax)) {
    form = Form::kOmitted;
  } else if (payload.form == PayloadForm::kHash) {
    form = Form::kHash;
    long_.insert(long_.end(), payload.bytes, payload.bytes + 8);
  } else if (policy == PayloadPolicy::kHash && payload.length > kValueBytesMax) {
    form = Form::kHash;
    put(long_, hash_of(payload), 8);
  } else if (payload.is_fill()) {
    form = implied ? Form::kFill : Form::kFillOfLength;
    column(fill).push_back(std::to_integer<uint64_t>(payload.fill));
  } else {
    form = implied ? Form::kBytes : Form::kBytesOfLength;
    std::vector<std::byte>& to = payload.length <= kValueBytesMax ? short_ : long_;
    to.insert(to.end(), payload.bytes, payload.bytes + payload.length);
  }
  column(form_column).push_back(static_cast<uint64_t>(form));
  if (form > Form::kNone) column(length).push_back(payload.length);
}

Result<void> ChunkBuilder::finish(std::vector<std::byte>* out) {
  const uint64_t upper_bound =
      kChunkPrefixBytes + kColumnCount * (kColumnHeadBytes + uint64_t{8} * events()) + payload_bytes();
  if (upper_bound > kChunkBytesMax) {
    return fail(ErrorName::kOutOfRange, fmt::format("a chunk of {} bytes is too large for a .dbt; it holds at most {}",
                                                    upper_bound, kChunkBytesMax));
  }
  out->clear();
  out->reserve(upper_bound);
  put(*out, events(), 4);
  put(*out, column(Column::kStatus).size(), 4);
  put(*out, kColumnCount, 4);
  put(*out, short_.size(), 4);
  put(*out, long_.size(), 4);
  std::array<unsigned, kColumnCount> widths{};
  for (unsigned c = 0; c < kColumnCount; ++c) {
    uint64_t all = 0;
    for (const uint64_t value : columns_[c]) all |= value;
    widths[c] = static_cast<unsigned>((std::bit_width(all) + 7) / 8);
    put(*out, c, 1);
    put(*out, widths[c], 1);
    put(*out, static_cast<uint64_t>(coding_of(static_cast<Column>(c))), 1);
    put(*out, 0, 1);
    put(*out, columns_[c].size(), 4);
  }
  for (unsigned c = 0; c < kColumnCount; ++c) {
    const std::vector<uint64_t>& values = columns_[c];
    size_t at = out->size();
    out->resize(at + widths[c] * values.size());
    for (unsigned plane = 0; plane < widths[c]; ++plane) {
      for (const uint64_t value : values) (*out)[at++] = static_cast<std::byte>(value >> (8 * plane));
    }
    columns_[c].clear();
  }
  out->insert(out->end(), short_.begin(), short_.end());
  out->insert(out->end(), long_.begin(), long_.end());
  short_.clear();
  long_.clear();
  last_address_ = 0;
  requests_ = 0;
  return {};
}

}  // namespace dartboard::traces::dbt
