// cli/session_workload.h - a recorded session's use of memory as a workload for the guest model.
#pragma once

#include "sim/guest/workload.h"
#include "traces/session.h"

namespace dartboard::cli {

/// What was mapped contiguously becomes coherent memory, the rest pages all over RAM with syncs around every use. The
/// device reads, before the next register write, what the CPU wrote. Register accesses are left out.
guest::Workload session_workload(const traces::Session& session, std::string name);

}  // namespace dartboard::cli
