// traces/jsonl_record.cpp - SAX handler for a record: no document tree is built, nesting deeper than a fill stops at
// once.
#include "traces/jsonl_record.h"

#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace dartboard::traces {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kFieldNames[kFieldCount] = {"t",    "cmd", "dev", "bar", "a0", "a1", "a2",
                                                       "data", "st",  "r0",  "r1",  "dt", "ret"};

constexpr std::array<uint8_t, 256> make_hex_table() {
  std::array<uint8_t, 256> table{};
  for (auto& entry : table) entry = 0xff;
  for (uint8_t i = 0; i < 10; ++i) table['0' + i] = i;
  for (uint8_t i = 0; i < 6; ++i) table['a' + i] = table['A' + i] = static_cast<uint8_t>(10 + i);
  return table;
}
constexpr std::array<uint8_t, 256> kHexDigit = make_hex_table();

bool is_payload(Field f) {
  return f == Field::kData || f == Field::kRet;
}

/// Quotes text of the file for a message: short and printable.
std::string in_quotes(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, 32)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out + (text.size() > 32 ? "...'" : "'");
}

}  // namespace

std::string_view to_string(Field field) {
  return kFieldNames[static_cast<unsigned>(field)];
}

struct JsonlParser::Impl {
  enum class Part : uint8_t { kFill, kLen };

  Arena* arena = nullptr;
  const uint64_t payload_bytes_max;
  JsonlRecord* record = nullptr;
  std::string problem;
  unsigned depth = 0;
  Field field = Field::kT;
  // Inside a fill object.
  Part part = Part::kFill;
  bool have_fill = false, have_len = false;
  uint64_t fill = 0, len = 0;

  explicit Impl(uint64_t max) : payload_bytes_max(max) {}

  bool wrong(std::string sentence) {
    if (problem.empty()) problem = std::move(sentence);
    return false;
  }
  bool wrong_type(std::string_view got) {
    if (depth == 0) return wrong(fmt::format("is {}; expected a JSON object", got));
    if (depth == 2) {
      return wrong(fmt::format("field '{}': '{}' is {}; expected an unsigned integer", to_string(field),
                               part == Part::kFill ? "fill" : "len", got));
    }
    return wrong(fmt::format("field '{}': is {}; expected {}", to_string(field), got, wanted()));
  }
  std::string_view wanted() const {
    if (field == Field::kCmd) return "a command name";
    return is_payload(field) ? "hex text or {\"fill\": byte, \"len\": n}" : "an unsigned integer";
  }
  Payload& payload() { return field == Field::kData ? record->data : record->ret; }

  // The callbacks of nlohmann's SAX interface.
  bool null() { return wrong_type("null"); }
  bool boolean(bool) { return wrong_type("a boolean"); }
  bool number_integer(Json::number_integer_t v) { return wrong_type(fmt::format("{}", v)); }
  bool number_float(Json::number_float_t, const std::string& text) { return wrong_type(text.substr(0, 32)); }
  bool number_unsigned(Json::number_unsigned_t v) {
    if (depth == 2) {
      (part == Part::kFill ? fill : len) = v;
      return true;
    }
    if (depth != 1 || field == Field::kCmd || is_payload(field)) return wrong_type(fmt::format("{}", v));
    record->numbers[static_cast<unsigned>(field)] = v;
    return true;
  }
  bool string(std::string& text) {
    if (depth != 1) return wrong_type("text");
    if (field == Field::kCmd) {
      record->cmd.swap(text);
      return true;
    }
    return is_payload(field) ? decode_hex(text) : wrong_type(fmt::format("the text {}", in_quotes(text)));
  }
  bool binary(Json::binary_t&) { return wrong_type("binary"); }
  bool start_object(size_t) {
    if (depth == 0) {
      depth = 1;
      return true;
    }
    if (depth != 1 || !is_payload(field)) return wrong_type("an object");
    depth = 2;
    have_fill = have_len = false;
    return true;
  }
  bool end_object() {
    if (depth == 2) {
      depth = 1;
      return end_fill();
    }
    return true;  // depth stays 1: nothing may follow, and the parser checks that
  }
  bool start_array(size_t) { return wrong_type("an array"); }
  bool end_array() { return true; }
  bool key(std::string& name) {
    if (depth == 2) {
      if (name != "fill" && name != "len") {
        return wrong(
            fmt::format("field '{}': unknown member {}; expected 'fill' and 'len'", to_string(field), in_quotes(name)));
      }
      part = name == "fill" ? Part::kFill : Part::kLen;
      (part == Part::kFill ? have_fill : have_len) = true;
      return true;
    }
    for (unsigned i = 0; i < kFieldCount; ++i) {
      if (kFieldNames[i] != name) continue;
      field = static_cast<Field>(i);
      if (record->has(field)) return wrong(fmt::format("field '{}': is there twice", name));
      record->present = static_cast<uint16_t>(record->present | (1u << i));
      return true;
    }
    return wrong(fmt::format("unknown field {}", in_quotes(name)));
  }
  bool parse_error(size_t position, const std::string&, const Json::exception&) {
    return wrong(fmt::format("is not JSON at column {}", position));
  }

  bool decode_hex(std::string_view text) {
    if (text.size() % 2 != 0) {
      return wrong(
          fmt::format("field '{}': has {} hex digits; expected an even number", to_string(field), text.size()));
    }
    const uint64_t count = text.size() / 2;
    if (count > payload_bytes_max) return too_long(count);
    std::byte* const bytes = arena->allocate(count);
    for (uint64_t i = 0; i < count; ++i) {
      const uint8_t high = kHexDigit[static_cast<uint8_t>(text[2 * i])];
      const uint8_t low = kHexDigit[static_cast<uint8_t>(text[2 * i + 1])];
      if ((high | low) > 0xf) {
        return wrong(fmt::format("field '{}': {} is not a hex digit, at digit {}", to_string(field),
                                 in_quotes(text.substr(2 * i + (high > 0xf ? 0 : 1), 1)),
                                 2 * i + (high > 0xf ? 0 : 1)));
      }
      bytes[i] = static_cast<std::byte>(high << 4 | low);
    }
    payload() = Payload::of({bytes, count});
    return true;
  }
  bool end_fill() {
    if (!have_fill || !have_len) {
      return wrong(fmt::format("field '{}': has no '{}'; expected {{\"fill\": byte, \"len\": n}}", to_string(field),
                               have_fill ? "len" : "fill"));
    }
    if (fill > 0xff)
      return wrong(fmt::format("field '{}': 'fill' is {}; expected a byte, 0-255", to_string(field), fill));
    if (len > payload_bytes_max) return too_long(len);
    payload() = Payload::filled(static_cast<std::byte>(fill), len);
    return true;
  }
  bool too_long(uint64_t count) {
    return wrong(
        fmt::format("field '{}': has {} bytes; expected at most {}", to_string(field), count, payload_bytes_max));
  }
};

JsonlParser::JsonlParser(uint64_t payload_bytes_max) : impl_(std::make_unique<Impl>(payload_bytes_max)) {}
JsonlParser::~JsonlParser() = default;

bool JsonlParser::parse(std::string_view line, Arena& arena, JsonlRecord* record) {
  impl_->arena = &arena;
  record->present = 0;
  for (auto& number : record->numbers) number = 0;
  record->cmd.clear();
  record->data = record->ret = Payload();
  impl_->record = record;
  impl_->problem.clear();
  impl_->depth = 0;
  return Json::sax_parse(line.begin(), line.end(), impl_.get());
}

const std::string& JsonlParser::problem() const {
  return impl_->problem;
}

}  // namespace dartboard::traces
