// model/endpoint/script/bindings.h - the functions a script calls: dev.*, reg.*, storage.*.
#pragma once

#include "model/endpoint/script/scripted_endpoint.h"

namespace dartboard::model {

struct ScriptBindings {
  /// Before the script is loaded. `storage` may be null.
  static void open(lua_State* state, const Storage* storage);
  /// After it declared its registers: what reg.NAME means.
  static void open_registers(lua_State* state, const ScriptDeclaration& declaration);

  // The functions; each raises a Lua error for arguments it does not take.
  static int dma_read(lua_State* state);
  static int dma_write(lua_State* state);
  static int raise(lua_State* state);
  static int intx(lua_State* state);
  static int after(lua_State* state);
  static int cancel(lua_State* state);
  static int now(lua_State* state);
  static int peek(lua_State* state);
  static int poke(lua_State* state);
  static int memory_read(lua_State* state);
  static int memory_write(lua_State* state);
  static int config_peek(lua_State* state);
  static int config_poke(lua_State* state);
  static int bus_master(lua_State* state);
  static int transactions_pending(lua_State* state);
  static int stop_responding(lua_State* state);
  static int log(lua_State* state);
  static int storage_read(lua_State* state);
  static int storage_write(lua_State* state);
  static int storage_flush(lua_State* state);
  static int register_get(lua_State* state);
  static int register_set(lua_State* state);

 private:
  static ScriptedEndpoint& self(lua_State* state);
  static void resume(lua_State* state, const ScriptedEndpoint& endpoint);
  static ScriptedEndpoint::RegisterBar& register_bar(lua_State* state, ScriptedEndpoint& endpoint, int argument);
  static DeviceMemory& memory_bar(lua_State* state, ScriptedEndpoint& endpoint, int argument);
  static const ScriptRegister& named_register(lua_State* state, ScriptedEndpoint& endpoint);
  static int dma_result(lua_State* state, const ScriptedEndpoint& endpoint, Outcome outcome);
};

}  // namespace dartboard::model
