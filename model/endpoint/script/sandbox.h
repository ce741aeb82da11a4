// model/endpoint/script/sandbox.h - a Lua state that a stranger's script may run in.
//
// Everything that would make a run depend on the host is absent or replaced: no os, io, package, debug, coroutine or load;
// pairs() goes in the order of the keys; tostring() shows no address; math.random asks the host. Everything that could
// run without end or eat memory is bounded: instructions and allocations are counted, calls that catch errors
// (pcall) and library functions whose C loops cannot be counted (patterns, sort, move) are absent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <lua.hpp>

#include "model/endpoint/script/script.h"

namespace dartboard::model {

class Sandbox {
 public:
  struct Failure {
    int line = 0;
    std::string message;
  };
  using Draw = std::function<uint64_t(uint64_t bound)>;

  /// `draw` may be null and must stay valid.
  Sandbox(const ScriptLimits& limits, const Draw* draw);
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  /// Null if the host has no memory for a state.
  lua_State* state() { return state_; }
  static Sandbox& of(lua_State* state);

  /// Compiles `text` (source only, no bytecode) and leaves the function on the stack. False: failure().
  bool compile(const std::string& name, const std::string& text);

  /// Calls the function below `arguments` values, all of which it takes off the stack, within the limits times `scale`.
  /// False: failure(), and no results. A call inside a call shares the budget of the outer one.
  bool call(int arguments, int results, unsigned scale = 1);

  const Failure& failure() const { return failure_; }

  /// Takes `steps` from the budget for a C loop on the script's behalf; raises a Lua error if it is used up.
  void charge(uint64_t steps);

  /// Host code that calls the Lua API outside call() must not meet the memory limit (there is nobody to catch it).
  void set_limited(bool limited) { limited_ = limited; }

  uint64_t memory_bytes() const { return bytes_; }

  /// Whoever the device's functions act for; null while the script is being loaded.
  void set_draw(const Draw* draw) { draw_ = draw; }
  void set_owner(void* owner) { owner_ = owner; }
  void* owner() const { return owner_; }

 private:
  static void* allocate(void* self, void* block, size_t old_bytes, size_t new_bytes);
  static void count_hook(lua_State* state, lua_Debug* where);
  static int on_error(lua_State* state);
  static int line_of(lua_State* state);

  ScriptLimits limits_;
  const Draw* draw_;
  void* owner_ = nullptr;
  lua_State* state_ = nullptr;
  uint64_t bytes_ = 0;         ///< live
  uint64_t allocated_ = 0;     ///< by this call
  uint64_t allocated_max_ = 0;
  int64_t steps_left_ = 0;
  bool limited_ = false;
  bool out_of_memory_ = false;
  unsigned depth_ = 0;
  Failure failure_;
  uint64_t random_ = 0;

  friend int script_random(lua_State* state);
};

}  // namespace dartboard::model
