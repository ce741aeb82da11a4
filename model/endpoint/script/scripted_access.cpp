// model/endpoint/script/scripted_access.cpp - accesses: the short way to a register, reactions, faults, configuration.
#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "model/endpoint/script/scripted_endpoint.h"

namespace dartboard::model {

Outcome ScriptedEndpoint::read_bar(unsigned bar, uint64_t offset, std::byte* data, uint32_t length) {
  const RegisterBar& b = *bars_[bar];
  if (length == 4 && offset % 4 == 0 && offset < b.hot_bytes && (b.flags[offset / 4] & kReadFlag) == 0) [[likely]] {
    const uint32_t value = b.file.peek32(static_cast<uint32_t>(offset));
    std::memcpy(data, &value, sizeof value);
    return Outcome::kSuccess;
  }
  return access(bar, offset, data, length, false);
}

Outcome ScriptedEndpoint::write_bar(unsigned bar, uint64_t offset, const std::byte* data, uint32_t length) {
  RegisterBar& b = *bars_[bar];
  if (length == 4 && offset % 4 == 0 && offset < b.hot_bytes && (b.flags[offset / 4] & kWriteFlag) == 0) [[likely]] {
    uint32_t value;
    std::memcpy(&value, data, sizeof value);
    b.file.write(static_cast<uint32_t>(offset), value, 4);
    return Outcome::kSuccess;
  }
  // Not written through: access() only reads the data of a write.
  return access(bar, offset, const_cast<std::byte*>(data), length, true);
}

// Cuts the access at the borders of what the script declared, and at 8 bytes inside a reaction.
Outcome ScriptedEndpoint::access(unsigned bar, uint64_t offset, std::byte* data, uint32_t length, bool is_write) {
  RegisterBar& b = *bars_[bar];
  if (error_) return Outcome::kUnsupportedRequest;
  if (!faults_.empty()) {
    const Outcome outcome = strike(bar, offset, length, is_write);
    if (outcome != Outcome::kSuccess) return outcome;
  }
  for (uint32_t done = 0; done < length;) {
    const uint64_t at = offset + done;
    const auto next = std::upper_bound(b.items.begin(), b.items.end(), at,
                                       [](uint64_t place, const Item& item) { return place < item.end; });
    uint64_t stop = offset + length;
    Outcome outcome = Outcome::kSuccess;
    if (next == b.items.end() || next->begin > at) {
      if (next != b.items.end()) stop = std::min(stop, next->begin);
      plain(b, at, data + done, static_cast<uint32_t>(stop - at), is_write);
    } else {
      stop = std::min({stop, next->end, round_down(at, 8) + 8});
      const auto count = static_cast<uint32_t>(stop - at);
      outcome = is_write ? react_write(b, *next, at, data + done, count) : react_read(b, *next, at, data + done, count);
    }
    if (outcome != Outcome::kSuccess) return outcome;
    done += static_cast<uint32_t>(stop - at);
  }
  return Outcome::kSuccess;
}

Outcome ScriptedEndpoint::strike(unsigned bar, uint64_t offset, uint32_t length, bool is_write) {
  Outcome outcome = Outcome::kSuccess;
  for (Strike& s : faults_) {
    const ScriptFault& f = s.fault;
    if (f.bar != bar || !(is_write ? f.on_write : f.on_read)) continue;
    if (offset >= f.offset + f.size || offset + length <= f.offset) continue;
    const uint64_t nth = s.seen++;
    if (nth >= f.after && (f.count == 0 || nth - f.after < f.count) && outcome == Outcome::kSuccess) outcome = f.outcome;
  }
  return outcome;
}

void ScriptedEndpoint::plain(RegisterBar& b, uint64_t offset, std::byte* data, uint32_t length, bool is_write) {
  const uint64_t size = b.file.size();
  const auto inside = static_cast<uint32_t>(offset >= size ? 0 : std::min<uint64_t>(length, size - offset));
  if (is_write) {
    if (inside != 0) b.file.write_bytes(static_cast<uint32_t>(offset), data, inside);
    return;
  }
  if (inside != 0) b.file.read_bytes(static_cast<uint32_t>(offset), data, inside);
  std::memset(data + inside, b.ones ? 0xff : 0, length - inside);
}

template <class Push>
bool ScriptedEndpoint::invoke(ScriptFunction function, std::string_view reaction, std::string_view place, Push push) {
  if (!lua_checkstack(lua(), 16)) return false;
  lua_rawgeti(lua(), LUA_REGISTRYINDEX, function.reference);
  return run(push(lua()), reaction, place);
}

Outcome ScriptedEndpoint::react_read(RegisterBar& b, const Item& item, uint64_t at, std::byte* data, uint32_t length) {
  const ScriptFunction function = item.reg != nullptr ? item.reg->on_read : item.range->on_read;
  const std::string& place = item.reg != nullptr ? item.reg->name : item.range->name;
  uint64_t value = 0;
  unsigned skip = 0;   // bytes of `value` below the access
  if (item.reg != nullptr) {
    value = b.file.peek(static_cast<uint32_t>(item.begin), item.reg->width);
    skip = static_cast<unsigned>(at - item.begin);
  } else if (b.ones) {
    value = UINT64_MAX;
  }
  if (function) {
    const bool good = invoke(function, "on_read of", place, [&](lua_State* L) {
      if (item.reg != nullptr) {
        lua_pushinteger(L, static_cast<lua_Integer>(value));
        lua_pushinteger(L, item.element);
      } else {
        lua_pushinteger(L, static_cast<lua_Integer>(at));
        lua_pushinteger(L, length);
      }
      return 2;
    });
    if (!good) return Outcome::kUnsupportedRequest;
    lua_State* const L = lua();
    Outcome outcome = Outcome::kSuccess;
    int exact = 0;
    const lua_Integer answer = lua_type(L, -2) == LUA_TNUMBER ? lua_tointegerx(L, -2, &exact) : 0;
    if (exact != 0) {
      value = static_cast<uint64_t>(answer);
    } else if (!lua_isnil(L, -2)) {
      die({source_.name, line_of(function), fmt::format("on_read of {}", place),
           fmt::format("it returned a {}: expected an integer, or nil and an outcome", luaL_typename(L, -2))});
      outcome = Outcome::kUnsupportedRequest;
    }
    if (outcome == Outcome::kSuccess) outcome = outcome_result(function, "on_read of", place);
    lua_pop(L, 2);
    if (outcome != Outcome::kSuccess) return outcome;
  }
  value >>= 8 * skip;
  std::memcpy(data, &value, length);
  return Outcome::kSuccess;
}

Outcome ScriptedEndpoint::react_write(RegisterBar& b, const Item& item, uint64_t at, const std::byte* data,
                                      uint32_t length) {
  const ScriptFunction function = item.reg != nullptr ? item.reg->on_write : item.range->on_write;
  const std::string& place = item.reg != nullptr ? item.reg->name : item.range->name;
  uint64_t written = 0;
  std::memcpy(&written, data, length);
  uint64_t old_value = 0;
  if (item.reg != nullptr) {
    old_value = b.file.peek(static_cast<uint32_t>(item.begin), item.reg->width);
    b.file.write(static_cast<uint32_t>(at), written, length);
    written <<= 8 * (at - item.begin);
  }
  if (!function) return Outcome::kSuccess;
  const bool good = invoke(function, "on_write of", place, [&](lua_State* L) {
    if (item.reg != nullptr) {
      lua_pushinteger(L, static_cast<lua_Integer>(written));
      lua_pushinteger(L, static_cast<lua_Integer>(old_value));
      lua_pushinteger(L, item.element);
    } else {
      lua_pushinteger(L, static_cast<lua_Integer>(at));
      lua_pushinteger(L, static_cast<lua_Integer>(written));
      lua_pushinteger(L, length);
    }
    return 3;
  });
  if (!good) return Outcome::kUnsupportedRequest;
  lua_pop(lua(), 1);   // the outcome of a write is the first result
  const Outcome outcome = outcome_result(function, "on_write of", place);
  lua_pop(lua(), 1);
  return outcome;
}

// Configuration, and a device that has failed -------------------------------------------------------------------------

void ScriptedEndpoint::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  if (!intercept_) [[likely]] {
    Endpoint::b_transport(payload, delay);
    return;
  }
  auto* const extension = payload.get_extension<TlpExtension>();
  if (error_) {
    // A dead function claims nothing, not even its own configuration space.
    if (payload.is_read()) {
      complete_all_ones(payload, extension, Outcome::kUnsupportedRequest);
    } else {
      complete(payload, extension, Outcome::kUnsupportedRequest);
    }
    return;
  }
  if (extension != nullptr && extension->kind == TlpKind::kCfgRead0 && script_.on_config_read) {
    transport_config(payload, delay, false);
  } else if (extension != nullptr && extension->kind == TlpKind::kCfgWrite0 && script_.on_config_write) {
    transport_config(payload, delay, true);
  } else {
    Endpoint::b_transport(payload, delay);
  }
}

