// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/resident/candidates.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace tessera::train {

using exchange::PartRange;
using kernels::Similarity;
using kernels::Space;
using memory::Tag;

template <Space kSpace>
ResidentCandidates<kSpace>::ResidentCandidates(Resident<kSpace>& in, const graph::Shard& shard,
                                               const CandidateLoss& loss, const QueriesStep::Capacity& capacity)
    : in_(in),
      loss_(loss),
      entities_(shard.manifest.entity_count),
      first_part_(shard.parts.front().id().value()),
      width_(loss.relation_weight > 0 ? 2 * in.dim : in.dim),
      capacity_(capacity.queries) {
  std::size_t most_gradients = 0;
  std::size_t most_sums = 0;
  for (std::size_t p = 0; p < shard.parts.size(); ++p) {
    const QueryBatch::Capacity& own = capacity.own_parts[p];
    const std::size_t rows = shard.parts[p].rows();
    Part part;
    part.rows = loss_.exact ? rows : own.candidates;
    part.tiles = std::max<std::size_t>(1, (part.rows + QueriesStep::kTileRows - 1) / QueriesStep::kTileRows);
    const ConstStoredRows table = in.tables.part(p).rows;
    if (is_gathered(table)) part.gathered = in.allocate(Tag::kHalo, part.rows, in.dim);
    if (!loss_.exact && loss.unbiased)
      part.shift = static_cast<float>(std::log(static_cast<double>(rows) / static_cast<double>(part.rows)));
    part.values = in.allocate_padded(Tag::kLogits, capacity.queries, part.rows);
    part.highest = in.allocate(Tag::kLogits, capacity.queries, part.tiles);
    part.sums = in.allocate(Tag::kLogits, capacity.queries, part.tiles);
    if (!loss.binary) part.part_highest = in.allocate(Tag::kLogits, capacity.queries, 1);
    part.factors = in.allocate(Tag::kLogits, part.tiles, capacity.queries);
    const auto& gradients = in.kernels.gradients;
    if (is_gathered(table) || !table.is_bfloat16())
      part.packed_rows = in.allocate_packed(Tag::kLogits, gradients.packed_bytes(part.rows, in.dim));
    part.packed_weights = in.allocate_packed(Tag::kLogits, gradients.packed_weight_bytes(capacity.queries, part.rows));
    parts_.push_back(part);
    const std::size_t occurrences = part.rows + capacity.targets + own.queries;
    most_gradients = std::max(most_gradients, loss_.exact ? rows : occurrences);
    most_sums = std::max(most_sums, std::min<std::size_t>(rows, loss_.exact ? own.queries : occurrences));
  }
  packed_queries_ = in.allocate_packed(Tag::kLogits, in.kernels.gradients.packed_bytes(capacity.queries, in.dim));
  gradients_ = in.allocate(Tag::kGradients, most_gradients, in.dim);
  row_sums_ = in.allocate(Tag::kGradients, most_sums, in.dim);
  const auto levels = static_cast<std::size_t>(std::bit_width(shard.parts.size() - 1));
  for (std::size_t level = 0; level < levels; ++level)
    levels_.push_back(in.allocate(Tag::kGradients, capacity.queries, width_));
  level_statistics_ = in.place.template allocate<kernels::Statistic>(Tag::kLogits, levels * capacity.queries);
  terms_ = in.place.template allocate<kernels::LossTerms>(Tag::kLogits, capacity.queries);
  target_scores_ = in.place.template allocate<float>(Tag::kLogits, capacity.targets);
  target_weights_ = in.place.template allocate<float>(Tag::kLogits, capacity.targets);
}

// ---- scores

template <Space kSpace>
bool ResidentCandidates<kSpace>::is_gathered(const ConstStoredRows& table) const {
  return !loss_.exact || (table.is_bfloat16() && !in_.kernels.gradients.takes_bfloat16(table.cols, table.stride));
}

template <Space kSpace>
void ResidentCandidates<kSpace>::score(const Lists& lists, ConstMatrix queries) {
  batch_ = lists.queries;
  queries_ = in_.kernels.gradients.pack(queries, packed_queries_);
  for (std::size_t p = 0; p < parts_.size(); ++p) score_part(p, lists);
}

