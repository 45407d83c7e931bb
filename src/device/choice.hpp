// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace tessera::device {

/// How many devices Slurm's description of them names: "4", "a100:4" and "a100:3,v100:1" are four. 0 if it is none.
int count_described(std::string_view text);

/// Devices that Slurm gave this job on this host, by its environment; 0 where that does not say.
int devices_of_job();

/// Which of the `visible` devices of its process a rank takes: device_of_rank. When the job has more of them on this
/// host (`of_job`; 0 is not known), a binding hides some from each rank, and NCCL copies through the host between
/// devices that it does not see. The first rank of every host then logs one warning with the flag that shows them all.
int choose(int rank_on_host, int visible, int of_job);

}  // namespace tessera::device
