// sim/iokit/core_foundation/run_loop.h - the objects behind CFRunLoopRef and CFRunLoopSourceRef.
#pragma once

#include <string>
#include <vector>

#include "sim/iokit/core_foundation/cf_object.h"

namespace dartboard::iokit {
class ReceiveRight;
}

struct __CFRunLoopSource final : dartboard::iokit::CfObject {
  explicit __CFRunLoopSource(dartboard::iokit::ReceiveRight* right)
      : CfObject(dartboard::iokit::CfType::kRunLoopSource), receive(right) {}
  dartboard::iokit::ReceiveRight* receive;   ///< null once the port is gone
  bool valid = true;
};

struct __CFRunLoop final : dartboard::iokit::CfObject {
  __CFRunLoop() : CfObject(dartboard::iokit::CfType::kRunLoop, true) {}
  struct Member { __CFRunLoopSource* source; std::string mode; };   ///< source retained
  std::vector<Member> members;
  bool stop = false;
};

namespace dartboard::iokit {

/// Whether the run loop may deliver for `source` in `mode` (empty: in any). Common modes include the default mode.
bool run_loop_has(const __CFRunLoopSource& source, const std::string& mode);

}  // namespace dartboard::iokit