template <Space kSpace>
void ResidentCandidates<kSpace>::score_part(std::size_t p, const Lists& lists) {
  const auto& kernels = in_.kernels;
  Part& part = parts_[p];
  const PartLists<kSpace>& list = lists.parts[p];
  const ConstStoredRows table = in_.tables.part(p).rows;
  const Matrix values = in_.first(part.values, batch_);
  const kernels::BasicCells<kSpace> targets{list.target_query, list.target_row};
  if (!loss_.exact) kernels.targets.score(queries_.matrix, table, targets, list.target_entry, target_scores(lists));
  const bool is_copied = is_gathered(table);
  if (is_copied) kernels.rows.gather(table, loss_.exact ? in_.counting(part.rows) : list.candidates, part.gathered);
  if (!is_copied && table.is_bfloat16())
    part.candidates = Operand::stored(table);
  else
    part.candidates = kernels.gradients.pack(is_copied ? ConstMatrix(part.gathered) : table.matrix(), part.packed_rows);
  kernels.scores.all_pairs(Similarity::kDot, queries_, part.candidates, values);
  if (loss_.exact)
    kernels.targets.read(values, targets, list.target_entry, target_scores(lists));
  else  // a sampled candidate that is a target of the query does not count against it
    kernels.targets.fill(-std::numeric_limits<float>::infinity(), list.masked, values);
  turn_into_values(part);
}

template <Space kSpace>
void ResidentCandidates<kSpace>::turn_into_values(const Part& part) {
  const auto& softmax = in_.kernels.softmax;
  const Matrix values = in_.first(part.values, batch_);
  const Matrix highest = in_.first(part.highest, batch_);
  const Matrix sums = in_.first(part.sums, batch_);
  if (loss_.binary)
    return softmax.logistic(values, QueriesStep::kTileRows, binary_loss(loss_, 1, entities_).offset, highest, sums);
  softmax.exponentials(values, QueriesStep::kTileRows, highest, sums);
  // Those of the maxima; their sums are not needed and go where the factors will be.
  softmax.exponentials(highest, part.tiles, in_.first(part.part_highest, batch_),
                       Matrix{part.factors.data, batch_, 1, 1});
}

template <Space kSpace>
void ResidentCandidates<kSpace>::statistics(PartRange node, std::size_t level, Vector<kernels::Statistic> out) {
  const auto& statistics_of = in_.kernels.statistics;
  if (node.size() == 1) {
    const Part& part = parts_[node.first - first_part_];
    if (loss_.binary) return statistics_of.of_part(in_.first(part.highest, batch_), in_.first(part.sums, batch_), out);
    return statistics_of.of_part(in_.first(part.highest, batch_), in_.first(part.sums, batch_),
                                 in_.vector(part.part_highest, batch_), part.shift, out);
  }
  const std::uint32_t middle = exchange::split_point(node);
  const auto right = level_statistics_.span().subspan(level * capacity_, batch_);
  statistics({node.first, middle}, level + 1, out);
  statistics({middle, node.end}, level + 1, right);
  if (loss_.binary)
    statistics_of.add(right, out);
  else
    statistics_of.merge(right, out);
}

template <Space kSpace>
void ResidentCandidates<kSpace>::weigh(const Lists& lists, Vector<const kernels::Statistic> all, float scale,
                                       std::uint64_t step, Vector<kernels::LossSum> losses) {
  const auto& statistics = in_.kernels.statistics;
  const auto terms = terms_.span().subspan(0, batch_);
  const auto target_weights = target_weights_.span().subspan(0, lists.targets);
  if (loss_.binary)
    statistics.terms(binary_loss(loss_, scale, entities_), all, target_scores(lists), lists.first_target, terms,
                     target_weights);
  else
    statistics.terms(kernels::SoftmaxLoss{scale, loss_.exact}, all, target_scores(lists), lists.first_target, terms,
                     target_weights);
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    Part& part = parts_[p];
    const Matrix factors = part.factors.columns(0, batch_);
    if (loss_.binary)
      in_.kernels.rows.fill(scale, factors);
    else
      statistics.factors(in_.first(part.highest, batch_), in_.vector(part.part_highest, batch_), part.shift, terms,
                         factors);
    part.weights = in_.kernels.gradients.pack(
        TiledWeights{in_.first(part.values, batch_), factors, QueriesStep::kTileRows}, part.packed_weights);
    statistics.add_losses(terms.subspan(lists.parts[p].query_begin, lists.parts[p].queries), step,
                          losses.subspan(p, 1));
  }
}

// ---- gradients

