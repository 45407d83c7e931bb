// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/resident/resident_engine.hpp"

#include "core/fault.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::train {

using exchange::PartRange;
using kernels::Space;
using kernels::Statistic;
using memory::Tag;

namespace {

// Of rows, only where all are candidates: sampled ones need none that is as long as a part.
std::uint64_t longest_list(const EngineSetup& setup, const QueriesStep::Capacity& capacity) {
  std::uint64_t longest = std::max(capacity.queries, capacity.targets);
  if (candidate_loss(setup.job).exact)
    for (const graph::Part& part : setup.shard.parts) longest = std::max<std::uint64_t>(longest, part.rows());
  const std::uint64_t relations = setup.parameters.relations().rows;
  return std::max(longest, relations * capacity.own_parts.size());
}

}  // namespace

template <Space kSpace>
ResidentEngine<kSpace>::ResidentEngine(const EngineSetup& setup, Place<kSpace>& place,
                                       const kernels::BasicBackend<kSpace>& backend)
    : comm_(setup.comm),
      shard_(setup.shard),
      parameters_(setup.parameters),
      place_(place),
      schedule_(item_schedule(setup)),
      loss_of_(candidate_loss(setup.job)),
      staged_(comm_.size() > 1),
      candidates_per_part_(sampled_per_part(setup.job, shard_.manifest.part_count())),
      optimiser_(setup.job.optimiser, setup.job.schedule),
      // One rank needs no more of it than who has which target.
      exchange_(comm_, shard_, staged_ ? parameters_.dim() : 0, staged_ && loss_of_.relation_weight > 0,
                exchange_capacity(setup, schedule_), setup.pool),
      draw_(setup, schedule_, exchange_, place),
      in_(place, backend, parameters_, {parameters_, shard_.manifest, RowFormat::of(setup.job), place},
          longest_list(setup, step_capacity(setup, schedule_))),
      candidates_(in_, shard_, loss_of_, step_capacity(setup, schedule_)),
      width_(loss_of_.relation_weight > 0 ? 2 * in_.dim : in_.dim),
      loss_(comm_, shard_),
      host_losses_(shard_.parts.size()) {
  const QueriesStep::Capacity capacity = step_capacity(setup, schedule_);
  if (loss_of_.relation_weight > 0)
    prediction_ = std::make_unique<ResidentPrediction<kSpace>>(in_, shard_.parts.size(), capacity.targets);
  for (const graph::PartFigures& part : shard_.manifest.figures) query_count_ += part.queries;
  part_queries_.resize(shard_.parts.size());
  host_leaves_.resize(shard_.parts.size());
  allocate(capacity, setup.pool);
}

template <Space kSpace>
void ResidentEngine<kSpace>::allocate(const QueriesStep::Capacity& capacity, memory::Pool& host) {
  capacity_ = capacity.queries;
  std::size_t own = 0;
  std::size_t leaves = 0;
  for (const QueryBatch::Capacity& part : capacity.own_parts) {
    own_begin_.push_back(own);
    own += part.queries;
    leaves += std::min<std::size_t>(part.queries, in_.relation_count);
  }
  const std::size_t subtrees = exchange_.subtrees().size();
  queries_ = in_.allocate(Tag::kBatch, capacity_, width_);
  if (!prediction_) sources_ = in_.allocate(Tag::kBatch, own, in_.dim);
  gradients_ = in_.allocate(Tag::kGradients, subtrees * capacity_, width_);
  source_gradients_ = in_.allocate(Tag::kGradients, own, in_.dim);
  leaves_ = in_.allocate(Tag::kGradients, leaves, in_.operator_dim);
  relation_sums_ = in_.allocate(Tag::kGradients, in_.relation_count, in_.operator_dim);
  statistics_ = place_.template allocate<Statistic>(Tag::kLogits, subtrees * capacity_);
  losses_ = place_.template allocate<kernels::LossSum>(Tag::kLogits, shard_.parts.size());
  if (!staged_) return;
  returned_ = in_.allocate(Tag::kGradients, own, width_);
  relation_ids_ = place_.template allocate<std::uint32_t>(Tag::kBatch, in_.relation_count);
  const std::size_t leaf_rows = prediction_ ? shard_.parts.size() * in_.relation_count : leaves;
  staged_queries_ = host.allocate<float>(Tag::kExchange, own * width_);
  staged_leaves_ = host.allocate<float>(Tag::kExchange, leaf_rows * in_.operator_dim);
  all_relations_ = host.allocate<std::uint32_t>(Tag::kBatch, in_.relation_count);
  std::iota(all_relations_.data(), all_relations_.data() + in_.relation_count, 0U);
  relation_sum_ = std::make_unique<exchange::SparseTreeSum>(
      comm_, shard_.placement, prediction_ ? in_.relation_count : schedule_.largest_share(), in_.relation_count,
      in_.operator_dim, host);
}

