// model/endpoint/script/scripted_endpoint.cpp - loading, resets, entering Lua, and what happens when it fails.
//
// Accesses to BARs and configuration are in scripted_access.cpp.
#include "model/endpoint/script/scripted_endpoint.h"

#include <algorithm>

#include <fmt/format.h>

#include "model/endpoint/script/bindings.h"

namespace dartboard::model {
namespace {

constexpr unsigned kLoadScale = 10;   ///< the load may do that many times the work of a reaction

std::string_view reset_name(ResetKind kind) {
  switch (kind) {
    case ResetKind::kPowerOn: return "power-on";
    case ResetKind::kPerst: return "perst";
    case ResetKind::kHotReset: return "hot-reset";
    case ResetKind::kFlr: return "flr";
    case ResetKind::kD3ToD0: return "d3-to-d0";
    case ResetKind::kLinkDown: return "link-down";
  }
  return "reset";
}

ScriptError failure_of(const Sandbox& sandbox, const std::string& script, std::string reaction) {
  return {script, sandbox.failure().line, std::move(reaction), sandbox.failure().message};
}

}  // namespace

std::string ScriptError::sentence() const {
  return fmt::format("{}:{}: {}{}{}", script, line, reaction.empty() ? "" : "in " + reaction, reaction.empty() ? "" : ": ",
                     message);
}

Result<std::unique_ptr<ScriptedDevice>> make_scripted(const ScriptSource& source, ScriptOptions options) {
  auto loaded = ScriptedEndpoint::load(source, options);
  if (!loaded) return tl::unexpected(loaded.error());
  return std::make_unique<ScriptedEndpoint>(source, std::move(options), std::move(loaded->declaration),
                                            std::move(loaded->sandbox));
}

Result<ScriptedEndpoint::Loaded> ScriptedEndpoint::load(const ScriptSource& source, const ScriptOptions& options) {
  Loaded loaded;
  loaded.sandbox = std::make_unique<Sandbox>(options.limits, &options.draw);
  Sandbox& sandbox = *loaded.sandbox;
  if (sandbox.state() == nullptr) {
    return fail(ErrorName::kScriptInvalid, fmt::format("{}: this host has no memory for a script", source.name));
  }
  open_declaration_functions(sandbox.state());
  ScriptBindings::open(sandbox.state(), options.storage.get());
  if (!sandbox.compile(source.name, source.text) || !sandbox.call(0, 0, kLoadScale)) {
    return fail(ErrorName::kScriptInvalid, failure_of(sandbox, source.name, {}).sentence());
  }
  auto declaration = read_declaration(sandbox.state(), source.name);
  if (!declaration) return tl::unexpected(declaration.error());
  loaded.declaration = std::move(*declaration);
  ScriptBindings::open_registers(sandbox.state(), loaded.declaration);
  return loaded;
}

ScriptedEndpoint::ScriptedEndpoint(const ScriptSource& source, ScriptOptions options, ScriptDeclaration declaration,
                                   std::unique_ptr<Sandbox> sandbox)
    : ScriptedDevice(declaration.endpoint),
      source_(source),
      options_(std::move(options)),
      script_(std::move(declaration)),
      kind_(fmt::format("scripted endpoint {}", script_.name)),
      sandbox_(std::move(sandbox)) {
  for (unsigned bar = 0; bar < kBarCount; ++bar) build_bar(bar);
  for (const ScriptFault& fault : script_.faults) faults_.push_back({fault});
  bind();
}

ScriptedEndpoint::~ScriptedEndpoint() = default;   // timers cancel themselves

void ScriptedEndpoint::bind() {
  sandbox_->set_owner(this);
  sandbox_->set_draw(&options_.draw);
  intercept_ = error_.has_value() || script_.on_config_read || script_.on_config_write;
  touched_ = false;
}

void ScriptedEndpoint::build_bar(unsigned bar) {
  const BarDeclaration& declared = script_.endpoint.bars[bar];
  if (declared.kind == BarKind::kNone || declared.role != BarRole::kRegisters) return;
  const Undeclared undeclared = script_.bars[bar].undeclared;
  uint64_t bytes = undeclared == Undeclared::kRam ? declared.size_bytes : 0;
  for (const ScriptRegister& r : script_.registers) {
    if (r.bar == bar) bytes = std::max(bytes, r.end());
  }
  const auto file_bytes = static_cast<uint32_t>(round_up(bytes, 4));
  bars_[bar] = std::make_unique<RegisterBar>(file_bytes);
  RegisterBar& b = *bars_[bar];
  b.ones = undeclared == Undeclared::kOnes;

  // Bytes without a register first; declare() then takes the others.
  std::vector<bool> taken(file_bytes);
  for (const ScriptRegister& r : script_.registers) {
    if (r.bar != bar) continue;
    b.decls.push_back({r.name, r.offset, r.width, r.fields, source_.name, r.count, r.stride});
    for (uint32_t i = 0; i < r.count; ++i) {
      const uint64_t begin = r.offset + uint64_t{i} * r.stride;
      for (unsigned k = 0; k < r.width; ++k) taken[begin + k] = true;
      if (r.on_read || r.on_write) b.items.push_back({begin, begin + r.width, &r, nullptr, i});
    }
  }
  for (uint32_t i = 0; undeclared != Undeclared::kZeros && i < file_bytes; ++i) {
    if (taken[i]) continue;
    if (undeclared == Undeclared::kOnes) {
      b.file.set_initial(i, 0xff, 1);
    } else {
      b.file.set_writable(i, 0xff, 1);
    }
  }
  b.file.declare(b.decls);

  for (const ScriptRange& r : script_.ranges) {
    if (r.bar == bar) b.items.push_back({r.offset, r.offset + r.size, nullptr, &r, 0});
  }
  std::sort(b.items.begin(), b.items.end(), [](const Item& a, const Item& c) { return a.begin < c.begin; });
  const auto flag = [&](uint64_t begin, uint64_t end, uint8_t which) {
    for (uint64_t dword = begin / 4; dword * 4 < std::min<uint64_t>(end, file_bytes); ++dword) b.flags[dword] |= which;
  };
  for (const Item& item : b.items) {
    // A range has no storage: both directions are its own.
    const bool reads = item.reg == nullptr || item.reg->on_read;
    const bool writes = item.reg == nullptr || item.reg->on_write;
    flag(item.begin, item.end, static_cast<uint8_t>((reads ? kReadFlag : 0) | (writes ? kWriteFlag : 0)));
  }
  for (const ScriptFault& f : script_.faults) {
    if (f.bar != bar) continue;
    flag(f.offset, f.offset + f.size, static_cast<uint8_t>((f.on_read ? kReadFlag : 0) | (f.on_write ? kWriteFlag : 0)));
  }
  b.hot_bytes = file_bytes;
}

// Life ----------------------------------------------------------------------------------------------------------------

void ScriptedEndpoint::attach(Upstream* upstream) {
  cancel_timers();
  Endpoint::attach(upstream);
}

void ScriptedEndpoint::reset(ResetKind kind) {
  cancel_timers();
  for (auto& bar : bars_) {
    if (bar) bar->file.reset(kind);
  }
  for (Strike& s : faults_) s.seen = 0;
  Endpoint::reset(kind);
  if (kind == ResetKind::kPowerOn) {
    if (error_) {
      for (auto& bar : bars_) {
        if (bar) bar->hot_bytes = bar->file.size();
      }
      touched_ = true;
    }
    error_.reset();
    reactions_ = 0;
    next_timer_id_ = 1;
    if (options_.storage) options_.storage->power_on();
  }
  if (error_) return;   // only power-on brings it back
  if (depth_ > 0) {
    // The script runs and set this off. Its state cannot go away under it: run() finishes the job.
    if (!interrupted_ || kind == ResetKind::kPowerOn) interrupted_by_ = kind;
    interrupted_ = true;
    return;
  }
  restart(kind);
}

// The script from its start: every reset does that, so that what a script forgets to reset cannot survive.
void ScriptedEndpoint::restart(ResetKind kind) {
  if (touched_) {
    auto again = load(source_, options_);
    if (!again) {
      die({source_.name, 0, "the load after a reset", again.error().sentence});
      return;
    }
    if (!script_.adopt_functions(again->declaration)) {
      die({source_.name, 0, "the load after a reset", "the script declared another device than the first time"});
      return;
    }
    sandbox_ = std::move(again->sandbox);
    bind();
  }
  if (!script_.on_reset) return;
  const std::string_view name = reset_name(kind);
  if (!lua_checkstack(lua(), 8)) return;
  lua_rawgeti(lua(), LUA_REGISTRYINDEX, script_.on_reset.reference);
  lua_pushlstring(lua(), name.data(), name.size());
  if (run(1, "on_reset", name)) lua_pop(lua(), 2);
}

bool ScriptedEndpoint::run(int arguments, std::string_view reaction, std::string_view place) {
  if (depth_ == kDepthMax) {
    lua_pop(lua(), arguments + 1);
    return false;
  }
  ++depth_;
  ++reactions_;
  touched_ = true;
  bool good = sandbox_->call(arguments, 2);
  --depth_;
  if (!good && !interrupted_) {
    die(failure_of(*sandbox_, source_.name, fmt::format("{}{}{}", reaction, place.empty() ? "" : " ", place)));
  }
  if (interrupted_ && depth_ == 0) {
    interrupted_ = false;
    if (good) lua_pop(lua(), 2);
    good = false;
    restart(interrupted_by_);
  }
  return good;
}

void ScriptedEndpoint::die(ScriptError error) {
  if (error_) return;
  error_ = std::move(error);
  for (auto& bar : bars_) {
    if (bar) bar->hot_bytes = 0;
  }
  intercept_ = true;
  cancel_timers();
  if (options_.on_error) options_.on_error(*error_);
}

int ScriptedEndpoint::line_of(ScriptFunction function) {
  lua_Debug where{};
  lua_rawgeti(lua(), LUA_REGISTRYINDEX, function.reference);
  lua_getinfo(lua(), ">S", &where);
  return where.linedefined;
}

Outcome ScriptedEndpoint::outcome_result(ScriptFunction function, std::string_view reaction, std::string_view place) {
  Outcome outcome = Outcome::kSuccess;
  if (lua_isnil(lua(), -1)) return outcome;
  const char* const name = lua_type(lua(), -1) == LUA_TSTRING ? lua_tostring(lua(), -1) : nullptr;
  if (name != nullptr && outcome_from_name(name, outcome)) return outcome;
  die({source_.name, line_of(function), fmt::format("{} {}", reaction, place),
       fmt::format("it returned {} as outcome: expected unsupported-request, completer-abort, timeout or poisoned",
                   name != nullptr ? fmt::format("\"{:.40}\"", name) : luaL_typename(lua(), -1))});
  return Outcome::kUnsupportedRequest;
}

// Timers --------------------------------------------------------------------------------------------------------------

void ScriptedEndpoint::timer_expired(ScriptTimer& timer) {
  const ScriptFunction function = timer.function;
  timer.function = {};
  if (!function || error_ || !lua_checkstack(lua(), 8)) return;
  lua_rawgeti(lua(), LUA_REGISTRYINDEX, function.reference);
  luaL_unref(lua(), LUA_REGISTRYINDEX, function.reference);
  in_timer_ = true;
  const bool good = run(0, "timer", {});
  in_timer_ = false;
  if (good) lua_pop(lua(), 2);
}

void ScriptedEndpoint::cancel_timers() {
  for (auto& timer : timers_) {
    if (timer->scheduled() && upstream() != nullptr) upstream()->timeline().cancel(*timer);
    if (timer->function && depth_ == 0) luaL_unref(lua(), LUA_REGISTRYINDEX, timer->function.reference);
    timer->function = {};
  }
}

void ScriptedEndpoint::inspect(InspectNode& node) const {
  Endpoint::inspect(node);
  InspectNode& script = node.child("script", source_.name, error_ ? "answers UR to everything until power-on" : "");
  script.child("state", error_ ? "failed" : "running", error_ ? error_->sentence() : "");
  script.child("reactions", fmt::format("{}", reactions_), "entries into Lua since power-on");
  script.child("memory", fmt::format("{} bytes", sandbox_->memory_bytes()), fmt::format("of {}", options_.limits.memory_bytes));
  if (options_.storage) script.child("storage", options_.storage->description());
  for (unsigned bar = 0; bar < kBarCount; ++bar) {
    if (bars_[bar]) bars_[bar]->file.inspect(node.child(fmt::format("BAR{} registers", bar)));
  }
}

}  // namespace dartboard::model
