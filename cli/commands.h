// cli/commands.h - the program's commands, one file each. main.cpp reads the arguments.
#pragma once

#include <string>

#include "cli/exit_code.h"

namespace dartboard::cli {

struct ReplayOptions {
  std::string file;
  std::string device_session;  ///< empty: the same file
  std::string dext = "sim";
  bool json = false;
  bool quiet = false;  ///< no progress bar
};
inline constexpr const char* kReplayProfile = "linux-iommu";
ExitCode run_replay(const ReplayOptions& options);

struct ProfilesOptions {
  bool json = false;
};
ExitCode run_profiles(const ProfilesOptions& options);

struct DevicesOptions {
  std::string dext = "sim";
  bool json = false;
};
inline constexpr const char* kDefaultProfile = "m4pro-tb5";
ExitCode run_devices(const DevicesOptions& options);

struct InspectOptions {
  std::string profile = kDefaultProfile;
  std::string path;    ///< "root/endpoint": only nodes on the way to a match and below it
  unsigned depth = 0;  ///< 0: all
  bool open = false;   ///< claim the device as a backend does, and show the backend too
  bool json = false;
};
ExitCode run_inspect(const InspectOptions& options);

}  // namespace dartboard::cli