template <Space kSpace>
std::string ResidentEngine<kSpace>::description() const {
  const std::string candidates = loss_of_.exact
                                     ? fmt::format("all {} entities are candidates", shard_.manifest.entity_count)
                                     : fmt::format("{} sampled candidates in each part", candidates_per_part_);
  const bool is_bfloat16 = in_.tables.part(0).rows.is_bfloat16();
  return fmt::format("moves queries; {}; parameters and steps stay with the kernels '{}'{}; {}", candidates,
                     in_.kernels.name, is_bfloat16 ? ", entity rows in bfloat16" : "",
                     staged_ ? "ranks exchange through the host" : "only lists are sent to them");
}

// ---- an epoch

template <Space kSpace>
double ResidentEngine<kSpace>::run_epoch(std::uint32_t epoch, Progress* progress) {
  if (!brought_) in_.tables.bring(parameters_);
  brought_ = true;
  loss_terms_ = 0;
  clear_losses();
  const std::uint64_t steps = schedule_.steps();
  if (steps > 0) draw_.draw(epoch, 0, lists_[0]);
  for (std::uint64_t step = 0; step < steps; ++step) {
    compute_step(epoch, step);
    if (step + 1 < steps) draw_.draw(epoch, step + 1, lists_[(step + 1) % lists_.size()]);
    if (progress != nullptr && progress->due()) {
      fetch_losses();
      const std::uint64_t done = query_count_ * epoch + query_count_ * (step + 1) / steps;
      progress->update(done / 2, fmt::format("epoch {}, loss about {:.4f}", epoch + 1, loss_.mean_so_far(loss_terms_)));
    }
  }
  fetch_losses();
  auto bad = static_cast<std::int64_t>(steps);
  for (const kernels::LossSum& part : host_losses_)
    if (part.bad_step != kernels::LossSum::kNone) bad = std::min(bad, static_cast<std::int64_t>(part.bad_step));
  bad = comm_.reduce(bad, comm::Reduction::kMin);
  if (bad < static_cast<std::int64_t>(steps)) fail_not_finite(epoch, static_cast<std::uint64_t>(bad));
  return loss_.mean(loss_terms_);
}

template <Space kSpace>
void ResidentEngine<kSpace>::clear_losses() {
  std::fill(host_losses_.begin(), host_losses_.end(), kernels::LossSum{});
  place_.bring(std::span<const kernels::LossSum>(host_losses_), losses_.span());
  place_.finish();
}

template <Space kSpace>
void ResidentEngine<kSpace>::fetch_losses() {
  place_.fetch(kernels::Vector<kSpace, const kernels::LossSum>(losses_.span()), std::span(host_losses_));
  place_.finish();
  for (std::size_t p = 0; p < host_losses_.size(); ++p) loss_.by_part()[p] = host_losses_[p].sum;
}

// ---- a step