// on_config_read(offset, width, value) -> another value; on_config_write likewise, false drops the write.
void ScriptedEndpoint::transport_config(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay, bool is_write) {
  const uint32_t length = payload.get_data_length();
  if (!is_write) Endpoint::b_transport(payload, delay);
  const bool ordinary = length >= 1 && length <= 8 && payload.get_byte_enable_ptr() == nullptr &&
                        (is_write || payload.is_response_ok());
  uint64_t value = 0;
  if (!ordinary) {
    if (is_write) Endpoint::b_transport(payload, delay);
    return;
  }
  auto* const extension = payload.get_extension<TlpExtension>();
  unsigned char* const data = payload.get_data_ptr();
  std::memcpy(&value, data, length);
  const std::string_view reaction = is_write ? "on_config_write" : "on_config_read";
  const bool good =
      invoke(is_write ? script_.on_config_write : script_.on_config_read, reaction, {}, [&](lua_State* L) {
        lua_pushinteger(L, static_cast<lua_Integer>(payload.get_address()));
        lua_pushinteger(L, length);
        lua_pushinteger(L, static_cast<lua_Integer>(value));
        return 3;
      });
  if (!good) {
    if (is_write) {
      complete(payload, extension, Outcome::kUnsupportedRequest);
    } else {
      complete_all_ones(payload, extension, Outcome::kUnsupportedRequest);
    }
    return;
  }
  lua_State* const L = lua();
  const bool dropped = is_write && lua_isboolean(L, -2) && lua_toboolean(L, -2) == 0;
  if (lua_isinteger(L, -2)) value = static_cast<uint64_t>(lua_tointeger(L, -2));
  lua_pop(L, 2);
  if (dropped) {
    complete(payload, extension, Outcome::kSuccess);
  } else if (is_write) {
    payload.set_data_ptr(reinterpret_cast<unsigned char*>(&value));
    Endpoint::b_transport(payload, delay);
    payload.set_data_ptr(data);
  } else {
    std::memcpy(data, &value, length);
  }
}

DirectMemory ScriptedEndpoint::direct_memory(unsigned bar, uint64_t offset, uint64_t length) {
  if (error_) return {};
  return Endpoint::direct_memory(bar, offset, length);
}

}  // namespace dartboard::model
