// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/queries_setup.hpp"

#include <algorithm>
#include <utility>

namespace tessera::train {

StepSchedule item_schedule(const EngineSetup& setup) {
  std::vector<std::uint64_t> items;
  for (const ItemCount& part : setup.items) items.push_back(part.items);
  return {std::move(items), setup.job.train.batch_size};
}

std::uint64_t sampled_per_part(const Job& job, std::uint32_t parts) {
  return job.negatives.scope == "all" ? 0 : (job.negatives.count + parts - 1) / parts;
}

exchange::QueryExchange::Capacity exchange_capacity(const EngineSetup& setup, const StepSchedule& schedule) {
  exchange::QueryExchange::Capacity capacity;
  for (std::uint32_t p = 0; p < setup.items.size(); ++p) {
    const std::uint64_t items = schedule.largest_share(PartId(p));
    capacity.queries.push_back(items);
    capacity.targets.push_back(std::min(items * setup.items[p].largest, setup.shard.manifest.figures[p].queries));
  }
  return capacity;
}

QueriesStep::Capacity step_capacity(const EngineSetup& setup, const StepSchedule& schedule) {
  const exchange::QueryExchange::Capacity by_part = exchange_capacity(setup, schedule);
  QueriesStep::Capacity capacity{};
  for (std::size_t p = 0; p < by_part.queries.size(); ++p) {
    capacity.queries += by_part.queries[p];
    capacity.targets += by_part.targets[p];
  }
  for (const graph::Part& part : setup.shard.parts)
    capacity.own_parts.push_back({by_part.queries[part.id().index()], by_part.targets[part.id().index()],
                                  sampled_per_part(setup.job, setup.shard.manifest.part_count())});
  return capacity;
}

CandidateLoss candidate_loss(const Job& job) {
  CandidateLoss loss;
  loss.binary = job.loss.name == "bce";
  loss.smoothing = job.loss.smoothing;
  loss.exact = job.negatives.scope == "all";
  loss.unbiased = job.negatives.unbiased;
  loss.relation_weight = static_cast<float>(job.relation_prediction.weight);
  loss.regulariser = model::find_regulariser(job.regulariser);
  return loss;
}

}  // namespace tessera::train
