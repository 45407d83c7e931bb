// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/planning.hpp"

#include "cli/run_context.hpp"
#include "comm/agreement.hpp"
#include "comm/planned/planned_communicator.hpp"
#include "plan/refusal.hpp"

#include <algorithm>

namespace tessera::cli {

plan::Node this_node() {
  return {[](const Job& job, int ranks_on_host) { return memory::find_budget(job.run.memory, ranks_on_host); },
          [](const Job& job, int ranks_on_host) {
            return thread_count(job, *comm::make_planned_communicator({Rank(0), ranks_on_host, ranks_on_host}));
          }};
}

namespace {

plan::GraphSizes sizes_of(const Job& job) {
  return plan::sizes_of_partition(graph::partition_folder(job.data.graph, job.data.parts));
}

// `sizes` outlives it.
plan::PlannedRank rank_to_plan(const comm::Communicator& comm, const Starting& starting, const plan::GraphSizes& sizes,
                               const std::vector<sampling::ItemCount>& items) {
  const Job& job = starting.job;
  const bool are_queries = !job.train.group_queries && !starting.on_device;
  plan::PlannedRank rank{job,
                         sizes,
                         starting.placement,
                         comm.rank(),
                         comm.ranks_on_host(),
                         thread_count(job, comm),
                         starting.budget_bytes,
                         items.empty() && are_queries ? plan::find_items(job, sizes) : items};
  rank.exported_rows = starting.exported_rows;
  return rank;
}

}  // namespace

void require_fit(const comm::Communicator& comm, const Starting& starting,
                 const std::vector<sampling::ItemCount>& items) {
  const plan::GraphSizes sizes = sizes_of(starting.job);
  const plan::PlannedRank rank = rank_to_plan(comm, starting, sizes, items);
  plan::require_fit({starting.stage, rank, {comm.size(), comm.ranks_on_host()}, this_node()});
}

std::array<std::uint64_t, memory::kTagCount> planned_bytes(comm::Communicator& comm, const Starting& starting,
                                                           const std::vector<sampling::ItemCount>& items) {
  const plan::RankPlan plan = comm::together(comm, [&] {
    const plan::GraphSizes sizes = sizes_of(starting.job);
    return plan::plan_rank(starting.stage, rank_to_plan(comm, starting, sizes, items));
  });
  std::array<std::int64_t, memory::kTagCount> bytes{};
  std::copy(plan.host.begin(), plan.host.end(), bytes.begin());
  comm.all_reduce(bytes, comm::Reduction::kMax);
  std::array<std::uint64_t, memory::kTagCount> out{};
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

}  // namespace tessera::cli
