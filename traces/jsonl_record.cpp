// traces/jsonl_record.cpp - SAX handler for a record: no document tree is built, nesting deeper than a fill stops at
// once, and a line costs no more memory than its payload.
#include "traces/jsonl_record.h"

#include <algorithm>
#include <array>
#include <vector>

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

constexpr size_t kLongLineBytes = 16 * 1024;
constexpr size_t kLongTextBytes = 1024;
/// Of a line without its long payloads: thirteen short members need a hundredth of it.
constexpr size_t kRestBytesMax = 64 * 1024;

/// A long line without its long hex texts, which are most of it: the JSON parser keeps two copies of each text it
/// meets, and looks at every byte several times. Where one was, an empty text stands, and `long_texts` has it.
class ShortLine {
 public:
  struct LongText {
    unsigned ordinal;  ///< among the texts of the line, names of members included
    size_t at;         ///< where it was missing in `rest`
    std::string_view text;
  };
  std::string rest;
  std::vector<LongText> long_texts;

  void take(std::string_view line) {
    rest.clear();
    long_texts.clear();
    unsigned texts = 0;
    for (;;) {
      const size_t quote = line.find('"');
      if (!add(line.substr(0, quote == line.npos ? quote : quote + 1)) || quote == line.npos) return;
      line.remove_prefix(quote + 1);
      size_t hex = 0;
      while (hex < line.size() && kHexDigit[static_cast<uint8_t>(line[hex])] <= 0xf) ++hex;
      // A text of hex digits alone has no escapes. One that the line cuts short is left to the parser to complain
      // about.
      if (hex >= kLongTextBytes && (hex == line.size() || line[hex] == '"')) {
        long_texts.push_back({texts, rest.size(), line.substr(0, hex)});
        line.remove_prefix(hex);
      }
      ++texts;
      // On to the end of the text: a quote that no backslash stands before.
      size_t end = 0;
      while (end < line.size() && line[end] != '"') end += line[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, line.size());
      if (!add(line.substr(0, end))) return;
      line.remove_prefix(end);
    }
  }

 private:
  /// False: it is too long, and what there is of it is the begin.
  bool add(std::string_view text) {
    rest += text.substr(0, kRestBytesMax + 1 - rest.size());
    return rest.size() <= kRestBytesMax;
  }
};

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
  ShortLine short_line;
  unsigned texts = 0;  // met in this line
  size_t next_long = 0;
  bool ran_out = false;  // of the short line, while it made sense

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
  /// What really stands where the parser met `text`.
  std::string_view whole(const std::string& text) {
    const auto& all = short_line.long_texts;
    const bool is_long = next_long < all.size() && all[next_long].ordinal == texts;
    ++texts;
    return is_long ? all[next_long++].text : std::string_view(text);
  }
  bool string(std::string& parsed) {
    const std::string_view text = whole(parsed);
    if (depth != 1) return wrong_type("text");
    if (field == Field::kCmd) {
      record->cmd = text.substr(0, kLongTextBytes);
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
  bool key(std::string& parsed) {
    const std::string_view name = whole(parsed);
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
    ran_out = position > short_line.rest.size();
    // Columns count from 1 in the whole line.
    size_t column = position;
    for (const ShortLine::LongText& each : short_line.long_texts) {
      if (each.at < position) column += each.text.size();
    }
    return wrong(fmt::format("is not JSON at column {}", column));
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
  impl_->ran_out = false;
  impl_->texts = 0;
  impl_->next_long = 0;
  impl_->short_line.long_texts.clear();
  if (line.size() < kLongLineBytes) return Json::sax_parse(line.begin(), line.end(), impl_.get());
  const std::string& rest = impl_->short_line.rest;
  impl_->short_line.take(line);
  const bool good = Json::sax_parse(rest.begin(), rest.end(), impl_.get());
  if (rest.size() > kRestBytesMax && (good || impl_->ran_out)) {
    impl_->problem = fmt::format("has more than {} bytes beside its payloads; expected one request", kRestBytesMax);
    return false;
  }
  return good;
}

const std::string& JsonlParser::problem() const {
  return impl_->problem;
}

}  // namespace dartboard::traces
