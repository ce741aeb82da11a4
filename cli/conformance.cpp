// cli/conformance.cpp - `dartboard conformance`: the rules of PCI Express on a device of ours, a script, or a real one.
#include <cstdio>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/endpoints.h"
#include "cli/output.h"
#include "cli/world.h"
#include "conformance/bench.h"
#include "conformance/suite.h"
#include "sim/machine.h"

namespace dartboard::cli {
namespace {

using conformance::Report;
using conformance::Row;
using conformance::Rule;
using conformance::Status;
using Json = nlohmann::ordered_json;

/// A device behind the dext, for the rules that only read. BARs are asked of the platform, which sized them; nothing is
/// written.
class DextTarget final : public conformance::Target {
 public:
  explicit DextTarget(dext::Client& client) : client_(client) {}

  uint32_t config(uint32_t offset, unsigned bytes) override {
    const auto value = client_.config_read(offset, bytes);
    const uint32_t all_ones = bytes >= 4 ? 0xffff'ffff : (1u << (8 * bytes)) - 1;
    if (!value && !error_) error_ = value.error();
    return value ? *value & all_ones : all_ones;
  }
  std::array<conformance::BarShape, conformance::kBars> bars() override {
    std::array<conformance::BarShape, conformance::kBars> shapes;
    for (unsigned i = 0; i < conformance::kBars; ++i) {
      const auto info = client_.bar_info(i);
      if (!info || info->size == 0) continue;
      shapes[i] = {.present = true,
                   .io = info->type == dext::BarType::kIo,
                   .wide = info->type == dext::BarType::kM64 || info->type == dext::BarType::kM64Prefetchable,
                   .prefetchable = info->type == dext::BarType::kM32Prefetchable ||
                                   info->type == dext::BarType::kM64Prefetchable,
                   .bytes = info->size};
      if (shapes[i].wide) ++i;
    }
    return shapes;
  }
  /// The first call that failed, if one did.
  const std::optional<Error>& error() const { return error_; }

 private:
  dext::Client& client_;
  std::optional<Error> error_;
};

Json to_json(const Report& report) {
  Json rows = Json::array();
  for (const Row& row : report.rows) {
    rows.push_back({{"rule", row.rule->id},
                    {"group", row.rule->group},
                    {"spec", row.rule->spec},
                    {"result", to_string(row.verdict.status)},
                    {"seen", row.verdict.seen}});
  }
  return {{"device", report.device},
          {"passed", report.count(Status::kPass)},
          {"failed", report.count(Status::kFail)},
          {"skipped", report.count(Status::kSkip)},
          {"rules", rows}};
}

void print(const Report& report) {
  const Style style(stdout);
  fmt::print("{}\n", style.strong(report.device));
  for (const Row& row : report.rows) {
    const bool bad = row.verdict.status == Status::kFail;
    fmt::print("  {}  {:<28}", bad ? style.bad("fail") : std::string(to_string(row.verdict.status)), row.rule->id);
    if (row.verdict.seen.empty()) {
      fmt::print("  {}\n", style.faint(std::string(row.rule->spec)));
    } else {
      fmt::print("  {}\n", row.verdict.seen);
    }
    if (bad) fmt::print("        {} ({})\n", row.rule->sentence, row.rule->spec);
  }
  fmt::print("{} rules: {} passed, {} failed, {} skipped\n", report.rows.size(), report.count(Status::kPass),
             report.count(Status::kFail), report.count(Status::kSkip));
}

ExitCode list_rules(bool json) {
  if (json) {
    Json all = Json::array();
    for (const Rule& rule : conformance::all_rules()) {
      all.push_back({{"rule", rule.id},
                     {"group", rule.group},
                     {"spec", rule.spec},
                     {"sentence", rule.sentence},
                     {"safe", rule.safe != nullptr}});
    }
    fmt::print("{}\n", all.dump(2));
    return ExitCode::kOk;
  }
  for (const Rule& rule : conformance::all_rules()) {
    fmt::print("{:<28}  {:<22}  {}{}\n", rule.id, rule.spec, rule.sentence, rule.safe != nullptr ? "  (safe)" : "");
  }
  return ExitCode::kOk;
}

Result<Report> try_endpoint(const ConformanceOptions& options, std::span<const Rule* const> rules) {
  sim::Machine::instance();              // a script may draw from its tape; SystemC wants every module before time passes
  conformance::Bench::instance();
  const std::string name = options.endpoint.empty() ? kTestEndpoint : options.endpoint;
  auto device = make_endpoint(name, options.storage);
  if (!device) return tl::unexpected(device.error());
  return run_on_bench(name, **device, rules);
}

Result<Report> try_dext(const ConformanceOptions& options, std::span<const Rule* const> rules,
                        std::optional<RecordingResult>* recorded) {
  auto choice = parse_world(options.dext, kDefaultProfile);
  if (!choice) return tl::unexpected(choice.error());
  choice->endpoint = options.endpoint;
  choice->storage = options.storage;
  auto world = make_world(*choice);
  if (!world) return tl::unexpected(world.error());
  if (auto powered = (*world)->power_on(nullptr); !powered) return tl::unexpected(powered.error());
  auto client = dext::open_vfio_user_pci((*world)->selector());
  if (!client) return tl::unexpected(client.error());
  RecordOptions record = options.record;
  record.at = RecordAt::kClient;  // there is no backend here
  auto recording = Recording::make(record, **world);
  if (!recording) return tl::unexpected(recording.error());
  if (*recording) {
    *client = (*recording)->client(std::move(*client));
    (*recording)->opened(**client);
  }
  if (auto claimed = (*client)->claim(); !claimed) return tl::unexpected(claimed.error());
  DextTarget target(**client);
  Report report = run_safe((*world)->name(), target, rules);
  if ((*client)->gone() && target.error()) return tl::unexpected(*target.error());
  client->reset();   // before its world
  *recorded = finish(*recording);
  return report;
}

}  // namespace

ExitCode run_conformance(const ConformanceOptions& options) {
  if (options.list) return list_rules(options.json);
  if (!options.record.file.empty() && (options.dext.empty() || (options.record.at_was_given &&
                                                                options.record.at == RecordAt::kBackend))) {
    return report({ErrorName::kBadArgument, io_return::kBadArgument,
                   options.dext.empty() ? "--record records a device behind a dext: give --dext too"
                                        : "the rules ask the client, not a backend: leave --record-at backend out"});
  }
  const auto rules = conformance::select_rules(options.rules);
  if (!rules) return report(rules.error());
  std::optional<RecordingResult> recorded;
  const auto result = options.dext.empty() ? try_endpoint(options, *rules) : try_dext(options, *rules, &recorded);
  if (!result) return report(result.error());
  if (!options.junit.empty()) {
    std::ofstream file(options.junit, std::ios::binary);
    file << junit_xml(*result);
    file.close();
    if (!file) {
      return report({ErrorName::kFileUnreadable, io_return::kSuccess,
                     fmt::format("The results could not be written to {}", options.junit)});
    }
  }
  if (options.json) {
    Json out = to_json(*result);
    if (recorded) out["recorded"] = recorded->json();
    fmt::print("{}\n", out.dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    print(*result);
    if (recorded) fmt::print("{}\n", recorded->line());
  }
  const ExitCode code = result->count(Status::kFail) == 0 ? ExitCode::kOk : ExitCode::kDivergence;
  return recorded ? recorded->exit_code(code) : code;
}

}  // namespace dartboard::cli
