// model/endpoint/script/scripted_endpoint.h - the endpoint behind a script: registers in C++, reactions in Lua.
//
// An access goes to a register file unless a flag of its dword says that the script has a function, or a fault, there.
// Lua is entered through invoke() only, which counts, catches and, after a failure, turns the device silent.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "model/endpoint/script/declaration.h"
#include "model/endpoint/script/sandbox.h"
#include "model/endpoint/script/script.h"

namespace dartboard::model {

class ScriptedEndpoint final : public ScriptedDevice {
 public:
  /// `sandbox` has run the script and given `declaration`.
  ScriptedEndpoint(const ScriptSource& source, ScriptOptions options, ScriptDeclaration declaration,
                   std::unique_ptr<Sandbox> sandbox);
  ~ScriptedEndpoint() override;

  /// A sandbox that ran `source`, and what it declared. kScriptInvalid.
  struct Loaded {
    std::unique_ptr<Sandbox> sandbox;
    ScriptDeclaration declaration;
  };
  static Result<Loaded> load(const ScriptSource& source, const ScriptOptions& options);

  std::string_view kind() const override { return kind_; }
  const std::optional<ScriptError>& script_error() const override { return error_; }
  uint64_t reactions() const override { return reactions_; }

  void attach(Upstream* upstream) override;
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) override;
  void reset(ResetKind kind) override;
  DirectMemory direct_memory(unsigned bar, uint64_t offset, uint64_t length) override;
  void inspect(InspectNode& node) const override;

 protected:
  Outcome read_bar(unsigned bar, uint64_t offset, std::byte* data, uint32_t length) override;
  Outcome write_bar(unsigned bar, uint64_t offset, const std::byte* data, uint32_t length) override;

 private:
  friend struct ScriptBindings;   // what dev.*, reg.* and storage.* do: bindings.cpp

  static constexpr uint8_t kReadFlag = 1;
  static constexpr uint8_t kWriteFlag = 2;
  static constexpr unsigned kDepthMax = 8;         ///< reactions inside reactions (a DMA that comes back)
  static constexpr size_t kTimersMax = 1024;

  /// A place with a function: an element of a register, or a range.
  struct Item {
    uint64_t begin;
    uint64_t end;
    const ScriptRegister* reg;    ///< null: a range
    const ScriptRange* range;
    uint32_t element;
  };
  struct RegisterBar {
    explicit RegisterBar(uint32_t bytes) : file(bytes), flags(bytes / 4 + 1) {}
    uint64_t hot_bytes = 0;       ///< offsets below may take the short way; 0 when the device has failed
    RegisterFile file;
    std::vector<uint8_t> flags;   ///< by dword
    std::vector<RegisterDecl> decls;
    std::vector<Item> items;      ///< by offset
    bool ones = false;            ///< bytes beyond the file read as ones
  };
  struct Strike {
    ScriptFault fault;
    uint64_t seen = 0;
  };
  struct ScriptTimer final : Timer {
    explicit ScriptTimer(ScriptedEndpoint& owner_in) : owner(owner_in) {}
    void expire() override { owner.timer_expired(*this); }
    ScriptedEndpoint& owner;
    ScriptFunction function;   ///< none: free
    uint64_t id = 0;
  };

  void build_bar(unsigned bar);
  void bind();
  void restart(ResetKind kind);

  Outcome access(unsigned bar, uint64_t offset, std::byte* data, uint32_t length, bool is_write);
  Outcome strike(unsigned bar, uint64_t offset, uint32_t length, bool is_write);
  void plain(RegisterBar& b, uint64_t offset, std::byte* data, uint32_t length, bool is_write);
  Outcome react_read(RegisterBar& b, const Item& item, uint64_t at, std::byte* data, uint32_t length);
  Outcome react_write(RegisterBar& b, const Item& item, uint64_t at, const std::byte* data, uint32_t length);
  void transport_config(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay, bool is_write);

  /// Enters Lua: `push` puts the arguments on the stack and returns their number. True: two results are on the stack,
  /// the caller pops them. False: the script failed, or the device was reset meanwhile.
  template <class Push>
  bool invoke(ScriptFunction function, std::string_view reaction, std::string_view place, Push push);
  bool run(int arguments, std::string_view reaction, std::string_view place);
  /// The outcome that the second result names; a script error if it is no outcome.
  Outcome outcome_result(ScriptFunction function, std::string_view reaction, std::string_view place);
  void die(ScriptError error);
  /// The line where the script has this function.
  int line_of(ScriptFunction function);

  void timer_expired(ScriptTimer& timer);
  void cancel_timers();
  lua_State* lua() { return sandbox_->state(); }

  ScriptSource source_;
  ScriptOptions options_;
  ScriptDeclaration script_;
  std::string kind_;
  std::array<std::unique_ptr<RegisterBar>, kBarCount> bars_;
  std::unique_ptr<Sandbox> sandbox_;
  std::vector<Strike> faults_;
  std::vector<std::unique_ptr<ScriptTimer>> timers_;
  uint64_t next_timer_id_ = 1;
  uint64_t reactions_ = 0;
  unsigned depth_ = 0;
  bool intercept_ = false;       ///< configuration requests concern the script, or it has failed
  bool touched_ = false;         ///< the Lua state is not as after the load
  bool interrupted_ = false;     ///< a reset came while the script ran
  bool in_timer_ = false;
  ResetKind interrupted_by_ = ResetKind::kPowerOn;
  std::optional<ScriptError> error_;
};

}  // namespace dartboard::model
