// cli/commands.h - the program's commands, one file each. main.cpp reads the arguments.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/exit_code.h"
#include "cli/recording.h"

namespace dartboard::cli {

struct ReplayOptions {
  std::string file;
  std::string device_session;  ///< empty: the same file
  std::string device;          ///< who answers; empty: the recording
  std::string storage;         ///< of a scripted device
  std::string dext = "sim";
  std::string mode = "strict";
  std::string gap = "none";      ///< none, recorded, min or min:TIME
  std::string iova = "auto";     ///< recorded, rebase, or auto: rebase when no page can be put where it was
  std::string from, until;       ///< a number of a request, or a time with its unit; empty: all of it
  bool stop_on_divergence = false;
  std::string device_index, device_address;  ///< of a trace with several devices; empty: the one with most events
  RecordOptions record;
  std::string report;  ///< where the page goes; empty: none
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
  std::string device;   ///< what is in the slot of a simulated Mac; empty: the test endpoint
  std::string storage;  ///< of a scripted device
  bool json = false;
};
inline constexpr const char* kDefaultProfile = "m4pro-tb5";
ExitCode run_devices(const DevicesOptions& options);

struct InspectOptions {
  std::string profile = kDefaultProfile;
  std::string device;   ///< what is in the slot; empty: the test endpoint
  std::string storage;  ///< of a scripted device
  std::string path;    ///< "root/endpoint": only nodes on the way to a match and below it
  unsigned depth = 0;  ///< 0: all
  bool open = false;   ///< claim the device as a backend does, and show the backend too
  RecordOptions record;
  bool json = false;
};
ExitCode run_inspect(const InspectOptions& options);

struct FaultsOptions {
  bool json = false;
};
ExitCode run_faults(const FaultsOptions& options);

struct SweepCommandOptions {
  std::string file;
  std::string profile = kReplayProfile;
  std::vector<std::string> kinds;   ///< empty: all
  std::string fault;                ///< one rule: run that alone
  uint64_t sites_per_kind = 0;      ///< 0: all
  RecordOptions record;
  bool json = false;
  bool quiet = false;
};
ExitCode run_sweep(const SweepCommandOptions& options);

struct CompareOptions {
  std::vector<std::string> workloads;    ///< generators, or session files; empty: all generators
  std::vector<std::string> strategies;   ///< empty: all
  std::vector<std::string> profiles;     ///< empty: kDefaultProfile and kReplayProfile
  uint64_t guest_bytes = uint64_t{1} << 30;
  uint64_t pool_bytes = uint64_t{64} << 20;
  uint64_t window_bytes = uint64_t{256} << 10;
  uint64_t run_pages = 1;
  uint64_t seed = 1;
  std::string html;                      ///< file for one page; empty: none
  RecordOptions record;
  bool json = false;
  bool markdown = false;
  bool quiet = false;
};
ExitCode run_compare(const CompareOptions& options);

struct ConformanceOptions {
  std::string endpoint;             ///< on the bench, or in the slot of a simulated Mac; empty: the test endpoint
  std::string storage;              ///< of a scripted device
  std::string dext;                 ///< a world: the safe rules through the dext; empty: all rules on the bench
  std::vector<std::string> rules;   ///< ids or groups; empty: all
  std::string junit;                ///< file for JUnit XML; empty: none
  RecordOptions record;
  bool list = false;
  bool json = false;
};
ExitCode run_conformance(const ConformanceOptions& options);

struct FdtOptions {
  std::string base;                 ///< the guest's device tree blob
  std::string out;                  ///< replaced as a whole or not at all
  std::vector<std::string> pool;    ///< GPA,IOVA,BYTES, one a piece
  std::string device;               ///< BB:DD.F in the guest; empty: whole_bridge
  bool whole_bridge = false;
  std::string bridge;               ///< full path of the host bridge; empty: the only one
  bool json = false;
};
ExitCode run_fdt(const FdtOptions& options);

}  // namespace dartboard::cli
