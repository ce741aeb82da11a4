// traces/report/columns.cpp - see columns.h.
#include "traces/report/columns.h"

#include <zlib.h>

#include <array>
#include <vector>

namespace dartboard::traces {
namespace {

constexpr size_t kPieceBytes = 64 * 1024;
// Higher levels take twice the time for one percent.
constexpr int kLevel = 6;

/// A zlib stream that grows in a vector.
class Deflater {
 public:
  Deflater() { deflateInit(&stream_, kLevel); }
  ~Deflater() { deflateEnd(&stream_); }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  void add(std::span<unsigned char> bytes, bool last) {
    stream_.next_in = bytes.data();
    stream_.avail_in = static_cast<uInt>(bytes.size());
    do {
      std::array<unsigned char, kPieceBytes> piece;
      stream_.next_out = piece.data();
      stream_.avail_out = piece.size();
      deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH);
      out_.insert(out_.end(), piece.data(), stream_.next_out);
    } while (stream_.avail_out == 0);
  }
  const std::vector<unsigned char>& bytes() const { return out_; }

 private:
  z_stream stream_{};
  std::vector<unsigned char> out_;
};

}  // namespace

template <class T>
Column encode_column(std::span<const T> numbers) {
  uint64_t all = 0;
  for (const T number : numbers) all |= number;
  Column column;
  for (; all != 0; all >>= 8) ++column.planes;

  Deflater deflater;
  std::vector<unsigned char> piece(kPieceBytes);
  for (unsigned plane = 0; plane < column.planes; ++plane) {
    for (size_t at = 0; at < numbers.size();) {
      const size_t count = std::min(kPieceBytes, numbers.size() - at);
      for (size_t i = 0; i < count; ++i)
        piece[i] = static_cast<unsigned char>(uint64_t{numbers[at + i]} >> (8 * plane));
      deflater.add(std::span(piece).first(count), false);
      at += count;
    }
  }
  deflater.add({}, true);
  column.base64 = base64(deflater.bytes());
  return column;
}

template Column encode_column<uint16_t>(std::span<const uint16_t>);
template Column encode_column<uint32_t>(std::span<const uint32_t>);
template Column encode_column<uint64_t>(std::span<const uint64_t>);

std::string base64(std::span<const unsigned char> bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = bytes.size() - i;
    const unsigned word =
        static_cast<unsigned>(bytes[i]) << 16 | (left > 1 ? bytes[i + 1] : 0u) << 8 | (left > 2 ? bytes[i + 2] : 0u);
    out += kDigits[word >> 18];
    out += kDigits[word >> 12 & 63];
    out += left > 1 ? kDigits[word >> 6 & 63] : '=';
    out += left > 2 ? kDigits[word & 63] : '=';
  }
  return out;
}

}  // namespace dartboard::traces
