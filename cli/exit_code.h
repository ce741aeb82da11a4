// cli/exit_code.h - what the program's exit status means, and how an error is told.
#pragma once

#include <string_view>

#include "base/error.h"

namespace dartboard::cli {

enum class ExitCode : int {
  kOk = 0,
  kDivergence = 1,     ///< it ran, and something differed or does not hold
  kBadInput = 2,       ///< an argument, file or profile, or an output that cannot be written
  kWrongPlatform = 3,  ///< a real dext was asked for where there is no IOKit
  kHostPanic = 4,      ///< the simulated Mac panicked
  kInternal = 5,       ///< a bug of dartboard, or the system refused something that should work
};

ExitCode exit_code_of(ErrorName name);

/// Prints "dartboard: SENTENCE" to standard error and gives the exit code.
ExitCode report(const Error& error);

/// One line on standard error, whole or not at all. What becomes of it decides nothing: standard error may be full too.
void print_error_line(std::string_view line);

/// What main() asks at the end of every command: `code` if all that was printed reached standard output; otherwise says
/// that it did not, and kBadInput.
ExitCode finish_output(ExitCode code);

/// The table for --help.
extern const char kExitCodeHelp[];

}  // namespace dartboard::cli
