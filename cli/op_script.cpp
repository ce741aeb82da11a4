// cli/op_script.cpp - see op_script.h.
#include "cli/op_script.h"

#include <array>
#include <charconv>
#include <cstring>
#include <map>

#include <fmt/format.h>

namespace dartboard::cli {
namespace {

constexpr size_t kWordsMax = 7;

struct Line {
  std::array<std::string_view, kWordsMax + 1> words;
  size_t count = 0;
  std::string_view operator[](size_t i) const { return i < count ? words[i] : std::string_view(); }
};

Line split(std::string_view text) {
  Line line;
  if (const size_t comment = text.find('#'); comment != text.npos) text = text.substr(0, comment);
  while (line.count <= kWordsMax) {
    const size_t begin = text.find_first_not_of(" \t\r");
    if (begin == text.npos) break;
    text.remove_prefix(begin);
    const size_t end = std::min(text.find_first_of(" \t\r"), text.size());
    line.words[line.count++] = text.substr(0, end);
    text.remove_prefix(end);
  }
  return line;
}

bool number(std::string_view text, uint64_t* value) {
  uint64_t scale = 1;
  if (!text.empty()) {
    switch (text.back()) {
      case 'K': scale = kKiB; break;
      case 'M': scale = kMiB; break;
      default: break;
    }
    if (scale != 1) text.remove_suffix(1);
  }
  const bool hex = text.starts_with("0x");
  if (hex) text.remove_prefix(2);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value, hex ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size() || text.empty() || *value > UINT64_MAX / scale) return false;
  *value *= scale;
  return true;
}

bool value_of(std::string_view text, OpValue* value) {
  if (!text.starts_with('@')) return number(text, &value->number);
  text.remove_prefix(1);
  const size_t plus = text.find('+');
  uint64_t key = 0;
  if (!number(text.substr(0, plus), &key)) return false;
  value->mapping = key;
  value->number = 0;
  return plus == text.npos || number(text.substr(plus + 1), &value->number);
}

std::optional<backend::Region> region_of(std::string_view name) {
  if (name == "config") return backend::Region::kConfig;
  if (name.size() == 4 && name.starts_with("bar") && name[3] >= '0' && name[3] <= '5') {
    return static_cast<backend::Region>(name[3] - '0');
  }
  return std::nullopt;
}

std::optional<backend::IrqKind> irq_of(std::string_view name) {
  if (name == "msi") return backend::IrqKind::kMsi;
  if (name == "msix") return backend::IrqKind::kMsix;
  return std::nullopt;
}

/// One line to one operation; an empty text if it is good, else what was expected.
std::string_view parse_line(const Line& line, Op* op) {
  using Kind = Op::Kind;
  const std::string_view word = line[0];
  const auto numbers = [&](size_t count, std::initializer_list<uint64_t*> to) {
    if (line.count != count + 1) return false;
    size_t i = 1;
    for (uint64_t* out : to) {
      if (!number(line[i++], out)) return false;
    }
    return true;
  };
  if (word == "pump" || word == "reset") {
    op->kind = word == "pump" ? Kind::kPump : Kind::kReset;
    return line.count == 1 ? "" : "nothing after it";
  }
  if (word == "wait") {
    op->kind = Kind::kWait;
    return numbers(1, {&op->a}) && op->a <= 1'000'000'000'000 ? "" : "wait NS, at most 1000 s";
  }
  if (word == "map") {
    op->kind = Kind::kMap;
    return numbers(2, {&op->a, &op->b}) && op->b <= kOpMapBytesMax ? "" : "map KEY BYTES, at most 64M";
  }
  if (word == "unmap") {
    op->kind = Kind::kUnmap;
    return numbers(1, {&op->a}) ? "" : "unmap KEY";
  }
  if (word == "fill") {
    op->kind = Kind::kFill;
    return numbers(2, {&op->a, &op->b}) && op->b <= 0xff ? "" : "fill KEY BYTE";
  }
  if (word == "check") {
    op->kind = Kind::kCheck;
    return numbers(4, {&op->a, &op->b, &op->c, &op->value.number}) && op->value.number <= 0xff
               ? ""
               : "check KEY OFFSET BYTES BYTE";
  }
  if (word == "irq" || word == "irq.off") {
    op->kind = word == "irq" ? Kind::kIrq : Kind::kIrqOff;
    const auto irq = irq_of(line[1]);
    if (!irq) return "msi or msix";
    op->irq = *irq;
    if (op->kind == Kind::kIrqOff) return line.count == 2 ? "" : "irq.off KIND";
    return line.count == 4 && number(line[2], &op->a) && number(line[3], &op->b) && op->b <= 2048 && op->a <= 2048
               ? ""
               : "irq KIND FIRST COUNT";
  }
  const size_t dot = word.find('.');
  const auto region = region_of(word.substr(0, dot));
  const std::string_view verb = dot == word.npos ? std::string_view() : word.substr(dot + 1);
  if (!region || (verb != "read" && verb != "write")) {
    return "config.read, config.write, barN.read, barN.write, map, unmap, fill, check, irq, irq.off, pump, wait or reset";
  }
  op->region = *region;
  op->kind = verb == "read" ? Kind::kRead : Kind::kWrite;
  if (!number(line[1], &op->a) || !number(line[2], &op->b) || (op->b != 1 && op->b != 2 && op->b != 4 && op->b != 8)) {
    return "OFFSET and WIDTH, which is 1, 2, 4 or 8";
  }
  if (op->kind == Kind::kWrite) return line.count == 4 && value_of(line[3], &op->value) ? "" : "OFFSET WIDTH VALUE";
  if (line.count == 3) return "";
  op->expected = true;
  return line.count == 5 && line[3] == "=" && value_of(line[4], &op->value) ? "" : "OFFSET WIDTH = VALUE";
}

/// What a run of a script has in hand.
class Runner {
 public:
  Runner(std::unique_ptr<backend::PassthroughDevice> device, World& world)
      : world_(world), owned_(std::move(device)), device_(*owned_) {}
  ScenarioResult run(const std::vector<Op>& ops);

