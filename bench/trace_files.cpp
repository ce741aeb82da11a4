// bench/trace_files.cpp - see trace_files.h.
#include "bench/trace_files.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <fmt/os.h>

#include "traces/dbt/writer.h"
#include "traces/session.h"

extern char** environ;

namespace dartboard::bench {

namespace {

namespace fs = std::filesystem;

struct Directory {
  fs::path path = fs::temp_directory_path() / fmt::format("dartboard-bench-{}", getpid());
  Directory() { fs::create_directories(path); }
  ~Directory() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};
const Directory& directory() {
  static const Directory own;
  return own;
}

const traces::Session& amd_session() {
  static const auto session = traces::load_session(DARTBOARD_SESSIONS_DIR "/amd-am-boot-copy.jsonl.zst");
  if (!session) std::abort();  // it ships
  return *session;
}

/// The session over and over, its requests only (what a .jsonl holds, too).
template <class Each>
void repeat(uint64_t events, Each each) {
  const traces::Session& session = amd_session();
  const uint64_t span_ns = session.events.back().time_ns - session.events.front().time_ns + 1000;
  uint64_t shift_ns = 0;
  for (uint64_t made = 0; made < events; shift_ns += span_ns) {
    for (const traces::Event& event : session.events) {
      if (!event.is_request()) continue;
      traces::Event e = event;
      e.time_ns += shift_ns;
      each(e, session.reply_of(event));
      ++made;
    }
  }
}

}  // namespace

const std::string& long_dbt(uint64_t events, bool values_only) {
  static std::map<std::pair<uint64_t, bool>, std::string> made;
  std::string& path = made[{events, values_only}];
  if (!path.empty()) return path;
  path = directory().path / fmt::format("{}{}.dbt", events, values_only ? "-values" : "");
  traces::TraceInfo info;
  info.source = "bench";
  info.clock = traces::Clock::kMonotonic;
  info.devices = {{"", amd_session().device}};
  auto writer = traces::DbtWriter::create(path, info);
  if (!writer) std::abort();
  repeat(events, [&](traces::Event e, const traces::Reply* reply) {
    traces::Reply r = reply != nullptr ? *reply : traces::Reply{};
    if (values_only) e.data = r.data = traces::Payload();
    if (!(*writer)->append(e, reply != nullptr ? &r : nullptr)) std::abort();
  });
  if (!(*writer)->finish(info)) std::abort();
  return path;
}

const std::string& long_register_dbt(uint64_t events) {
  static std::map<uint64_t, std::string> made;
  std::string& path = made[events];
  if (!path.empty()) return path;
  path = directory().path / fmt::format("{}-registers.dbt", events);
  traces::TraceInfo info;
  info.source = "bench";
  info.clock = traces::Clock::kMonotonic;
  info.devices = {{"", amd_session().device}};
  auto writer = traces::DbtWriter::create(path, info);
  if (!writer) std::abort();
  for (uint64_t written = 0; written < events;) {
    repeat(1, [&](const traces::Event& e, const traces::Reply* reply) {
      const bool is_mmio = e.kind == traces::EventKind::kMmioRead || e.kind == traces::EventKind::kMmioWrite;
      if (!is_mmio || amd_session().device.bars[e.target].kind != traces::BarKind::kRegisters) return;
      if (!(*writer)->append(e, reply)) std::abort();
      ++written;
    });
  }
  if (!(*writer)->finish(info)) std::abort();
  return path;
}

const std::string& long_jsonl_without_payloads(uint64_t events) {
  static std::map<uint64_t, std::string> made;
  std::string& path = made[events];
  if (!path.empty()) return path;
  const std::string text = directory().path / fmt::format("{}.jsonl", events);
  {
    auto out = fmt::output_file(text);
    repeat(events, [&](const traces::Event& e, const traces::Reply* reply) {
      using traces::EventKind;
      // The member order and spelling of the recordings that ship.
      const char* const cmd = e.kind == EventKind::kMmioRead      ? "MMIO_READ"
                              : e.kind == EventKind::kMmioWrite   ? "MMIO_WRITE"
                              : e.kind == EventKind::kHostRead    ? "SYSMEM_READ"
                              : e.kind == EventKind::kHostWrite   ? "SYSMEM_WRITE"
                              : e.kind == EventKind::kConfigRead  ? "CFG_READ"
                              : e.kind == EventKind::kConfigWrite ? "CFG_WRITE"
                              : e.kind == EventKind::kDmaMap      ? "MAP_SYSMEM"
                                                                  : "MAP_BAR";
      out.print(R"({{"t": {}, "cmd": "{}", "dev": 0, "bar": {}, "a0": {}, "a1": {}, "a2": {})", e.time_ns, cmd,
                e.target, e.address, e.length, e.value);
      if (reply != nullptr) {
        out.print(R"(, "st": {}, "r0": {}, "r1": {}, "dt": {})", reply->status, reply->value0, reply->value1,
                  reply->duration_ns);
      }
      out.print("}}\n");
    });
  }
  path = text + ".zst";
  if (seconds_of({"zstd", "-q", "--rm", text, "-o", path}) < 0) std::abort();
  return path;
}

const std::string& long_qemu_log(uint64_t lines) {
  static std::map<uint64_t, std::string> made;
  std::string& path = made[lines];
  if (!path.empty()) return path;
  path = directory().path / fmt::format("{}.log", lines);
  auto out = fmt::output_file(path);
  uint64_t written = 0;
  while (written < lines) {
    repeat(1, [&](const traces::Event& e, const traces::Reply* reply) {
      const bool is_write = e.kind == traces::EventKind::kMmioWrite;
      if ((!is_write && e.kind != traces::EventKind::kMmioRead) || e.length > 8) return;
      const traces::Payload& data = is_write ? e.data : reply->data;
      uint64_t value = 0;
      for (uint64_t i = e.length; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(data.at(i));
      const uint64_t us = e.time_ns / 1000 % 1'000'000, s = e.time_ns / 1'000'000'000 % 60;
      out.print("2026-11-22T11:{:02}:{:02}.{:06}Z ", written / 30'000 % 60, s, us);
      if (is_write) {
        out.print("vfio_region_write  (0000:01:00.0:region{}+0x{:x}, 0x{:x}, {})\n", e.target, e.address, value, e.length);
      } else {
        out.print("vfio_region_read  (0000:01:00.0:region{}+0x{:x}, {}) = 0x{:x}\n", e.target, e.address, e.length, value);
      }
      ++written;
    });
  }
  return path;
}

double seconds_of(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const auto from = std::chrono::steady_clock::now();
  pid_t child = 0;
  int status = posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (status != 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) return -1;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
}

}  // namespace dartboard::bench
