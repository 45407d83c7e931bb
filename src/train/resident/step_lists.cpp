// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/resident/step_lists.hpp"

#include "core/parallel.hpp"

#include <algorithm>

namespace tessera::train {

using exchange::Groups;
using kernels::Space;
using memory::Tag;

template <Space kSpace>
StepDraw<kSpace>::Targets::Targets(std::uint64_t capacity, memory::Pool& pool)
    : row(pool.allocate<std::uint32_t>(Tag::kBatch, capacity)),
      entry(pool.allocate<std::uint32_t>(Tag::kBatch, capacity)),
      query(pool.allocate<std::uint32_t>(Tag::kBatch, capacity)),
      relation(pool.allocate<std::uint32_t>(Tag::kBatch, capacity)),
      by_row(capacity, pool) {}

// Counted as put_queries() and its neighbours put them.
template <Space kSpace>
std::uint64_t StepDraw<kSpace>::words(const QueriesStep::Capacity& capacity, bool exchange_lists) {
  std::uint64_t words = exchange_lists ? ExchangeDraw<kSpace>::words(capacity) : 0;
  words += 16 * capacity.targets + (capacity.own_parts.size() + 1) * (capacity.queries + 2);
  for (const QueryBatch::Capacity& own : capacity.own_parts) words += 15 * own.queries + 5 * own.candidates + 8;
  return words;
}

template <Space kSpace>
StepDraw<kSpace>::StepDraw(const EngineSetup& setup, const StepSchedule& schedule, exchange::QueryExchange& exchange,
                           bool exchange_lists, Place<kSpace>& place)
    : shard_(setup.shard),
      exchange_(exchange),
      threads_(setup.threads),
      seed_(setup.job.run.seed),
      predicts_relations_(setup.job.relation_prediction.weight > 0),
      has_core_(setup.parameters.scorer().has_core()),
      schedule_(schedule),
      ring_(place, setup.pool, words(step_capacity(setup, schedule), exchange_lists)) {
  const QueriesStep::Capacity capacity = step_capacity(setup, schedule);
  std::uint64_t most = capacity.targets;
  std::uint64_t own_queries = 0;
  for (std::size_t p = 0; p < shard_.parts.size(); ++p) {
    const QueryBatch::Capacity& own = capacity.own_parts[p];
    const graph::QuerySet& queries = shard_.parts[p].queries(graph::Split::kTrain);
    if (setup.job.train.group_queries)
      items_.emplace_back(queries, most_answers(setup.job), setup.pool);
    else
      items_.emplace_back(queries);
    batches_.push_back(std::make_unique<QueryBatch>(shard_.manifest, shard_.parts[p].id(), own, setup.pool));
    targets_.emplace_back(capacity.targets, setup.pool);
    const std::uint64_t occurrences = own.candidates + capacity.targets + own.queries;
    if (own.candidates > 0) occurrences_.push_back(std::make_unique<Groups>(occurrences, setup.pool));
    most = std::max(most, own.candidates > 0 ? occurrences : own.queries);
    own_queries += own.queries;
  }
  part_queries_.resize(shard_.parts.size());
  part_relations_.resize(shard_.parts.size());
  if (exchange_lists)
    exchange_draw_ = std::make_unique<ExchangeDraw<kSpace>>(shard_, capacity, !predicts_relations_, setup.pool);
  first_target_ = setup.pool.allocate<std::uint32_t>(Tag::kBatch, capacity.queries + 1);
  for (auto& scratch : scratch_) scratch.reserve(std::max({most, own_queries, capacity.queries + 1}));
}

template <Space kSpace>
void StepDraw<kSpace>::draw(std::uint32_t epoch, std::uint64_t step, StepLists<kSpace>& lists) {
  const std::size_t threads_of_part = batches_.size() == 1 ? threads_ : 1;
  parallel_for(batches_.size(), threads_, [&](std::size_t p) {
    const PartId part = shard_.parts[p].id();
    batches_[p]->draw(
        shard_.parts[p], items_[p],
        {seed_, epoch, step, schedule_.begin(part, step), schedule_.begin(part, step + 1), threads_of_part});
    part_queries_[p] = {{nullptr, batches_[p]->size(), 0, 0}, {}, batches_[p]->targets()};
  });
  exchange_.gather_targets(part_queries_);
  find_targets();
  ring_.begin(step);
  lists.queries = exchange_.query_count();
  lists.targets = exchange_.targets().size();
  lists.parts.resize(batches_.size());
  lists.first_target = ring_.put(first_target_.span().first(lists.queries + 1));
  std::size_t leaves = 0;
  std::size_t targets = 0;
  for (std::size_t p = 0; p < batches_.size(); ++p) {
    PartLists<kSpace>& part = lists.parts[p];
    part.first_leaf = leaves;
    part.first_target = targets;
    put_queries(p, part);
    put_targets(p, part);
    if (!batches_[p]->candidates().empty()) put_sampled(p, part);
    part_relations_[p] = part.host_relation_ids = batches_[p]->by_relation().ids();
    leaves += part_relations_[p].size();
    targets += part.targets;
  }
  if (exchange_draw_) exchange_draw_->put({exchange_, first_target_.span(), part_relations_}, ring_, lists.exchange);
  ring_.send();
}

// Which entries belong to which query (they are in its order) and, of those of this rank's parts, to which row.
template <Space kSpace>
void StepDraw<kSpace>::find_targets() {
  const auto targets = exchange_.targets();
  const std::uint32_t first_part = shard_.parts.front().id().value();
  std::fill_n(first_target_.data(), exchange_.query_count() + 1, 0U);
  for (Targets& own : targets_) own.count = 0;
  for (std::uint32_t e = 0; e < targets.size(); ++e) {
    ++first_target_[targets[e].query + 1];
    const PartId owner = shard_.manifest.owner(EntityId(targets[e].entity));
    if (owner.value() < first_part || owner.value() >= first_part + targets_.size()) continue;
    Targets& own = targets_[owner.value() - first_part];
    own.row[own.count] = static_cast<std::uint32_t>(targets[e].entity - shard_.manifest.offsets[owner.index()]);
    own.entry[own.count] = e;
    own.query[own.count] = targets[e].query;
    own.relation[own.count++] = targets[e].relation;
  }
  for (std::size_t i = 0; i < exchange_.query_count(); ++i) first_target_[i + 1] += first_target_[i];
  parallel_for(targets_.size(), threads_, [&](std::size_t p) {
    targets_[p].by_row.build(targets_[p].row.span().first(targets_[p].count), shard_.parts[p].rows());
  });
}

template <Space kSpace>
kernels::BasicSegments<kSpace> StepDraw<kSpace>::put_groups(const Groups& groups) {
  const auto offsets = ring_.put(groups.offsets());
  return {offsets, ring_.put(groups.positions())};
}

template <Space kSpace>
void StepDraw<kSpace>::put_queries(std::size_t p, PartLists<kSpace>& lists) {
  const QueryBatch& batch = *batches_[p];
  lists.queries = batch.size();
  lists.query_begin = exchange_.query_begin(shard_.parts[p].id().value());
  lists.position = batch.position();
  lists.sources = ring_.put(batch.sources());
  lists.relations = ring_.put(batch.relations());
  lists.answers = ring_.put_floats(batch.answers());
  lists.source_ids = ring_.put(batch.by_source().ids());
  lists.by_source = put_groups(batch.by_source());
  const Groups& relations = batch.by_relation();
  lists.relation_ids = ring_.put(relations.ids());
  lists.by_relation = put_groups(relations);
  auto& answers = scratch_[0];
  auto& dense = scratch_[1];
  answers.assign(relations.size(), 0);
  dense.clear();
  for (std::size_t u = 0; u < relations.size(); ++u) {
    for (const std::uint32_t position : relations.positions_of(u)) answers[u] += batch.answers()[position];
    dense.push_back(static_cast<std::uint32_t>(p * 2 * shard_.manifest.relation_count + relations.ids()[u]));
  }
  lists.relation_answers = ring_.put_floats(answers);
  if (predicts_relations_) lists.dense_slots = ring_.put(dense);
  if (!has_core_) return;
  auto& leaves = scratch_[0];
  leaves.resize(batch.size());
  for (std::size_t u = 0; u < relations.size(); ++u)
    for (const std::uint32_t position : relations.positions_of(u))
      leaves[position] = static_cast<std::uint32_t>(lists.first_leaf + u);
  lists.relation_leaves = ring_.put(leaves);
}

template <Space kSpace>
void StepDraw<kSpace>::put_targets(std::size_t p, PartLists<kSpace>& lists) {
  const Targets& own = targets_[p];
  lists.targets = own.count;
  lists.target_row = ring_.put(own.row.span().first(own.count));
  lists.target_entry = ring_.put(own.entry.span().first(own.count));
  lists.target_query = ring_.put(own.query.span().first(own.count));
  lists.target_relation = ring_.put(own.relation.span().first(own.count));
  auto& offsets = scratch_[0];
  offsets.assign(exchange_.query_count() + 1, 0);
  for (std::size_t k = 0; k < own.count; ++k) ++offsets[own.query[k] + 1];
  for (std::size_t i = 0; i < exchange_.query_count(); ++i) offsets[i + 1] += offsets[i];
  lists.query_offsets = ring_.put(offsets);
  lists.target_ids = ring_.put(own.by_row.ids());
  lists.by_target = put_groups(own.by_row);
  auto& counts = scratch_[1];
  counts.clear();
  for (std::size_t u = 0; u < own.by_row.size(); ++u)
    counts.push_back(static_cast<std::uint32_t>(own.by_row.positions_of(u).size()));
  lists.target_counts = ring_.put_floats(counts);
}

template <Space kSpace>
void StepDraw<kSpace>::put_sampled(std::size_t p, PartLists<kSpace>& lists) {
  const QueryBatch& batch = *batches_[p];
  const Targets& own = targets_[p];
  const Groups& candidates = batch.by_candidate();
  lists.candidates = ring_.put(batch.candidates());
  auto& first = scratch_[0];
  auto& end = scratch_[1];
  first.assign(own.count, 0);
  end.assign(own.count, 0);
  for (std::size_t k = 0; k < own.count; ++k) {
    const std::size_t u = candidates.lower_bound(own.row[k]);
    if (u == candidates.size() || candidates.ids()[u] != own.row[k]) continue;
    first[k] = candidates.offsets()[u];
    end[k] = candidates.offsets()[u + 1];
  }
  const auto first_list = ring_.put(first);
  const auto end_list = ring_.put(end);
  lists.masked = {lists.target_query, first_list, end_list, ring_.put(candidates.positions())};
  auto& rows = scratch_[0];
  rows.clear();
  rows.insert(rows.end(), batch.candidates().begin(), batch.candidates().end());
  rows.insert(rows.end(), own.row.data(), own.row.data() + own.count);
  rows.insert(rows.end(), batch.sources().begin(), batch.sources().end());
  occurrences_[p]->build(rows, shard_.parts[p].rows());
  lists.occurrence_ids = ring_.put(occurrences_[p]->ids());
  lists.by_occurrence = put_groups(*occurrences_[p]);
}

template class StepDraw<Space::kHost>;
template class StepDraw<Space::kDevice>;

}  // namespace tessera::train
