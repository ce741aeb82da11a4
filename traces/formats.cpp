// traces/formats.cpp - the table of formats.
#include "traces/formats.h"

#include <algorithm>

#include <fmt/format.h>

#include "traces/dbt/reader.h"
#include "traces/export/exporters.h"
#include "traces/import/mmiotrace.h"
#include "traces/import/qemu_log.h"
#include "traces/import/register_log.h"
#include "traces/import/simpletrace.h"
#include "traces/jsonl_reader.h"

namespace dartboard::traces {

namespace {

constexpr Format kFormats[] = {
    {"chrome", "a timeline for chrome://tracing and others", ".trace.json", nullptr, nullptr, create_chrome},
    {"csv", "a row for every event", ".csv", nullptr, nullptr, create_csv},
    {"dbt", "Dartboard's own: everything, compact, seekable (docs/dbt.md)", ".dbt", detect_dbt, open_dbt, create_dbt},
    {"jsonl", "requests of the TinyGPU remote protocol, one JSON object a line", ".jsonl", detect_jsonl, open_jsonl,
     create_jsonl},
    {"mmiotrace", "Linux's mmiotrace text", ".mmiotrace", detect_mmiotrace, open_mmiotrace, create_mmiotrace},
    {"perfetto", "a timeline for ui.perfetto.dev", ".pftrace", nullptr, nullptr, create_perfetto},
    {"qemu-log", "QEMU's text log of -trace 'vfio_*', 'pci_cfg_*' and others", "", detect_qemu_log, open_qemu_log,
     nullptr},
    {"register-log", "register traces of i915 and amdgpu (ftrace, perf), and lists of accesses with counts", "",
     detect_register_log, open_register_log, nullptr},
    {"simpletrace", "QEMU's binary traces of -trace, versions 2 to 4", "", detect_simpletrace, open_simpletrace,
     nullptr},
    {"vcd", "interrupts, DMA and reads under way as signals", ".vcd", nullptr, nullptr, create_vcd},
};

constexpr size_t kDetectBytes = 64 * 1024;

std::string names(bool (*wanted)(const Format&)) {
  std::string out;
  for (const Format& format : kFormats) {
    if (wanted(format)) out += (out.empty() ? "" : ", ") + std::string(format.name);
  }
  return out;
}

}  // namespace

std::span<const Format> formats() {
  return kFormats;
}

const Format* find_format(std::string_view name) {
  const auto* const found = std::find_if(std::begin(kFormats), std::end(kFormats),
                                         [name](const Format& format) { return format.name == name; });
  return found == std::end(kFormats) ? nullptr : found;
}

const Format* format_of_path(std::string_view path) {
  if (path.ends_with(".jsonl.zst")) path.remove_suffix(4);  // the one writer that compresses when the name says so
  const Format* best = nullptr;
  for (const Format& format : kFormats) {
    if (format.suffix.empty() || !path.ends_with(format.suffix)) continue;
    if (best == nullptr || format.suffix.size() > best->suffix.size()) best = &format;
  }
  return best;
}

Result<std::unique_ptr<EventReader>> open_trace(const std::string& path, std::string_view format,
                                                const ReadOptions& options) {
  auto source = ByteSource::open(path);
  if (!source) return tl::unexpected(source.error());
  const Format* chosen = nullptr;
  if (!format.empty()) {
    chosen = find_format(format);
    if (chosen == nullptr || chosen->open == nullptr) {
      return fail(ErrorName::kBadArgument,
                  fmt::format("'{:.40}' is no format that can be read; expected one of {}", format,
                              names([](const Format& f) { return f.open != nullptr; })));
    }
  } else {
    const auto head = (*source)->peek(kDetectBytes);
    if (!head) return tl::unexpected(head.error());
    int best = 0;
    for (const Format& candidate : kFormats) {
      const int certainty = candidate.detect == nullptr ? 0 : candidate.detect(*head);
      if (certainty <= best) continue;
      best = certainty;
      chosen = &candidate;
    }
    const std::string readable = names([](const Format& f) { return f.open != nullptr; });
    if (const auto& damage = (*source)->damage(); chosen == nullptr && damage) {
      // Not "no trace": what is there is too little to tell.
      return fail(ErrorName::kFileCorrupt,
                  head->empty()
                      ? fmt::format("{} Get the whole file.", damage->sentence)
                      : fmt::format("{} That looks like no trace that dartboard reads ({}): get the whole file, "
                                    "or name its format to 'dartboard trace convert --from'.",
                                    damage->sentence, readable));
    }
    if (chosen == nullptr) {
      return fail(ErrorName::kFileCorrupt,
                  fmt::format("{}: looks like no trace that dartboard reads ({}); if it is one, name its format to "
                              "'dartboard trace convert --from'.",
                              path, readable));
    }
  }
  return chosen->open(std::move(*source), options);
}

}  // namespace dartboard::traces
