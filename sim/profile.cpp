// sim/profile.cpp - from device tree to Profile: every property checked, and the contradictions between them.
#include "sim/profile.h"

#include <algorithm>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "sim/dtc.h"
#include "sim/profile_data.h"
#include "sim/profile_reader.h"

namespace dartboard::sim {
namespace {

constexpr uint64_t kMsiDoorbell = 0xffff'f000;   // every Apple root complex: msi-address

struct ExhaustedCode {
  std::string_view name;
  io_return::Code code;
};
// What a full window returns is not public (quirk 1 of the field list), so it is the profile's choice.
constexpr ExhaustedCode kExhaustedCodes[] = {{"NoResources", io_return::kNoResources},
                                             {"NoMemory", io_return::kNoMemory},
                                             {"VMError", io_return::kVMError},
                                             {"NoSpace", io_return::kNoSpace}};

bool overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes) {
  return a_bytes != 0 && b_bytes != 0 && a < b + b_bytes && b < a + a_bytes;
}

model::DartConfig read_dart(ProfileNode node) {
  model::DartConfig dart;
  std::vector<std::string_view> names;
  for (const model::DartLayout& layout : model::kDartLayouts) names.push_back(layout.compatible);
  dart.variant = model::kDartLayouts[node.choice("compatible", names)].variant;
  const uint32_t page_bytes = node.u32("page-bytes", 4096, 16384);
  if (page_bytes != 4096 && page_bytes != 16384) {
    node.report(fmt::format("property 'page-bytes' is {}; expected 4096 or 16384", page_bytes));
  }
  dart.page_shift = page_bytes == 4096 ? 12 : 14;
  dart.sid_count = node.u32("sids", 1, 256);
  dart.va_width = node.u32("va-width", 32, 48);
  dart.pa_width = node.u32("pa-width", 36, 42);
  dart.tlb_sets = node.u32("tlb-sets", 1, 2048);
  dart.tlb_ways = node.u32("tlb-ways", 1, 128);
  dart.enforce_write_protect = node.flag("enforce-write-protect");
  dart.enforce_read_protect = !node.flag("ignore-read-protect");
  dart.bypass_support = node.flag("bypass-support");
  dart.completer_abort = node.flag("completer-abort");
  dart.tlb_flush_ns = node.optional_u32("tlb-flush-ns", 0, 0, UINT32_MAX);
  if (const std::string_view wrong = model::problem(dart); !wrong.empty()) node.report(std::string(wrong));
  node.finish();
  return dart;
}

macos::MapperConfig read_mapper(ProfileNode node, uint64_t page_bytes, unsigned va_width) {
  macos::MapperConfig mapper;
  mapper.page_bytes = page_bytes;
  const auto [base, bytes] = node.range("window");
  mapper.window_base = Iova(base);
  mapper.window_bytes = bytes;
  if (bytes == 0 || base % page_bytes != 0 || bytes % page_bytes != 0) {
    node.report(fmt::format("property 'window' must be a non-empty multiple of the DART page ({} bytes)", page_bytes));
  }
  if (base + bytes > uint64_t{1} << va_width) {
    node.report(fmt::format("property 'window' ends at {:#x}, above what dart/va-width {} can translate", base + bytes,
                            va_width));
  }
  if (overlap(base, bytes, kMsiDoorbell, 4096)) {
    node.report("property 'window' contains the MSI doorbell page 0xfffff000");
  }
  mapper.guard_pages = node.u32("guard-pages", 0, 1024);
  mapper.mapped_bytes_max = node.u64("mapped-bytes-max", 0, UINT64_MAX);
  mapper.mappings_max = node.u32("mappings-max", 0, UINT32_MAX);
  if (mapper.mapped_bytes_max > bytes) {
    node.report(fmt::format("property 'mapped-bytes-max' ({:#x}) is more than the window holds ({:#x})",
                            mapper.mapped_bytes_max, bytes));
  }
  constexpr macos::IovaPolicy kPolicies[] = {macos::IovaPolicy::kFirstFit, macos::IovaPolicy::kTopDown,
                                             macos::IovaPolicy::kRandom, macos::IovaPolicy::kAsRecorded};
  mapper.policy = kPolicies[node.choice("policy", {"first-fit", "top-down", "random", "as-recorded"})];
  std::vector<std::string_view> names;
  for (const ExhaustedCode& e : kExhaustedCodes) names.push_back(e.name);
  mapper.exhausted_code = kExhaustedCodes[node.choice("exhausted", names)].code;
  mapper.map_ns = node.u32("map-ns", 0, UINT32_MAX);
  mapper.refuse_unaligned = node.flag("refuse-unaligned");
  mapper.segment_per_page = node.flag("segment-per-page");
  mapper.caller_places = node.flag("caller-places");
  node.finish();
  return mapper;
}

PortProfile read_port(ProfileNode node) {
  PortProfile port;
  port.name = node.name();
  node.choice("compatible", {"apple,apciec"});
  port.tunnelled = node.flag("tunnelled");
  port.root.max_payload_bytes = node.u32("max-payload-bytes", 128, 4096);
  if (!is_power_of_two(port.root.max_payload_bytes)) node.report("property 'max-payload-bytes' must be a power of two");
  port.root.inbound_address_bits = node.u32("inbound-address-bits", 32, 64);
  port.msi_vectors = node.u32("msi-vectors", 1, 32);
  std::tie(port.mmio32_base, port.mmio32_bytes) = node.range("mmio32");
  std::tie(port.pref_base, port.pref_bytes) = node.range("prefetch");
  if (port.mmio32_base + port.mmio32_bytes > uint64_t{1} << 32) {
    node.report("property 'mmio32' reaches above 4 GiB; a 32-bit BAR could not use it");
  }
  if (((port.mmio32_base | port.mmio32_bytes | port.pref_base | port.pref_bytes) & (kMiB - 1)) != 0) {
    node.report("properties 'mmio32' and 'prefetch' must be multiples of 1 MiB (bridge window granularity)");
  }
  port.root.cfg_latency_ns = node.u32("cfg-latency-ns", 0, UINT32_MAX);
  port.root.mmio_read_latency_ns = node.u32("mmio-read-latency-ns", 0, UINT32_MAX);
  port.root.mmio_write_latency_ns = node.u32("mmio-write-latency-ns", 0, UINT32_MAX);
  port.root.dma_ns_per_kib = node.u32("dma-ns-per-kib", 0, UINT32_MAX);
  port.root.dart = read_dart(node.child("dart"));
  port.mapper = read_mapper(node.child("mapper"), uint64_t{1} << port.root.dart.page_shift, port.root.dart.va_width);

  const uint64_t window = port.mapper.window_base.value;
  if (overlap(window, port.mapper.window_bytes, port.mmio32_base, port.mmio32_bytes) ||
      overlap(window, port.mapper.window_bytes, port.pref_base, port.pref_bytes)) {
    node.report("mapper/window overlaps an MMIO window: DMA there would be peer-to-peer traffic");
  }
  if (overlap(port.mmio32_base, port.mmio32_bytes, port.pref_base, port.pref_bytes)) {
    node.report("properties 'mmio32' and 'prefetch' overlap");
  }
  if (port.root.inbound_address_bits < 64 &&
      window + port.mapper.window_bytes > uint64_t{1} << port.root.inbound_address_bits) {
    node.report(fmt::format("mapper/window reaches above inbound-address-bits {}: every DMA there would be fatal",
                            port.root.inbound_address_bits));
  }
  node.finish();
  return port;
}

Timings read_timings(ProfileNode node) {
  Timings t;
  t.user_client_call_ns = node.u32("user-client-call-ns", 0, UINT32_MAX);
  t.interrupt_ns = node.u32("interrupt-ns", 0, UINT32_MAX);
  t.guest_exit_ns = node.u32("guest-exit-ns", 0, UINT32_MAX);
  t.copy_ns_per_kib = node.u32("copy-ns-per-kib", 0, UINT32_MAX);
  t.flr_ns = node.u32("flr-ns", 0, UINT32_MAX);
  t.flr_poll_ns = node.u32("flr-poll-ns", 1, UINT32_MAX);
  t.hot_reset_hold_ns = node.u32("hot-reset-hold-ns", 0, UINT32_MAX);
  t.hot_reset_link_ns = node.u32("hot-reset-link-ns", 0, UINT32_MAX);
  t.assumed = node.texts("assumed");
  node.finish();
  return t;
}

bool ends_with(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

}  // namespace

Result<Profile> read_profile(const void* dtb, size_t bytes, std::string_view origin) {
  Result<ProfileTree> tree = ProfileTree::open(dtb, bytes, origin);
  if (!tree) return tl::unexpected(tree.error());

  Profile profile;
  ProfileNode root = tree->root();
  root.choice("compatible", {"dartboard,profile"});
  root.u32("dartboard,version", 1, 1);
  profile.model = root.text("model");
  constexpr FaultPolicy kPolicies[] = {FaultPolicy::kPanic, FaultPolicy::kAbort, FaultPolicy::kEvent};
  profile.on_dart_fault = kPolicies[root.choice("dart-fault", {"panic", "abort", "event"})];
  profile.timings = read_timings(root.child("timings"));
  for (ProfileNode& port : root.children({"timings"})) profile.ports.push_back(read_port(port));
  if (profile.ports.empty() || profile.ports.size() > kPortsMax) {
    root.report(fmt::format("{} port nodes; expected 1 to {}", profile.ports.size(), kPortsMax));
  }
  root.finish();

  if (tree->problem()) return tl::unexpected(*tree->problem());
  profile.name = origin;
  return profile;
}

std::vector<std::string> profile_names() {
  std::vector<std::string> names;
  for (size_t i = 0; i < kProfileBlobCount; ++i) names.emplace_back(kProfileBlobs[i].name);
  std::sort(names.begin(), names.end());
  return names;
}

Result<Profile> load_profile(std::string_view name_or_path) {
  for (size_t i = 0; i < kProfileBlobCount; ++i) {
    const ProfileBlob& blob = kProfileBlobs[i];
    if (blob.name == name_or_path) return read_profile(blob.data, blob.bytes, blob.name);
  }
  const std::string path(name_or_path);
  if (ends_with(path, ".dts")) {
    Result<std::vector<std::byte>> dtb = compile_device_tree(path);
    if (!dtb) return tl::unexpected(dtb.error());
    return read_profile(dtb->data(), dtb->size(), path);
  }
  if (ends_with(path, ".dtb")) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    const std::streamoff bytes = file ? static_cast<std::streamoff>(file.tellg()) : -1;
    if (bytes < 0) return fail(ErrorName::kFileUnreadable, fmt::format("profile {}: cannot open the file", path));
    if (bytes > static_cast<std::streamoff>(kProfileBytesMax)) {
      return fail(ErrorName::kProfileInvalid,
                  fmt::format("profile {}: {} bytes; a profile is at most {}", path, bytes, kProfileBytesMax));
    }
    std::vector<char> dtb(static_cast<size_t>(bytes));
    file.seekg(0);
    if (!file.read(dtb.data(), bytes)) {
      return fail(ErrorName::kFileUnreadable, fmt::format("profile {}: cannot read the file", path));
    }
    return read_profile(dtb.data(), dtb.size(), path);
  }
  return fail(ErrorName::kNotFound, fmt::format("no profile '{}'; built in are {}, and a path must end in .dts or .dtb",
                                                name_or_path, fmt::join(profile_names(), ", ")));
}

