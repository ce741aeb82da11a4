// sim/profile_data.h - the built-in profiles, compiled by dtc and embedded at build time.
#pragma once

#include <cstddef>
#include <string_view>

namespace dartboard::sim {

struct ProfileBlob {
  std::string_view name;
  const unsigned char* data;
  size_t bytes;
};

extern const ProfileBlob kProfileBlobs[];
extern const size_t kProfileBlobCount;

/// A profile is a page of text; a megabyte is somebody's mistake.
inline constexpr size_t kProfileBytesMax = 1 << 20;
/// Root complexes a profile may have: what the machine is built with.
inline constexpr size_t kPortsMax = 4;

}  // namespace dartboard::sim
