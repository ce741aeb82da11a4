// cli/fdt.cpp - `dartboard fdt`: a guest's device tree with the bounce pool in it.
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "backend/devicetree/merger.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace dartboard::cli {

namespace {

using Json = nlohmann::ordered_json;
using devicetree::Addition;
using devicetree::DmaWindow;
using devicetree::Merged;
using devicetree::PoolPiece;

/// Decimal or 0x hexadecimal; K, M and G multiply by 2^10, 2^20 and 2^30.
std::optional<uint64_t> number(std::string_view text) {
  uint64_t scale = 1;
  if (!text.empty()) {
    switch (text.back()) {
      case 'k':
      case 'K': scale = kKiB; break;
      case 'm':
      case 'M': scale = kMiB; break;
      case 'g':
      case 'G': scale = kGiB; break;
      default: break;
    }
  }
  if (scale != 1) text.remove_suffix(1);
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  if (hexadecimal) text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size() || value > ~uint64_t{0} / scale) return std::nullopt;
  return value * scale;
}

Result<PoolPiece> piece_of(std::string_view text) {
  const auto bad = [&] {
    return fail(ErrorName::kBadArgument,
                fmt::format("--pool '{:.80}': expected GPA,IOVA,BYTES, such as 0x50000000,0x800000000,64M", text));
  };
  uint64_t values[3] = {};
  std::string_view rest = text;
  for (size_t i = 0; i < 3; ++i) {
    const size_t comma = rest.find(',');
    if ((comma == rest.npos) != (i == 2)) return bad();
    const auto value = number(rest.substr(0, comma));
    if (!value) return bad();
    values[i] = *value;
    if (i < 2) rest.remove_prefix(comma + 1);
  }
  return PoolPiece{Gpa(values[0]), Iova(values[1]), values[2]};
}

Result<Rid> device_of(std::string_view text) {
  // BB:DD.F in hexadecimal, as lspci prints it.
  unsigned parts[3] = {};
  const char separators[] = {':', '.', '\0'};
  const unsigned largest[] = {0xff, 0x1f, 7};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  bool good = true;
  for (size_t i = 0; i < 3 && good; ++i) {
    const auto [next, error] = std::from_chars(at, end, parts[i], 16);
    good = error == std::errc() && parts[i] <= largest[i];
    at = next;
    if (good && separators[i] != '\0') good = at != end && *at++ == separators[i];
  }
  if (!good || at != end) {
    return fail(
        ErrorName::kBadArgument,
        fmt::format("--device '{:.40}': expected BB:DD.F as lspci prints it in the guest, such as 00:04.0", text));
  }
  return Rid(static_cast<uint8_t>(parts[0]), static_cast<uint8_t>(parts[1]), static_cast<uint8_t>(parts[2]));
}

Result<Addition> addition_of(const FdtOptions& options) {
  Addition addition;
  for (const std::string& text : options.pool) {
    const auto piece = piece_of(text);
    if (!piece) return tl::unexpected(piece.error());
    addition.pool.push_back(*piece);
  }
  if (options.whole_bridge == !options.device.empty()) {
    return fail(ErrorName::kBadArgument,
                "who uses the pool: give either --device BB:DD.F (recommended) or --whole-bridge");
  }
  addition.user = devicetree::WholeBridge{};
  if (!options.whole_bridge) {
    const auto device = device_of(options.device);
    if (!device) return tl::unexpected(device.error());
    addition.user = *device;
  }
  addition.bridge = options.bridge;
  return addition;
}

Result<std::vector<uint8_t>> read_blob(const std::string& path) {
  const auto unreadable = [&](int error) {
    return fail(ErrorName::kFileUnreadable, fmt::format("{}: cannot be read: {}", path, std::strerror(error)));
  };
  std::FILE* const file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return unreadable(errno);
  std::vector<uint8_t> bytes;
  uint8_t part[65536];
  // One byte more than allowed is enough to be refused.
  for (size_t got = 0;
       bytes.size() <= devicetree::kTreeBytesMax && (got = std::fread(part, 1, sizeof part, file)) != 0;) {
    bytes.insert(bytes.end(), part, part + got);
  }
  const int error = std::ferror(file) != 0 ? errno : 0;
  std::fclose(file);
  if (error != 0) return unreadable(error);
  return bytes;
}