 private:
  struct Memory {
    std::vector<std::byte> storage;   // page-aligned bytes are inside
    std::byte* base = nullptr;
    uint64_t bytes = 0;
    Iova iova;
  };
  void differ(const Op& op, std::string what);
  void failed(const Op& op, const Error& error) { differ(op, error.sentence); }
  uint64_t value(const OpValue& value);
  void read(const Op& op);
  void write(const Op& op);
  void map(const Op& op);
  void check(const Op& op);
  void irq(const Op& op);

  World& world_;
  std::map<uint64_t, Memory> memory_;   // by key; outlives the device, which may still reach it
  std::unique_ptr<backend::PassthroughDevice> owned_;
  backend::PassthroughDevice& device_;
  ScenarioResult result_;
};

void Runner::differ(const Op& op, std::string what) {
  if (result_.differences++ == 0) result_.first_difference = fmt::format("line {}: {}", op.line, what);
}

uint64_t Runner::value(const OpValue& value) {
  if (!value.mapping) return value.number;
  const auto memory = memory_.find(*value.mapping);
  return memory != memory_.end() ? memory->second.iova.value + value.number : value.number;
}

void Runner::read(const Op& op) {
  uint64_t got = 0;
  const auto read = device_.read(op.region, op.a, std::as_writable_bytes(std::span(&got, 1)).first(op.b));
  if (!read) return failed(op, read.error());
  const uint64_t wanted = value(op.value) & (~uint64_t{0} >> (64 - 8 * op.b));
  if (op.expected && got != wanted) differ(op, fmt::format("expected {:#x}, got {:#x}", wanted, got));
}

void Runner::write(const Op& op) {
  const uint64_t data = value(op.value);
  const auto written = device_.write(op.region, op.a, std::as_bytes(std::span(&data, 1)).first(op.b));
  if (!written) failed(op, written.error());
}

void Runner::map(const Op& op) {
  constexpr uint64_t kAlignment = 16 * kKiB;
  Memory& memory = memory_[op.a];
  if (memory.base == nullptr) {
    memory.storage.resize(op.b + kAlignment);
    const auto address = reinterpret_cast<uintptr_t>(memory.storage.data());
    memory.base = memory.storage.data() + (round_up(address, kAlignment) - address);
    memory.bytes = op.b;
  }
  const auto mapping = device_.dma_map(op.a, memory.base, memory.bytes);
  if (mapping) {
    memory.iova = mapping->iova;
    return;
  }
  // No driver goes on without its memory: the device would be told an address that is not its own.
  failed(op, mapping.error());
  if (!result_.stopped) result_.stopped = mapping.error();
}

void Runner::check(const Op& op) {
  const auto memory = memory_.find(op.a);
  if (memory == memory_.end() || !in_range(op.b, op.c, memory->second.bytes)) {
    return differ(op, fmt::format("key {} has no {} bytes at {:#x}", op.a, op.c, op.b));
  }
  // All alike is the usual answer, and quick: the first is right, and each is as the one before it.
  const std::byte* const bytes = memory->second.base + op.b;
  if (op.c == 0) return;
  if (bytes[0] == static_cast<std::byte>(op.value.number) && std::memcmp(bytes, bytes + 1, op.c - 1) == 0) return;
  for (uint64_t i = 0; i < op.c; ++i) {
    const auto byte = std::to_integer<unsigned>(memory->second.base[op.b + i]);
    if (byte == op.value.number) continue;
    return differ(op, fmt::format("byte {:#x} of key {} is {:#04x}, expected {:#04x}", op.b + i, op.a, byte, op.value.number));
  }
}

void Runner::irq(const Op& op) {
  if (op.kind == Op::Kind::kIrqOff) {
    const auto off = device_.set_irqs(op.irq, backend::IrqAction::kTrigger, 0, 0, {});
    if (!off) failed(op, off.error());
    return;
  }
  const std::vector<backend::IrqSink> sinks(op.b, [](uint32_t) {});
  const auto set = device_.set_irqs(op.irq, backend::IrqAction::kTrigger, static_cast<uint32_t>(op.a),
                                    static_cast<uint32_t>(op.b), sinks);
  if (!set) failed(op, set.error());
}

ScenarioResult Runner::run(const std::vector<Op>& ops) {
  for (const Op& op : ops) {
    if (auto panic = world_.host_panic()) {
      result_.stopped = std::move(*panic);
      break;
    }
    if (result_.stopped) break;
    ++result_.steps;
    switch (op.kind) {
      case Op::Kind::kRead: read(op); break;
      case Op::Kind::kWrite: write(op); break;
      case Op::Kind::kMap: map(op); break;
      case Op::Kind::kUnmap:
        if (const auto unmapped = device_.dma_unmap(op.a); !unmapped) failed(op, unmapped.error());
        break;
      case Op::Kind::kFill:
        if (const auto memory = memory_.find(op.a); memory != memory_.end()) {
          std::memset(memory->second.base, static_cast<int>(op.b), memory->second.bytes);
        }
        break;
      case Op::Kind::kCheck: check(op); break;
      case Op::Kind::kIrq:
      case Op::Kind::kIrqOff: irq(op); break;
      case Op::Kind::kPump: device_.pump(); break;
      case Op::Kind::kWait: world_.pass_time(op.a); break;
      case Op::Kind::kReset:
        if (const auto reset = device_.reset(); !reset) failed(op, reset.error());
        break;
    }
  }
  device_.pump();
  result_.gone = device_.gone();
  return std::move(result_);
}

}  // namespace

Result<std::vector<Op>> parse_ops(std::string_view text, std::string_view origin) {
  std::vector<Op> ops;
  unsigned number_of_line = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const Line line = split(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number_of_line;
    if (line.count == 0) continue;
    Op op;
    op.line = number_of_line;
    if (const std::string_view expected = parse_line(line, &op); !expected.empty()) {
      return fail(ErrorName::kFileCorrupt,
                  fmt::format("{}:{}: '{:.40}' is not understood; expected {}", origin, number_of_line, line[0], expected));
    }
    if (ops.size() == kOpsMax) {
      return fail(ErrorName::kFileCorrupt, fmt::format("{}: more than {} operations", origin, kOpsMax));
    }
    ops.push_back(op);
  }
  return ops;
}

ScenarioResult run_ops(const std::vector<Op>& ops, std::unique_ptr<backend::PassthroughDevice> device, World& world) {
  return Runner(std::move(device), world).run(ops);
}

}  // namespace dartboard::cli
