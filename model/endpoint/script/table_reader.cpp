// model/endpoint/script/table_reader.cpp - see table_reader.h.
#include "model/endpoint/script/table_reader.h"

#include <algorithm>

namespace dartboard::model {

TableReader::TableReader(ReadContext& context, std::string what, int line)
    : context_(context), table_(lua_gettop(context.state)), what_(std::move(what)), line_(line) {
  luaL_checkstack(context.state, 16, nullptr);
  push(kLineField);
  if (lua_isinteger(context_.state, -1)) line_ = static_cast<int>(lua_tointeger(context_.state, -1));
  lua_pop(context_.state, 1);
}

void TableReader::push(const char* name) {
  known_.emplace_back(name);
  lua_pushstring(context_.state, name);
  lua_rawget(context_.state, table_);
}

bool TableReader::has(const char* name) {
  push(name);
  const bool present = !lua_isnil(context_.state, -1);
  lua_pop(context_.state, 1);
  return present;
}

uint64_t TableReader::check_number(std::string_view name, uint64_t low, uint64_t high) {
  lua_State* const L = context_.state;
  int exact = 0;
  const auto value = static_cast<uint64_t>(lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &exact) : 0);
  if (exact == 0) {
    fail(fmt::format("'{}' is a {}: expected an integer", name, luaL_typename(L, -1)));
    return low;
  }
  if (value < low || value > high) {
    fail(fmt::format("'{}' is {:#x}: expected {:#x} to {:#x}", name, value, low, high));
    return low;
  }
  return value;
}

uint64_t TableReader::number(const char* name, uint64_t standard, uint64_t low, uint64_t high) {
  push(name);
  const uint64_t value = lua_isnil(context_.state, -1) ? standard : check_number(name, low, high);
  lua_pop(context_.state, 1);
  return value;
}

uint64_t TableReader::required_number(const char* name, uint64_t low, uint64_t high) {
  if (!has(name)) {
    fail(fmt::format("'{}' is missing", name));
    return low;
  }
  return number(name, low, low, high);
}

bool TableReader::boolean(const char* name, bool standard) {
  push(name);
  lua_State* const L = context_.state;
  bool value = standard;
  if (lua_isboolean(L, -1)) {
    value = lua_toboolean(L, -1) != 0;
  } else if (!lua_isnil(L, -1)) {
    fail(fmt::format("'{}' is a {}: expected true or false", name, luaL_typename(L, -1)));
  }
  lua_pop(L, 1);
  return value;
}

std::string TableReader::text(const char* name, std::string_view standard) {
  push(name);
  lua_State* const L = context_.state;
  std::string value(standard);
  if (lua_type(L, -1) == LUA_TSTRING) {
    value = lua_tostring(L, -1);
  } else if (!lua_isnil(L, -1)) {
    fail(fmt::format("'{}' is a {}: expected a string", name, luaL_typename(L, -1)));
  }
  lua_pop(L, 1);
  return value;
}

std::vector<std::byte> TableReader::bytes(const char* name) {
  push(name);
  lua_State* const L = context_.state;
  std::vector<std::byte> value;
  if (lua_type(L, -1) == LUA_TSTRING) {
    size_t length = 0;
    const auto* const data = reinterpret_cast<const std::byte*>(lua_tolstring(L, -1, &length));
    value.assign(data, data + length);
  } else if (!lua_isnil(L, -1)) {
    fail(fmt::format("'{}' is a {}: expected a string", name, luaL_typename(L, -1)));
  }
  lua_pop(L, 1);
  return value;
}

size_t TableReader::choice(const char* name, size_t standard, std::initializer_list<std::string_view> choices) {
  if (!has(name)) return standard;
  const std::string value = text(name, "");
  if (!context_.ok()) return standard;
  const auto found = std::find(choices.begin(), choices.end(), value);
  if (found != choices.end()) return static_cast<size_t>(found - choices.begin());
  fail(fmt::format("'{}' is \"{:.40}\": expected one of {}", name, value, fmt::join(choices, ", ")));
  return standard;
}

ScriptFunction TableReader::function(const char* name) {
  push(name);
  lua_State* const L = context_.state;
  if (lua_isfunction(L, -1)) return {luaL_ref(L, LUA_REGISTRYINDEX)};
  if (!lua_isnil(L, -1)) fail(fmt::format("'{}' is a {}: expected a function", name, luaL_typename(L, -1)));
  lua_pop(L, 1);
  return {};
}

std::optional<std::string> TableReader::optional_positional_text(int index, std::string_view meaning) {
  lua_State* const L = context_.state;
  positions_ = std::max<int64_t>(positions_, index);
  lua_rawgeti(L, table_, index);
  std::optional<std::string> value;
  if (lua_type(L, -1) == LUA_TSTRING) {
    value = lua_tostring(L, -1);
  } else if (!lua_isnil(L, -1)) {
    fail(fmt::format("the {} is a {}: expected a string", meaning, luaL_typename(L, -1)));
  }
  lua_pop(L, 1);
  return value;
}

std::optional<uint64_t> TableReader::optional_positional_number(int index, std::string_view meaning, uint64_t high) {
  lua_State* const L = context_.state;
  positions_ = std::max<int64_t>(positions_, index);
  lua_rawgeti(L, table_, index);
  std::optional<uint64_t> value;
  if (!lua_isnil(L, -1)) value = check_number(meaning, 0, high);
  lua_pop(L, 1);
  return value;
}

std::string TableReader::positional_text(int index, std::string_view meaning) {
  const auto value = optional_positional_text(index, meaning);
  if (!value) fail(fmt::format("the {} is missing (value {} of the table)", meaning, index));
  return value.value_or("");
}

uint64_t TableReader::positional_number(int index, std::string_view meaning, uint64_t high) {
  const auto value = optional_positional_number(index, meaning, high);
  if (!value) fail(fmt::format("the {} is missing (value {} of the table)", meaning, index));
  return value.value_or(0);
}

bool TableReader::push_table(const char* name) {
  push(name);
  lua_State* const L = context_.state;
  if (lua_istable(L, -1)) return true;
  if (!lua_isnil(L, -1)) fail(fmt::format("'{}' is a {}: expected a table", name, luaL_typename(L, -1)));
  lua_pop(L, 1);
  return false;
}

void TableReader::finish() {
  if (!context_.ok()) return;
  lua_State* const L = context_.state;
  std::vector<std::string> unknown;   // the hash order is not ours: report the first by name
  lua_pushnil(L);
  while (lua_next(L, table_) != 0) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING) {
      std::string key = lua_tostring(L, -1);
      if (std::find(known_.begin(), known_.end(), key) == known_.end()) unknown.push_back(std::move(key));
    } else if (lua_isinteger(L, -1)) {
      const lua_Integer index = lua_tointeger(L, -1);
      if (index < 1 || index > positions_) unknown.push_back(fmt::format("[{}]", index));
    }
  }
  if (unknown.empty()) return;
  std::erase(known_, kLineField);
  std::sort(known_.begin(), known_.end());
  known_.erase(std::unique(known_.begin(), known_.end()), known_.end());
  fail(fmt::format("there is no field '{:.40}'; expected {}", *std::min_element(unknown.begin(), unknown.end()),
                   fmt::join(known_, ", ")));
}

}  // namespace dartboard::model
