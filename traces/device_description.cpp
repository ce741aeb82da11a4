// traces/device_description.cpp - the schema in device_description.h, member by member.
#include "traces/device_description.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "base/types.h"
#include "traces/json_document.h"

namespace dartboard::traces {

namespace {

using Json = nlohmann::json;

constexpr uint64_t kFileBytesMax = kMiB;
constexpr unsigned kDepthMax = 4;  // the schema needs 3
constexpr size_t kNotesMax = 64;
constexpr uint64_t kBarBytesMin = 16;          // PCIe 6.0 s7.5.1.2.1: the smallest memory BAR
constexpr uint64_t kBar32BytesMax = 2 * kGiB;  // a 32-bit BAR implements at most bits 31:4
constexpr uint64_t kBarBytesMax = 64 * kGiB;   // what the simulation gives a device
constexpr uint64_t kMsixEntriesMax = 2048;     // s7.7.2.2: Table Size is 11 bits, plus one
constexpr std::string_view kExpected = "a device description";
constexpr std::string_view kSchema = "dartboard-device-1";

/// Walks the document. Every read_* sets `problem` and returns false on the first thing that is wrong.
class DescriptionReader : public DocumentWalk {
 public:
  DescriptionReader(const Json& root, DeviceDescription* out) : root_(root), out_(*out) {}

  bool read() {
    if (!is_document(root_, kSchema, {"schema", "name", "identity", "bars", "recorded", "config", "msix", "notes"})) {
      return false;
    }
    const Json* name = member(root_, "name");
    if (name == nullptr || !name->is_string()) return wrong("name", "expected text");
    out_.name = name->get<std::string>();
    return read_identity() && read_bars() && read_recorded() && read_config() && read_msix() && read_notes();
  }

 private:
  bool read_hex(const Json& object, const std::string& where, const char* name, bool required, unsigned bits,
                uint64_t* value) {
    const Json* const m = member(object, name);
    const std::string field = where + name;
    if (m == nullptr) return required ? wrong(field, "is missing") : true;
    const auto expected = fmt::format("expected a hexadecimal string of at most {} bits, such as \"0x10\"", bits);
    if (!m->is_string()) return wrong(field, expected);
    const auto& text = m->get_ref<const std::string&>();
    if (text.size() < 3 || text[0] != '0' || (text[1] != 'x' && text[1] != 'X')) return wrong(field, expected);
    uint64_t parsed = 0;
    const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), parsed, 16);
    if (error != std::errc() || end != text.data() + text.size() || parsed >> bits != 0) return wrong(field, expected);
    *value = parsed;
    return true;
  }
  bool read_bool(const Json& object, const std::string& where, const char* name, bool* value) {
    const Json* const m = member(object, name);
    if (m == nullptr) return true;
    if (!m->is_boolean()) return wrong(where + name, "expected true or false");
    *value = m->get<bool>();
    return true;
  }

  bool read_identity() {
    const Json* const identity = member(root_, "identity");
    if (identity == nullptr || !identity->is_object()) return wrong("identity", "expected an object");
    const std::string w = "identity.";
    if (!only(*identity, w,
              {"vendor_id", "device_id", "subsystem_vendor_id", "subsystem_id", "revision_id", "class_code"})) {
      return false;
    }
    uint64_t vendor = 0, device = 0, subvendor = 0, subsystem = 0, revision = 0, class_code = out_.class_code;
    if (!read_hex(*identity, w, "vendor_id", true, 16, &vendor) ||
        !read_hex(*identity, w, "device_id", true, 16, &device) ||
        !read_hex(*identity, w, "subsystem_vendor_id", false, 16, &subvendor) ||
        !read_hex(*identity, w, "subsystem_id", false, 16, &subsystem) ||
        !read_hex(*identity, w, "revision_id", false, 8, &revision) ||
        !read_hex(*identity, w, "class_code", false, 24, &class_code)) {
      return false;
    }
    if (vendor == 0xffff) return wrong("identity.vendor_id", "0xffff means that no device is there");
    out_.vendor_id = static_cast<uint16_t>(vendor);
    out_.device_id = static_cast<uint16_t>(device);
    out_.subsystem_vendor_id = static_cast<uint16_t>(subvendor);
    out_.subsystem_id = static_cast<uint16_t>(subsystem);
    out_.revision_id = static_cast<uint8_t>(revision);
    out_.class_code = static_cast<uint32_t>(class_code);
    return true;
  }

