// tests/cli/support.h - runs the program and makes files for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dartboard::cli {

struct ProgramRun {
  int exit_code = -1;  ///< -1: it did not end by itself (a signal)
  std::string out, err;
  uint64_t peak_bytes = 0;  ///< of memory it had at once
};

/// Runs `dartboard ARGUMENTS...` with its output going to files, never to a terminal. `out` and `err` are where else
/// standard output and standard error go; they are not read then.
ProgramRun run(const std::vector<std::string>& arguments, const std::string& out = "", const std::string& err = "");

/// The session that ships.
std::string shipped_session();

/// A file in the tests' own directory; returns its path.
std::string write_file(const std::string& name, std::string_view content);
std::string read_file(const std::string& path);

/// The shipped session as text, and a copy under `name` (".jsonl") with its description beside it.
const std::string& shipped_lines();
std::string write_session(const std::string& name, std::string_view lines);

/// `lines` with line `index` (from 0) changed: the first `from` in it becomes `to`.
std::string with_change(const std::string& lines, unsigned index, std::string_view from, std::string_view to);

}  // namespace dartboard::cli