template <Space kSpace>
void ResidentEngine<kSpace>::compute_step(std::uint32_t epoch, std::uint64_t step) {
  const StepLists<kSpace>& lists = lists_[step % lists_.size()];
  const auto scale = static_cast<float>(1 / static_cast<double>(lists.targets));
  const Penalty penalty{loss_of_.regulariser, scale};
  draw_.ring().take(step);
  compose(lists);
  if (staged_) gather_queries(lists);
  fault_point("train.step", comm_.rank());
  const ConstMatrix queries = in_.first(queries_, lists.queries).columns(0, in_.dim);
  candidates_.score(lists, queries);
  merge_statistics(lists);
  candidates_.weigh(lists, statistics_.span().subspan(0, lists.queries), scale, step, losses_.span());
  if (prediction_)
    prediction_->compute(lists, in_.first(queries_, lists.queries).columns(in_.dim, in_.dim), scale,
                         loss_of_.relation_weight, step, losses_.span());
  for (std::size_t k = 0; k < exchange_.subtrees().size(); ++k)
    candidates_.query_gradients(exchange_.subtrees()[k], lists, prediction_.get(),
                                gradients_.block(k * capacity_, lists.queries));
  if (staged_) return_gradients(lists);
  for (std::size_t p = 0; p < lists.parts.size(); ++p) side_gradients(p, lists.parts[p], penalty);
  optimiser_.begin_step(epoch * schedule_.steps() + step, schedule_.steps());
  in_.tables.begin_step(epoch * schedule_.steps() + step);
  for (std::size_t p = 0; p < lists.parts.size(); ++p)
    candidates_.update(p, lists, own_source_gradients(p, lists.parts[p]), prediction_.get(), penalty, optimiser_);
  update_relations(lists);
  draw_.ring().done(step);
  loss_terms_ += lists.targets;
}

template <Space kSpace>
typename ResidentEngine<kSpace>::Matrix ResidentEngine<kSpace>::own_queries(const PartLists<kSpace>& part) const {
  return queries_.block(part.query_begin, part.queries).columns(0, in_.dim);
}

template <Space kSpace>
typename ResidentEngine<kSpace>::Matrix ResidentEngine<kSpace>::own_sources(std::size_t p,
                                                                            const PartLists<kSpace>& part) const {
  if (prediction_) return queries_.block(part.query_begin, part.queries).columns(in_.dim, in_.dim);
  return sources_.block(own_begin_[p], part.queries);
}

template <Space kSpace>
typename ResidentEngine<kSpace>::Matrix ResidentEngine<kSpace>::own_gradients(std::size_t p,
                                                                              const PartLists<kSpace>& part) const {
  return staged_ ? returned_.block(own_begin_[p], part.queries) : gradients_.block(part.query_begin, part.queries);
}

template <Space kSpace>
typename ResidentEngine<kSpace>::Matrix ResidentEngine<kSpace>::own_source_gradients(
    std::size_t p, const PartLists<kSpace>& part) const {
  return source_gradients_.block(own_begin_[p], part.queries);
}

template <Space kSpace>
void ResidentEngine<kSpace>::compose(const StepLists<kSpace>& lists) {
  for (std::size_t p = 0; p < lists.parts.size(); ++p) {
    const PartLists<kSpace>& part = lists.parts[p];
    const Matrix sources = own_sources(p, part);
    in_.kernels.rows.gather(in_.tables.part(p).rows, part.sources, sources);
    in_.kernels.composition.compose(in_.scorer.formula(), sources, in_.tables.relations().rows, part.relations,
                                    own_queries(part));
  }
}

