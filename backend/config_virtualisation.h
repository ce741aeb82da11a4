// backend/config_virtualisation.h - configuration space as a guest sees it: the table of config_policy.h at work.
//
// One rule a byte, made once at open from the table and the device's capability lists; each access is split into
// naturally aligned pieces of at most 4 bytes, the widths the dext takes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/capability_list.h"
#include "backend/config_policy.h"
#include "backend/passthrough_device.h"
#include "base/error.h"
#include "base/inspect.h"
#include "dext/client/client.h"

namespace dartboard::backend {

/// What a guest's configuration write sets off elsewhere in the backend.
class ConfigEvents {
 public:
  virtual ~ConfigEvents() = default;
  virtual void intx_disable_changed(bool disabled) = 0;
  virtual void msi_mask_changed(uint32_t mask) = 0;
  virtual uint32_t msi_pending() = 0;
  virtual void msix_function_mask_changed(bool masked) = 0;
  /// The guest asked for a function-level reset. Must end in ConfigVirtualisation::reset().
  virtual Result<void> function_reset() = 0;
};

/// Where the device keeps its MSI-X table and pending bits.
struct MsixLayout {
  unsigned entries = 0;  ///< of the device's table, whatever the guest is told
  unsigned table_bar = 0, pba_bar = 0;
  uint64_t table_offset = 0, pba_offset = 0;
};

class ConfigVirtualisation {
 public:
  ConfigVirtualisation(dext::Client& client, ConfigEvents& events) : client_(client), events_(events) {}

  /// Reads the header and capability lists and builds the rules. Only config reads. kNotSupported for a bridge.
  Result<void> open();

  /// Facts found after open(): each becomes part of the guest's view and of its reset state.
  void set_bar(unsigned bar, const dext::BarInfo& info);
  void set_vectors(uint32_t vectors);
  void hide_capability(uint8_t id, const std::string& note);

  bool has_interrupt_pin() const { return device_has_pin_; }
  uint32_t msi_vectors() const;  ///< the device's own number: 1, 2, 4 .. 32; 0 without MSI
  const std::optional<MsixLayout>& msix() const { return msix_; }  ///< also when the capability is hidden
  const CapabilityLists& capabilities() const { return lists_; }

  /// Guest access; `offset` + length must lie within 4096 (kOutOfRange). Bytes that do not exist read all-ones.
  Result<void> read(uint64_t offset, std::span<std::byte> data);
  Result<void> write(uint64_t offset, std::span<const std::byte> data);

  /// What a guest reads at `offset` when the device holds `device` there (none: not known). None when that is needed and
  /// not known, or the byte does not exist.
  std::optional<uint8_t> view(uint16_t offset, std::optional<uint8_t> device) const;

  /// The guest's view as it was after open().
  void reset();

  // The device's own Command, whatever the guest sees. Nothing is written when it is so already, or when the device
  // does not answer (Command reads all-ones).
  Result<void> quiesce_device();  ///< bus master off
  Result<void> park_device();     ///< memory on, bus master off: as between open and the guest's first write

  /// How the guest's view of one byte comes about.
  ConfigByte byte(uint64_t offset) const;

  void inspect(InspectNode& node) const;

 private:
  struct ByteRule {
    uint8_t shadowed = 0, writable = 0, forwarded = 0, w1c = 0;
    uint8_t shadow = 0, reset_shadow = 0;
    uint16_t row = 0;  ///< index in rows_ + 1, 0: none
  };
  struct PlacedRow {
    Row row;
    uint16_t offset;
  };

  Result<void> read_msix_layout();
  Result<void> place(const Row& row, uint16_t base);
  Result<void> place_capability(const Capability& capability, bool extended);
  Result<void> place_resizable_bar(const Capability& capability);
  void hide(const Capability& capability);
  void link_lists();
  void preset(uint16_t offset, unsigned width, uint32_t value);
  uint32_t shadow_at(uint16_t offset, unsigned width) const;
  void set_shadow(uint16_t offset, unsigned width, uint32_t value);
  bool absent(uint64_t offset) const { return offset >= kConventionalConfigBytes && !lists_.express; }

  Result<uint32_t> read_piece(uint16_t offset, unsigned width);
  Result<void> write_piece(uint16_t offset, unsigned width, uint32_t value);
  Result<void> forward(uint16_t offset, unsigned width, uint32_t value);
  Result<void> run_hook(const PlacedRow& placed, uint32_t written, uint32_t written_mask, uint32_t before);
  Result<void> power_state_changed(const PlacedRow& placed, uint32_t before);
  Result<void> change_device_command(uint32_t clear, uint32_t set);
  bool asleep() const;

  dext::Client& client_;
  ConfigEvents& events_;
  std::array<ByteRule, kConfigBytes> rules_{};
  std::vector<PlacedRow> rows_;
  CapabilityLists lists_;
  std::array<uint32_t, 6> bar_mask_{};  ///< writable address bits of each BAR register
  std::optional<MsixLayout> msix_;
  uint16_t power_offset_ = 0;  ///< of PMCSR, 0: none
  bool device_has_pin_ = false;
};

}  // namespace dartboard::backend
