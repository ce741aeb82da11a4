// traces/import/qemu_prefix.cpp - see qemu_prefix.h.
#include "traces/import/qemu_prefix.h"

#include <cstring>

#include "traces/import/scan.h"

namespace dartboard::traces {

namespace {

constexpr uint64_t kNsPerSecond = 1'000'000'000;
constexpr size_t kDateBytes = 10;                // YYYY-MM-DD
constexpr size_t kTimeBytes = kDateBytes + 9;    // and THH:MM:SS
constexpr uint64_t kSecondsMax = 9'000'000'000;  // year 2255: nanoseconds fit in 64 bits

/// Days from 1970-01-01 to a date of the Gregorian calendar, 1970 and later.
uint64_t days_since_1970(uint64_t year, uint64_t month, uint64_t day) {
  const uint64_t y = month <= 2 ? year - 1 : year;  // years begin in March, so that the leap day is their last
  const uint64_t days_before_month = (153 * (month <= 2 ? month + 9 : month - 3) + 2) / 5;
  constexpr uint64_t kDaysTo1970 = 719468;  // from 0000-03-01
  return 365 * y + y / 4 - y / 100 + y / 400 + days_before_month + day - 1 - kDaysTo1970;
}

/// Two digits; above 99 when they are none.
uint64_t two(const char* text) {
  const auto a = static_cast<unsigned char>(text[0] - '0'), b = static_cast<unsigned char>(text[1] - '0');
  return a > 9 || b > 9 ? 100 : uint64_t{a} * 10 + b;
}

/// Digits of a fraction of a second at the front of `scan`, as nanoseconds; more than nine are cut.
bool fraction_ns(Scan* scan, uint64_t* ns) {
  uint64_t out = 0, unit = kNsPerSecond / 10;
  bool any = false;
  while (scan->peek() >= '0' && scan->peek() <= '9') {
    out += static_cast<uint64_t>(scan->peek() - '0') * unit;
    unit /= 10;
    any = true;
    scan->literal(scan->peek());
  }
  *ns = out;
  return any;
}

}  // namespace

std::optional<uint64_t> QemuPrefix::take(std::string_view* line) {
  if (line->empty() || line->front() < '0' || line->front() > '9') return std::nullopt;
  if (line->size() > kTimeBytes && (*line)[4] == '-') return take_iso(line);
  return take_process(line);
}

std::optional<uint64_t> QemuPrefix::take_iso(std::string_view* line) {
  const char* const t = line->data();
  if (t[7] != '-' || t[10] != 'T' || t[13] != ':' || t[16] != ':') return std::nullopt;
  if (std::memcmp(date_, t, kDateBytes) != 0) {
    const uint64_t century = two(t), rest = two(t + 2), month = two(t + 5), day = two(t + 8);
    const uint64_t year = century * 100 + rest;
    if (century > 99 || rest > 99 || year < 1970 || year > 2254 || month < 1 || month > 12 || day < 1 || day > 31) {
      return std::nullopt;
    }
    std::memcpy(date_, t, kDateBytes);
    date_ns_ = days_since_1970(year, month, day) * 86'400 * kNsPerSecond;
  }
  const uint64_t hour = two(t + 11), minute = two(t + 14), second = two(t + 17);
  if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
  Scan scan(line->substr(kTimeBytes));
  uint64_t ns = 0;
  if (scan.literal('.') && !fraction_ns(&scan, &ns)) return std::nullopt;
  if (!scan.literal('Z')) return std::nullopt;
  scan.spaces();
  *line = scan.rest();
  return date_ns_ + ((hour * 60 + minute) * 60 + second) * kNsPerSecond + ns;
}

std::optional<uint64_t> QemuPrefix::take_process(std::string_view* line) {
  Scan scan(*line);
  uint64_t process = 0, seconds = 0, ns = 0;
  if (!scan.dec(&process) || !scan.literal('@') || !scan.dec(&seconds) || seconds > kSecondsMax || !scan.literal('.') ||
      !fraction_ns(&scan, &ns) || !scan.literal(':')) {
    return std::nullopt;
  }
  scan.spaces();
  *line = scan.rest();
  return seconds * kNsPerSecond + ns;
}

}  // namespace dartboard::traces
