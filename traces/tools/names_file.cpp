// traces/tools/names_file.cpp - the schema of docs/register-names.md, member by member. Unknown members are errors: a
// misspelt one would otherwise be ignored.
#include <algorithm>
#include <initializer_list>
#include <optional>

#include <fmt/format.h>

#include "base/types.h"
#include "traces/json_document.h"
#include "traces/tools/access.h"
#include "traces/tools/names.h"

namespace dartboard::traces {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kExpected = "names of registers";
constexpr std::string_view kSchema = "dartboard-names-1";
constexpr uint64_t kFileBytesMax = 16 * kMiB;
constexpr unsigned kDepthMax = 8;                        // the schema needs 7
constexpr uint64_t kOffsetMax = uint64_t{1} << 48;  // so that no array wraps around
constexpr size_t kNameBytesMax = 128;

/// Walks the document. Every read_* sets `problem` and returns false on the first thing that is wrong.
class NamesReader : public DocumentWalk {
 public:
  explicit NamesReader(RegisterNames* out) : out_(*out) {}

  bool read(const Json& root) {
    if (!is_document(root, kSchema, {"schema", "name", "device", "registers", "indexed", "memory"})) return false;
    return read_name(root, "", "name", false, &out_.name) && read_device(root) && read_registers(root) &&
           read_pairs(root) && read_memory(root);
  }

 private:
  /// An unsigned number, or text: decimal or 0x hexadecimal.
  static std::optional<uint64_t> number_of(const Json& json) {
    if (json.is_number_unsigned()) return json.get<uint64_t>();
    return json.is_string() ? parse_number(json.get_ref<const std::string&>()) : std::nullopt;
  }
  bool read_number(const Json& object, const std::string& where, const char* name, bool required, uint64_t min,
                   uint64_t max, uint64_t* value) {
    const Json* const m = member(object, name);
    if (m == nullptr) return required ? wrong(where + name, "is missing") : true;
    const auto number = number_of(*m);
    if (!number || *number < min || *number > max) {
      return wrong(where + name, fmt::format("expected a number from {} to {}, or text such as \"0x10\"", min, max));
    }
    *value = *number;
    return true;
  }
  bool read_name(const Json& object, const std::string& where, const char* name, bool required, std::string* value) {
    const Json* const m = member(object, name);
    if (m == nullptr) return required ? wrong(where + name, "is missing") : true;
    const std::string* const text = m->is_string() ? &m->get_ref<const std::string&>() : nullptr;
    if (text == nullptr || text->empty() || text->size() > kNameBytesMax || printable(*text, kNameBytesMax) != *text) {
      return wrong(where + name, fmt::format("expected printable text of 1 to {} bytes", kNameBytesMax));
    }
    *value = *text;
    return true;
  }
  bool read_space(const Json& object, const std::string& where, uint32_t* space) {
    const Json* const m = member(object, "bar");
    std::optional<uint32_t> parsed;
    if (m != nullptr && m->is_number_unsigned() && m->get<uint64_t>() <= 5) parsed = m->get<uint32_t>();
    if (m != nullptr && m->is_string()) parsed = parse_space(m->get_ref<const std::string&>());
    if (!parsed) return wrong(where + "bar", m == nullptr ? "is missing" : "expected 0 to 5, \"rom\" or \"config\"");
    *space = *parsed;
    return true;
  }
  const Json* array(const Json& object, const std::string& where, const char* name, bool* good) {
    const Json* const m = member(object, name);
    if (m != nullptr && !m->is_array()) *good = wrong(where + name, "expected an array");
    return *good ? m : nullptr;
  }

  bool read_device(const Json& root) {
    const Json* const device = member(root, "device");
    if (device == nullptr) return true;
    uint64_t vendor = 0, id = 0;
    if (!only(*device, "device.", {"vendor_id", "device_id"}) ||
        !read_number(*device, "device.", "vendor_id", true, 1, 0xfffe, &vendor) ||
        !read_number(*device, "device.", "device_id", true, 1, 0xffff, &id)) {
      return false;
    }
    out_.vendor_id = static_cast<uint16_t>(vendor);
    out_.device_id = static_cast<uint16_t>(id);
    return true;
  }

