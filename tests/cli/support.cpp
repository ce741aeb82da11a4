// tests/cli/support.cpp - see support.h.
#include "support.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

extern char** environ;

namespace dartboard::cli {

namespace {
/// The tests' own directory, gone when they end.
const std::string& directory() {
  struct Directory {
    const std::string path = testing::TempDir() + "dartboard-cli-" + std::to_string(getpid());
    Directory() { std::filesystem::create_directories(path); }
    ~Directory() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  };
  static const Directory own;
  return own.path;
}
}  // namespace

ProgramRun run(const std::vector<std::string>& arguments, const std::string& other_out, const std::string& other_err) {
  const std::string out = other_out.empty() ? directory() + "/stdout" : other_out;
  const std::string err = other_err.empty() ? directory() + "/stderr" : other_err;
  std::vector<char*> argv;
  std::string program = DARTBOARD_PROGRAM;
  argv.push_back(program.data());
  std::vector<std::string> copies = arguments;
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t pid = 0;
  ProgramRun result;
  if (posix_spawn(&pid, program.c_str(), &actions, nullptr, argv.data(), environ) == 0) {
    int status = 0;
    struct rusage usage {};
    wait4(pid, &status, 0, &usage);
#ifdef __APPLE__
    result.peak_bytes = static_cast<uint64_t>(usage.ru_maxrss);
#else
    result.peak_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
#endif
    if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  }
  posix_spawn_file_actions_destroy(&actions);
  if (other_out.empty()) result.out = read_file(out);
  if (other_err.empty()) result.err = read_file(err);
  return result;
}

std::string shipped_session() {
  return DARTBOARD_SESSIONS "/amd-am-boot-copy.jsonl.zst";
}

std::string write_file(const std::string& name, std::string_view content) {
  const std::string path = directory() + "/" + name;
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr || std::fwrite(content.data(), 1, content.size(), file) != content.size()) std::abort();
  std::fclose(file);
  return path;
}

std::string read_file(const std::string& path) {
  std::string out;
  std::FILE* const file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return out;
  char buffer[65536];
  for (size_t count = 0; (count = std::fread(buffer, 1, sizeof buffer, file)) > 0;) out.append(buffer, count);
  std::fclose(file);
  return out;
}

const std::string& shipped_lines() {
  static const std::string lines = [] {
    const std::string packed = read_file(shipped_session());
    std::string out(16 << 20, '\0');
    ZSTD_DCtx* const context = ZSTD_createDCtx();
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    while (ZSTD_decompressStream(context, &to, &in) != 0) {
      if (to.pos == to.size) std::abort();
    }
    ZSTD_freeDCtx(context);
    out.resize(to.pos);
    return out;
  }();
  return lines;
}

std::string write_session(const std::string& name, std::string_view lines) {
  write_file(name + ".device.json", read_file(DARTBOARD_SESSIONS "/amd-am-boot-copy.device.json"));
  return write_file(name + ".jsonl", lines);
}

std::string with_change(const std::string& lines, unsigned index, std::string_view from, std::string_view to) {
  std::string out = lines;
  size_t begin = 0;
  for (unsigned i = 0; i < index; ++i) begin = out.find('\n', begin) + 1;
  const size_t at = out.find(from, begin);
  EXPECT_LT(at, out.find('\n', begin)) << "line " << index << " has no " << from;
  out.replace(at, from.size(), to);
  return out;
}

}  // namespace dartboard::cli
