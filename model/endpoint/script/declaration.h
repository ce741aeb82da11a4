// model/endpoint/script/declaration.h - what a script declares: the device as data, and which functions react to what.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <lua.hpp>

#include "base/error.h"
#include "model/endpoint.h"
#include "model/registers.h"

namespace dartboard::model {

inline constexpr uint64_t kScriptRegisterBytesMax = 4 * kMiB;   ///< of a BAR that may be registers
inline constexpr uint32_t kScriptRegisterCountMax = 65'536;     ///< elements of all arrays in a script

/// A Lua function: its place in the registry.
struct ScriptFunction {
  int reference = LUA_NOREF;
  explicit operator bool() const { return reference != LUA_NOREF; }
};

enum class Undeclared : uint8_t { kZeros, kOnes, kRam };

struct ScriptBar {
  Undeclared undeclared = Undeclared::kZeros;   ///< what bytes without a register are
};

struct ScriptRegister {
  std::string name;
  unsigned bar = 0;
  uint32_t offset = 0;
  uint8_t width = 4;
  uint32_t count = 1;
  uint32_t stride = 0;
  std::vector<FieldDecl> fields;    ///< names point into Texts
  ScriptFunction on_read, on_write;
  int line = 0;
  uint64_t end() const { return uint64_t{offset} + uint64_t{count - 1} * stride + width; }
};

/// Addresses whose accesses are functions, without storage (doorbells).
struct ScriptRange {
  std::string name;
  unsigned bar = 0;
  uint64_t offset = 0;
  uint64_t size = 0;
  ScriptFunction on_read, on_write;
  int line = 0;
};

/// Accesses that fail.
struct ScriptFault {
  unsigned bar = 0;
  uint64_t offset = 0;
  uint64_t size = 0;
  bool on_read = true;
  bool on_write = true;
  Outcome outcome = Outcome::kUnsupportedRequest;
  uint64_t after = 0;   ///< accesses that go well before
  uint64_t count = 0;   ///< accesses that fail; 0: all from then on
};

struct ScriptDeclaration {
  std::string name;
  EndpointDeclaration endpoint;
  std::array<ScriptBar, kBarCount> bars;
  std::vector<ScriptRegister> registers;   ///< by BAR, then offset
  std::vector<ScriptRange> ranges;         ///< by BAR, then offset
  std::vector<ScriptFault> faults;
  ScriptFunction on_reset, on_config_read, on_config_write;
  std::shared_ptr<std::deque<std::string>> texts;   ///< names that FieldDecl and RegisterDecl point to

  /// The functions of another run of the same script. False: that run declared something else.
  bool adopt_functions(const ScriptDeclaration& again);
};

/// Adds the functions a declaration is written with: device, bar, register, range, fault. They note their line.
void open_declaration_functions(lua_State* state);

/// Reads what device{} was given. kScriptInvalid; the sentence starts with "script:line: ".
/// Must be called without memory limit and without a protected call: it raises nothing.
Result<ScriptDeclaration> read_declaration(lua_State* state, const std::string& script);

/// Outcomes by the names scripts use ("unsupported-request", "completer-abort", "timeout", "poisoned"). False: unknown.
bool outcome_from_name(std::string_view name, Outcome& outcome);
std::string_view outcome_name(Outcome outcome);

}  // namespace dartboard::model
