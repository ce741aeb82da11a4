// cli/trace_commands.h - `dartboard trace ...`: the commands that work on traces of any length. Each has a file
// cli/trace_*.cpp of its own; this is the door to them.
#pragma once

#include <functional>

#include "cli/exit_code.h"

namespace CLI {
class App;
}

namespace dartboard::cli {

/// Adds `trace` with its subcommands to `app`. When one of them was parsed, `chosen` is what runs it.
void add_trace_commands(CLI::App& app, std::function<ExitCode()>* chosen);

}  // namespace dartboard::cli