/// Writes beside `path` and renames, so that nobody ever sees half a tree.
Result<void> write_blob(const std::string& path, const std::vector<uint8_t>& bytes) {
  namespace fs = std::filesystem;
  const auto failed = [&](std::string_view why) {
    return fail(ErrorName::kFileUnreadable, fmt::format("{}: cannot be written: {}; nothing was changed", path, why));
  };
  std::error_code ignored;
  fs::path target = path;
  if (fs::is_symlink(target, ignored)) target = fs::weakly_canonical(target, ignored);
  if (fs::exists(target, ignored) && !fs::is_regular_file(target, ignored)) return failed("it is no ordinary file");

  std::string temporary = target.string() + ".XXXXXX";
  const int fd = mkstemp(temporary.data());
  if (fd < 0) return failed(std::strerror(errno));
  const mode_t mask = umask(0);
  umask(mask);
  int error = fchmod(fd, 0666 & ~mask) == 0 ? 0 : errno;
  for (size_t done = 0; error == 0 && done < bytes.size();) {
    const ssize_t wrote = write(fd, bytes.data() + done, bytes.size() - done);
    if (wrote > 0) done += static_cast<size_t>(wrote);
    if (wrote < 0 && errno != EINTR) error = errno;
  }
  if (error == 0 && fsync(fd) != 0) error = errno;
  if (close(fd) != 0 && error == 0) error = errno;
  if (error == 0 && std::rename(temporary.c_str(), target.c_str()) != 0) error = errno;
  if (error == 0) return {};
  unlink(temporary.c_str());
  return failed(std::strerror(error));
}

std::string span_text(uint64_t start, uint64_t bytes) {
  return fmt::format("{:#x} to {:#x}", start, start + (bytes - 1));
}

bool is_pool(const Merged& merged, const DmaWindow& window) {
  return window.cpu >= merged.pool.start && window.cpu < merged.pool.end();
}

void print_text(const FdtOptions& options, const Merged& merged) {
  const Style style(stdout);
  const auto how = [](bool added) { return added ? "added" : "was there"; };
  fmt::print("{} is {} with a pool of {} for {}\n", style.strong(options.out), options.base,
             bytes_text(merged.pool.bytes),
             options.whole_bridge ? "everything behind " + merged.bridge : "device " + options.device);
  fmt::print("  {}: {}; guest memory {}, phandle {:#x}\n", style.strong(merged.pool_node), how(merged.pool_added),
             span_text(merged.pool.start.value, merged.pool.bytes), merged.phandle);
  fmt::print("  {}: memory-region {}\n", style.strong(merged.user_node), how(merged.user_added));
  if (merged.windows.empty()) {
    fmt::print("  {}: no dma-ranges needed, the pool's bus addresses are its guest addresses\n",
               style.strong(merged.bridge));
  } else {
    fmt::print("  {}: dma-ranges {}\n", style.strong(merged.bridge), how(merged.windows_added));
  }
  for (const DmaWindow& window : merged.windows) {
    fmt::print("    bus {} is guest memory {} ({}, {})\n", span_text(window.bus.value, window.bytes),
               span_text(window.cpu.value, window.bytes), bytes_text(window.bytes),
               is_pool(merged, window) ? "pool" : "other memory, for the devices beside");
  }
  for (const std::string& note : merged.notes) fmt::print("  {} {}\n", style.note("note:"), note);
}

Json to_json(const FdtOptions& options, const Merged& merged) {
  Json windows = Json::array();
  for (const DmaWindow& window : merged.windows) {
    windows.push_back({{"bus", window.bus.value},
                       {"gpa", window.cpu.value},
                       {"bytes", window.bytes},
                       {"pool", is_pool(merged, window)}});
  }
  return {{"out", options.out},
          {"out_bytes", merged.dtb.size()},
          {"pool",
           {{"node", merged.pool_node},
            {"gpa", merged.pool.start.value},
            {"bytes", merged.pool.bytes},
            {"phandle", merged.phandle},
            {"added", merged.pool_added}}},
          {"user", {{"node", merged.user_node}, {"added", merged.user_added}}},
          {"bridge", merged.bridge},
          {"dma_ranges", std::move(windows)},
          {"dma_ranges_added", merged.windows_added},
          {"notes", merged.notes}};
}

}  // namespace

ExitCode run_fdt(const FdtOptions& options) {
  const auto addition = addition_of(options);
  if (!addition) return report(addition.error());
  const auto base = read_blob(options.base);
  if (!base) return report(base.error());
  const auto merged = devicetree::merge(*base, *addition, options.base);
  if (!merged) return report(merged.error());
  if (auto written = write_blob(options.out, merged->dtb); !written) return report(written.error());
  if (options.json) {
    fmt::print("{}\n", to_json(options, *merged).dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    print_text(options, *merged);
  }
  return ExitCode::kOk;
}

}  // namespace dartboard::cli
