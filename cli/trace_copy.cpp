// cli/trace_copy.cpp - see trace_copy.h.
#include "cli/trace_copy.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "traces/tools/access.h"

namespace dartboard::cli {

namespace fs = std::filesystem;

Result<const traces::Format*> output_format(const std::string& path, const std::string& named,
                                            const std::string& fallback) {
  const traces::Format* format = named.empty() ? traces::format_of_path(path) : traces::find_format(named);
  if (named.empty() && (format == nullptr || format->create == nullptr) && !fallback.empty()) {
    format = traces::find_format(fallback);
  }
  if (format != nullptr && format->create != nullptr) return format;
  std::string list;
  for (const traces::Format& each : traces::formats()) {
    if (each.create == nullptr) continue;
    list += (list.empty() ? "" : ", ") + std::string(each.name);
    if (!each.suffix.empty()) list += fmt::format(" ({})", each.suffix);
  }
  if (!named.empty() && format == nullptr) {
    return fail(ErrorName::kBadArgument, fmt::format("--to '{}': there is no such format; expected one of {}",
                                                     traces::printable(named, 40), list));
  }
  if (format != nullptr) {
    return fail(ErrorName::kNotSupported,
                fmt::format("the format {} can be read but not written; expected one of {}", format->name, list));
  }
  return fail(ErrorName::kBadArgument, fmt::format("{}: its suffix names no format; give --to, one of {}", path, list));
}

Result<void> not_the_same_file(const std::string& in, const std::string& out) {
  std::error_code ignored;
  if (!fs::equivalent(in, out, ignored)) return {};
  return fail(ErrorName::kBadArgument, fmt::format("{}: is the trace that is read; write to another file", out));
}

bool is_standard_output(const std::string& out) {
  struct stat file {
  }, output{};
  if (::stat(out.c_str(), &file) != 0 || ::fstat(STDOUT_FILENO, &output) != 0) return false;
  // A device takes what comes: a terminal, /dev/null.
  return !S_ISCHR(file.st_mode) && file.st_dev == output.st_dev && file.st_ino == output.st_ino;
}

Result<Copied> copy_trace(traces::EventReader& reader, const std::string& path, const traces::Format& format,
                          const traces::WriteOptions& options, const std::function<void(traces::TraceInfo*)>& adjust,
                          const std::function<void(uint64_t)>& progress) {
  // The first events are read before the file is made: a trace that cannot be read makes none.
  traces::EventBatch batch;
  auto more = reader.next(&batch);
  if (!more) return tl::unexpected(more.error());
  const auto info = [&] {
    traces::TraceInfo adjusted = reader.info();
    adjust(&adjusted);
    return adjusted;
  };
  auto writer = format.create(path, info(), options);
  if (!writer) return tl::unexpected(writer.error());
  Copied copied;
  const auto failed = [&](Error error) {
    writer->reset();
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored) && fs::remove(path, ignored)) error.sentence += " Nothing is left of it.";
    return tl::unexpected(std::move(error));
  };
  while (*more) {
    if (auto written = (*writer)->write(batch); !written) return failed(written.error());
    copied.of_events += batch.events.size();
    progress(copied.of_events);
    more = reader.next(&batch);
    if (!more) return failed(more.error());
  }
  if (auto finished = (*writer)->finish(info()); !finished) return failed(finished.error());
  copied.left_out = (*writer)->left_out();
  copied.events = copied.of_events - std::min(copied.of_events, (*writer)->events_left_out());
  writer->reset();
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) copied.bytes = fs::file_size(path, ignored);
  return copied;
}

std::string size_text(const Copied& copied, const traces::Format& format) {
  return fmt::format("{} in {}", copied.bytes ? ", " + bytes_text(*copied.bytes) : "", format.name);
}

std::string events_text(uint64_t events, uint64_t of_events) {
  return events == of_events ? fmt::format("{} events", with_commas(events))
                             : fmt::format("{} of {} events", with_commas(events), with_commas(of_events));
}

void print_left_out(std::FILE* to, const std::vector<traces::RecordCount>& left_out) {
  const Style style(to);
  for (const traces::RecordCount& each : left_out) {
    fmt::print(to, "{} {} {}{}\n", style.note("left out:"), with_commas(each.count), each.name,
               each.why.empty() ? "" : ": " + each.why);
  }
}

nlohmann::ordered_json to_json(const std::vector<traces::RecordCount>& left_out) {
  auto json = nlohmann::ordered_json::array();
  for (const traces::RecordCount& each : left_out) {
    json.push_back({{"name", each.name}, {"count", each.count}, {"why", each.why}});
  }
  return json;
}

Result<traces::PayloadPolicy> parse_payloads(const std::string& text) {
  using traces::PayloadPolicy;
  for (const PayloadPolicy policy : {PayloadPolicy::kFull, PayloadPolicy::kHash, PayloadPolicy::kNone}) {
    if (traces::to_string(policy) == text) return policy;
  }
  return fail(ErrorName::kBadArgument,
              fmt::format("--payload '{}': expected full, hash or none", traces::printable(text, 40)));
}

}  // namespace dartboard::cli
