// traces/export/protobuf.h - protocol buffers, the writing half: fields appended to one buffer, messages nested by
// scope. The wire format is four rules (protobuf.dev, "Encoding"), which is less than a generated schema would weigh.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dartboard::traces {

class ProtobufWriter {
 public:
  void number(uint32_t field, uint64_t value) {
    tag(field, kVarint);
    varint(value);
  }
  void fixed64(uint32_t field, uint64_t value) {
    tag(field, kFixed64);
    for (unsigned i = 0; i < 8; ++i) bytes_.push_back(static_cast<char>(value >> (8 * i)));
  }
  void text(uint32_t field, std::string_view value) {
    tag(field, kLengthDelimited);
    varint(value.size());
    bytes_.append(value);
  }
  /// A nested message: what `fill` writes.
  template <class Fill>
  void message(uint32_t field, const Fill& fill) {
    tag(field, kLengthDelimited);
    const size_t length_at = bytes_.size();
    bytes_.push_back('\0');
    fill();
    const size_t length = bytes_.size() - length_at - 1;
    if (length < 0x80) {
      bytes_[length_at] = static_cast<char>(length);
      return;
    }
    const std::string body = bytes_.substr(length_at + 1);
    bytes_.resize(length_at);
    varint(length);
    bytes_.append(body);
  }

  std::string_view bytes() const { return bytes_; }
  void clear() { bytes_.clear(); }

 private:
  enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2 };

  void tag(uint32_t field, WireType type) { varint(uint64_t{field} << 3 | type); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }

  std::string bytes_;
};

}  // namespace dartboard::traces