  bool read_registers(const Json& root) {
    bool good = true;
    const Json* const registers = array(root, "", "registers", &good);
    for (size_t i = 0; good && registers != nullptr && i < registers->size(); ++i) {
      const Json& item = (*registers)[i];
      const std::string where = fmt::format("registers[{}].", i);
      RegisterName reg;
      uint64_t width = 4;
      if (!only(item, where, {"bar", "offset", "name", "width", "count", "stride", "fields", "note"}) ||
          !read_space(item, where, &reg.space) ||
          !read_number(item, where, "offset", true, 0, kOffsetMax, &reg.offset) ||
          !read_name(item, where, "name", true, &reg.name) || !read_width(item, where, &width)) {
        return false;
      }
      reg.width = static_cast<unsigned>(width);
      reg.stride = width;
      reg.is_array = member(item, "count") != nullptr;
      if (!reg.is_array && member(item, "stride") != nullptr) {
        return wrong(where + "stride", "is for an array: give 'count' too");
      }
      if (!read_number(item, where, "count", false, 1, RegisterNames::kElementsMax, &reg.count) ||
          !read_number(item, where, "stride", false, width, kOffsetMax / RegisterNames::kElementsMax, &reg.stride) ||
          !read_fields(item, where, reg.width * 8, &reg.fields)) {
        return false;
      }
      out_.registers.push_back(std::move(reg));
    }
    return good;
  }
  bool read_width(const Json& item, const std::string& where, uint64_t* width) {
    if (!read_number(item, where, "width", false, 1, 8, width)) return false;
    return is_power_of_two(*width) ? true : wrong(where + "width", "expected 1, 2, 4 or 8 bytes");
  }

  bool read_fields(const Json& item, const std::string& where, unsigned register_bits, std::vector<FieldName>* out) {
    bool good = true;
    const Json* const fields = array(item, where, "fields", &good);
    for (size_t i = 0; good && fields != nullptr && i < fields->size(); ++i) {
      const Json& json = (*fields)[i];
      const std::string w = fmt::format("{}fields[{}].", where, i);
      FieldName field;
      if (!only(json, w, {"name", "bits", "values"}) || !read_name(json, w, "name", true, &field.name) ||
          !read_bits(json, w, register_bits, &field) || !read_values(json, w, &field)) {
        return false;
      }
      for (const FieldName& other : *out) {
        if (field.low <= other.high && other.low <= field.high) {
          return wrong(w + "bits", fmt::format("overlaps field '{}'", other.name));
        }
      }
      out->push_back(std::move(field));
    }
    return good;
  }
  bool read_bits(const Json& json, const std::string& where, unsigned register_bits, FieldName* field) {
    const auto expected = fmt::format("expected a bit, or \"high:low\", inside {} bits", register_bits);
    const Json* const m = member(json, "bits");
    if (m == nullptr) return wrong(where + "bits", "is missing");
    std::optional<uint64_t> high, low;
    if (m->is_string()) {
      const std::string_view text = m->get_ref<const std::string&>();
      const size_t colon = text.find(':');
      high = parse_number(text.substr(0, colon));
      low = colon == text.npos ? high : parse_number(text.substr(colon + 1));
    } else {
      high = low = number_of(*m);
    }
    if (!high || !low || *high >= register_bits || *low > *high) return wrong(where + "bits", expected);
    field->high = static_cast<unsigned>(*high);
    field->low = static_cast<unsigned>(*low);
    return true;
  }
  bool read_values(const Json& json, const std::string& where, FieldName* field) {
    const Json* const values = member(json, "values");
    if (values == nullptr) return true;
    if (!values->is_object()) return wrong(where + "values", "expected an object such as {\"0\": \"idle\"}");
    for (const auto& item : values->items()) {
      const auto number = parse_number(item.key());
      const std::string w = where + "values." + printable(item.key(), 32);
      if (!number || field->of(*number << field->low) != *number) {
        return wrong(w, fmt::format("expected a number of {} bits", field->high - field->low + 1));
      }
      std::string name;
      if (!read_name(*values, where + "values.", item.key().c_str(), true, &name)) return false;
      field->values.emplace_back(*number, std::move(name));
    }
    std::sort(field->values.begin(), field->values.end());
    for (size_t i = 1; i < field->values.size(); ++i) {
      if (field->values[i].first == field->values[i - 1].first) {
        return wrong(where + "values", fmt::format("has {} twice", field->values[i].first));
      }
    }
    return true;
  }

