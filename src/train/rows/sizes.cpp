// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/rows/sizes.hpp"

#include "exchange/rows/gradient_return.hpp"
#include "exchange/rows/ordered_halo_rows.hpp"
#include "model/row_formats.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::train {

using execution::Space;

std::uint64_t RowsSizes::largest_own() const { return *std::max_element(own.begin(), own.end()); }

std::size_t RowsSizes::distinct_relations(std::size_t own_part) const {
  return std::min<std::size_t>(own[own_part], relations);
}

std::size_t RowsSizes::own_distinct_relations() const {
  std::size_t distinct = 0;
  for (std::size_t p = 0; p < own.size(); ++p) distinct += distinct_relations(p);
  return distinct;
}

SideSizes RowsSizes::side() const {
  return {largest_own(), own_distinct_relations(), makes_all_operators, drops_relations};
}

std::uint64_t RowsSizes::largest_exchange_bytes(const graph::Shard& shard) const {
  const exchange::RowTotals totals = exchange::row_totals(shard, rows);
  return std::max({exchange::OrderedHaloRows<Space::kHost>::largest_bytes(totals, row_bytes),
                   exchange::GradientReturn<Space::kHost>::largest_bytes(totals, kernels::row_bytes(format, dim)),
                   exchange::RelationSum<Space::kHost>::largest_bytes(shard, relation_sum())});
}

// Other losses compare a target with each negative by itself: no sum over all entities is to be corrected.
bool has_priors(const Job& job) {
  return job.loss.name == "softmax" && job.negatives.scope == "global" && job.negatives.unbiased;
}

sampling::StepSchedule query_schedule(const graph::PartitionManifest& manifest, const Job& job) {
  std::vector<std::uint64_t> queries;
  for (const graph::PartFigures& part : manifest.figures) queries.push_back(part.queries);
  return {std::move(queries), job.train.batch_size};
}

std::uint64_t negative_count(const graph::PartitionManifest& manifest, const Job& job) {
  return job.negatives.scope == "all" ? manifest.entity_count : job.negatives.count;
}

exchange::RowSizes row_sizes(const graph::PartitionManifest& manifest, const Job& job) {
  const sampling::StepSchedule schedule = query_schedule(manifest, job);
  const std::uint64_t negatives = negative_count(manifest, job);
  exchange::RowSizes sizes;
  for (std::uint32_t p = 0; p < manifest.part_count(); ++p) {
    const std::uint64_t queries = schedule.largest_share(PartId(p));
    const std::uint64_t own = manifest.rows(PartId(p));
    sizes.remote.push_back(std::min(queries + negatives, manifest.entity_count - own));
    sizes.own.push_back(std::min(2 * queries + negatives, own));
  }
  return sizes;
}

RowsSizes rows_sizes(const EngineSetup& setup) {
  const graph::PartitionManifest& manifest = setup.shard.manifest;
  const model::Parameters& parameters = setup.parameters;
  const sampling::StepSchedule schedule = query_schedule(manifest, setup.job);
  RowsSizes sizes;
  for (std::uint32_t p = 0; p < manifest.part_count(); ++p) sizes.queries.push_back(schedule.largest_share(PartId(p)));
  for (const graph::Part& part : setup.shard.parts) sizes.own.push_back(sizes.queries[part.id().index()]);
  sizes.rows = row_sizes(manifest, setup.job);
  sizes.negatives = negative_count(manifest, setup.job);
  if (has_priors(setup.job)) sizes.round = setup.round;
  sizes.dim = parameters.dim();
  sizes.format = model::find_row_format(setup.job.exchange.format);
  const kernels::RowFormat stored = parameters.parts().front().rows.format;
  sizes.row_bytes = kernels::row_bytes(stored == kernels::RowFormat::kFp32 ? sizes.format : stored, sizes.dim);
  sizes.relations = parameters.relations().rows;
  sizes.gradient_dim = relation_gradient_dim(parameters);
  sizes.has_core = parameters.scorer().has_core();
  sizes.drops_relations = setup.job.dropout.relation > 0;
  sizes.has_weights = setup.shard.has_weights();
  std::size_t distinct = 0;
  for (const std::uint64_t queries : sizes.queries) distinct += std::min<std::size_t>(queries, sizes.relations);
  sizes.makes_all_operators = distinct >= sizes.relations;
  return sizes;
}

}  // namespace tessera::train
