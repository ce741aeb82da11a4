// cli/record_options.cpp - the arguments of --record, the same for every command that has it.
#include <map>

#include <CLI/CLI.hpp>

#include "cli/recording.h"
#include "cli/whole_number.h"

namespace dartboard::cli {

void add_record_options(CLI::App& command, RecordOptions& options) {
  const std::map<std::string, RecordAt> seams = {{"backend", RecordAt::kBackend}, {"client", RecordAt::kClient}};
  const std::map<std::string, traces::PayloadPolicy> policies = {{"full", traces::PayloadPolicy::kFull},
                                                                 {"hash", traces::PayloadPolicy::kHash},
                                                                 {"none", traces::PayloadPolicy::kNone}};
  constexpr const char* kGroup = "Recording";
  CLI::Option* const record = command.add_option(
      "--record", options.file, "Write what happens to the device to FILE, a .dbt; an existing one is replaced");
  record->group(kGroup)->type_name("FILE");
  const auto with_record = [&](CLI::Option* option) { return option->group(kGroup)->needs(record); };
  with_record(command.add_option_function<std::string>(
                  "--record-at",
                  [&options, seams](const std::string& name) {
                    options.at = seams.at(name);
                    options.at_was_given = true;
                  },
                  "Where: backend (what a guest asks of it) or client (the calls that reach the dext)"))
      ->check(CLI::IsMember(seams))
      ->type_name("SEAM");
  with_record(command.add_option_function<std::string>(
                  "--record-payloads",
                  [&options, policies](const std::string& name) { options.what.payloads = policies.at(name); },
                  "What to keep of payloads of more than 8 bytes: full, hash or none"))
      ->check(CLI::IsMember(policies))
      ->type_name("POLICY");
  with_record(command.add_option("--record-events-max", options.what.events_max,
                                 "Record at most N events; what comes after is counted"))
      ->transform(whole_number())
      ->type_name("N");
  with_record(command.add_option("--record-bytes-max", options.what.bytes_max,
                                 "Record at most SIZE of payloads; what comes after is counted"))
      ->transform(CLI::AsSizeValue(false))
      ->transform(no_minus())
      ->type_name("SIZE");
}

}  // namespace dartboard::cli