void inspect(const Profile& profile, InspectNode& node) {
  node.value = profile.name;
  node.note = profile.model;
  constexpr const char* kFaultNames[] = {"panic", "abort", "event"};
  node.child("dart-fault", kFaultNames[static_cast<unsigned>(profile.on_dart_fault)]);
  for (const PortProfile& port : profile.ports) {
    InspectNode& p = node.child(port.name, port.tunnelled ? "Thunderbolt" : "slot");
    p.child("iova-window", fmt::format("{:#x}+{:#x}", port.mapper.window_base.value, port.mapper.window_bytes));
    p.child("dart", std::string(model::layout_of(port.root.dart.variant).compatible));
    p.child("page-bytes", fmt::format("{}", port.mapper.page_bytes));
    p.child("guard-pages", fmt::format("{}", port.mapper.guard_pages));
    p.child("mapped-bytes-max", fmt::format("{}", port.mapper.mapped_bytes_max));
    p.child("mappings-max", fmt::format("{}", port.mapper.mappings_max));
    p.child("mmio32", fmt::format("{:#x}+{:#x}", port.mmio32_base, port.mmio32_bytes));
    p.child("prefetch", fmt::format("{:#x}+{:#x}", port.pref_base, port.pref_bytes));
    p.child("msi-vectors", fmt::format("{}", port.msi_vectors));
  }
  InspectNode& assumed = node.child("assumed", fmt::format("{}", profile.timings.assumed.size()),
                                    "figures without a measured source");
  for (const std::string& name : profile.timings.assumed) assumed.child(name);
}

}  // namespace dartboard::sim