// From gradients of query vectors to those of relations and sources, with the penalties.
template <Space kSpace>
void ResidentEngine<kSpace>::side_gradients(std::size_t p, const PartLists<kSpace>& part, const Penalty& penalty) {
  const auto& kernels = in_.kernels;
  const float power = penalty.regulariser.power;
  const auto each = in_.counting(part.queries);
  const Matrix returned = own_gradients(p, part);
  const Matrix gradients = returned.columns(0, in_.dim);
  in_.penalise(power, in_.scorer.is_complex(), penalty.regulariser.products * penalty.scale, part.answers,
               own_queries(part), each, gradients, each);
  relation_leaf(p, part, penalty);
  const Matrix out = own_source_gradients(p, part);
  kernels.composition.backward(in_.scorer.formula(), in_.tables.relations().rows, part.relations, gradients, out);
  if (prediction_) kernels.rows.add(returned.columns(in_.dim, in_.dim), each, each, out);
  in_.penalise(power, in_.scorer.is_complex(), penalty.regulariser.entities * penalty.scale, part.answers,
               in_.tables.part(p).rows, part.sources, out, each);
}

template <Space kSpace>
void ResidentEngine<kSpace>::relation_leaf(std::size_t p, const PartLists<kSpace>& part, const Penalty& penalty) {
  const ConstMatrix relations = in_.tables.relations().rows;
  const auto each = in_.counting(part.relation_ids.size());
  const Matrix leaf = leaves_.block(part.first_leaf, part.relation_ids.size());
  in_.kernels.composition.operator_gradients(in_.scorer.formula(), own_sources(p, part), relations, part.relation_ids,
                                             own_gradients(p, part).columns(0, in_.dim), part.by_relation, leaf);
  in_.penalise(penalty.regulariser.power, in_.scorer.is_relation_complex(),
               penalty.regulariser.relations * penalty.scale, part.relation_answers, relations, part.relation_ids, leaf,
               each);
  if (prediction_) in_.kernels.rows.add(leaf, each, part.dense_slots, prediction_->relation_gradients());
}

// ---- relations

template <Space kSpace>
void ResidentEngine<kSpace>::update_relations(const StepLists<kSpace>& lists) {
  const auto& kernels = in_.kernels;
  const auto& table = in_.tables.relations();
  if (staged_) return sum_over_ranks(lists);
  if (prediction_) {
    const Matrix dense = prediction_->relation_gradients();
    sum_over_parts({0, shard_.manifest.part_count()}, dense);
    return optimiser_.template apply_in<kSpace>(kernels, in_.first(dense, in_.relation_count),
                                                in_.counting(in_.relation_count), table.rows, table.state);
  }
  for (const NodeAdds<kSpace>& node : lists.relation_adds) kernels.rows.add(leaves_, node.from, node.to, leaves_);
  const Matrix sums = in_.first(relation_sums_, lists.relation_ids.size());
  kernels.rows.gather(leaves_, lists.relation_slots, sums);
  optimiser_.template apply_in<kSpace>(kernels, sums, lists.relation_ids, table.rows, table.state);
}

// The gradients of all relations from each part, added up in place: those of a node are where its first part's were.
template <Space kSpace>
void ResidentEngine<kSpace>::sum_over_parts(PartRange node, Matrix dense) {
  if (node.size() == 1) return;
  const std::uint32_t middle = exchange::split_point(node);
  sum_over_parts({node.first, middle}, dense);
  sum_over_parts({middle, node.end}, dense);
  const std::size_t count = in_.relation_count;
  in_.kernels.rows.add(dense, in_.counting(count, middle * count), in_.counting(count, node.first * count), dense);
}

// ---- several ranks: through the host

