// bench/trace_files.h - long traces for the benchmarks, made once from the shipped session and gone with the process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dartboard::bench {

/// The AMD session again and again with times that go on: at least `events` events, as a .dbt. Without payloads if
/// `values_only`.
const std::string& long_dbt(uint64_t events, bool values_only = false);

/// The register accesses of the AMD session again and again, at least `events` of them: each goes the whole way.
const std::string& long_register_dbt(uint64_t events);

/// The events of long_dbt() as .jsonl.zst without payloads ("data", "ret"), zstd's default level. Equal in number to
/// long_dbt(events, true).
const std::string& long_jsonl_without_payloads(uint64_t events);

/// A log of QEMU's vfio events of at least `lines` lines, reads and writes of registers as a driver makes them.
const std::string& long_qemu_log(uint64_t lines);

/// Seconds that `arguments` took as a process of its own, with its output thrown away; negative when it failed.
double seconds_of(const std::vector<std::string>& arguments);

}  // namespace dartboard::bench
