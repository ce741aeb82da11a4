// traces/tools/printer.cpp - see printer.h.
#include "traces/tools/printer.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "base/types.h"
#include "traces/tools/access.h"

namespace dartboard::traces {

namespace {

constexpr size_t kFlushBytes = 32 * kKiB;
constexpr size_t kTextBytesMax = 512;  // of a mark or the text of a failure

std::string_view source_note(Source source) {
  switch (source) {
    case Source::kDevice: return "  (by the device)";
    case Source::kInferred: return "  (inferred)";
    default: return "";
  }
}

std::string bytes_as_text(const Payload& data) {
  std::string out(std::min<uint64_t>(data.length, kTextBytesMax), '\0');
  if (!data.is_whole()) return "(not kept)";
  data.copy_to(0, std::as_writable_bytes(std::span(out)));
  return printable(out, kTextBytesMax);
}

}  // namespace

std::string short_duration(uint64_t ns) {
  if (ns >= kNsPerS) return fmt::format("{:.3f} s", static_cast<double>(ns) / 1e9);
  if (ns >= kNsPerMs) return fmt::format("{:.3f} ms", static_cast<double>(ns) / 1e6);
  if (ns >= kNsPerUs) return fmt::format("{:.1f} us", static_cast<double>(ns) / 1e3);
  return fmt::format("{} ns", ns);
}

std::string short_bytes(uint64_t bytes) {
  if (bytes != 0 && bytes % kGiB == 0) return fmt::format("{} GiB", bytes / kGiB);
  if (bytes != 0 && bytes % kMiB == 0) return fmt::format("{} MiB", bytes / kMiB);
  if (bytes != 0 && bytes % kKiB == 0) return fmt::format("{} KiB", bytes / kKiB);
  return fmt::format("{} bytes", bytes);
}

Printer::Printer(const RegisterNames* names, PrintOptions options, std::function<void(std::string_view)> out)
    : names_(names), options_(std::move(options)), out_(std::move(out)), first_time_ns_(options_.origin_ns) {}

void Printer::print(uint64_t number, const Event& event, const Reply* reply, const Named& named) {
  if (!first_time_ns_) first_time_ns_ = event.time_ns;
  if (continues_poll(number, event)) {
    if (const auto value = value_of(event, reply)) {
      ++poll_reads_;
      Line& line = poll_reads_ == 2 ? second_ : last_;
      line = {number, event, *reply, named, *value};
      line.reply.data = Payload();  // lives as long as its batch
      if (poll_reads_ == 2) last_ = second_;
      return;
    }
  }
  flush_poll();
  Line line{number, event, reply == nullptr ? Reply{} : *reply, named, 0};
  const auto value = value_of(event, reply);
  line.value = value.value_or(0);
  const bool is_register_read = direction_of(event.kind) == Direction::kRead && event.is_request();
  if (options_.fold_polls && is_register_read && value && reply != nullptr) {
    poll_reads_ = 1;
    first_ = line;
    first_.reply.data = Payload();
    return;
  }
  print_line(line, false);
}

bool Printer::continues_poll(uint64_t number, const Event& event) const {
  if (poll_reads_ == 0) return false;
  const Line& before = poll_reads_ == 1 ? first_ : last_;
  const Event& e = first_.event;
  return number == before.number + 1 && event.kind == e.kind && event.target == e.target &&
         event.address == e.address && event.length == e.length && event.device == e.device;
}

void Printer::flush_poll() {
  if (poll_reads_ == 0) return;
  const bool folded = poll_reads_ >= kFoldedReadsMin;
  print_line(first_, folded);
  if (!folded && poll_reads_ == 2) print_line(second_, false);
  if (folded) {
    last_number_ = last_.number;
    last_end_ns_ = last_.event.time_ns + last_.reply.duration_ns;
  }
  poll_reads_ = 0;
}

void Printer::finish() {
  flush_poll();
  if (!text_.empty()) out_(text_);
  text_.clear();
}

void Printer::print_gap_before(const Event& event) {
  const uint64_t gap = event.time_ns > last_end_ns_ ? event.time_ns - last_end_ns_ : 0;
  if (gap <= options_.sleep_ns) return;
  put(fmt::format("{}{:>22}SLEEP {:.3f}ms{}\n", options_.palette.faint, "", static_cast<double>(gap) / 1e6,
                  options_.palette.off));
}

void Printer::head(uint64_t number, const Event& event) {
  put(options_.palette.faint);
  auto to = std::back_inserter(text_);
  fmt::format_to(to, "{:>9}", fmt::format("#{}", number));
  if (options_.show_times) {
    // Signed: recordings of several threads are not always in order.
    const auto since = static_cast<int64_t>(event.time_ns - *first_time_ns_);
    fmt::format_to(to, " {:>11.6f}", static_cast<double>(since) / 1e9);
  }
  put(options_.palette.off);
  put(" ");
  if (options_.show_devices) fmt::format_to(to, "[{}] ", event.device);
}

void Printer::print_line(const Line& line, bool folded) {
  const Event& event = line.event;
  if (has_last_ && line.number == last_number_ + 1) print_gap_before(event);
  has_last_ = true;
  last_number_ = line.number;
  last_end_ns_ = event.time_ns + line.reply.duration_ns;
  head(line.number, event);
  const bool failed = event.reply != kNoReply && line.reply.status != 0;
  const auto to = std::back_inserter(text_);
  const std::string handle_name = names_ == nullptr ? std::string() : std::string(names_->memory_name(event.target));
  const std::string memory =
      handle_name.empty() ? fmt::format("DMA#{}", event.target) : fmt::format("DMA#{} {}", event.target, handle_name);
  switch (event.kind) {
    case EventKind::kConfigRead:
    case EventKind::kConfigWrite:
    case EventKind::kMmioRead:
    case EventKind::kMmioWrite:
    case EventKind::kHostRead:
    case EventKind::kHostWrite:
    case EventKind::kDeviceMemory:
    case EventKind::kDeviceDmaRead:
    case EventKind::kDeviceDmaWrite:
    case EventKind::kDeviceConfig: access(line); break;
    case EventKind::kProbe:
      fmt::format_to(to, "PROBE class {:#x} vendor {:#06x}", event.address, event.value);
      if (!failed) fmt::format_to(to, " => {} found", line.reply.value1);
      break;
    case EventKind::kMapBar:
      fmt::format_to(to, "MAP BAR{}", event.target);
      if (!failed) fmt::format_to(to, " => {:#x}, {}", line.reply.value0, short_bytes(line.reply.value1));
      break;
    case EventKind::kResizeBar: fmt::format_to(to, "RESIZE BAR{} <= {:#x}", event.target, event.value); break;
    case EventKind::kDmaMap: {
      fmt::format_to(to, "MAP {} {}{}", memory, short_bytes(event.length), event.value != 0 ? " contiguous" : "");
      if (event.address != 0) fmt::format_to(to, " from {:#x}", event.address);
      if (failed) break;
      const Payload& pages = line.reply.data;
      if (pages.is_whole() && pages.length >= 8) {
        fmt::format_to(to, " => {:#x}", pages.le64(0));
        if (pages.length > 8) fmt::format_to(to, " and {} pages more", pages.length / 8 - 1);
      } else if (pages.length == 0) {
        fmt::format_to(to, " => {:#x}", line.reply.value0);
      } else {
        fmt::format_to(to, " => {} pages", pages.length / 8);
      }
      break;
    }
    case EventKind::kDmaUnmap: fmt::format_to(to, "UNMAP {} {}", memory, short_bytes(event.length)); break;
    case EventKind::kInterrupt:
      fmt::format_to(to, "IRQ {} vector {}", to_string(static_cast<IrqKind>(std::min<uint32_t>(event.target, 4))),
                     event.value);
      break;
    case EventKind::kIrqSetup:
      fmt::format_to(to, "IRQ {} {}: {} vectors from {}",
                     to_string(static_cast<IrqKind>(std::min<uint32_t>(event.target, 4))),
                     event.value != 0 ? "on" : "off", event.length, event.address);
      break;
    case EventKind::kReset: put("RESET"); break;
    case EventKind::kPing: put("PING"); break;
    case EventKind::kMark:
      put(options_.palette.note);
      fmt::format_to(to, "MARK {}", bytes_as_text(event.data));
      put(options_.palette.off);
      break;
  }
  if (failed) failure(line.reply);
  if (folded) {
    put(options_.palette.note);
    fmt::format_to(to, " x {}", poll_reads_);
    put(options_.palette.off);
    put(", last");
    value(last_, last_.value);
    const uint64_t took = last_.event.time_ns > event.time_ns ? last_.event.time_ns - event.time_ns : 0;
    if (options_.show_times) fmt::format_to(to, ", {}", short_duration(took));
  }
  put(source_note(event.source));
  put("\n");
  if (text_.size() >= kFlushBytes) {
    out_(text_);
    text_.clear();
  }
}

void Printer::access(const Line& line) {
  const Event& event = line.event;
  const bool is_read = direction_of(event.kind) == Direction::kRead;
  const uint32_t space = space_of(event);
  const auto to = std::back_inserter(text_);
  std::string where;
  if (space != kNoSpace) {
    where = fmt::format("{}+{:#08x}", space_name(space), event.address);
  } else if (event.kind == EventKind::kDeviceDmaRead || event.kind == EventKind::kDeviceDmaWrite) {
    where = fmt::format("device DMA#{}+{:#x} at {:#x}", event.target, event.value, event.address);
  } else if (event.kind == EventKind::kHostRead || event.kind == EventKind::kHostWrite) {
    where = fmt::format("DMA#{}+{:#x}", event.target, event.address);
  } else {
    where = fmt::format("BAR{}+{:#x}", event.target, event.address);
  }
  const bool changes_itself = event.kind == EventKind::kDeviceMemory || event.kind == EventKind::kDeviceConfig;
  const char letter = changes_itself ? 'C' : is_read ? 'R' : 'W';
  std::string width = event.length <= 8 ? fmt::format("{}{}", letter, event.length * 8) : std::string(1, letter);
  fmt::format_to(to, "{:<14} {:<3} ", where, width);
  if (!is_read) put(options_.palette.write);
  put(is_read ? "=>" : "<=");
  if (!is_read) put(options_.palette.off);
  if (event.reply != kNoReply && line.reply.status != 0 && is_read) return;  // failure() says the rest
  const Payload* const data = payload_of(event, event.reply == kNoReply ? nullptr : &line.reply);
  const bool is_value = space == kConfigSpace || event.length <= 8;
  if (is_value && (data == nullptr || data->is_whole() || poll_reads_ != 0)) {
    value(line, line.value);
  } else if (data != nullptr) {
    payload(*data);
  }
  if (line.named) {
    put(" ");
    put(options_.palette.name);
    put(line.named.text());
    put(options_.palette.off);
    if (line.named.reg != nullptr && is_value && line.named.byte == 0 && !line.named.reg->fields.empty()) {
      put(" ");
      put(fields_text(*line.named.reg, line.value));
    }
  } else if (names_ != nullptr && space == kNoSpace && !names_->memory_name(event.target).empty()) {
    put(" ");
    put(options_.palette.name);
    put(names_->memory_name(event.target));
    put(options_.palette.off);
  }
}

void Printer::value(const Line& line, uint64_t value) {
  fmt::format_to(std::back_inserter(text_), " 0x{:0{}x}", value, 2 * std::clamp<uint64_t>(line.event.length, 1, 8));
}

void Printer::payload(const Payload& data) {
  const auto to = std::back_inserter(text_);
  fmt::format_to(to, " {}", short_bytes(data.length));
  if (data.form == PayloadForm::kOmitted) return put(", not kept");
  if (data.form == PayloadForm::kHash) {
    return put(fmt::format(", XXH3 {:016x}", Payload{data.bytes, 8}.le64(0)));
  }
  if (data.is_fill()) return put(fmt::format(", all {:02x}", std::to_integer<unsigned>(data.fill)));
  const uint64_t shown = std::min<uint64_t>(data.length, options_.payload_bytes);
  if (shown != 0) put(":");
  for (uint64_t i = 0; i < shown; ++i) fmt::format_to(to, " {:02x}", std::to_integer<unsigned>(data.at(i)));
  if (shown < data.length && shown != 0) put(" ...");
}

void Printer::failure(const Reply& reply) {
  put(options_.palette.failure);
  fmt::format_to(std::back_inserter(text_), " failed, status {}", reply.status);
  put(options_.palette.off);
  if (!reply.data.empty() && reply.data.is_whole()) put(": " + bytes_as_text(reply.data));
}

}  // namespace dartboard::traces
