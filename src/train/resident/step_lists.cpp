// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/resident/step_lists.hpp"

#include "core/parallel.hpp"

#include <algorithm>

namespace tessera::train {

using exchange::Groups;
using exchange::PartRange;
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
std::uint64_t StepDraw<kSpace>::words(const QueriesStep::Capacity& capacity) {
  std::uint64_t words = 16 * capacity.targets + (capacity.own_parts.size() + 1) * (capacity.queries + 2);
  for (const QueryBatch::Capacity& own : capacity.own_parts) words += 18 * own.queries + 5 * own.candidates + 8;
  return words;
}

template <Space kSpace>
StepDraw<kSpace>::StepDraw(const EngineSetup& setup, const StepSchedule& schedule, exchange::QueryExchange& exchange,
                           Place<kSpace>& place)
    : shard_(setup.shard),
      exchange_(exchange),
      threads_(setup.threads),
      seed_(setup.job.run.seed),
      sums_relations_(setup.comm.size() == 1),
      predicts_relations_(setup.job.relation_prediction.weight > 0),
      schedule_(schedule),
      ring_(place, setup.pool, words(step_capacity(setup, schedule))) {
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
  first_leaf_.resize(shard_.parts.size());
  first_target_ = setup.pool.allocate<std::uint32_t>(Tag::kBatch, capacity.queries + 1);
  for (auto& scratch : scratch_) scratch.reserve(std::max({most, own_queries, capacity.queries + 1}));
  slots_.reserve(own_queries * (static_cast<std::size_t>(std::bit_width(shard_.parts.size())) + 1));
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
  lists.relation_adds.reserve(batches_.size());
  lists.first_target = ring_.put(first_target_.span().first(lists.queries + 1));
  std::size_t leaves = 0;
  std::size_t targets = 0;
  for (std::size_t p = 0; p < batches_.size(); ++p) {
    PartLists<kSpace>& part = lists.parts[p];
    part.first_leaf = first_leaf_[p] = leaves;
    part.first_target = targets;
    put_queries(p, part);
    put_targets(p, part);
    if (!batches_[p]->candidates().empty()) put_sampled(p, part);
    leaves += batches_[p]->by_relation().size();
    targets += part.targets;
  }
  if (sums_relations_ && !predicts_relations_) put_relation_sum(lists);
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

// A leaf is a part's distinct relations; where both sides of a node have one, the right row is added to the left.
template <Space kSpace>
void StepDraw<kSpace>::put_relation_sum(StepLists<kSpace>& lists) {
  slots_.clear();
  lists.relation_adds.clear();
  const Slots root = add_node({0, shard_.manifest.part_count()}, lists);
  auto& ids = scratch_[0];
  auto& slots = scratch_[1];
  ids.clear();
  slots.clear();
  for (std::size_t i = root.first; i < root.end; ++i) {
    ids.push_back(slots_[i].id);
    slots.push_back(slots_[i].slot);
  }
  lists.relation_ids = ring_.put(ids);
  lists.relation_slots = ring_.put(slots);
}

template <Space kSpace>
typename StepDraw<kSpace>::Slots StepDraw<kSpace>::add_node(PartRange node, StepLists<kSpace>& lists) {
  if (node.size() == 1) {
    const auto ids = batches_[node.first]->by_relation().ids();
    const std::size_t first = slots_.size();
    for (std::size_t u = 0; u < ids.size(); ++u)
      slots_.push_back({ids[u], static_cast<std::uint32_t>(first_leaf_[node.first] + u)});
    return {first, slots_.size()};
  }
  const std::uint32_t middle = exchange::split_point(node);
  const Slots left = add_node({node.first, middle}, lists);
  const Slots right = add_node({middle, node.end}, lists);
  auto& from = scratch_[0];
  auto& to = scratch_[1];
  from.clear();
  to.clear();
  const std::size_t first = slots_.size();
  std::size_t a = left.first;
  std::size_t b = right.first;
  while (a < left.end || b < right.end) {
    const bool from_left = a < left.end && (b == right.end || slots_[a].id <= slots_[b].id);
    const bool from_right = b < right.end && (a == left.end || slots_[b].id <= slots_[a].id);
    if (from_left && from_right) {
      from.push_back(slots_[b].slot);
      to.push_back(slots_[a].slot);
    }
    slots_.push_back(from_left ? slots_[a] : slots_[b]);
    a += from_left ? 1 : 0;
    b += from_right ? 1 : 0;
  }
  if (!from.empty()) {
    const auto from_list = ring_.put(from);
    lists.relation_adds.push_back({from_list, ring_.put(to)});
  }
  return {first, slots_.size()};
}

template class StepDraw<Space::kHost>;
template class StepDraw<Space::kDevice>;

}  // namespace tessera::train
