// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/resident/staged_exchange.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::train {

using kernels::Space;
using kernels::Statistic;
using memory::Tag;

template <Space kSpace>
StagedExchange<kSpace>::StagedExchange(const EngineSetup& setup, const StepSchedule& schedule, Resident<kSpace>& in)
    : Base(setup, schedule, in, true),
      staging_(in.place, setup.pool, Tag::kExchange, kSlotBytes),
      relation_sum_(setup.comm, shard_.placement, predicts_ ? in.relation_count : schedule.largest_share(),
                    in.relation_count, in.gradient_dim, setup.pool) {
  const QueriesStep::Capacity capacity = step_capacity(setup, schedule);
  std::size_t own = 0;
  std::size_t leaves = 0;
  for (const QueryBatch::Capacity& part : capacity.own_parts) {
    own += part.queries;
    leaves += predicts_ ? in.relation_count : std::min<std::size_t>(part.queries, in.relation_count);
  }
  statistics_ = in.place.template allocate<Statistic>(Tag::kExchange, host_.all_subtrees().size() * capacity.queries);
  returned_ = in.allocate(Tag::kExchange, own, width_);
  relation_sums_ = in.allocate(Tag::kGradients, in.relation_count, in.gradient_dim);
  relation_ids_ = in.place.template allocate<std::uint32_t>(Tag::kExchange, in.relation_count);
  queries_ = setup.pool.template allocate<float>(Tag::kExchange, own * width_);
  leaves_ = setup.pool.template allocate<float>(Tag::kExchange, leaves * in.gradient_dim);
  all_relations_ = setup.pool.template allocate<std::uint32_t>(Tag::kExchange, in.relation_count);
  std::iota(all_relations_.data(), all_relations_.data() + in.relation_count, 0U);
  part_queries_.resize(shard_.parts.size());
  part_leaves_.resize(shard_.parts.size());
}

template <Space kSpace>
void StagedExchange<kSpace>::gather_queries(const Lists& lists, Matrix queries) {
  const std::size_t first = lists.parts.front().query_begin;
  const std::size_t end = lists.parts.back().query_begin + lists.parts.back().queries;
  staging_.fetch(Vector<const float>(queries.row(first), (end - first) * width_),
                 queries_.span().subspan(0, (end - first) * width_));
  for (std::size_t p = 0; p < lists.parts.size(); ++p) {
    const PartLists<kSpace>& part = lists.parts[p];
    const float* own = queries_.data() + (part.query_begin - first) * width_;
    part_queries_[p].queries = {own, part.queries, in_.dim, width_};
    part_queries_[p].sources = {own + in_.dim, part.queries, in_.dim, width_};
  }
  host_.gather_vectors(part_queries_);
  staging_.bring(std::span<const float>(host_.queries().data, lists.queries * width_),
                 Vector<float>(queries.data, lists.queries * width_));
}

template <Space kSpace>
kernels::Vector<kSpace, Statistic> StagedExchange<kSpace>::statistics(const Lists& lists, std::size_t k) {
  return statistics_.span().subspan(k * lists.queries, lists.queries);
}

template <Space kSpace>
kernels::Vector<kSpace, const Statistic> StagedExchange<kSpace>::merge_statistics(const Lists& lists,
                                                                                  Vector<float> target_scores) {
  const std::size_t count = host_.subtrees().size() * lists.queries;
  staging_.fetch(Vector<const Statistic>(statistics_.span().subspan(0, count)),
                 std::span(host_.statistics(0).data(), count));
  staging_.fetch(Vector<const float>(target_scores), host_.target_scores());
  const std::span<const Statistic> all = host_.gather_statistics();
  staging_.bring(all, statistics_.span().subspan(0, all.size()));
  staging_.bring(std::span<const float>(host_.target_scores()), target_scores);
  return this->merge(host_.all_subtrees(), statistics_.span(), lists.queries);
}

template <Space kSpace>
typename StagedExchange<kSpace>::Matrix StagedExchange<kSpace>::return_gradients(const Lists& lists) {
  const std::size_t count = host_.subtrees().size() * lists.queries * width_;
  staging_.fetch(Vector<const float>(gradients_.data, count), std::span(host_.subtree_gradients(0).data, count));
  host_.begin_return();
  std::size_t at = 0;
  for (std::size_t p = 0; p < lists.parts.size(); ++p) {
    const kernels::ConstMatrix own = host_.finish_return(p);
    staging_.bring(std::span<const float>(own.data, own.rows * width_),
                   Vector<float>(returned_.row(at), own.rows * width_));
    at += own.rows;
  }
  return in_.first(returned_, at);
}

template <Space kSpace>
typename StagedExchange<kSpace>::RelationSum StagedExchange<kSpace>::sum_relations(const Lists& lists, Matrix own,
                                                                                   bool& failed) {
  const std::size_t cols = in_.gradient_dim;
  std::size_t rows = 0;
  for (std::size_t p = 0; p < lists.parts.size(); ++p) {
    const auto ids =
        predicts_ ? std::span<const std::uint32_t>(all_relations_.span()) : lists.parts[p].host_relation_ids;
    part_leaves_[p] = {ids, {leaves_.data() + rows * cols, ids.size(), cols, cols}};
    rows += ids.size();
  }
  staging_.fetch(Vector<const float>(own.data, rows * cols), leaves_.span().subspan(0, rows * cols));
  const exchange::SparseRows sum = relation_sum_.sum(part_leaves_, failed);
  const Matrix sums = in_.first(relation_sums_, sum.ids.size());
  const auto ids = relation_ids_.span().subspan(0, sum.ids.size());
  staging_.bring(sum.ids, ids);
  staging_.bring(std::span<const float>(sum.rows.data, sum.ids.size() * cols),
                 Vector<float>(sums.data, sum.ids.size() * cols));
  return {sums, ids};
}

template class StagedExchange<Space::kHost>;
template class StagedExchange<Space::kDevice>;

}  // namespace tessera::train
