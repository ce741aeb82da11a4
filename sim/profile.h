// sim/profile.h - the platform as data: what sim/profiles/*.dts say, read with libfdt and checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/inspect.h"
#include "model/root_complex.h"
#include "sim/macos/mapper.h"

namespace dartboard::sim {

/// What a DART fault does to the host.
enum class FaultPolicy : uint8_t { kPanic, kAbort, kEvent };

/// One Thunderbolt port or slot: a root complex.
struct PortProfile {
  std::string name;                  ///< registry name of the topmost bridge ("pcic0-bridge")
  model::RootComplexConfig root;
  macos::MapperConfig mapper;
  uint64_t mmio32_base = 0, mmio32_bytes = 0;       ///< bus addresses of the non-prefetchable window
  uint64_t pref_base = 0, pref_bytes = 0;           ///< prefetchable window
  uint32_t msi_vectors = 32;
  bool tunnelled = false;                           ///< behind Thunderbolt (IOPCITunnelled)
};

/// Simulated costs; `assumed` lists the property names for which nobody published a measured number.
struct Timings {
  uint64_t user_client_call_ns = 0;
  uint64_t flr_ns = 0, flr_poll_ns = 0;
  uint64_t hot_reset_hold_ns = 0, hot_reset_link_ns = 0;
  uint64_t interrupt_ns = 0;
  uint64_t guest_exit_ns = 0;        ///< a trap from the guest into its VMM and back
  uint64_t copy_ns_per_kib = 0;      ///< the CPU copying memory, as a bounce does
  std::vector<std::string> assumed;
};

struct Profile {
  std::string name;                  ///< "m4pro-tb5"
  std::string model;                 ///< one line for people
  std::vector<PortProfile> ports;
  FaultPolicy on_dart_fault = FaultPolicy::kPanic;
  Timings timings;
};

/// Reads a flattened device tree. `origin` names it in errors. kProfileInvalid: the sentence names node and property.
Result<Profile> read_profile(const void* dtb, size_t bytes, std::string_view origin);

/// Names of the built-in profiles, sorted.
std::vector<std::string> profile_names();
/// A built-in profile by name, or a .dtb/.dts file by path (a .dts is compiled by dtc).
Result<Profile> load_profile(std::string_view name_or_path);

void inspect(const Profile& profile, InspectNode& node);

}  // namespace dartboard::sim