  bool read_pairs(const Json& root) {
    bool good = true;
    const Json* const pairs = array(root, "", "indexed", &good);
    for (size_t i = 0; good && pairs != nullptr && i < pairs->size(); ++i) {
      const Json& item = (*pairs)[i];
      const std::string where = fmt::format("indexed[{}].", i);
      IndexPair pair;
      if (!only(item, where, {"name", "bar", "index", "data", "increment", "registers", "note"}) ||
          !read_name(item, where, "name", true, &pair.name) || !read_space(item, where, &pair.space) ||
          !read_number(item, where, "index", true, 0, kOffsetMax, &pair.index) ||
          !read_number(item, where, "data", true, 0, kOffsetMax, &pair.data) ||
          !read_number(item, where, "increment", false, 0, kOffsetMax, &pair.increment)) {
        return false;
      }
      if (pair.index == pair.data) return wrong(where + "data", "is the index register too");
      const Json* const registers = array(item, where, "registers", &good);
      for (size_t j = 0; good && registers != nullptr && j < registers->size(); ++j) {
        const Json& json = (*registers)[j];
        const std::string w = fmt::format("{}registers[{}].", where, j);
        RegisterName reg;
        reg.space = pair.space;
        if (!only(json, w, {"index", "name", "fields", "note"}) ||
            !read_number(json, w, "index", true, 0, UINT64_MAX, &reg.offset) ||
            !read_name(json, w, "name", true, &reg.name) || !read_fields(json, w, 64, &reg.fields)) {
          return false;
        }
        pair.registers.push_back(std::move(reg));
      }
      std::stable_sort(pair.registers.begin(), pair.registers.end(),
                       [](const RegisterName& a, const RegisterName& b) { return a.offset < b.offset; });
      for (size_t j = 1; j < pair.registers.size(); ++j) {
        if (pair.registers[j].offset == pair.registers[j - 1].offset) {
          return wrong(where + "registers", fmt::format("has index {:#x} twice", pair.registers[j].offset));
        }
      }
      out_.pairs.push_back(std::move(pair));
    }
    return good;
  }

  bool read_memory(const Json& root) {
    bool good = true;
    const Json* const memory = array(root, "", "memory", &good);
    for (size_t i = 0; good && memory != nullptr && i < memory->size(); ++i) {
      const Json& item = (*memory)[i];
      const std::string where = fmt::format("memory[{}].", i);
      uint64_t handle = 0;
      std::string name;
      if (!only(item, where, {"handle", "name", "note"}) ||
          !read_number(item, where, "handle", true, 0, UINT32_MAX, &handle) ||
          !read_name(item, where, "name", true, &name)) {
        return false;
      }
      out_.memory.emplace_back(static_cast<uint32_t>(handle), std::move(name));
    }
    std::sort(out_.memory.begin(), out_.memory.end());
    for (size_t i = 1; i < out_.memory.size(); ++i) {
      if (out_.memory[i].first == out_.memory[i - 1].first) {
        return wrong("memory", fmt::format("has handle {} twice", out_.memory[i].first));
      }
    }
    return good;
  }

  RegisterNames& out_;
};

}  // namespace

Result<RegisterNames> parse_register_names(std::string_view text, const std::string& origin) {
  const auto root = parse_document(text, kDepthMax, origin, kExpected);
  if (!root) return tl::unexpected(root.error());
  RegisterNames names;
  NamesReader reader(&names);
  std::string problem;
  const bool good = reader.read(*root);
  if (!good) problem = reader.problem();
  if (!good || !names.build(&problem)) {
    return fail(ErrorName::kFileCorrupt, fmt::format("{}: {}; see docs/register-names.md", origin, problem));
  }
  return names;
}

Result<RegisterNames> read_register_names(const std::string& path) {
  const auto text = read_document_file(path, kFileBytesMax, kExpected);
  if (!text) return tl::unexpected(text.error());
  return parse_register_names(*text, path);
}

}  // namespace dartboard::traces
