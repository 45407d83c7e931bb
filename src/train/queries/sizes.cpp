// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/queries/sizes.hpp"

#include "train/queries/loss.hpp"

#include <algorithm>
#include <utility>

namespace tessera::train {

CandidateLoss CandidateLoss::of(const Job& job) {
  CandidateLoss loss;
  loss.binary = job.loss.name == "bce";
  loss.smoothing = job.loss.smoothing;
  loss.exact = job.negatives.scope == "all";
  loss.unbiased = job.negatives.unbiased;
  loss.relation_weight = static_cast<float>(job.relation_prediction.weight);
  loss.regulariser = model::find_regulariser(job.regulariser);
  return loss;
}

std::uint64_t StepSizes::own_queries() const {
  std::uint64_t queries_of_all = 0;
  for (const PartSizes& part : own) queries_of_all += part.batch.queries;
  return queries_of_all;
}

std::size_t StepSizes::distinct_relations(const PartSizes& part) const {
  return std::min<std::size_t>(part.batch.queries, relations);
}

std::size_t StepSizes::own_distinct_relations() const {
  std::size_t distinct = 0;
  for (const PartSizes& part : own) distinct += distinct_relations(part);
  return distinct;
}

exchange::QueryExchangeSizes StepSizes::exchange(bool is_binary) const {
  return {by_part, width(), relations, gradient_dim, predicts_relations, is_binary};
}

SideSizes StepSizes::side() const {
  SideSizes sizes;
  for (const PartSizes& part : own) sizes.queries = std::max<std::size_t>(sizes.queries, part.batch.queries);
  sizes.leaves = own_distinct_relations();
  sizes.makes_all = makes_all_operators;
  sizes.drops_relations = drops_relations;
  return sizes;
}

sampling::StepSchedule item_schedule(const EngineSetup& setup) {
  std::vector<std::uint64_t> items;
  for (const sampling::ItemCount& part : setup.items) items.push_back(part.items);
  return {std::move(items), setup.job.train.batch_size};
}

std::uint64_t sampled_per_part(const Job& job, std::uint32_t parts) {
  return job.negatives.scope == "all" ? 0 : (job.negatives.count + parts - 1) / parts;
}

StepSizes step_sizes(const EngineSetup& setup, const sampling::StepSchedule& schedule) {
  const graph::PartitionManifest& manifest = setup.shard.manifest;
  StepSizes sizes;
  for (std::uint32_t p = 0; p < setup.items.size(); ++p) {
    const std::uint64_t items = schedule.largest_share(PartId(p));
    const std::uint64_t targets = std::min(items * setup.items[p].largest, manifest.figures[p].queries);
    sizes.by_part.queries.push_back(items);
    sizes.by_part.targets.push_back(targets);
    sizes.queries += items;
    sizes.targets += targets;
  }
  const std::uint64_t sampled = sampled_per_part(setup.job, manifest.part_count());
  sizes.has_weights = setup.shard.has_weights();
  for (const graph::Part& part : setup.shard.parts) {
    const std::size_t p = part.id().index();
    sizes.own.push_back(
        {{sizes.by_part.queries[p], sizes.by_part.targets[p], sampled, sizes.has_weights}, part.rows()});
  }
  const model::Parameters& parameters = setup.parameters;
  sizes.dim = parameters.dim();
  sizes.relation_dim = parameters.relations().cols;
  sizes.operator_dim = parameters.operators().cols;
  sizes.gradient_dim = relation_gradient_dim(parameters);
  sizes.relations = parameters.relations().rows;
  sizes.has_core = parameters.scorer().has_core();
  sizes.predicts_relations = setup.job.relation_prediction.weight > 0;
  sizes.drops_relations = setup.job.dropout.relation > 0;
  std::size_t distinct = 0;
  for (const std::uint64_t queries : sizes.by_part.queries) distinct += std::min<std::size_t>(queries, sizes.relations);
  sizes.makes_all_operators = sizes.predicts_relations || distinct >= sizes.relations;
  return sizes;
}

std::uint64_t largest_exchange_bytes(const EngineSetup& setup) {
  const StepSizes sizes = step_sizes(setup, item_schedule(setup));
  return exchange::largest_exchange_bytes(setup.shard, sizes.exchange(setup.job.loss.name == "bce"));
}

}  // namespace tessera::train
