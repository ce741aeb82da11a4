// traces/import/qemu_devices.cpp - see qemu_devices.h.
#include "traces/import/qemu_devices.h"

#include <algorithm>

#include <fmt/format.h>

namespace dartboard::traces {

namespace {

constexpr size_t kNameBytesMax = 256;  // of a name that is kept
constexpr size_t kLabelBytesMax = 64;

/// What is the same in every name of one device: the path of its socket, or all of it.
/// "vfio-user:/run/x.sock", "unix:/run/x.sock" and "VFIO user </run/x.sock>" are one.
std::string_view key_of(std::string_view name) {
  const size_t slash = name.find('/');
  if (slash != std::string_view::npos) {
    name.remove_prefix(slash);
    if (name.ends_with('>')) name.remove_suffix(1);
  }
  return name.substr(0, kNameBytesMax);
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}
/// `pattern` with a hexadecimal digit for each 'x'.
bool has_form(std::string_view text, std::string_view pattern) {
  return text.size() == pattern.size() && std::equal(text.begin(), text.end(), pattern.begin(), [](char c, char want) {
           return want == 'x' ? is_hex(c) : c == want;
         });
}
/// An address on a bus, or the UUID of a mediated device: nothing that names a machine, a user or a file.
bool is_address(std::string_view name) {
  return has_form(name, "xxxx:xx:xx.x") || has_form(name, "xx:xx.x") ||
         has_form(name, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
}
/// As QEMU's types of devices are written.
bool is_type(std::string_view type) {
  return !type.empty() && type.size() <= kLabelBytesMax && std::all_of(type.begin(), type.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}
bool is_vfio_user(std::string_view name) {
  return name.starts_with("vfio-user") || name.starts_with("VFIO user") || name.starts_with("unix:");
}

}  // namespace

std::string to_bus_address(uint16_t rid) {
  return fmt::format("{:02x}:{:02x}.{:x}", rid >> 8, rid >> 3 & 31, rid & 7);
}

int QemuDevices::add() {
  if (devices_.size() == kDevicesMax) return kNone;
  devices_.emplace_back();
  return static_cast<int>(devices_.size() - 1);
}

int QemuDevices::by_vfio_name(std::string_view name) {
  if (last_named_ != kNone && name == last_name_) return current_vfio_ = last_named_;
  const std::string_view key = key_of(name);
  int found = kNone;
  for (size_t i = 0; i < devices_.size(); ++i) {
    if (devices_[i].is_vfio && devices_[i].key == key) found = static_cast<int>(i);
  }
  if (found == kNone) {
    found = unnamed_vfio_;
    unnamed_vfio_ = kNone;
    if (found == kNone) {
      found = add();
      if (found == kNone) return kNone;
      ++vfio_devices_;
    }
    QemuDevice& device = (*this)[found];
    device.key = key;
    device.is_vfio = true;
    device.is_user = is_vfio_user(name);
  }
  last_name_ = name.substr(0, kNameBytesMax);
  last_named_ = found;
  return current_vfio_ = found;
}

int QemuDevices::current_vfio() {
  if (current_vfio_ != kNone) return current_vfio_;
  if (unnamed_vfio_ == kNone) {
    unnamed_vfio_ = add();
    if (unnamed_vfio_ == kNone) return kNone;
    (*this)[unnamed_vfio_].is_vfio = true;
    ++vfio_devices_;
  }
  return unnamed_vfio_;
}

int QemuDevices::by_rid(uint16_t rid) {
  return rids_.empty() ? kNone : rids_[rid];
}

int QemuDevices::by_type(std::string_view type) {
  for (size_t i = 0; i < devices_.size(); ++i) {
    if (devices_[i].type == type) return static_cast<int>(i);
  }
  const int device = add();
  if (device != kNone) (*this)[device].type = type.substr(0, kNameBytesMax);
  return device;
}

int QemuDevices::add_rid(uint16_t rid, std::string_view type) {
  int device = kNone;
  for (size_t i = 0; i < devices_.size() && !type.empty(); ++i) {
    if (devices_[i].type == type && !devices_[i].has_rid) device = static_cast<int>(i);
  }
  if (device == kNone) device = add();
  if (device != kNone) link(device, rid, type);
  return device;
}

void QemuDevices::link(int device, uint16_t rid, std::string_view type) {
  QemuDevice& d = (*this)[device];
  d.rid = rid;
  d.has_rid = true;
  d.type = type.substr(0, kNameBytesMax);
  if (rids_.empty()) rids_.assign(65536, kNone);
  rids_[rid] = device;
}

int QemuDevices::only_unplaced_vfio() const {
  if (vfio_devices_ != 1) return kNone;
  for (size_t i = 0; i < devices_.size(); ++i) {
    if (devices_[i].is_vfio && !devices_[i].has_rid) return static_cast<int>(i);
  }
  return kNone;
}

void QemuDevices::find_ranges() {
  ranges_.clear();
  for (size_t i = 0; i < devices_.size(); ++i) {
    for (unsigned bar = 0; bar < RecoveredDevice::kBars; ++bar) {
      const RecoveredDevice::Range range = devices_[i].recovered.range(bar);
      if (range.size == 0) continue;
      ranges_.push_back({range.address, range.address + (range.size - 1), static_cast<int>(i), bar});
    }
  }
  last_range_ = 0;
  ranges_stale_ = false;
}

QemuDevices::Place QemuDevices::find(uint64_t address, uint64_t size) {
  if (ranges_stale_) find_ranges();
  const auto within = [&](const Range& r) { return address >= r.begin && address + (size - 1) <= r.last; };
  if (last_range_ >= ranges_.size() || !within(ranges_[last_range_])) {
    last_range_ = static_cast<size_t>(std::find_if(ranges_.begin(), ranges_.end(), within) - ranges_.begin());
    if (last_range_ == ranges_.size()) return {};
  }
  const Range& range = ranges_[last_range_];
  return {range.device, range.bar, address - range.begin};
}

/// For sentences: an address if there is one, never a path.
std::string QemuDevices::label(const QemuDevice& device) const {
  if (is_address(device.key)) return device.key;
  if (device.has_rid) return to_bus_address(device.rid);
  if (is_type(device.type)) return device.type;
  if (!device.is_vfio) return "device";
  return device.is_user ? "vfio-user" : "vfio";
}

std::vector<TraceDevice> QemuDevices::describe(std::vector<std::string>* notes) const {
  std::vector<TraceDevice> out;
  for (const QemuDevice& device : devices_) {
    TraceDevice d;
    d.address = label(device);
    std::string name = is_type(device.type) ? device.type : device.is_user ? "vfio-user" : device.is_vfio ? "vfio" : "";
    std::vector<std::string> own;
    d.description = device.recovered.describe(name.empty() ? "device of a QEMU log" : std::move(name), &own);
    if (device.rid_assumed) {
      own.push_back(
          fmt::format("it is taken to be the guest's {}, as it is the only vfio device", to_bus_address(device.rid)));
    }
    if (device.has_maps) own.push_back("a BAR was mapped into the guest: accesses to it are missing");
    for (const std::string& note : own) notes->push_back(fmt::format("{}: {}.", d.address, note));
    out.push_back(std::move(d));
  }
  return out;
}

}  // namespace dartboard::traces
