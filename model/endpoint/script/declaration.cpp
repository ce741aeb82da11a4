// model/endpoint/script/declaration.cpp - from the tables of a script to a declaration, checked.
#include "model/endpoint/script/declaration.h"

#include <algorithm>

#include "model/endpoint/script/table_reader.h"

namespace dartboard::model {
namespace {

constexpr const char* kDeviceKey = "dartboard.device";
constexpr uint64_t kBarBytesMax = BarDeclaration::kMem64BytesMax;

// device{}, bar{}, register{}, range{}, fault{}: the table itself, with the line of the call in it.
int tag_line(lua_State* L) {
  if (lua_gettop(L) != 1 || !lua_istable(L, 1)) {
    return luaL_error(L, "%s: expected one table, as in %s{ ... }", lua_tostring(L, lua_upvalueindex(1)),
                      lua_tostring(L, lua_upvalueindex(1)));
  }
  lua_Debug where;
  if (lua_getstack(L, 1, &where) != 0) {
    lua_getinfo(L, "l", &where);
    lua_pushinteger(L, where.currentline);
    lua_setfield(L, 1, kLineField);
  }
  return 1;
}

int declare_device(lua_State* L) {
  tag_line(L);
  if (lua_getfield(L, LUA_REGISTRYINDEX, kDeviceKey) != LUA_TNIL) {
    return luaL_error(L, "device{} was called before: a script declares one device");
  }
  lua_pushvalue(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, kDeviceKey);
  return 0;
}

class Reader {
 public:
  Reader(lua_State* state, const std::string& script) : context_{state, script, {}} {
    out_.texts = std::make_shared<std::deque<std::string>>();
  }

  Result<ScriptDeclaration> run() {
    lua_State* const L = context_.state;
    luaL_checkstack(L, 32, nullptr);
    if (lua_getfield(L, LUA_REGISTRYINDEX, kDeviceKey) != LUA_TTABLE) {
      lua_pop(L, 1);
      context_.fail(1, "the script declares no device: expected a call of device{ ... }");
      return tl::unexpected(*context_.error);
    }
    read_device();
    lua_settop(L, lua_gettop(L) - 1);
    if (context_.ok()) check();
    if (!context_.ok()) return tl::unexpected(*context_.error);
    return std::move(out_);
  }

