// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/resident/resident_engine.hpp"

#include "core/fault.hpp"

#include <algorithm>

namespace tessera::train {

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
  return std::max({longest, relations * capacity.own_parts.size(), setup.parameters.core().rows});
}

template <Space kSpace>
typename ResidentOperators<kSpace>::Capacity operator_capacity(const EngineSetup& setup,
                                                               const QueriesStep::Capacity& capacity) {
  typename ResidentOperators<kSpace>::Capacity most;
  for (const QueryBatch::Capacity& part : capacity.own_parts) {
    most.queries = std::max<std::size_t>(most.queries, part.queries);
    most.relations += std::min<std::size_t>(part.queries, setup.parameters.relations().rows);
  }
  // By numbers that are the same on any number of ranks, as then the products are.
  std::size_t of_all_parts = 0;
  for (const std::uint64_t queries : exchange_capacity(setup, item_schedule(setup)).queries)
    of_all_parts += std::min<std::size_t>(queries, setup.parameters.relations().rows);
  most.makes_all = setup.job.relation_prediction.weight > 0 || of_all_parts >= setup.parameters.relations().rows;
  return most;
}

}  // namespace

template <Space kSpace>
ResidentEngine<kSpace>::ResidentEngine(const EngineSetup& setup, Place<kSpace>& place,
                                       const kernels::BasicBackend<kSpace>& backend, RankTransport<kSpace>* transport)
    : comm_(setup.comm),
      shard_(setup.shard),
      parameters_(setup.parameters),
      place_(place),
      schedule_(item_schedule(setup)),
      loss_of_(candidate_loss(setup.job)),
      candidates_per_part_(sampled_per_part(setup.job, shard_.manifest.part_count())),
      optimiser_(setup.job.optimiser, setup.job.schedule),
      dropout_(setup.job, parameters_, 0, setup.pool),
      in_(place, backend, parameters_, {parameters_, shard_.manifest, RowFormat::of(setup.job), place},
          longest_list(setup, step_capacity(setup, schedule_))),
      exchange_(make_resident_exchange(setup, schedule_, in_, transport)),
      draw_(setup, schedule_, exchange_->host(), exchange_->needs_lists(), place),
      operators_(in_, dropout_, operator_capacity<kSpace>(setup, step_capacity(setup, schedule_))),
      candidates_(in_, shard_, loss_of_, step_capacity(setup, schedule_)),
      loss_(comm_, shard_),
      host_losses_(shard_.parts.size()) {
  const QueriesStep::Capacity capacity = step_capacity(setup, schedule_);
  if (loss_of_.relation_weight > 0)
    prediction_ = std::make_unique<ResidentPrediction<kSpace>>(in_, shard_.parts.size(), capacity.targets);
  for (const graph::PartFigures& part : shard_.manifest.figures) query_count_ += part.queries;
  allocate(capacity);
}

template <Space kSpace>
void ResidentEngine<kSpace>::allocate(const QueriesStep::Capacity& capacity) {
  std::size_t own = 0;
  std::size_t leaves = 0;
  for (const QueryBatch::Capacity& part : capacity.own_parts) {
    own_begin_.push_back(own);
    own += part.queries;
    leaves += std::min<std::size_t>(part.queries, in_.relation_count);
  }
  queries_ = in_.allocate(Tag::kBatch, capacity.queries, prediction_ ? 2 * in_.dim : in_.dim);
  if (!prediction_) sources_ = in_.allocate(Tag::kBatch, own, in_.dim);
  source_gradients_ = in_.allocate(Tag::kGradients, own, in_.dim);
  leaves_ = in_.allocate(Tag::kGradients, leaves, in_.gradient_dim);
  losses_ = place_.template allocate<kernels::LossSum>(Tag::kLogits, shard_.parts.size());
}

template <Space kSpace>
std::string ResidentEngine<kSpace>::description() const {
  const std::string candidates = loss_of_.exact
                                     ? fmt::format("all {} entities are candidates", shard_.manifest.entity_count)
                                     : fmt::format("{} sampled candidates in each part", candidates_per_part_);
  const bool is_bfloat16 = in_.tables.part(0).rows.is_bfloat16();
  return fmt::format("moves queries; {}; parameters and steps stay with the kernels '{}'{}; {}", candidates,
                     in_.kernels.name, is_bfloat16 ? ", entity rows in bfloat16" : "", exchange_->description());
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
  if (!exchange_->is_staged()) agree_on_losses(epoch);
  return loss_.mean(loss_terms_);
}

