// cli/replay_device.h - the device that a recording describes, as the model declares one.
//
// Identity, BARs and capabilities come from the recording; where it shows configuration space, the guest finds it there
// as it was. What cannot be (a BAR of no possible size, capabilities in a circle) is left out, with a note.
#pragma once

#include <string>
#include <vector>

#include "model/endpoint/replay.h"
#include "traces/device_description.h"
#include "traces/event_stream.h"

namespace dartboard::cli {

/// Sentences about what was left out are appended to `notes`, if given.
model::EndpointDeclaration declaration_of(const traces::DeviceDescription& device,
                                          std::vector<std::string>* notes = nullptr);

/// Appends the accesses of a batch to register BARs as TLPs would carry them: cut into naturally aligned words of at
/// most 8 bytes, which is what MMIORead and MMIOWrite move. Accesses to the MSI-X table stay out: no device sees a
/// guest's.
void register_accesses(const traces::EventBatch& batch, const traces::DeviceDescription& device,
                       std::vector<model::ReplayAccess>* out);

}  // namespace dartboard::cli