 private:
  void read_device() {
    TableReader t(context_, "device", 1);
    device_line_ = t.line();
    EndpointDeclaration& d = out_.endpoint;
    out_.name = t.text("name", context_.script);
    d.vendor_id = static_cast<uint16_t>(t.required_number("vendor", 0, 0xfffe));
    d.device_id = static_cast<uint16_t>(t.required_number("device", 0, 0xffff));
    d.subsystem_vendor_id = static_cast<uint16_t>(t.number("subsystem_vendor", 0, 0, 0xffff));
    d.subsystem_id = static_cast<uint16_t>(t.number("subsystem", 0, 0, 0xffff));
    d.revision = static_cast<uint8_t>(t.number("revision", 0, 0, 0xff));
    d.class_code = static_cast<uint32_t>(t.required_number("class", 0, 0xff'ffff));
    d.interrupt_pin = static_cast<uint8_t>(t.number("interrupt_pin", 0, 0, 4));
    if (t.has("serial")) d.serial_number = t.number("serial", 0, 0, UINT64_MAX);
    d.reset_ready_ns = t.number("reset_ready_ns", 0, 0, 60 * kNsPerS);
    if (t.has("flr_ready_ns")) d.flr_ready_ns = t.number("flr_ready_ns", 0, 0, 60 * kNsPerS);
    d.rom_image = t.bytes("rom");
    if (t.push_table("capabilities")) {
      read_capabilities(t.line());
      pop();
    }
    if (t.push_table("bars")) {
      for (unsigned bar = 0; bar < kBarCount && context_.ok(); ++bar) {
        lua_rawgeti(context_.state, -1, bar);
        if (lua_istable(context_.state, -1)) {
          read_bar(bar, t.line());
        } else if (!lua_isnil(context_.state, -1)) {
          t.fail(fmt::format("bars[{}] is a {}: expected bar{{ ... }}", bar, luaL_typename(context_.state, -1)));
        }
        pop();
      }
      check_bar_keys(t);
      pop();
    }
    out_.on_reset = t.function("on_reset");
    out_.on_config_read = t.function("on_config_read");
    out_.on_config_write = t.function("on_config_write");
    t.finish();
  }

  void check_bar_keys(TableReader& t) {
    lua_State* const L = context_.state;
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
      lua_pop(L, 1);
      const bool known = lua_isinteger(L, -1) && lua_tointeger(L, -1) >= 0 && lua_tointeger(L, -1) < kBarCount;
      if (!known) t.fail("'bars' has a key that is no BAR: expected [0] to [5]");
    }
  }

  void read_capabilities(int line) {
    TableReader t(context_, "capabilities", line);
    EndpointDeclaration& d = out_.endpoint;
    d.power_management = t.boolean("power_management", true);
    d.no_soft_reset = t.boolean("no_soft_reset", false);
    d.pcie = t.boolean("pcie", true);
    d.flr = t.boolean("flr", d.pcie);
    d.aer = t.boolean("aer", d.pcie);
    d.vendor_capability = t.boolean("vendor", false);
    d.vendor_extended = t.boolean("vendor_extended", false);
    d.ats = t.boolean("ats", false);
    d.msi_vectors = static_cast<uint32_t>(t.number("msi", 0, 0, 32));
    if (t.push_table("msix")) {
      TableReader m(context_, "capabilities.msix", t.line());
      d.msix_vectors = static_cast<uint32_t>(m.required_number("vectors", 1, kMsixVectorsMax));
      d.msix_table_bar = static_cast<uint8_t>(m.required_number("bar", 0, kBarCount - 1));
      d.msix_table_offset = static_cast<uint32_t>(m.number("table", 0, 0, 0xffff'fff8));
      d.msix_pba_bar = static_cast<uint8_t>(m.number("pba_bar", d.msix_table_bar, 0, kBarCount - 1));
      d.msix_pba_offset = static_cast<uint32_t>(m.required_number("pba", 0, 0xffff'fff8));
      m.finish();
      pop();
    }
    t.finish();
  }

  void read_bar(unsigned bar, int line) {
    TableReader t(context_, fmt::format("BAR{}", bar), line);
    BarDeclaration& b = out_.endpoint.bars[bar];
    b.size_bytes = t.required_number("size", 1, kBarBytesMax);
    const bool io = t.boolean("io", false);
    const uint64_t bits = t.number("bits", 32, 32, 64);
    const bool prefetchable = t.boolean("prefetchable", false);
    if (bits != 32 && bits != 64) t.fail(fmt::format("'bits' is {}: expected 32 or 64", bits));
    if (io && (bits == 64 || prefetchable)) t.fail("an I/O BAR has 32 bits and is not prefetchable");
    if (io) {
      b.kind = BarKind::kIo;
    } else if (bits == 64) {
      b.kind = prefetchable ? BarKind::kMem64Prefetchable : BarKind::kMem64;
    } else {
      b.kind = prefetchable ? BarKind::kMem32Prefetchable : BarKind::kMem32;
    }
    b.resizable_sizes = t.number("resizable", 0, 0, UINT64_MAX);
    constexpr BarRole kRoles[] = {BarRole::kRegisters, BarRole::kMemory, BarRole::kMsix};
    b.role = kRoles[t.choice("holds", 0, {"registers", "memory", "msix"})];
    constexpr Undeclared kUndeclared[] = {Undeclared::kZeros, Undeclared::kOnes, Undeclared::kRam};
    out_.bars[bar].undeclared = kUndeclared[t.choice("undeclared", 0, {"zeros", "ones", "ram"})];
    if (context_.ok() && out_.bars[bar].undeclared == Undeclared::kRam && b.size_bytes > kScriptRegisterBytesMax) {
      t.fail(fmt::format("undeclared = \"ram\" in a BAR of {} bytes: expected at most {}, or holds = \"memory\"",
                         b.size_bytes, kScriptRegisterBytesMax));
    }
    t.each("registers", [&](unsigned i) { read_register(bar, i, t.line()); });
    t.each("ranges", [&](unsigned i) { read_range(bar, i, t.line()); });
    t.each("faults", [&](unsigned i) { read_fault(bar, i, t.line()); });
    if (context_.ok() && b.role != BarRole::kRegisters && (has_items(bar) || t.has("undeclared"))) {
      t.fail("only a BAR that holds \"registers\" can have registers, ranges, faults and 'undeclared'");
    }
    t.finish();
  }

  bool has_items(unsigned bar) const {
    const auto here = [bar](const auto& item) { return item.bar == bar; };
    return std::any_of(out_.registers.begin(), out_.registers.end(), here) ||
           std::any_of(out_.ranges.begin(), out_.ranges.end(), here) ||
           std::any_of(out_.faults.begin(), out_.faults.end(), here);
  }

  void read_register(unsigned bar, unsigned index, int line) {
    TableReader t(context_, fmt::format("BAR{} register {}", bar, index), line);
    ScriptRegister r;
    r.bar = bar;
    r.line = t.line();
    r.name = t.positional_text(1, "name");
    if (!context_.ok()) return;
    t.rename(fmt::format("register {:.40}", r.name));
    const uint64_t bar_bytes = out_.endpoint.bars[bar].size_bytes;
    r.offset = static_cast<uint32_t>(t.positional_number(2, "offset", std::min(bar_bytes, kScriptRegisterBytesMax) - 1));
    r.width = static_cast<uint8_t>(t.number("width", 4, 1, 8));
    if (context_.ok() && !is_power_of_two(r.width)) t.fail(fmt::format("'width' is {}: expected 1, 2, 4 or 8", r.width));
    r.count = static_cast<uint32_t>(t.number("count", 1, 1, kScriptRegisterCountMax));
    r.stride = static_cast<uint32_t>(t.number("stride", r.width, r.width, kScriptRegisterBytesMax));
    r.on_read = t.function("on_read");
    r.on_write = t.function("on_write");
    if (context_.ok() && r.offset % std::min<unsigned>(r.width, 4) != 0) {
      t.fail(fmt::format("the offset {:#x} is not a multiple of its width", r.offset));
    }
    if (context_.ok() && r.end() > std::min(bar_bytes, kScriptRegisterBytesMax)) {
      t.fail(fmt::format("it ends at {:#x}: expected at most {:#x} (the BAR's size, or {} MiB of registers)", r.end(),
                         std::min(bar_bytes, kScriptRegisterBytesMax), kScriptRegisterBytesMax / kMiB));
    }
    elements_ += r.count;
    if (elements_ > kScriptRegisterCountMax) t.fail(fmt::format("more than {} registers", kScriptRegisterCountMax));
    read_fields(t, r);
    t.finish();
    if (context_.ok()) out_.registers.push_back(std::move(r));
  }

  static bool access_from(std::string_view name, Access& access) {
    constexpr std::pair<std::string_view, Access> kNames[] = {
        {"ro", Access::kRO},   {"rw", Access::kRW},       {"w1c", Access::kRW1C},  {"rw1c", Access::kRW1C},
        {"ros", Access::kROS}, {"rws", Access::kRWS},     {"w1cs", Access::kRW1CS}, {"rw1cs", Access::kRW1CS},
        {"wo", Access::kWO},   {"hwinit", Access::kHwInit}};
    for (const auto& [text, value] : kNames) {
      if (text == name) {
        access = value;
        return true;
      }
    }
    return false;
  }

  // Fields by name, or masks (rw = 0xff, w1c = 0x100), over the register's own access.
  void read_fields(TableReader& t, ScriptRegister& r) {
    const uint64_t all = low_bits(r.width * 8u);
    Access rest = Access::kRO;
    const std::string access = t.text("access", "ro");
    if (context_.ok() && !access_from(access, rest)) {
      t.fail(fmt::format("'access' is \"{:.40}\": expected ro, rw, w1c, wo, ros, rws, w1cs or hwinit", access));
    }
    const uint64_t reset = t.number("reset", 0, 0, all);
    const bool survives_flr = t.boolean("survives_flr", false);
    std::vector<std::pair<Access, uint64_t>> masks;
    for (const auto& [name, value] : {std::pair{"ro", Access::kRO}, {"rw", Access::kRW}, {"w1c", Access::kRW1C},
                                      {"rws", Access::kRWS}, {"w1cs", Access::kRW1CS}, {"wo", Access::kWO}}) {
      if (t.has(name)) masks.emplace_back(value, t.number(name, 0, 0, all));
    }
    uint64_t taken = 0;
    const auto add = [&](std::string name, unsigned hi, unsigned lo, Access bits) {
      const uint64_t mask = low_bits(hi - lo + 1) << lo;
      if ((taken & mask) != 0) {
        t.fail(fmt::format("bits {}:{} ({:.40}) are declared twice", hi, lo, name));
        return;
      }
      taken |= mask;
      out_.texts->push_back(std::move(name));
      r.fields.push_back({out_.texts->back(), static_cast<uint8_t>(hi), static_cast<uint8_t>(lo), bits,
                          (reset & mask) >> lo, survives_flr ? ResetClass::kSurvivesFlr : ResetClass::kEvery});
    };
    const auto add_runs = [&](uint64_t mask, Access bits) {
      for (unsigned lo = 0; lo < r.width * 8u; ++lo) {
        if (((mask >> lo) & 1) == 0) continue;
        unsigned hi = lo;
        while (hi + 1 < r.width * 8u && ((mask >> (hi + 1)) & 1) != 0) ++hi;
        const bool whole = lo == 0 && hi + 1 == r.width * 8u;
        add(whole ? r.name : hi == lo ? fmt::format("bit {}", lo) : fmt::format("bits {}:{}", hi, lo), hi, lo, bits);
        lo = hi;
      }
    };
    t.each("fields", [&](unsigned index) {
      TableReader f(context_, fmt::format("register {:.40} field {}", r.name, index), t.line());
      const std::string name = f.positional_text(1, "name");
      const auto hi = static_cast<unsigned>(f.positional_number(2, "highest bit", r.width * 8u - 1));
      const auto lo = static_cast<unsigned>(f.optional_positional_number(3, "lowest bit", hi).value_or(hi));
      Access bits = rest;
      const std::string text = f.text("access", access);
      if (context_.ok() && !access_from(text, bits)) f.fail(fmt::format("'access' is \"{:.40}\": expected ro, rw, w1c, wo", text));
      f.finish();
      if (context_.ok()) add(name, hi, lo, bits);
    });
    for (const auto& [bits, mask] : masks) add_runs(mask, bits);
    if (r.fields.empty() || access != "ro" || (reset & ~taken) != 0) add_runs(all & ~taken, rest);
  }

  void read_range(unsigned bar, unsigned index, int line) {
    TableReader t(context_, fmt::format("BAR{} range {}", bar, index), line);
    const uint64_t bar_bytes = out_.endpoint.bars[bar].size_bytes;
    ScriptRange r;
    r.bar = bar;
    r.line = t.line();
    r.name = t.positional_text(1, "name");
    r.offset = t.positional_number(2, "offset", bar_bytes - 1);
    r.size = t.required_number("size", 1, bar_bytes);
    r.on_read = t.function("on_read");
    r.on_write = t.function("on_write");
    if (context_.ok() && !in_range(r.offset, r.size, bar_bytes)) {
      t.fail(fmt::format("it ends at {:#x}: the BAR has {:#x} bytes", r.offset + r.size, bar_bytes));
    }
    if (context_.ok() && (r.offset % 4 != 0 || r.size % 4 != 0)) t.fail("offset and size: expected multiples of 4");
    t.finish();
    if (context_.ok()) out_.ranges.push_back(std::move(r));
  }

  void read_fault(unsigned bar, unsigned index, int line) {
    TableReader t(context_, fmt::format("BAR{} fault {}", bar, index), line);
    const uint64_t bar_bytes = out_.endpoint.bars[bar].size_bytes;
    ScriptFault f;
    f.bar = bar;
    f.offset = t.positional_number(1, "offset", bar_bytes - 1);
    f.size = t.number("size", 4, 1, bar_bytes);
    const size_t on = t.choice("on", 2, {"read", "write", "both"});
    f.on_read = on != 1;
    f.on_write = on != 0;
    const std::string outcome = t.text("outcome", "unsupported-request");
    if (context_.ok() && !outcome_from_name(outcome, f.outcome)) {
      t.fail(fmt::format("'outcome' is \"{:.40}\": expected unsupported-request, completer-abort, timeout or poisoned", outcome));
    }
    f.after = t.number("after", 0, 0, UINT64_MAX);
    f.count = t.number("count", 0, 0, UINT64_MAX);
    if (context_.ok() && !in_range(f.offset, f.size, bar_bytes)) t.fail("it goes beyond the end of the BAR");
    t.finish();
    if (context_.ok()) out_.faults.push_back(f);
  }

  void check() {
    if (auto valid = out_.endpoint.validate(); !valid) {
      context_.fail(device_line_, fmt::format("device: {}", valid.error().sentence));
      return;
    }
    const auto by_place = [](const auto& a, const auto& b) { return a.bar != b.bar ? a.bar < b.bar : a.offset < b.offset; };
    std::stable_sort(out_.registers.begin(), out_.registers.end(), by_place);
    std::stable_sort(out_.ranges.begin(), out_.ranges.end(), by_place);
    check_overlaps();
    check_names();
  }

  void check_overlaps() {
    struct Span {
      unsigned bar;
      uint64_t begin, end;
      const std::string* name;
      int line;
    };
    std::vector<Span> spans;
    for (const ScriptRegister& r : out_.registers) {
      for (uint32_t i = 0; i < r.count; ++i) {
        const uint64_t at = r.offset + uint64_t{i} * r.stride;
        spans.push_back({r.bar, at, at + r.width, &r.name, r.line});
      }
    }
    for (const ScriptRange& r : out_.ranges) spans.push_back({r.bar, r.offset, r.offset + r.size, &r.name, r.line});
    std::stable_sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
      return a.bar != b.bar ? a.bar < b.bar : a.begin < b.begin;
    });
    for (size_t i = 1; i < spans.size(); ++i) {
      if (spans[i].bar != spans[i - 1].bar || spans[i].begin >= spans[i - 1].end) continue;
      context_.fail(spans[i].line, fmt::format("{:.40} at {:#x} of BAR{} overlaps {:.40}, which ends at {:#x}", *spans[i].name,
                                               spans[i].begin, spans[i].bar, *spans[i - 1].name, spans[i - 1].end));
      return;
    }
  }

  void check_names() {
    std::vector<const ScriptRegister*> names;
    for (const ScriptRegister& r : out_.registers) names.push_back(&r);
    std::stable_sort(names.begin(), names.end(), [](auto* a, auto* b) { return a->name < b->name; });
    for (size_t i = 1; i < names.size(); ++i) {
      if (names[i]->name != names[i - 1]->name) continue;
      context_.fail(names[i]->line, fmt::format("there are two registers {:.40}; the other is in line {}", names[i]->name,
                                                names[i - 1]->line));
      return;
    }
  }

  void pop() { lua_pop(context_.state, 1); }

  ReadContext context_;
  ScriptDeclaration out_;
  int device_line_ = 1;
  uint64_t elements_ = 0;
};

}  // namespace

bool outcome_from_name(std::string_view name, Outcome& outcome) {
  for (const Outcome o : {Outcome::kSuccess, Outcome::kUnsupportedRequest, Outcome::kCompleterAbort,
                          Outcome::kCompletionTimeout, Outcome::kPoisoned}) {
    if (outcome_name(o) == name) {
      outcome = o;
      return true;
    }
  }
  return false;
}

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kSuccess: return "success";
    case Outcome::kUnsupportedRequest: return "unsupported-request";
    case Outcome::kCompleterAbort: return "completer-abort";
    case Outcome::kCompletionTimeout: return "timeout";
    case Outcome::kPoisoned: return "poisoned";
    case Outcome::kLinkDown: return "link-down";
    case Outcome::kRequestRetry: return "retry";
    case Outcome::kPending: return "pending";
  }
  return "unknown";
}

bool ScriptDeclaration::adopt_functions(const ScriptDeclaration& again) {
  if (registers.size() != again.registers.size() || ranges.size() != again.ranges.size()) return false;
  for (size_t i = 0; i < registers.size(); ++i) {
    if (registers[i].name != again.registers[i].name || registers[i].offset != again.registers[i].offset) return false;
    registers[i].on_read = again.registers[i].on_read;
    registers[i].on_write = again.registers[i].on_write;
  }
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].name != again.ranges[i].name || ranges[i].offset != again.ranges[i].offset) return false;
    ranges[i].on_read = again.ranges[i].on_read;
    ranges[i].on_write = again.ranges[i].on_write;
  }
  on_reset = again.on_reset;
  on_config_read = again.on_config_read;
  on_config_write = again.on_config_write;
  return true;
}

void open_declaration_functions(lua_State* L) {
  for (const char* name : {"bar", "register", "range", "fault"}) {
    lua_pushstring(L, name);
    lua_pushcclosure(L, tag_line, 1);
    lua_setglobal(L, name);
  }
  lua_pushliteral(L, "device");
  lua_pushcclosure(L, declare_device, 1);
  lua_setglobal(L, "device");
}

Result<ScriptDeclaration> read_declaration(lua_State* L, const std::string& script) { return Reader(L, script).run(); }

}  // namespace dartboard::model
