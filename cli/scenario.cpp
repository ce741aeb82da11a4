// cli/scenario.cpp - see scenario.h.
#include "cli/scenario.h"

#include <cstdio>

#include <fmt/format.h>

#include "cli/op_script.h"
#include "cli/recording.h"
#include "cli/replay_target.h"
#include "cli/sim_world.h"
#include "traces/session.h"

namespace dartboard::cli {
namespace {

constexpr size_t kScriptBytesMax = 16 * kMiB;

class SessionScenario final : public Scenario {
 public:
  SessionScenario(traces::Session session, std::unique_ptr<World> world)
      : session_(std::move(session)), world_(std::move(world)) {}
  std::string name() const override { return session_.origin; }
  World& world() override { return *world_; }
  Result<void> power_on() override {
    const RecordedSide recorded{&session_.device, session_.origin};
    return world_->power_on(&recorded);
  }
  ScenarioResult run() override {
    ScenarioResult result;
    auto target = MachineReplayTarget::open(*world_);
    if (!target) {
      result.stopped = target.error();
      return result;
    }
    const traces::ReplayReport report = traces::replay(session_, recorded(*world_, **target));
    result.steps = report.requests;
    result.differences = report.divergences;
    if (!report.first.empty()) {
      const traces::Divergence& first = report.first.front();
      result.first_difference = fmt::format("request {} ({}): expected {:.60}, got {:.60}", first.index,
                                            traces::to_string(first.layer), first.expected, first.got);
    }
    result.stopped = report.stopped;
    result.gone = (*target)->device().gone();
    return result;
  }

 private:
  traces::Session session_;
  std::unique_ptr<World> world_;
};

class OpScenario final : public Scenario {
 public:
  OpScenario(std::string origin, std::vector<Op> ops, std::unique_ptr<World> world)
      : origin_(std::move(origin)), ops_(std::move(ops)), world_(std::move(world)) {}
  std::string name() const override { return origin_; }
  World& world() override { return *world_; }
  Result<void> power_on() override { return world_->power_on(nullptr); }
  ScenarioResult run() override {
    auto device = open_device(*world_);
    if (!device) {
      ScenarioResult result;
      result.stopped = device.error();
      return result;
    }
    return run_ops(ops_, std::move(*device), *world_);
  }

 private:
  std::string origin_;
  std::vector<Op> ops_;
  std::unique_ptr<World> world_;
};

Result<std::string> read_file(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return fail(ErrorName::kFileUnreadable, fmt::format("{}: it cannot be opened", path));
  std::string text;
  char part[65536];
  size_t got = 0;
  while ((got = std::fread(part, 1, sizeof part, file)) != 0 && text.size() <= kScriptBytesMax) text.append(part, got);
  const bool broken = std::ferror(file) != 0;
  std::fclose(file);
  if (broken) return fail(ErrorName::kFileUnreadable, fmt::format("{}: reading it failed", path));
  if (text.size() > kScriptBytesMax) {
    return fail(ErrorName::kFileCorrupt, fmt::format("{}: a script of operations has at most 16 MiB", path));
  }
  return text;
}

}  // namespace

Result<std::unique_ptr<Scenario>> load_scenario(const std::string& file, const std::string& profile) {
  auto world = make_sim_world(profile);
  if (!world) return tl::unexpected(world.error());
  if (file.ends_with(".ops")) {
    auto text = read_file(file);
    if (!text) return tl::unexpected(text.error());
    auto ops = parse_ops(*text, file);
    if (!ops) return tl::unexpected(ops.error());
    return std::make_unique<OpScenario>(file, std::move(*ops), std::move(*world));
  }
  auto session = traces::load_session(file);
  if (!session) return tl::unexpected(session.error());
  return std::make_unique<SessionScenario>(std::move(*session), std::move(*world));
}

}  // namespace dartboard::cli
