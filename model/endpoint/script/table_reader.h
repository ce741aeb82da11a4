// model/endpoint/script/table_reader.h - one table of a declaration: typed fields, unknown fields refused, errors with
// script and line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <lua.hpp>

#include "base/error.h"
#include "model/endpoint/script/declaration.h"

namespace dartboard::model {

/// Where reading stands: the script and the first thing that was wrong.
struct ReadContext {
  lua_State* state;
  const std::string& script;
  std::optional<Error> error;

  void fail(int line, std::string what) {
    if (!error) error = Error{ErrorName::kScriptInvalid, io_return::kSuccess, fmt::format("{}:{}: {}", script, line, what)};
  }
  bool ok() const { return !error.has_value(); }
};

/// The table at the top of the stack when it is made. Reading never runs metamethods and never raises. Each field that
/// was asked for is known; finish() refuses the others.
class TableReader {
 public:
  /// `what` names the table in errors ("register STATUS"); `line`: of the surrounding table, if this one has none.
  TableReader(ReadContext& context, std::string what, int line);

  /// Numbers from `low` to `high` (as unsigned).
  uint64_t number(const char* name, uint64_t standard, uint64_t low, uint64_t high);
  uint64_t required_number(const char* name, uint64_t low, uint64_t high);
  bool boolean(const char* name, bool standard);
  std::string text(const char* name, std::string_view standard);
  /// A string as bytes; none: empty.
  std::vector<std::byte> bytes(const char* name);
  /// One of `choices`; the index.
  size_t choice(const char* name, size_t standard, std::initializer_list<std::string_view> choices);
  ScriptFunction function(const char* name);
  bool has(const char* name);

  /// Positional values ({"STATUS", 0x20, ..}): 1 is the first.
  std::string positional_text(int index, std::string_view meaning);
  uint64_t positional_number(int index, std::string_view meaning, uint64_t high);
  std::optional<uint64_t> optional_positional_number(int index, std::string_view meaning, uint64_t high);
  std::optional<std::string> optional_positional_text(int index, std::string_view meaning);

  /// Calls `read` with each element of the array in `name` on top of the stack, and its number from 1.
  template <class Read>
  void each(const char* name, Read read) {
    if (!push_table(name)) return;
    const auto count = static_cast<int64_t>(lua_rawlen(context_.state, -1));
    for (int64_t i = 1; i <= count && context_.ok(); ++i) {
      lua_rawgeti(context_.state, -1, i);
      if (lua_type(context_.state, -1) == LUA_TTABLE) {
        read(static_cast<unsigned>(i));
      } else {
        fail(fmt::format("{}[{}] is a {}: expected a table", name, i, luaL_typename(context_.state, -1)));
      }
      lua_pop(context_.state, 1);
    }
    lua_pop(context_.state, 1);
  }
  /// Pushes the table in `name`; false if there is none.
  bool push_table(const char* name);

  /// Refuses fields nobody asked for.
  void finish();

  void fail(const std::string& what) { context_.fail(line_, fmt::format("{}: {}", what_, what)); }
  int line() const { return line_; }
  void rename(std::string what) { what_ = std::move(what); }

 private:
  void push(const char* name);
  uint64_t check_number(std::string_view name, uint64_t low, uint64_t high);

  ReadContext& context_;
  int table_;
  std::string what_;
  int line_;
  std::vector<std::string> known_;
  int64_t positions_ = 0;
};

/// The key under which device{}, bar{}, register{}, range{} and fault{} note their line.
inline constexpr const char* kLineField = "(line)";

}  // namespace dartboard::model
