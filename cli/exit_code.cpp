// cli/exit_code.cpp - error names to exit status.
#include "cli/exit_code.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include <fmt/format.h>

#include "cli/output.h"

namespace dartboard::cli {

ExitCode exit_code_of(ErrorName name) {
  switch (name) {
    case ErrorName::kBadArgument:
    case ErrorName::kOutOfRange:
    case ErrorName::kNotSupported:
    case ErrorName::kNotFound:
    case ErrorName::kBudgetBytes:
    case ErrorName::kBudgetMappings:
    case ErrorName::kScriptInvalid:
    case ErrorName::kProfileInvalid:
    case ErrorName::kTreeConflict:
    case ErrorName::kFileUnreadable:
    case ErrorName::kFileCorrupt:
    case ErrorName::kPlacement: return ExitCode::kBadInput;
    case ErrorName::kWrongPlatform: return ExitCode::kWrongPlatform;
    case ErrorName::kHostPanic: return ExitCode::kHostPanic;
    case ErrorName::kBusy:
    case ErrorName::kNotClaimed:
    case ErrorName::kDeviceGone:
    case ErrorName::kResetFailed:
    case ErrorName::kMapperFailed:
    case ErrorName::kCallFailed:
    case ErrorName::kInternal: return ExitCode::kInternal;
  }
  return ExitCode::kInternal;
}

ExitCode report(const Error& error) {
  const Style style(stderr);
  const bool stopped = !error.sentence.empty() && std::string_view(".?!").find(error.sentence.back()) != std::string_view::npos;
  print_error_line(fmt::format("{} {}{}", style.bad("dartboard:"), error.sentence, stopped ? "" : "."));
  return exit_code_of(error.name);
}

void print_error_line(std::string_view line) {
  const std::string whole = std::string(line) + "\n";
  std::fwrite(whole.data(), 1, whole.size(), stderr);
}

ExitCode finish_output(ExitCode code) {
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  if (flushed && std::ferror(stdout) == 0) return code;
  // Of a write that failed earlier the reason is gone.
  return report({ErrorName::kFileUnreadable, io_return::kSuccess,
                 fmt::format("standard output cannot be written{}{}; what was printed is not all of it",
                             flushed ? "" : ": ", flushed ? "" : std::strerror(errno))});
}

const char kExitCodeHelp[] =
    "Exit codes:\n"
    "  0  everything as asked\n"
    "  1  something does not hold: a divergence of a replay, a rule of the conformance suite, an invariant in a "
    "sweep,\n"
    "     a difference of two traces\n"
    "  2  bad input: an argument, file or profile; the sentence says which, where and what was expected. Or a file or\n"
    "     standard output that cannot be written\n"
    "  3  --dext iokit on a system without IOKit\n"
    "  4  the simulated Mac panicked; the report names the cause\n"
    "  5  internal error\n";

}  // namespace dartboard::cli
