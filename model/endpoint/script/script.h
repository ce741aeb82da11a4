// model/endpoint/script/script.h - a device from a Lua 5.4 script: what a host needs to make one.
//
// A script declares identity, BARs, registers and capabilities as data and gives functions for what happens on some of
// them (docs/scripting.md). Registers without a function never enter Lua. A script is untrusted input: it sees neither
// files nor clocks, a reaction has a budget of instructions and memory, and a script that fails leaves a function
// that answers Unsupported Request to everything until the next power-on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/types.h"
#include "model/endpoint.h"
#include "model/endpoint/script/storage.h"

namespace dartboard::model {

struct ScriptSource {
  std::string name;   ///< "nvme.lua": what errors call it
  std::string text;
};

/// What one entry into Lua may use. Exceeding one of them is a script error.
struct ScriptLimits {
  uint64_t instructions = 1'000'000;            ///< Lua VM instructions of a reaction; ten times as many for the load
  uint64_t memory_bytes = 16 * kMiB;            ///< live memory of the script
  uint64_t allocated_bytes = 256 * kMiB;        ///< bytes allocated by one reaction, freed ones included
};

/// Why a script stopped working.
struct ScriptError {
  std::string script;
  int line = 0;            ///< 0: no line is to blame
  std::string reaction;    ///< "on_write of DOORBELL", "timer"
  std::string message;     ///< of Lua or of the call that was refused, without place
  /// "nvme.lua:12: in on_write of DOORBELL: attempt to ..."
  std::string sentence() const;
};

struct ScriptOptions {
  ScriptLimits limits;
  std::unique_ptr<Storage> storage;                         ///< the script's `storage`; null: it has none
  std::function<void(const ScriptError&)> on_error;         ///< called once per failure, when the device goes silent
  std::function<void(std::string_view)> on_log;             ///< lines of dev.log()
  /// A choice in [0, bound) for math.random (bound 0: all 64 bits). Null: a generator that starts anew at power-on.
  std::function<uint64_t(uint64_t bound)> draw;
};

/// A device whose behaviour is a script.
class ScriptedDevice : public Endpoint {
 public:
  using Endpoint::Endpoint;
  /// Why the device answers Unsupported Request, if it does. Forgotten at power-on.
  virtual const std::optional<ScriptError>& script_error() const = 0;
  /// Entries into Lua since power-on.
  virtual uint64_t reactions() const = 0;
};

/// Runs the declaration part of a script and builds its device. kScriptInvalid: the sentence starts with file:line.
Result<std::unique_ptr<ScriptedDevice>> make_scripted(const ScriptSource& source, ScriptOptions options = {});

struct BuiltinScript {
  std::string_view name;      ///< "nvme"
  std::string_view text;
  std::string_view summary;   ///< the script's first line of comment
};
/// The scripts that ship, sorted by name. They are part of the program: nothing is read from a file.
std::span<const BuiltinScript> builtin_scripts();

/// A script by notation: a built-in name ("nvme") or "script:FILE.lua". kNotFound, kFileUnreadable.
Result<ScriptSource> load_script(std::string_view notation);

}  // namespace dartboard::model
