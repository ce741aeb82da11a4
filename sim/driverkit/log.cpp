// sim/driverkit/log.cpp - os_log, IOLog and the runtime's own reports.
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <string>

#include <DriverKit/IOLib.h>
#include <os/log.h>

#include "sim/driverkit/internal.h"

int dartboard_os_log_enabled = 0;

namespace dartboard::driverkit {

Process process;

namespace {

LogSink log_sink = nullptr;
void* log_context = nullptr;

void emit(LogLevel level, std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (log_sink != nullptr) {
    log_sink(log_context, level, text);
  } else if (level == LogLevel::kWarning || level == LogLevel::kError) {
    std::fprintf(stderr, "dartboard: driverkit: %.*s\n", static_cast<int>(text.size()), text.data());
  }
}

void emit_formatted(LogLevel level, const char* format, va_list arguments) __attribute__((format(printf, 2, 0)));
void emit_formatted(LogLevel level, const char* format, va_list arguments) {
  char text[1024];
  const int length = std::vsnprintf(text, sizeof text, format, arguments);
  if (length > 0) emit(level, std::string_view(text, std::min<size_t>(static_cast<size_t>(length), sizeof text - 1)));
}

/// "%{public}s" to "%s": the annotations are for Apple's log store.
std::string without_annotations(const char* format) {
  std::string plain;
  for (const char* c = format; *c != 0; ++c) {
    plain += *c;
    if (*c != '%') continue;
    if (c[1] == '%') {
      plain += *++c;
    } else if (c[1] == '{') {
      while (c[1] != 0 && c[1] != '}') ++c;
      if (c[1] == '}') ++c;
    }
  }
  return plain;
}

}  // namespace

void set_log_sink(LogSink sink, void* context) {
  log_sink = sink;
  log_context = context;
  dartboard_os_log_enabled = sink != nullptr ? 1 : 0;
}

void report(LogLevel level, const char* format, ...) {
  if (level == LogLevel::kWarning) ++process.stats.warnings;
  va_list arguments;
  va_start(arguments, format);
  emit_formatted(level, format, arguments);
  va_end(arguments);
}

const Stats& stats() {
  return process.stats;
}
void reset_stats() {
  process.stats = Stats();
}

}  // namespace dartboard::driverkit

using dartboard::driverkit::emit;
using dartboard::driverkit::LogLevel;

extern "C" {

os_log_t os_log_create(const char*, const char*) {
  return OS_LOG_DEFAULT;
}

// The formats are the dext's and were checked where it was compiled.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wformat-nonliteral"
#pragma clang diagnostic ignored "-Wformat-security"

void dartboard_os_log(os_log_t log, os_log_type_t type, const char* format, ...) {
  if (log == OS_LOG_DISABLED) return;
  va_list arguments;
  va_start(arguments, format);
  const bool error = type == OS_LOG_TYPE_ERROR || type == OS_LOG_TYPE_FAULT;
  char text[1024];
  std::vsnprintf(text, sizeof text, dartboard::driverkit::without_annotations(format).c_str(), arguments);
  va_end(arguments);
  emit(error ? LogLevel::kDextError : LogLevel::kDext, text);
}

int IOLogv(const char* format, va_list arguments) {
  if (!dartboard_os_log_enabled) return 0;
  char text[1024];
  const int length = std::vsnprintf(text, sizeof text, format, arguments);
  emit(LogLevel::kDext, text);
  return length;
}

#pragma clang diagnostic pop

int IOLog(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = IOLogv(format, arguments);
  va_end(arguments);
  return length;
}

}  // extern "C"
