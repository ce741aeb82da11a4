// traces/export/text.cpp - see text.h.
#include "traces/export/text.h"

#include <algorithm>
#include <array>

#include <xxhash.h>
#include <nlohmann/json.hpp>

namespace dartboard::traces {

namespace {

constexpr std::array<char, 512> make_digits() {
  std::array<char, 512> digits{};
  for (size_t i = 0; i < 256; ++i) {
    digits[2 * i] = "0123456789abcdef"[i >> 4];
    digits[2 * i + 1] = "0123456789abcdef"[i & 15];
  }
  return digits;
}
constexpr std::array<char, 512> kDigits = make_digits();

}  // namespace

void append_hex(fmt::memory_buffer* out, const Payload& payload) {
  const size_t begin = out->size();
  out->resize(begin + 2 * payload.length);
  char* to = out->data() + begin;
  for (uint64_t i = 0; i < payload.length; ++i) {
    const auto byte = std::to_integer<size_t>(payload.at(i));
    *to++ = kDigits[2 * byte];
    *to++ = kDigits[2 * byte + 1];
  }
}

std::optional<uint64_t> hash_of(const Payload& payload) {
  switch (payload.form) {
    case PayloadForm::kOmitted: return std::nullopt;
    case PayloadForm::kHash: return Payload{payload.bytes, 8, std::byte{0}}.le64(0);
    case PayloadForm::kWhole: break;
  }
  if (payload.bytes != nullptr) return XXH3_64bits(payload.bytes, payload.length);
  XXH3_state_t* const state = XXH3_createState();
  XXH3_64bits_reset(state);
  std::array<std::byte, 4096> piece;
  piece.fill(payload.fill);
  for (uint64_t done = 0; done < payload.length;) {
    const uint64_t count = std::min<uint64_t>(piece.size(), payload.length - done);
    XXH3_64bits_update(state, piece.data(), count);
    done += count;
  }
  const uint64_t hash = XXH3_64bits_digest(state);
  XXH3_freeState(state);
  return hash;
}

std::string text_of(const Payload& payload, size_t bytes_max) {
  if (!payload.is_whole()) return {};
  std::string text(std::min<uint64_t>(payload.length, bytes_max), '\0');
  payload.copy_to(0, std::as_writable_bytes(std::span(text)));
  return text;
}

std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

std::string utf8(std::string_view text) {
  // Out through the library that knows the encoding, and back.
  const std::string quoted = nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return nlohmann::json::parse(quoted, nullptr, false).get<std::string>();
}

std::string one_line(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return out;
}

}  // namespace dartboard::traces
