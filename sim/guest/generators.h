// sim/guest/generators.h - the generators behind make_workload(), a file each.
#pragma once

#include "sim/guest/workload.h"

namespace dartboard::guest {

void make_llm(Workload& workload, WorkloadWriter& writer);
void make_game(Workload& workload, WorkloadWriter& writer);
void make_nvme(Workload& workload, WorkloadWriter& writer);
void make_nic(Workload& workload, WorkloadWriter& writer);
void make_fragment(Workload& workload, WorkloadWriter& writer);

}  // namespace dartboard::guest
