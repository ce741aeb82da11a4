// sim/dtc.cpp - dtc as a child process, its output through pipes (POSIX, no shell).
#include "sim/dtc.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include "sim/profile_data.h"

extern char** environ;   // POSIX: must be declared by the program

namespace dartboard::sim {
namespace {

struct Pipe {
  int ends[2] = {-1, -1};
  bool open() { return ::pipe(ends) == 0; }
  void close(int end) {
    if (ends[end] >= 0) ::close(ends[end]);
    ends[end] = -1;
  }
  ~Pipe() { close(0), close(1); }
};

}  // namespace

Result<std::vector<std::byte>> compile_device_tree(const std::string& path) {
  if (::access(path.c_str(), R_OK) != 0) {
    return fail(ErrorName::kFileUnreadable, fmt::format("profile {}: cannot open the file", path));
  }
  Pipe out, err;
  if (!out.open() || !err.open()) return fail(ErrorName::kInternal, "no file descriptors left to run dtc");

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out.ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.ends[1], STDERR_FILENO);
  for (const int fd : {out.ends[0], out.ends[1], err.ends[0], err.ends[1]}) {
    posix_spawn_file_actions_addclose(&actions, fd);
  }
  std::string arguments[] = {"dtc", "-q", "-I", "dts", "-O", "dtb", path};
  char* argv[std::size(arguments) + 1] = {};
  for (size_t i = 0; i < std::size(arguments); ++i) argv[i] = arguments[i].data();
  pid_t child = 0;
  const int spawned = ::posix_spawnp(&child, "dtc", &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (spawned != 0) {
    return fail(ErrorName::kNotFound, fmt::format("profile {}: dtc (device-tree-compiler) is not installed", path));
  }
  out.close(1), err.close(1);

  std::string text[2];   // both pipes are drained together, so that neither can fill up and block dtc
  pollfd fds[2] = {{out.ends[0], POLLIN, 0}, {err.ends[0], POLLIN, 0}};
  for (int open_count = 2; open_count > 0;) {
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) break;
    for (int i = 0; i < 2; ++i) {
      if (fds[i].fd < 0 || fds[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t bytes = ::read(fds[i].fd, buffer, sizeof buffer);
      if (bytes > 0 && text[i].size() <= kProfileBytesMax) text[i].append(buffer, static_cast<size_t>(bytes));
      if (bytes == 0 || (bytes < 0 && errno != EINTR)) fds[i].fd = -1, --open_count;
    }
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || text[0].empty()) {
    const std::string first_line = text[1].substr(0, text[1].find('\n'));
    return fail(ErrorName::kProfileInvalid, fmt::format("profile {}: dtc refused it: {}", path, first_line));
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(text[0].data());
  return std::vector<std::byte>(bytes, bytes + text[0].size());
}

}  // namespace dartboard::sim
