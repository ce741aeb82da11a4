// traces/import/register_log.h - reads register accesses that GPU drivers trace.
//
//   ftrace or perf text   ... 12345.678901: i915_reg_rw: write reg=0x2030, len=4, val=(0x0, 0x1)       BAR0, bytes
//                         ... 12345.678901: amdgpu_device_rreg: 0x74a1, 0x00000de3, 0x00002000   BAR5, 32-bit words
//                         (amdgpu_device_wreg; amdgpu_mm_rreg and amdgpu_mm_wreg of older kernels)
//   run-length lists      3841 R 0000c108: 00000000                                       BAR0, bytes, no times
//
// None of them names a BAR: it is the one that the driver keeps its registers in, which is noted. Other events of the
// same log are counted by name.
#pragma once

#include <memory>
#include <string_view>

#include "base/error.h"
#include "traces/byte_source.h"
#include "traces/event_stream.h"
#include "traces/formats.h"

namespace dartboard::traces {

int detect_register_log(std::string_view head);
Result<std::unique_ptr<EventReader>> open_register_log(std::unique_ptr<ByteSource> source, const ReadOptions& options);

}  // namespace dartboard::traces
