// model/endpoint/script/library.cpp - the standard library a script sees: what is kept, replaced and left out.
//
// Left out: whatever reaches the host (io, os, package, debug, load, print), catches errors (pcall, coroutine: they
// would catch the end of the budget), loops in C without the budget seeing it (patterns, table.move, table.sort) or
// shows an address or the order of a hash table (next). Debian's Lua seeds its string hash with a clock and an address,
// so the order of pairs() in stock Lua differs from process to process.
#include "model/endpoint/script/library.h"

#include <algorithm>
#include <cstring>

#include "model/endpoint/script/sandbox.h"

namespace dartboard::model {

namespace {

// pairs ---------------------------------------------------------------------------------------------------------------

struct Key {
  lua_Number number;      // for sorting numbers of both kinds
  lua_Integer integer;
  const char* text;       // owned by the table's key
  size_t bytes;
  int rank;               // booleans, integers and floats, strings
  bool is_integer;
};

bool key_before(const Key& a, const Key& b) {
  if (a.rank != b.rank) return a.rank < b.rank;
  if (a.rank == 0) return a.integer < b.integer;
  if (a.rank == 1) {
    if (a.is_integer && b.is_integer) return a.integer < b.integer;
    return a.number < b.number;
  }
  const int order = std::memcmp(a.text, b.text, std::min(a.bytes, b.bytes));
  return order != 0 ? order < 0 : a.bytes < b.bytes;
}

// upvalues: table of keys in order; number of the next one.  (table, _) -> key, value
int pairs_next(lua_State* L) {
  lua_Integer index = lua_tointeger(L, lua_upvalueindex(2));
  for (;;) {
    if (lua_rawgeti(L, lua_upvalueindex(1), ++index) == LUA_TNIL) return 1;
    lua_pushvalue(L, -1);
    if (lua_rawget(L, 1) != LUA_TNIL) break;   // removed while the loop ran: skipped
    lua_pop(L, 2);
  }
  lua_pushinteger(L, index);
  lua_replace(L, lua_upvalueindex(2));
  return 2;
}

int script_pairs(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_Integer count = 0;
  lua_pushnil(L);
  while (lua_next(L, 1) != 0) {
    lua_pop(L, 1);
    ++count;
  }
  Sandbox::of(L).charge(static_cast<uint64_t>(count) * 4);
  // Plain bytes owned by Lua: an error below leaves nothing behind.
  auto* const keys = static_cast<Key*>(lua_newuserdatauv(L, sizeof(Key) * static_cast<size_t>(count + 1), 0));
  lua_Integer filled = 0;
  lua_pushnil(L);
  while (filled < count && lua_next(L, 1) != 0) {
    lua_pop(L, 1);
    Key key{};
    switch (lua_type(L, -1)) {
      case LUA_TBOOLEAN: key.integer = lua_toboolean(L, -1); break;
      case LUA_TNUMBER:
        key.rank = 1;
        key.is_integer = lua_isinteger(L, -1) != 0;
        key.number = lua_tonumber(L, -1);
        key.integer = key.is_integer ? lua_tointeger(L, -1) : 0;
        break;
      case LUA_TSTRING:
        key.rank = 2;
        key.text = lua_tolstring(L, -1, &key.bytes);
        break;
      default:
        return luaL_error(L, "pairs: a key that is a %s has no order; use numbers, strings or booleans as keys",
                          luaL_typename(L, -1));
    }
    keys[filled++] = key;
  }
  std::sort(keys, keys + filled, key_before);
  lua_createtable(L, static_cast<int>(filled), 0);
  for (lua_Integer i = 0; i < filled; ++i) {
    const Key& key = keys[i];
    if (key.rank == 0) {
      lua_pushboolean(L, key.integer != 0);
    } else if (key.rank == 2) {
      lua_pushlstring(L, key.text, key.bytes);
    } else if (key.is_integer) {
      lua_pushinteger(L, key.integer);
    } else {
      lua_pushnumber(L, key.number);
    }
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, pairs_next, 2);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

// Values as text, without addresses ------------------------------------------------------------------------------------

bool has_address(lua_State* L, int index) {
  const int type = lua_type(L, index);
  return type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TUSERDATA || type == LUA_TLIGHTUSERDATA ||
         type == LUA_TTHREAD;
}

int script_tostring(lua_State* L) {
  luaL_checkany(L, 1);
  if (has_address(L, 1) && luaL_getmetafield(L, 1, "__tostring") == LUA_TNIL) {
    lua_pushstring(L, luaL_typename(L, 1));
    return 1;
  }
  lua_settop(L, 1);
  luaL_tolstring(L, 1, nullptr);
  return 1;
}

// upvalue: string.format
int script_format(lua_State* L) {
  size_t bytes = 0;
  const char* const text = luaL_checklstring(L, 1, &bytes);
  for (size_t i = 0; i + 1 < bytes; ++i) {
    if (text[i] != '%') continue;
    if (text[++i] == '%') continue;
    while (i < bytes && std::strchr("-+ #0123456789.", text[i]) != nullptr && text[i] != '\0') ++i;
    if (i < bytes && text[i] == 'p') return luaL_error(L, "string.format: %%p shows an address, which differs from run to run");
  }
  const int top = lua_gettop(L);
  for (int i = 2; i <= top; ++i) {
    if (!has_address(L, i)) continue;
    lua_pushcfunction(L, script_tostring);
    lua_pushvalue(L, i);
    lua_call(L, 1, 1);
    lua_replace(L, i);
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, top, 1);
  return 1;
}

// Tables --------------------------------------------------------------------------------------------------------------

int script_setmetatable(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  if (!lua_isnoneornil(L, 2)) {
    luaL_checktype(L, 2, LUA_TTABLE);
    // A finalizer runs without a budget; a weak table shows when garbage is collected.
    for (const char* field : {"__gc", "__mode"}) {
      lua_pushstring(L, field);
      if (lua_rawget(L, 2) != LUA_TNIL) return luaL_error(L, "setmetatable: %s is not available to scripts", field);
      lua_pop(L, 1);
    }
  }
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

int script_insert(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  const auto size = static_cast<lua_Integer>(lua_rawlen(L, 1));
  const int arguments = lua_gettop(L);
  if (arguments != 2 && arguments != 3) return luaL_error(L, "table.insert: expected (table, [position,] value)");
  lua_Integer at = size + 1;
  if (arguments == 3) {
    at = luaL_checkinteger(L, 2);
    luaL_argcheck(L, at >= 1 && at <= size + 1, 2, "position out of bounds");
  }
  Sandbox::of(L).charge(static_cast<uint64_t>(size + 1 - at));
  for (lua_Integer i = size; i >= at; --i) {
    lua_rawgeti(L, 1, i);
    lua_rawseti(L, 1, i + 1);
  }
  lua_pushvalue(L, arguments);
  lua_rawseti(L, 1, at);
  return 0;
}

int script_remove(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  const auto size = static_cast<lua_Integer>(lua_rawlen(L, 1));
  const lua_Integer at = luaL_optinteger(L, 2, size);
  if (size == 0) return 0;
  luaL_argcheck(L, at >= 1 && at <= size, 2, "position out of bounds");
  Sandbox::of(L).charge(static_cast<uint64_t>(size - at));
  lua_rawgeti(L, 1, at);
  for (lua_Integer i = at; i < size; ++i) {
    lua_rawgeti(L, 1, i + 1);
    lua_rawseti(L, 1, i);
  }
  lua_pushnil(L);
  lua_rawseti(L, 1, size);
  return 1;
}

void keep_only(lua_State* L, const char* library, std::initializer_list<const char*> names) {
  lua_getglobal(L, library);
  lua_createtable(L, 0, static_cast<int>(names.size()));
  for (const char* name : names) {
    lua_getfield(L, -2, name);
    lua_setfield(L, -2, name);
  }
  lua_setglobal(L, library);
  lua_pop(L, 1);
}

void replace(lua_State* L, const char* library, const char* name, lua_CFunction function) {
  lua_getglobal(L, library);
  lua_pushcfunction(L, function);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

}  // namespace

// Namespace scope: a friend of Sandbox.
int script_random(lua_State* L) {
  Sandbox& sandbox = Sandbox::of(L);
  lua_Integer low = 1;
  lua_Integer high = 0;
  switch (lua_gettop(L)) {
    case 0: break;
    case 1: high = luaL_checkinteger(L, 1); break;
    default:
      low = luaL_checkinteger(L, 1);
      high = luaL_checkinteger(L, 2);
      break;
  }
  const bool fraction = lua_gettop(L) == 0;
  const bool all_bits = lua_gettop(L) == 1 && high == 0;
  if (!fraction && !all_bits) luaL_argcheck(L, low <= high, lua_gettop(L), "interval is empty");
  const uint64_t bound = fraction || all_bits ? 0 : static_cast<uint64_t>(high) - static_cast<uint64_t>(low) + 1;
  uint64_t value = 0;
  if (sandbox.draw_ != nullptr && *sandbox.draw_) {
    value = (*sandbox.draw_)(bound);
  } else {
    // SplitMix64 (Steele, Lea, Flood 2014).
    uint64_t z = sandbox.random_ += 0x9e37'79b9'7f4a'7c15;
    z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11eb;
    value = z ^ (z >> 31);
    if (bound != 0) value %= bound;
  }
  if (fraction) {
    lua_pushnumber(L, static_cast<lua_Number>(value >> 11) * 0x1p-53);
  } else {
    lua_pushinteger(L, static_cast<lua_Integer>(all_bits ? value : static_cast<uint64_t>(low) + value));
  }
  return 1;
}

void open_script_library(lua_State* L) {
  luaL_requiref(L, "_G", luaopen_base, 1);
  luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 1);
  luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 1);
  luaL_requiref(L, LUA_MATHLIBNAME, luaopen_math, 1);
  lua_pop(L, 4);
  for (const char* name : {"collectgarbage", "dofile", "load", "loadfile", "next", "pcall", "print", "warn", "xpcall"}) {
    lua_pushnil(L);
    lua_setglobal(L, name);
  }
  // What is left of math gives the same bits on every host.
  keep_only(L, "math", {"abs", "ceil", "floor", "fmod", "huge", "max", "maxinteger", "min", "mininteger", "modf", "pi",
                        "sqrt", "tointeger", "type", "ult"});
  keep_only(L, "string", {"byte", "char", "format", "len", "lower", "pack", "packsize", "rep", "reverse", "sub",
                          "unpack", "upper"});
  keep_only(L, "table", {"concat", "pack", "unpack"});
  replace(L, "math", "random", script_random);
  replace(L, "table", "insert", script_insert);
  replace(L, "table", "remove", script_remove);
  lua_register(L, "pairs", script_pairs);
  lua_register(L, "tostring", script_tostring);
  lua_register(L, "setmetatable", script_setmetatable);

  lua_getglobal(L, "string");
  lua_getfield(L, -1, "format");
  lua_pushcclosure(L, script_format, 1);
  lua_setfield(L, -2, "format");
  // ("x"):rep(3) finds its methods in the metatable of strings, which still has the whole library.
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, -4);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -3);
  lua_pop(L, 3);
  // The registry still holds the libraries as loaded modules; without require nothing reaches them, but drop them.
  lua_pushnil(L);
  lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
}

}  // namespace dartboard::model