  static std::optional<uint64_t> parse_size(const Json& json) {
    if (json.is_number_unsigned()) return json.get<uint64_t>();
    if (!json.is_string()) return std::nullopt;
    const auto& text = json.get_ref<const std::string&>();
    uint64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || count > kBarBytesMax) return std::nullopt;
    const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
    if (unit == " KiB") return count * kKiB;
    if (unit == " MiB") return count * kMiB;
    if (unit == " GiB") return count * kGiB;
    return std::nullopt;
  }
  bool read_bars() {
    const Json* const bars = member(root_, "bars");
    if (bars == nullptr || !bars->is_array()) return wrong("bars", "expected an array");
    uint64_t next_free = 0;
    for (size_t i = 0; i < bars->size(); ++i) {
      const Json& item = (*bars)[i];
      const std::string w = fmt::format("bars[{}].", i);
      if (!only(item, w, {"index", "size", "kind", "64bit", "prefetchable"})) return false;
      BarDescription bar;
      if (!read_bool(item, w, "64bit", &bar.is_64bit) || !read_bool(item, w, "prefetchable", &bar.prefetchable)) {
        return false;
      }
      const uint64_t last = bar.is_64bit ? 4 : 5;
      const Json* const index = member(item, "index");
      if (index == nullptr || !index->is_number_unsigned() || index->get<uint64_t>() < next_free ||
          index->get<uint64_t>() > last) {
        return next_free > last ? wrong(w + "index", "no BAR is left for it")
                                : wrong(w + "index", fmt::format("expected a free BAR, {} to {}", next_free, last));
      }
      const auto n = index->get<uint64_t>();
      next_free = n + (bar.is_64bit ? 2 : 1);
      const uint64_t size_max = bar.is_64bit ? kBarBytesMax : kBar32BytesMax;
      const Json* const size = member(item, "size");
      const auto bytes = size == nullptr ? std::nullopt : parse_size(*size);
      if (!bytes || !is_power_of_two(*bytes) || *bytes < kBarBytesMin || *bytes > size_max) {
        return wrong(w + "size", fmt::format("expected a power of two from {} to {} bytes, or text such as \"512 MiB\"",
                                             kBarBytesMin, size_max));
      }
      bar.size = *bytes;
      const Json* const kind = member(item, "kind");
      if (kind != nullptr && *kind == "memory") {
        bar.kind = BarKind::kMemory;
      } else if (kind != nullptr && *kind == "registers") {
        bar.kind = BarKind::kRegisters;
      } else {
        return wrong(w + "kind", "expected \"memory\" or \"registers\"");
      }
      out_.bars[n] = bar;
    }
    return true;
  }

  bool read_recorded() {
    const Json* const recorded = member(root_, "recorded");
    if (recorded == nullptr) return true;
    return only(*recorded, "recorded.", {"memory_decode_gated_by_command", "resizable_bar"}) &&
           read_bool(*recorded, "recorded.", "memory_decode_gated_by_command", &out_.memory_decode_gated_by_command) &&
           read_bool(*recorded, "recorded.", "resizable_bar", &out_.resizable_bar);
  }
  bool read_count(const Json& object, const std::string& where, const char* name, uint64_t max, uint64_t* value) {
    const Json* const m = member(object, name);
    if (m == nullptr || !m->is_number_unsigned() || m->get<uint64_t>() > max) {
      return wrong(where + name, fmt::format("expected a number, at most {}", max));
    }
    *value = m->get<uint64_t>();
    return true;
  }
  bool read_config() {
    const Json* const config = member(root_, "config");
    if (config == nullptr) return true;
    if (!config->is_array()) return wrong("config", "expected an array");
    for (size_t i = 0; i < config->size(); ++i) {
      const Json& item = (*config)[i];
      const std::string w = fmt::format("config[{}].", i);
      uint64_t offset = 0;
      if (!only(item, w, {"offset", "bytes"}) || !read_count(item, w, "offset", ConfigImage::kBytes - 1, &offset)) {
        return false;
      }
      const Json* const bytes = member(item, "bytes");
      const std::string expected = fmt::format("expected pairs of hexadecimal digits, at most {} bytes from there",
                                               ConfigImage::kBytes - offset);
      if (bytes == nullptr || !bytes->is_string()) return wrong(w + "bytes", expected);
      const std::string_view text = bytes->get_ref<const std::string&>();
      if (text.size() % 2 != 0 || text.size() / 2 > ConfigImage::kBytes - offset) return wrong(w + "bytes", expected);
      for (size_t at = 0; at < text.size(); at += 2) {
        uint8_t value = 0;
        const auto [end, error] = std::from_chars(text.data() + at, text.data() + at + 2, value, 16);
        if (error != std::errc() || end != text.data() + at + 2) return wrong(w + "bytes", expected);
        out_.config.learn(offset + at / 2, 1, value);
      }
    }
    return true;
  }
  bool read_msix() {
    const Json* const msix = member(root_, "msix");
    if (msix == nullptr) return true;
    const std::string w = "msix.";
    uint64_t entries = 0, table_bar = 0, pba_bar = 0;
    if (!only(*msix, w, {"entries", "table_bar", "table_offset", "pba_bar", "pba_offset"}) ||
        !read_count(*msix, w, "entries", kMsixEntriesMax, &entries) ||
        !read_count(*msix, w, "table_bar", 5, &table_bar) || !read_count(*msix, w, "pba_bar", 5, &pba_bar) ||
        !read_count(*msix, w, "table_offset", UINT32_MAX, &out_.msix.table_offset) ||
        !read_count(*msix, w, "pba_offset", UINT32_MAX, &out_.msix.pba_offset)) {
      return false;
    }
    out_.msix.entries = static_cast<uint32_t>(entries);
    out_.msix.table_bar = static_cast<uint32_t>(table_bar);
    out_.msix.pba_bar = static_cast<uint32_t>(pba_bar);
    return true;
  }
  bool read_notes() {
    const Json* const notes = member(root_, "notes");
    if (notes == nullptr) return true;
    if (!notes->is_array() || notes->size() > kNotesMax) {
      return wrong("notes", fmt::format("expected an array of at most {} sentences", kNotesMax));
    }
    for (size_t i = 0; i < notes->size(); ++i) {
      if (!(*notes)[i].is_string()) return wrong(fmt::format("notes[{}]", i), "expected text");
      out_.notes.push_back((*notes)[i].get<std::string>());
    }
    return true;
  }

  const Json& root_;
  DeviceDescription& out_;
};

