// model/endpoint/script/sandbox.cpp - allocator, budget and error capture. The library a script sees is in library.cpp.
//
// Lua is built as C: its errors are longjmps. Nothing in these rooms that Lua calls may have a C++ object with a
// destructor alive while it calls a Lua function that can raise.
#include "model/endpoint/script/sandbox.h"

#include <cstdlib>
#include <cstring>

#include "model/endpoint/script/library.h"

namespace dartboard::model {
namespace {

constexpr int kStepsPerHook = 1000;

}  // namespace

Sandbox::Sandbox(const ScriptLimits& limits, const Draw* draw) : limits_(limits), draw_(draw) {
  state_ = lua_newstate(&Sandbox::allocate, this);
  if (state_ == nullptr) return;
  Sandbox* const self = this;
  std::memcpy(lua_getextraspace(state_), &self, sizeof self);
  open_script_library(state_);
}

Sandbox::~Sandbox() {
  limited_ = false;
  if (state_ != nullptr) lua_close(state_);
}

Sandbox& Sandbox::of(lua_State* state) {
  Sandbox* self;
  std::memcpy(&self, lua_getextraspace(state), sizeof self);
  return *self;
}

void* Sandbox::allocate(void* owner, void* block, size_t old_bytes, size_t new_bytes) {
  Sandbox& self = *static_cast<Sandbox*>(owner);
  if (block == nullptr) old_bytes = 0;   // Lua passes the kind of object there
  if (new_bytes == 0) {
    std::free(block);
    self.bytes_ -= old_bytes;
    return nullptr;
  }
  if (new_bytes > old_bytes) {
    const uint64_t live = self.bytes_ + (new_bytes - old_bytes);
    self.allocated_ += new_bytes;
    if (self.limited_ && (live > self.limits_.memory_bytes || self.allocated_ > self.allocated_max_)) {
      // Lua collects garbage and asks once more before it raises the error, which carries no place: note it here.
      if (!self.out_of_memory_) self.failure_.line = line_of(self.state_);
      self.out_of_memory_ = true;
      return nullptr;
    }
  }
  void* const moved = std::realloc(block, new_bytes);
  if (moved == nullptr) return nullptr;
  self.bytes_ += new_bytes - old_bytes;
  self.out_of_memory_ = false;
  return moved;
}

int Sandbox::line_of(lua_State* state) {
  lua_Debug where;
  for (int level = 0; lua_getstack(state, level, &where) != 0; ++level) {
    lua_getinfo(state, "l", &where);
    if (where.currentline > 0) return where.currentline;
  }
  return 0;
}

void Sandbox::count_hook(lua_State* state, lua_Debug*) { of(state).charge(kStepsPerHook); }

void Sandbox::charge(uint64_t steps) {
  steps_left_ -= static_cast<int64_t>(std::min<uint64_t>(steps, INT64_MAX / 2));
  if (steps_left_ >= 0) return;
  steps_left_ = -1;
  lua_pushliteral(state_, "it used up its instruction budget (an endless loop?)");
  lua_error(state_);
}

int Sandbox::on_error(lua_State* state) {
  of(state).failure_.line = line_of(state);
  return 1;   // the message, as it is
}

bool Sandbox::compile(const std::string& name, const std::string& text) {
  failure_ = {};
  limited_ = true;
  allocated_ = 0;
  allocated_max_ = limits_.allocated_bytes;
  const std::string chunk = "=" + name;
  const int status = luaL_loadbufferx(state_, text.data(), text.size(), chunk.c_str(), "t");
  limited_ = false;
  if (status == LUA_OK) return true;
  const char* const message = lua_tostring(state_, -1);
  failure_.message = message != nullptr ? message : "not a Lua script";
  lua_pop(state_, 1);
  // "name:LINE: what" - Lua cuts long names, so the line is found from the right place only after a colon.
  const size_t colon = failure_.message.find(':');
  if (colon != std::string::npos) {
    char* end = nullptr;
    const long line = std::strtol(failure_.message.c_str() + colon + 1, &end, 10);
    if (end != nullptr && *end == ':') {
      failure_.line = static_cast<int>(line);
      failure_.message.erase(0, static_cast<size_t>(end - failure_.message.c_str()) + 2);
    }
  }
  return false;
}

bool Sandbox::call(int arguments, int results, unsigned scale) {
  if (depth_ == 0) {
    failure_ = {};
    steps_left_ = static_cast<int64_t>(std::min<uint64_t>(limits_.instructions * scale, INT64_MAX / 2));
    allocated_ = 0;
    allocated_max_ = limits_.allocated_bytes * scale;
    lua_sethook(state_, &Sandbox::count_hook, LUA_MASKCOUNT, kStepsPerHook);   // starts counting anew
  }
  const bool limited_before = limited_;
  ++depth_;
  limited_ = false;
  const int function = lua_gettop(state_) - arguments;
  lua_pushcfunction(state_, &Sandbox::on_error);
  lua_insert(state_, function);
  limited_ = true;
  out_of_memory_ = false;
  const int status = lua_pcall(state_, arguments, results, function);
  limited_ = limited_before;
  --depth_;
  lua_remove(state_, function);
  if (status == LUA_OK) return true;

  if (status == LUA_ERRMEM) {
    failure_.message = "the script used up its memory";
  } else {
    const char* const message = lua_type(state_, -1) == LUA_TSTRING ? lua_tostring(state_, -1) : nullptr;
    failure_.message = message != nullptr ? message : "error() was called without a message";
    // error() and Lua itself put "name:line: " in front of the message; the place is told apart.
    const std::string place = ":" + std::to_string(failure_.line) + ": ";
    if (const size_t at = failure_.message.find(place); at != std::string::npos && at < LUA_IDSIZE) {
      failure_.message.erase(0, at + place.size());
    }
  }
  lua_pop(state_, 1);
  return false;
}

}  // namespace dartboard::model