template <Space kSpace>
std::vector<kernels::BasicConstMatrix<kSpace>> ResidentEngine<kSpace>::rows() const {
  std::vector<ConstMatrix> rows;
  for (std::size_t p = 0; p < parameters_.parts().size(); ++p) {
    const auto& table = in_.tables.part(p).rows;
    if (table.is_bfloat16()) return {};
    rows.push_back(table.matrix());
  }
  return rows;
}

template <Space kSpace>
void ResidentEngine<kSpace>::clear_losses() {
  std::fill(host_losses_.begin(), host_losses_.end(), kernels::LossSum{});
  place_.bring(std::span<const kernels::LossSum>(host_losses_), losses_.span());
  place_.finish();
}

template <Space kSpace>
void ResidentEngine<kSpace>::fetch_losses() {
  place_.finish();  // before a copy that waits by itself
  place_.fetch(kernels::Vector<kSpace, const kernels::LossSum>(losses_.span()), std::span(host_losses_));
  place_.finish();
  for (std::size_t p = 0; p < host_losses_.size(); ++p) loss_.by_part()[p] = host_losses_[p].sum;
}

// Collective. Once an epoch, where ranks do not wait for each other on the host in every step.
template <Space kSpace>
void ResidentEngine<kSpace>::agree_on_losses(std::uint32_t epoch) {
  const auto none = static_cast<std::int64_t>(schedule_.steps());
  const auto own = static_cast<std::int64_t>(first_bad_step().value_or(schedule_.steps()));
  const std::int64_t bad = comm_.reduce(own, comm::Reduction::kMin);
  if (bad < none) fail_not_finite(epoch, static_cast<std::uint64_t>(bad));
}

// Of the losses that are fetched.
template <Space kSpace>
std::optional<std::uint64_t> ResidentEngine<kSpace>::first_bad_step() {
  fetch_losses();
  std::uint64_t bad = kernels::LossSum::kNone;
  for (const kernels::LossSum& part : host_losses_) bad = std::min<std::uint64_t>(bad, part.bad_step);
  if (bad == kernels::LossSum::kNone) return std::nullopt;
  return bad;
}

// ---- a step

