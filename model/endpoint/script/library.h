// model/endpoint/script/library.h - the standard library a script sees: what is kept, replaced and left out.
#pragma once

#include <lua.hpp>

namespace dartboard::model {

/// Opens the base functions, string, table and math as docs/scripting.md lists them.
void open_script_library(lua_State* state);

}  // namespace dartboard::model
