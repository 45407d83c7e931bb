// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/planning.hpp"

#include "cli/run_context.hpp"
#include "comm/planned/planned_communicator.hpp"
#include "plan/refusal.hpp"

namespace tessera::cli {

plan::Node this_node() {
  return {[](const Job& job, int ranks_on_host) { return memory::find_budget(job.run.memory, ranks_on_host); },
          [](const Job& job, int ranks_on_host) {
            return thread_count(job, *comm::make_planned_communicator({Rank(0), ranks_on_host, ranks_on_host}));
          }};
}

void require_fit(const comm::Communicator& comm, const Starting& starting,
                 const std::vector<sampling::ItemCount>& items) {
  const Job& job = starting.job;
  const plan::GraphSizes sizes = plan::sizes_of_partition(graph::partition_folder(job.data.graph, job.data.parts));
  const bool are_queries = !job.train.group_queries && !starting.on_device;
  const plan::Node node = this_node();
  plan::PlannedRank rank{job,
                         sizes,
                         starting.placement,
                         comm.rank(),
                         comm.ranks_on_host(),
                         thread_count(job, comm),
                         starting.budget_bytes,
                         items.empty() && are_queries ? plan::find_items(job, sizes) : items};
  rank.exported_rows = starting.exported_rows;
  plan::require_fit({starting.stage, rank, {comm.size(), comm.ranks_on_host()}, node});
}

}  // namespace tessera::cli
