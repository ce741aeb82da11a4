// traces/tools/names.h - what a user calls the registers of a device: from a file (docs/register-names.md), looked up
// by space and offset, with bit fields, enumerated values, and pairs of an index and a data register.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "traces/event.h"
#include "traces/trace_info.h"

namespace dartboard::traces {

struct FieldName {
  std::string name;
  unsigned high = 0, low = 0;                            ///< bits, both inside
  std::vector<std::pair<uint64_t, std::string>> values;  ///< ascending; what is not in it is shown as a number

  uint64_t of(uint64_t value) const {
    const unsigned bits = high - low + 1;
    return bits >= 64 ? value : value >> low & ((uint64_t{1} << bits) - 1);
  }
};

struct RegisterName {
  std::string name;
  uint32_t space = 0;   ///< traces/tools/access.h; of a register behind an index: that of the data register
  uint64_t offset = 0;  ///< bytes; of a register behind an index: the index
  unsigned width = 4;   ///< bytes
  uint64_t count = 1;   ///< of an array
  uint64_t stride = 4;  ///< bytes from one element to the next
  bool is_array = false;
  std::vector<FieldName> fields;
};

/// A window to more registers: a write to `index` chooses which one `data` is.
struct IndexPair {
  std::string name;
  uint32_t space = 0;
  uint64_t index = 0, data = 0;         ///< offsets in bytes
  uint64_t increment = 0;               ///< of the index with each access of data
  std::vector<RegisterName> registers;  ///< ascending by offset (the index)
};

/// What an access touches, by name. Views into the RegisterNames it came from.
struct Named {
  const RegisterName* reg = nullptr;  ///< null: no name
  const IndexPair* pair = nullptr;    ///< the access is to its data register, and the index is known
  uint64_t element = 0;               ///< of an array
  uint64_t byte = 0;                  ///< of the register, where the access begins
  uint64_t index = 0;                 ///< of a pair

  explicit operator bool() const { return reg != nullptr || pair != nullptr; }
  std::string text() const;  ///< "MEMSIZE", "RING[3]", "STATUS+2", "SMN[0x3b10528]", "SMN:FENCE"
};

class RegisterNames {
 public:
  static constexpr uint64_t kElementsMax = 1 << 20;  ///< all arrays of a file spelt out

  std::string name;                       ///< for people
  uint16_t vendor_id = 0, device_id = 0;  ///< of the device they belong to; 0: any
  std::vector<RegisterName> registers;
  std::vector<IndexPair> pairs;
  std::vector<std::pair<uint32_t, std::string>> memory;  ///< DMA handles, ascending

  bool empty() const { return registers.empty() && pairs.empty() && memory.empty(); }
  Named at(uint32_t space, uint64_t offset) const;
  std::string_view memory_name(uint32_t handle) const;  ///< empty: none
  /// Prepares at(); call it when `registers` is complete. False: two overlap, and `problem` says which.
  bool build(std::string* problem);

 private:
  struct Element {
    uint64_t offset;
    uint32_t space;
    uint32_t reg;
    uint32_t number;
  };
  std::vector<Element> elements_;  // ascending by space and offset
};

/// kNotFound, kFileUnreadable, kFileCorrupt; sentences name file and field.
Result<RegisterNames> read_register_names(const std::string& path);
/// The same from text; `origin` names it in messages.
Result<RegisterNames> parse_register_names(std::string_view text, const std::string& origin);

/// Whether a shell pattern ("SCRATCH*", "SMN[[]*") fits `named`, whose text() is `text`. "RING" also means every
/// element of the array, and the register behind an index by its own name.
bool name_fits(const std::string& glob, const Named& named, const std::string& text);

/// The fields of `value` as "{ BUSY, MODE = fast, COUNT = 0x3 }"; empty without fields. A field of one bit without
/// enumerated values stands there when it is set; others that are 0 and have no name for 0 are left out.
std::string fields_text(const RegisterName& reg, uint64_t value);

/// Follows a trace and names each access; knows the index registers by what was written to them.
class NameTracker {
 public:
  /// `names` null: nothing has a name. `info`, if given, keeps the names from devices that they do not belong to.
  explicit NameTracker(const RegisterNames* names, const TraceInfo* info = nullptr) : names_(names), info_(info) {}
  /// To be called for every event in order: `reply` is its reply.
  Named see(const Event& event, const Reply* reply);
  const RegisterNames* names() const { return names_; }

 private:
  struct State {
    bool known = false;
    uint64_t index = 0;
  };
  static constexpr size_t kDevicesMax = 64;  // those beyond have no index state
  bool belongs_to(uint16_t device) const;
  const RegisterNames* names_;
  const TraceInfo* info_;
  std::vector<State> states_;  // of each pair, for each device
};

}  // namespace dartboard::traces