std::string without_suffix(const std::string& path) {
  for (const std::string_view suffix : {".jsonl.zst", ".jsonl"}) {
    if (path.size() > suffix.size() && path.compare(path.size() - suffix.size(), suffix.size(), suffix) == 0) {
      return path.substr(0, path.size() - suffix.size());
    }
  }
  return path;
}

}  // namespace

std::string DeviceDescription::bar_list() const {
  std::string out;
  for (size_t i = 0; i < bars.size(); ++i) {
    if (has_bar(i)) out += fmt::format("{}BAR{}", out.empty() ? "" : ", ", i);
  }
  return out.empty() ? "no BAR" : out;
}

bool ConfigImage::known(uint64_t offset, uint64_t length) const {
  for (uint64_t i = 0; i < length; ++i) {
    if (!known(offset + i)) return false;
  }
  return true;
}
uint32_t ConfigImage::value(uint64_t offset, unsigned length) const {
  uint32_t value = 0;
  for (unsigned i = length; i-- > 0;) value = value << 8 | at(offset + i);
  return value;
}
void ConfigImage::learn(uint64_t offset, unsigned length, uint32_t value) {
  if (!in_range(offset, length, kBytes)) return;
  if (empty()) {
    bytes_.resize(kBytes);
    known_.resize(kBytes);
  }
  for (unsigned i = 0; i < length; ++i) {
    if (known_[offset + i]) continue;
    known_[offset + i] = true;
    bytes_[offset + i] = static_cast<uint8_t>(value >> (8 * i));
  }
}