template <Space kSpace>
void ResidentEngine<kSpace>::compute_step(std::uint32_t epoch, std::uint64_t step) {
  const StepLists<kSpace>& lists = lists_[step % lists_.size()];
  const std::uint64_t terms = loss_of_.binary ? lists.queries : lists.targets;
  const auto scale = static_cast<float>(1 / static_cast<double>(terms));
  const Penalty penalty{loss_of_.regulariser, scale};
  draw_.ring().take(step);
  compose(lists);
  exchange_->gather_queries(lists, queries_);
  fault_point("train.step", comm_.rank());
  const ConstMatrix queries = in_.first(queries_, lists.queries).columns(0, in_.dim);
  candidates_.score(lists, queries);
  candidates_.weigh(lists, statistics(lists), scale, step, losses_.span());
  if (prediction_)
    prediction_->compute(lists, in_.first(queries_, lists.queries).columns(in_.dim, in_.dim), operators_.table(), scale,
                         loss_of_.relation_weight, step, losses_.span());
  const Matrix gradients = query_gradients(lists);
  for (std::size_t p = 0; p < lists.parts.size(); ++p) {
    const PartLists<kSpace>& part = lists.parts[p];
    const std::size_t first = part.query_begin - lists.parts.front().query_begin;
    side_gradients(p, part, gradients.block(first, part.queries), penalty);
  }
  optimiser_.begin_step(epoch * schedule_.steps() + step, schedule_.steps());
  in_.tables.begin_step(epoch * schedule_.steps() + step);
  for (std::size_t p = 0; p < lists.parts.size(); ++p)
    candidates_.update(p, lists, own_source_gradients(p, lists.parts[p]), prediction_.get(), penalty, optimiser_);
  update_relations(lists, epoch, step);
  draw_.ring().done(step);
  loss_terms_ += terms;
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
typename ResidentEngine<kSpace>::Matrix ResidentEngine<kSpace>::own_source_gradients(
    std::size_t p, const PartLists<kSpace>& part) const {
  return source_gradients_.block(own_begin_[p], part.queries);
}

template <Space kSpace>
void ResidentEngine<kSpace>::compose(const StepLists<kSpace>& lists) {
  operators_.make(lists);
  for (std::size_t p = 0; p < lists.parts.size(); ++p) {
    const PartLists<kSpace>& part = lists.parts[p];
    const Matrix sources = own_sources(p, part);
    in_.kernels.rows.gather(in_.tables.part(p).rows, part.sources, sources);
    operators_.compose(part, sources, own_queries(part));
  }
}

template <Space kSpace>
kernels::Vector<kSpace, const Statistic> ResidentEngine<kSpace>::statistics(const StepLists<kSpace>& lists) {
  const auto subtrees = exchange_->subtrees();
  for (std::size_t k = 0; k < subtrees.size(); ++k)
    candidates_.statistics(subtrees[k], exchange_->statistics(lists, k));
  return exchange_->merge_statistics(lists, candidates_.target_scores(lists));
}

// Of own queries.
template <Space kSpace>
typename ResidentEngine<kSpace>::Matrix ResidentEngine<kSpace>::query_gradients(const StepLists<kSpace>& lists) {
  const auto subtrees = exchange_->subtrees();
  for (std::size_t k = 0; k < subtrees.size(); ++k)
    candidates_.query_gradients(subtrees[k], lists, prediction_.get(), exchange_->subtree_gradients(lists, k));
  return exchange_->return_gradients(lists);
}

// From gradients of query vectors to those of relations and sources, with the penalties.
template <Space kSpace>
void ResidentEngine<kSpace>::side_gradients(std::size_t p, const PartLists<kSpace>& part, Matrix returned,
                                            const Penalty& penalty) {
  const float power = penalty.regulariser.power;
  const auto each = in_.counting(part.queries);
  const Matrix gradients = returned.columns(0, in_.dim);
  in_.penalise(power, in_.scorer.is_complex(), penalty.regulariser.products * penalty.scale, part.answers,
               own_queries(part), each, gradients, each);
  relation_leaf(p, part, gradients, penalty);
  const Matrix out = own_source_gradients(p, part);
  operators_.backward(part, gradients, out);
  if (prediction_) in_.kernels.rows.add(returned.columns(in_.dim, in_.dim), each, each, out);
  operators_.mask_sources(part, out);
  in_.penalise(power, in_.scorer.is_complex(), penalty.regulariser.entities * penalty.scale, part.answers,
               in_.tables.part(p).rows, part.sources, out, each);
}

template <Space kSpace>
void ResidentEngine<kSpace>::relation_leaf(std::size_t p, const PartLists<kSpace>& part, ConstMatrix gradients,
                                           const Penalty& penalty) {
  const ConstMatrix relations = in_.tables.relations().rows;
  const auto each = in_.counting(part.relation_ids.size());
  const Matrix leaf = leaves_.block(part.first_leaf, part.relation_ids.size());
  const Matrix of_rows = leaf.columns(in_.gradient_dim - relations.cols, relations.cols);
  operators_.gradients(part, own_sources(p, part), gradients, leaf.columns(0, in_.operator_dim));
  if (in_.gradient_dim > in_.operator_dim) in_.kernels.rows.fill(0, of_rows);
  in_.penalise(penalty.regulariser.power, in_.scorer.is_relation_complex(),
               penalty.regulariser.relations * penalty.scale, part.relation_answers, relations, part.relation_ids,
               of_rows, each);
  if (prediction_) in_.kernels.rows.add(leaf, each, part.dense_slots, prediction_->relation_gradients());
}

template <Space kSpace>
void ResidentEngine<kSpace>::update_relations(const StepLists<kSpace>& lists, std::uint32_t epoch, std::uint64_t step) {
  bool failed = exchange_->is_staged() && first_bad_step().has_value();
  const auto sum = exchange_->sum_relations(lists, prediction_ ? prediction_->relation_gradients() : leaves_, failed);
  if (failed) fail_not_finite(epoch, step);
  operators_.update(sum.rows, sum.ids, optimiser_);
}

template class ResidentEngine<Space::kHost>;
template class ResidentEngine<Space::kDevice>;

}  // namespace tessera::train