// Tiles in order, then the targets that are rows of the part.
template <Space kSpace>
void ResidentCandidates<kSpace>::query_gradients(PartRange node, const Lists& lists, const Prediction* prediction,
                                                 std::size_t level, Matrix out) {
  const auto& kernels = in_.kernels;
  if (node.size() == 1) {
    const std::size_t p = node.first - first_part_;
    const PartLists<kSpace>& list = lists.parts[p];
    const auto by_query = in_.in_order(list.query_offsets, list.targets);
    const Matrix of_queries = out.columns(0, in_.dim);
    kernels.gradients.to_queries_tiled(parts_[p].weights, parts_[p].candidates, of_queries);
    kernels.targets.add_weighted({target_weights_.span().subspan(0, lists.targets),
                                  list.target_entry,
                                  in_.tables.part(p).rows,
                                  list.target_row,
                                  {}},
                                 by_query, of_queries, in_.counting(batch_));
    if (prediction != nullptr)
      kernels.rows.sum_segments(prediction->source_gradients(list), by_query.offsets, by_query.positions,
                                out.columns(in_.dim, in_.dim));
    return;
  }
  const std::uint32_t middle = exchange::split_point(node);
  const Matrix right = in_.first(levels_[level], batch_);
  query_gradients({node.first, middle}, lists, prediction, level + 1, out);
  query_gradients({middle, node.end}, lists, prediction, level + 1, right);
  kernels.rows.add(right, in_.counting(batch_), in_.counting(batch_), out);
}

// What targets add to their rows: the queries by weight, each followed by the gradient from relation prediction.
template <Space kSpace>
kernels::BasicWeightedRows<kSpace> ResidentCandidates<kSpace>::weighted_queries(const PartLists<kSpace>& part,
                                                                                const Prediction* prediction) const {
  return {target_weights_.span(), part.target_entry, queries_.matrix, part.target_query,
          prediction != nullptr ? prediction->target_gradients(part) : ConstMatrix{}};
}

template <Space kSpace>
void ResidentCandidates<kSpace>::update(std::size_t p, const Lists& lists, ConstMatrix source_gradients,
                                        const Prediction* prediction, const Penalty& penalty,
                                        const Optimiser& optimiser) {
  if (loss_.exact)
    update_all(p, lists, source_gradients, prediction, penalty, optimiser);
  else
    update_sampled(p, lists, source_gradients, prediction, penalty, optimiser);
}

template <Space kSpace>
void ResidentCandidates<kSpace>::update_all(std::size_t p, const Lists& lists, ConstMatrix source_gradients,
                                            const Prediction* prediction, const Penalty& penalty,
                                            const Optimiser& optimiser) {
  const auto& kernels = in_.kernels;
  const PartLists<kSpace>& list = lists.parts[p];
  const auto& table = in_.tables.part(p);
  const Matrix gradients = in_.first(gradients_, parts_[p].rows);
  kernels.gradients.to_rows_tiled(parts_[p].weights, queries_, gradients);
  kernels.targets.add_weighted(weighted_queries(list, prediction), list.by_target, gradients, list.target_ids);
  in_.penalise(penalty.regulariser.power, in_.scorer.is_complex(), penalty.regulariser.entities * penalty.scale,
               list.target_counts, table.rows, list.target_ids, gradients, list.target_ids);
  const Matrix sums = in_.first(row_sums_, list.source_ids.size());
  kernels.rows.sum_segments(source_gradients, list.by_source.offsets, list.by_source.positions, sums);
  kernels.rows.add(sums, in_.counting(sums.rows), list.source_ids, gradients);
  optimiser.apply_in<kSpace>(kernels, gradients, in_.counting(gradients.rows), table.rows, table.state);
}

// Gradients by occurrence: candidates, targets, sources.
template <Space kSpace>
void ResidentCandidates<kSpace>::update_sampled(std::size_t p, const Lists& lists, ConstMatrix source_gradients,
                                                const Prediction* prediction, const Penalty& penalty,
                                                const Optimiser& optimiser) {
  const auto& kernels = in_.kernels;
  const PartLists<kSpace>& list = lists.parts[p];
  const auto& table = in_.tables.part(p);
  const std::size_t sampled = parts_[p].rows;
  const auto each_target = in_.counting(list.targets);
  const Matrix of_targets = gradients_.block(sampled, list.targets);
  kernels.gradients.to_rows_tiled(parts_[p].weights, queries_, in_.first(gradients_, sampled));
  kernels.rows.fill(0, of_targets);
  kernels.targets.add_weighted(weighted_queries(list, prediction), in_.one_by_one(list.targets), of_targets,
                               each_target);
  in_.penalise(penalty.regulariser.power, in_.scorer.is_complex(), penalty.regulariser.entities * penalty.scale,
               in_.ones(list.targets), table.rows, list.target_row, of_targets, each_target);
  kernels.rows.gather(source_gradients, in_.counting(list.queries),
                      gradients_.block(sampled + list.targets, list.queries));
  const Matrix sums = in_.first(row_sums_, list.occurrence_ids.size());
  kernels.rows.sum_segments(in_.first(gradients_, sampled + list.targets + list.queries), list.by_occurrence.offsets,
                            list.by_occurrence.positions, sums);
  optimiser.apply_in<kSpace>(kernels, sums, list.occurrence_ids, table.rows, table.state);
}

template class ResidentCandidates<Space::kHost>;
template class ResidentCandidates<Space::kDevice>;

}  // namespace tessera::train