std::string format_device_description(const DeviceDescription& d) {
  nlohmann::ordered_json root;
  root["schema"] = kSchema;
  root["name"] = d.name;
  root["identity"] = {{"vendor_id", fmt::format("0x{:04x}", d.vendor_id)},
                      {"device_id", fmt::format("0x{:04x}", d.device_id)},
                      {"subsystem_vendor_id", fmt::format("0x{:04x}", d.subsystem_vendor_id)},
                      {"subsystem_id", fmt::format("0x{:04x}", d.subsystem_id)},
                      {"revision_id", fmt::format("0x{:02x}", d.revision_id)},
                      {"class_code", fmt::format("0x{:06x}", d.class_code)}};
  auto& bars = root["bars"] = nlohmann::ordered_json::array();
  for (unsigned i = 0; i < d.bars.size(); ++i) {
    const BarDescription& bar = d.bars[i];
    if (bar.kind == BarKind::kAbsent) continue;
    bars.push_back({{"index", i},
                    {"size", bar.size},
                    {"kind", bar.kind == BarKind::kMemory ? "memory" : "registers"},
                    {"64bit", bar.is_64bit},
                    {"prefetchable", bar.prefetchable}});
  }
  root["recorded"] = {{"memory_decode_gated_by_command", d.memory_decode_gated_by_command},
                      {"resizable_bar", d.resizable_bar}};
  if (!d.config.empty()) {
    auto& config = root["config"] = nlohmann::ordered_json::array();
    for (uint64_t offset = 0; offset < ConfigImage::kBytes;) {
      std::string bytes;
      const uint64_t begin = offset;
      for (; d.config.known(offset); ++offset) bytes += fmt::format("{:02x}", d.config.at(offset));
      if (!bytes.empty()) config.push_back({{"offset", begin}, {"bytes", bytes}});
      ++offset;
    }
  }
  if (d.msix.entries != 0) {
    root["msix"] = {{"entries", d.msix.entries},
                    {"table_bar", d.msix.table_bar},
                    {"table_offset", d.msix.table_offset},
                    {"pba_bar", d.msix.pba_bar},
                    {"pba_offset", d.msix.pba_offset}};
  }
  root["notes"] = d.notes;
  // What is no UTF-8 came from a file: it is replaced, not thrown.
  return root.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string device_description_path(const std::string& session_path) {
  return without_suffix(session_path) + ".device.json";
}

Result<DeviceDescription> parse_device_description(std::string_view text, const std::string& origin) {
  const auto root = parse_document(text, kDepthMax, origin, kExpected);
  if (!root) return tl::unexpected(root.error());
  DeviceDescription description;
  DescriptionReader reader(*root, &description);
  if (!reader.read()) return fail(ErrorName::kFileCorrupt, fmt::format("{}: {}.", origin, reader.problem()));
  return description;
}

Result<DeviceDescription> read_device_description(const std::string& path) {
  const auto text = read_document_file(path, kFileBytesMax, kExpected);
  if (!text) return tl::unexpected(text.error());
  return parse_device_description(*text, path);
}

}  // namespace dartboard::traces
