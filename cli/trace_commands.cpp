// cli/trace_commands.cpp - see trace_commands.h.
#include "cli/trace_commands.h"

#include <string>

#include <CLI/CLI.hpp>

#include "cli/trace_common.h"
#include "cli/trace_report.h"

namespace dartboard::cli {

void add_trace_commands(CLI::App& app, std::function<ExitCode()>* chosen) {
  CLI::App* const trace =
      app.add_subcommand("trace", "Look at recorded traces: print, search, count, cut, convert, compare");
  trace->require_subcommand(1);
  trace->footer(
      "Examples:\n"
      "  dartboard trace info boot.dbt\n"
      "      the device, how it was recorded, what is missing\n"
      "  dartboard trace dump boot.dbt | less\n"
      "      every event on a line, with the names of registers in boot.names.json\n"
      "  dartboard trace grep boot.dbt --bar 5 --writes --reg 'PSP_*'\n"
      "      the writes to some registers\n"
      "  dartboard trace diff good.dbt bad.dbt\n"
      "      what differs: values, order, counts, events that only one has\n"
      "The format of a file is found by its content; zstd, gzip and xz are unpacked. Memory does not grow with the\n"
      "length of a trace.\n\n" +
      std::string(kExitCodeHelp));
  add_trace_info(*trace, chosen);
  add_trace_stat(*trace, chosen);
  add_trace_dump(*trace, chosen);
  add_trace_grep(*trace, chosen);
  add_trace_cut(*trace, chosen);
  add_trace_convert(*trace, chosen);
  add_trace_diff(*trace, chosen);
  add_trace_report(*trace, chosen);
}

}  // namespace dartboard::cli