template <Space kSpace>
void ResidentEngine<kSpace>::sum_over_ranks(const StepLists<kSpace>& lists) {
  const std::size_t cols = in_.operator_dim;
  const Matrix from = prediction_ ? prediction_->relation_gradients() : leaves_;
  place_.fetch(kernels::Vector<kSpace, const float>(from.data, from.rows * cols), staged_leaves_.span());
  place_.finish();
  for (std::size_t p = 0; p < lists.parts.size(); ++p) {
    const PartLists<kSpace>& part = lists.parts[p];
    const std::size_t first = prediction_ ? p * in_.relation_count : part.first_leaf;
    const auto ids = prediction_ ? std::span<const std::uint32_t>(all_relations_.span()) : draw_.relation_ids(p);
    host_leaves_[p] = {ids, {staged_leaves_.data() + first * cols, ids.size(), cols, cols}};
  }
  bool flag = false;
  const exchange::SparseRows sum = relation_sum_->sum(host_leaves_, flag);
  const std::size_t count = sum.ids.size();
  const auto ids = relation_ids_.span().subspan(0, count);
  place_.bring(sum.ids, ids);
  place_.bring(std::span<const float>(sum.rows.data, count * cols),
               kernels::Vector<kSpace, float>(relation_sums_.data, count * cols));
  place_.finish();
  const auto& table = in_.tables.relations();
  optimiser_.template apply_in<kSpace>(in_.kernels, in_.first(relation_sums_, count), ids, table.rows, table.state);
}

template <Space kSpace>
void ResidentEngine<kSpace>::gather_queries(const StepLists<kSpace>& lists) {
  for (std::size_t p = 0; p < lists.parts.size(); ++p) {
    const PartLists<kSpace>& part = lists.parts[p];
    const auto own = staged_queries_.span().subspan(own_begin_[p] * width_, part.queries * width_);
    place_.fetch(kernels::Vector<kSpace, const float>(queries_.row(part.query_begin), own.size()), own);
    part_queries_[p].queries = {own.data(), part.queries, in_.dim, width_};
    part_queries_[p].sources = {own.data() + in_.dim, part.queries, in_.dim, width_};
  }
  place_.finish();
  exchange_.gather_vectors(part_queries_);
  place_.bring(std::span<const float>(exchange_.queries().data, lists.queries * width_),
               kernels::Vector<kSpace, float>(queries_.data, lists.queries * width_));
}

// Of the subtrees of this rank, and then of all parts.
template <Space kSpace>
void ResidentEngine<kSpace>::merge_statistics(const StepLists<kSpace>& lists) {
  const auto subtrees = exchange_.subtrees();
  for (std::size_t k = 0; k < subtrees.size(); ++k) {
    const auto own = statistics_.span().subspan(k * capacity_, lists.queries);
    candidates_.statistics(subtrees[k], own);
    if (staged_) place_.fetch(kernels::Vector<kSpace, const Statistic>(own), exchange_.statistics(k));
  }
  if (!staged_) return;
  const auto scores = candidates_.target_scores(lists);
  place_.fetch(kernels::Vector<kSpace, const float>(scores), exchange_.target_scores());
  place_.finish();
  place_.bring(exchange_.merge(kernels::merge_softmax), statistics_.span().subspan(0, lists.queries));
  place_.bring(std::span<const float>(exchange_.target_scores()), scores);
}

template <Space kSpace>
void ResidentEngine<kSpace>::return_gradients(const StepLists<kSpace>& lists) {
  for (std::size_t k = 0; k < exchange_.subtrees().size(); ++k) {
    const std::size_t count = lists.queries * width_;
    place_.fetch(kernels::Vector<kSpace, const float>(gradients_.row(k * capacity_), count),
                 std::span(exchange_.subtree_gradients(k).data, count));
  }
  place_.finish();
  exchange_.begin_return();
  for (std::size_t p = 0; p < lists.parts.size(); ++p) {
    const kernels::ConstMatrix own = exchange_.finish_return(p);
    place_.bring(std::span<const float>(own.data, own.rows * width_),
                 kernels::Vector<kSpace, float>(returned_.row(own_begin_[p]), own.rows * width_));
    place_.finish();  // the next part's are put where these are
  }
}

template class ResidentEngine<Space::kHost>;
template class ResidentEngine<Space::kDevice>;

}  // namespace tessera::train
