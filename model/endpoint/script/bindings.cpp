// model/endpoint/script/bindings.cpp - the functions a script calls: dev.*, reg.*, storage.*.
//
// Every function here is called by Lua inside Sandbox::call(). A refused argument is luaL_error, which jumps: no local
// with a destructor may be alive there.
#include "model/endpoint/script/bindings.h"

#include <algorithm>

namespace dartboard::model {
namespace {

constexpr lua_Integer kTransferBytesMax = kMiB;   ///< of one DMA, memory or storage call
constexpr uint64_t kTimerDelayMax = 3600 * kNsPerS;
constexpr uint64_t kTimerDelayMinInTimer = kNsPerUs;   ///< a timer that re-arms itself must let time pass
constexpr size_t kLogBytesMax = 1000;

uint64_t check_unsigned(lua_State* L, int argument) { return static_cast<uint64_t>(luaL_checkinteger(L, argument)); }

uint32_t check_length(lua_State* L, int argument) {
  const lua_Integer length = luaL_checkinteger(L, argument);
  luaL_argcheck(L, length >= 1 && length <= kTransferBytesMax, argument, "length out of range: expected 1 to 1 MiB");
  return static_cast<uint32_t>(length);
}

unsigned check_width(lua_State* L, int argument) {
  const lua_Integer width = luaL_optinteger(L, argument, 4);
  luaL_argcheck(L, width == 1 || width == 2 || width == 4 || width == 8, argument, "width: expected 1, 2, 4 or 8");
  return static_cast<unsigned>(width);
}

const char* check_data(lua_State* L, int argument, size_t& bytes) {
  luaL_checktype(L, argument, LUA_TSTRING);
  const char* const data = lua_tolstring(L, argument, &bytes);
  luaL_argcheck(L, bytes >= 1 && bytes <= static_cast<size_t>(kTransferBytesMax), argument,
                "data: expected 1 byte to 1 MiB");
  return data;
}

}  // namespace

ScriptedEndpoint& ScriptBindings::self(lua_State* L) {
  auto* const endpoint = static_cast<ScriptedEndpoint*>(Sandbox::of(L).owner());
  if (endpoint == nullptr) {
    luaL_error(L, "the device does not exist yet while its script is being loaded; call this from a reaction");
  }
  resume(L, *endpoint);
  return *endpoint;
}

// Whatever a request of the device set off may have reset or broken it: then the reaction ends here.
void ScriptBindings::resume(lua_State* L, const ScriptedEndpoint& endpoint) {
  if (endpoint.interrupted_) luaL_error(L, "the device was reset while the reaction ran");
  if (endpoint.error_.has_value()) luaL_error(L, "the device failed in a reaction inside this one");
}

// DMA -----------------------------------------------------------------------------------------------------------------

int ScriptBindings::dma_result(lua_State* L, const ScriptedEndpoint& endpoint, Outcome outcome) {
  resume(L, endpoint);
  if (outcome == Outcome::kSuccess) return 1;   // the result is on the stack
  lua_pushnil(L);
  const std::string_view name = outcome_name(outcome);
  lua_pushlstring(L, name.data(), name.size());
  return 2;
}

int ScriptBindings::dma_read(lua_State* L) {
  ScriptedEndpoint& endpoint = self(L);
  const Iova address(check_unsigned(L, 1));
  const uint32_t length = check_length(L, 2);
  auto* const data = static_cast<std::byte*>(lua_newuserdatauv(L, length, 0));
  const Outcome outcome = endpoint.dma_read(address, data, length);
  if (outcome == Outcome::kSuccess) lua_pushlstring(L, reinterpret_cast<const char*>(data), length);
  return dma_result(L, endpoint, outcome);
}

int ScriptBindings::dma_write(lua_State* L) {
  ScriptedEndpoint& endpoint = self(L);
  const Iova address(check_unsigned(L, 1));
  size_t bytes = 0;
  const char* const data = check_data(L, 2, bytes);
  const Outcome outcome = endpoint.dma_write(address, reinterpret_cast<const std::byte*>(data), bytes);
  lua_pushboolean(L, 1);
  return dma_result(L, endpoint, outcome);
}

int ScriptBindings::bus_master(lua_State* L) {
  lua_pushboolean(L, self(L).bus_master() ? 1 : 0);
  return 1;
}

int ScriptBindings::transactions_pending(lua_State* L) {
  self(L).set_transactions_pending(lua_toboolean(L, 1) != 0);
  return 0;
}

// Interrupts and time -------------------------------------------------------------------------------------------------

int ScriptBindings::raise(lua_State* L) {
  ScriptedEndpoint& endpoint = self(L);
  const lua_Integer vector = luaL_optinteger(L, 1, 0);
  luaL_argcheck(L, vector >= 0 && vector < kMsixVectorsMax, 1, "vector: expected 0 to 2047");
  endpoint.raise(static_cast<uint32_t>(vector));
  resume(L, endpoint);
  return 0;
}

int ScriptBindings::intx(lua_State* L) {
  ScriptedEndpoint& endpoint = self(L);
  luaL_checktype(L, 1, LUA_TBOOLEAN);
  endpoint.set_intx(lua_toboolean(L, 1) != 0);
  return 0;
}

int ScriptBindings::now(lua_State* L) {
  ScriptedEndpoint& endpoint = self(L);
  const uint64_t now_ns = endpoint.upstream() != nullptr ? endpoint.upstream()->timeline().now().value : 0;
  lua_pushinteger(L, static_cast<lua_Integer>(now_ns));
  return 1;
}

int ScriptBindings::after(lua_State* L) {
  ScriptedEndpoint& endpoint = self(L);
  uint64_t delay_ns = check_unsigned(L, 1);
  luaL_argcheck(L, delay_ns <= kTimerDelayMax, 1, "delay: expected 0 ns to 3600 s");
  luaL_checktype(L, 2, LUA_TFUNCTION);
  if (endpoint.in_timer_) delay_ns = std::max(delay_ns, kTimerDelayMinInTimer);
  if (endpoint.upstream() == nullptr) {   // not plugged: nothing will ever happen
    lua_pushinteger(L, 0);
    return 1;
  }
  auto& timers = endpoint.timers_;
  size_t slot = 0;
  while (slot < timers.size() && timers[slot]->function) ++slot;
  if (slot == ScriptedEndpoint::kTimersMax) return luaL_error(L, "dev.after: more than 1024 timers at once");
  if (slot == timers.size()) timers.push_back(std::make_unique<ScriptedEndpoint::ScriptTimer>(endpoint));
  lua_settop(L, 2);
  const int reference = luaL_ref(L, LUA_REGISTRYINDEX);
  ScriptedEndpoint::ScriptTimer& timer = *timers[slot];
  timer.function = {reference};
  timer.id = endpoint.next_timer_id_++;
  endpoint.upstream()->timeline().schedule(timer, delay_ns);
  lua_pushinteger(L, static_cast<lua_Integer>(timer.id));
  return 1;
}

int ScriptBindings::cancel(lua_State* L) {
  ScriptedEndpoint& endpoint = self(L);
  const uint64_t id = check_unsigned(L, 1);
  for (auto& timer : endpoint.timers_) {
    if (!timer->function || timer->id != id) continue;
    if (endpoint.upstream() != nullptr && timer->scheduled()) endpoint.upstream()->timeline().cancel(*timer);
    luaL_unref(L, LUA_REGISTRYINDEX, timer->function.reference);
    timer->function = {};
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushboolean(L, 0);
  return 1;
}

// Registers and memory ------------------------------------------------------------------------------------------------

ScriptedEndpoint::RegisterBar& ScriptBindings::register_bar(lua_State* L, ScriptedEndpoint& endpoint, int argument) {
  const lua_Integer bar = luaL_checkinteger(L, argument);
  luaL_argcheck(L, bar >= 0 && bar < kBarCount && endpoint.bars_[static_cast<size_t>(bar)] != nullptr, argument,
                "expected a BAR that holds registers");
  return *endpoint.bars_[static_cast<size_t>(bar)];
}

DeviceMemory& ScriptBindings::memory_bar(lua_State* L, ScriptedEndpoint& endpoint, int argument) {
  const lua_Integer bar = luaL_checkinteger(L, argument);
  luaL_argcheck(L, bar >= 0 && bar < kBarCount && endpoint.memory(static_cast<unsigned>(bar)).data() != nullptr, argument,
                "expected a BAR that holds memory");
  return endpoint.memory(static_cast<unsigned>(bar));
}

int ScriptBindings::peek(lua_State* L) {
  const RegisterFile& file = register_bar(L, self(L), 1).file;
  const uint64_t offset = check_unsigned(L, 2);
  const unsigned width = check_width(L, 3);
  luaL_argcheck(L, in_range(offset, width, file.size()), 2, "offset: no register there");
  lua_pushinteger(L, static_cast<lua_Integer>(file.peek(static_cast<uint32_t>(offset), width)));
  return 1;
}

int ScriptBindings::poke(lua_State* L) {
  RegisterFile& file = register_bar(L, self(L), 1).file;
  const uint64_t offset = check_unsigned(L, 2);
  const uint64_t value = check_unsigned(L, 3);
  const unsigned width = check_width(L, 4);
  luaL_argcheck(L, in_range(offset, width, file.size()), 2, "offset: no register there");
  file.poke(static_cast<uint32_t>(offset), value, width);
  return 0;
}

int ScriptBindings::memory_read(lua_State* L) {
  const DeviceMemory& memory = memory_bar(L, self(L), 1);
  const uint64_t offset = check_unsigned(L, 2);
  const uint32_t length = check_length(L, 3);
  luaL_argcheck(L, in_range(offset, length, memory.size()), 2, "offset and length go beyond the BAR");
  lua_pushlstring(L, reinterpret_cast<const char*>(memory.data() + offset), length);
  return 1;
}

int ScriptBindings::memory_write(lua_State* L) {
  DeviceMemory& memory = memory_bar(L, self(L), 1);
  const uint64_t offset = check_unsigned(L, 2);
  size_t bytes = 0;
  const char* const data = check_data(L, 3, bytes);
  luaL_argcheck(L, in_range(offset, bytes, memory.size()), 2, "offset and length go beyond the BAR");
  memory.mark_dirty(offset, bytes);
  std::memcpy(memory.data() + offset, data, bytes);
  return 0;
}

int ScriptBindings::config_peek(lua_State* L) {
  ScriptedEndpoint& endpoint = self(L);
  const uint64_t offset = check_unsigned(L, 1);
  const unsigned width = check_width(L, 2);
  luaL_argcheck(L, in_range(offset, width, kConfigBytes), 1, "offset: expected 0 to 0xfff");
  lua_pushinteger(L, static_cast<lua_Integer>(endpoint.config_file().peek(static_cast<uint32_t>(offset), width)));
  return 1;
}

int ScriptBindings::config_poke(lua_State* L) {
  ScriptedEndpoint& endpoint = self(L);
  const uint64_t offset = check_unsigned(L, 1);
  const uint64_t value = check_unsigned(L, 2);
  const unsigned width = check_width(L, 3);
  luaL_argcheck(L, in_range(offset, width, kConfigBytes), 1, "offset: expected 0 to 0xfff");
  endpoint.config_file().poke(static_cast<uint32_t>(offset), value, width);
  return 0;
}

int ScriptBindings::stop_responding(lua_State* L) {
  self(L).stop_responding();
  return 0;
}

int ScriptBindings::log(lua_State* L) {
  ScriptedEndpoint& endpoint = self(L);
  size_t bytes = 0;
  const char* const text = luaL_checklstring(L, 1, &bytes);
  if (endpoint.options_.on_log) endpoint.options_.on_log(std::string_view(text, std::min(bytes, kLogBytesMax)));
  return 0;
}

// upvalue 1: a table from name to number in ScriptDeclaration::registers
const ScriptRegister& ScriptBindings::named_register(lua_State* L, ScriptedEndpoint& endpoint) {
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  if (!lua_isinteger(L, -1)) {
    luaL_error(L, "there is no register '%s'", lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2));
  }
  const auto index = static_cast<size_t>(lua_tointeger(L, -1));
  lua_pop(L, 1);
  return endpoint.script_.registers[index];
}

int ScriptBindings::register_get(lua_State* L) {
  ScriptedEndpoint& endpoint = self(L);
  const ScriptRegister& r = named_register(L, endpoint);
  lua_pushinteger(L, static_cast<lua_Integer>(endpoint.bars_[r.bar]->file.peek(r.offset, r.width)));
  return 1;
}

int ScriptBindings::register_set(lua_State* L) {
  ScriptedEndpoint& endpoint = self(L);
  const ScriptRegister& r = named_register(L, endpoint);
  endpoint.bars_[r.bar]->file.poke(r.offset, check_unsigned(L, 3), r.width);
  return 0;
}

// Storage -------------------------------------------------------------------------------------------------------------

int ScriptBindings::storage_read(lua_State* L) {
  Storage& storage = *self(L).options_.storage;
  const uint64_t offset = check_unsigned(L, 1);
  const uint32_t length = check_length(L, 2);
  luaL_argcheck(L, in_range(offset, length, storage.size()), 1, "offset and length go beyond the storage");
  auto* const data = static_cast<std::byte*>(lua_newuserdatauv(L, length, 0));
  if (!storage.read(offset, data, length)) {
    lua_pushnil(L);
  } else {
    lua_pushlstring(L, reinterpret_cast<const char*>(data), length);
  }
  return 1;
}

int ScriptBindings::storage_write(lua_State* L) {
  Storage& storage = *self(L).options_.storage;
  const uint64_t offset = check_unsigned(L, 1);
  size_t bytes = 0;
  const char* const data = check_data(L, 2, bytes);
  luaL_argcheck(L, in_range(offset, bytes, storage.size()), 1, "offset and length go beyond the storage");
  lua_pushboolean(L, storage.write(offset, reinterpret_cast<const std::byte*>(data), bytes) ? 1 : 0);
  return 1;
}

int ScriptBindings::storage_flush(lua_State* L) {
  lua_pushboolean(L, self(L).options_.storage->flush() ? 1 : 0);
  return 1;
}

// Tables --------------------------------------------------------------------------------------------------------------

void ScriptBindings::open(lua_State* L, const Storage* storage) {
  static constexpr luaL_Reg kDevice[] = {{"dma_read", dma_read},
                                         {"dma_write", dma_write},
                                         {"raise", raise},
                                         {"intx", intx},
                                         {"after", after},
                                         {"cancel", cancel},
                                         {"now", now},
                                         {"peek", peek},
                                         {"poke", poke},
                                         {"memory_read", memory_read},
                                         {"memory_write", memory_write},
                                         {"config_peek", config_peek},
                                         {"config_poke", config_poke},
                                         {"bus_master", bus_master},
                                         {"transactions_pending", transactions_pending},
                                         {"stop_responding", stop_responding},
                                         {"log", log},
                                         {nullptr, nullptr}};
  luaL_newlib(L, kDevice);
  lua_setglobal(L, "dev");
  if (storage != nullptr) {
    static constexpr luaL_Reg kStorage[] = {
        {"read", storage_read}, {"write", storage_write}, {"flush", storage_flush}, {nullptr, nullptr}};
    luaL_newlib(L, kStorage);
    lua_pushinteger(L, static_cast<lua_Integer>(storage->size()));
    lua_setfield(L, -2, "size");
    lua_setglobal(L, "storage");
  }
  lua_newtable(L);   // reg: filled by open_registers()
  lua_newtable(L);
  lua_newtable(L);   // the names
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, "dartboard.registers");
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, register_get, 1);
  lua_setfield(L, -3, "__index");
  lua_pushcclosure(L, register_set, 1);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_setglobal(L, "reg");
}

void ScriptBindings::open_registers(lua_State* L, const ScriptDeclaration& declaration) {
  lua_getfield(L, LUA_REGISTRYINDEX, "dartboard.registers");
  for (size_t i = 0; i < declaration.registers.size(); ++i) {
    const std::string& name = declaration.registers[i].name;
    lua_pushlstring(L, name.data(), name.size());
    lua_pushinteger(L, static_cast<lua_Integer>(i));
    lua_rawset(L, -3);
  }
  lua_pop(L, 1);
}

}  // namespace dartboard::model
