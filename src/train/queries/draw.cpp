// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/queries/draw.hpp"

#include "core/parallel.hpp"
#include "train/queries/loss.hpp"

#include <algorithm>

namespace tessera::train {

using exchange::Groups;
using execution::Space;
using memory::Tag;

namespace {

sampling::ItemOrder::Sizes item_sizes(const EngineSetup& setup, PartId part) {
  return {setup.shard.manifest.figures[part.index()].queries, sampling::most_answers(setup.job),
          setup.items[part.index()].largest};
}

std::uint64_t occurrences_of(const PartSizes& sizes, std::uint64_t step_targets) {
  return sizes.batch.candidates + step_targets + sizes.batch.queries;
}

}  // namespace

// ---- a part

template <Space kSpace>
PartDraw<kSpace>::PartDraw(const EngineSetup& setup, const graph::Part& part, const PartSizes& sizes, const Uses& uses)
    : part_(part),
      seed_(setup.job.run.seed),
      uses_(uses),
      items_(part, item_sizes(setup, part.id()), setup.pool),
      batch_(setup.shard.manifest, part.id(), sizes.batch, setup.pool),
      side_(uses.side, sizes.batch.queries),
      row_(setup.pool.allocate<std::uint32_t>(Tag::kBatch, uses.step_targets)),
      entry_(setup.pool.allocate<std::uint32_t>(Tag::kBatch, uses.step_targets)),
      query_(setup.pool.allocate<std::uint32_t>(Tag::kBatch, uses.step_targets)),
      relation_(setup.pool.allocate<std::uint32_t>(Tag::kBatch, uses.step_targets)),
      by_row_(uses.step_targets, setup.pool) {
  if (uses.has_weights) times_ = setup.pool.allocate<float>(Tag::kBatch, uses.step_targets);
  if (uses.has_weights) counts_.reserve(uses.step_targets);
  const bool samples = sizes.batch.candidates > 0;
  if (samples) occurrences_.emplace(occurrences_of(sizes, uses.step_targets), setup.pool);
  const std::uint64_t most =
      samples ? occurrences_of(sizes, uses.step_targets) : std::max(sizes.batch.queries, uses.step_targets);
  for (auto& scratch : scratch_) scratch.reserve(std::max(most, uses.step_queries + 1));
}

// Counted as put_side() and its neighbours put them.
template <Space kSpace>
std::uint64_t PartDraw<kSpace>::words(const sampling::BatchSizes& share, std::uint64_t queries) {
  return 18 * share.queries + 14 * share.targets + 5 * share.candidates + queries + 16;
}

template <Space kSpace>
void PartDraw<kSpace>::draw(const sampling::StepSchedule& schedule, std::uint32_t epoch, std::uint64_t step,
                            std::size_t threads) {
  batch_.draw(part_, items_,
              {seed_, epoch, step, schedule.begin(part_.id(), step), schedule.begin(part_.id(), step + 1), threads});
}

template <Space kSpace>
void PartDraw<kSpace>::add_target(std::uint32_t row, std::uint32_t entry, const exchange::QueryTarget& target) {
  row_[count_] = row;
  entry_[count_] = entry;
  query_[count_] = target.query;
  if (uses_.has_weights) times_[count_] = target.weight;
  relation_[count_++] = target.relation;
}

template <Space kSpace>
void PartDraw<kSpace>::end_targets() {
  by_row_.build(row_.span().first(count_), part_.rows());
}

template <Space kSpace>
void PartDraw<kSpace>::put(const Begin& begin, std::uint64_t queries, Writer& writer,
                           sampling::QueryLists<kSpace>& side, PartLists<kSpace>& lists) {
  side.query_begin = begin.step_query;
  put_side(begin, writer, side);
  lists.source_slots = put_slots(batch_.by_source().ids(), writer);
  lists.targets.first = begin.target;
  put_targets(queries, writer, lists.targets);
  if (!occurrences_) return put_cells(writer, lists.targets);
  lists.sampled.first_occurrence = begin.occurrence;
  put_sampled(writer, lists.targets, lists.sampled);
}

template <Space kSpace>
typename PartDraw<kSpace>::Indices PartDraw<kSpace>::put_slots(std::span<const std::uint32_t> rows, Writer& writer) {
  auto& slots = scratch_[0];
  slots.clear();
  for (const std::uint32_t row : rows) slots.push_back(static_cast<std::uint32_t>(row % uses_.slot_rows));
  return writer.put(slots);
}

template <Space kSpace>
void PartDraw<kSpace>::put_side(const Begin& begin, Writer& writer, sampling::QueryLists<kSpace>& side) {
  side_.put({batch_.position(), begin.query, begin.leaf, batch_.sources(), batch_.relations(), batch_.answers(),
             batch_.weights(), batch_.by_relation()},
            writer, side);
  side.source_ids = writer.put(batch_.by_source().ids());
  side.by_source = sampling::put_groups(batch_.by_source(), writer);
  if (uses_.predicts_relations) put_dense_slots(writer, side);
}

template <Space kSpace>
void PartDraw<kSpace>::put_dense_slots(Writer& writer, sampling::QueryLists<kSpace>& side) {
  auto& dense = scratch_[0];
  dense.clear();
  const auto first = static_cast<std::uint32_t>(uses_.index * batch_.directed_relations());
  for (const std::uint32_t relation : batch_.by_relation().ids()) dense.push_back(first + relation);
  side.dense_slots = writer.put(dense);
}

template <Space kSpace>
void PartDraw<kSpace>::put_targets(std::uint64_t queries, Writer& writer, TargetLists<kSpace>& lists) {
  lists.count = count_;
  lists.row = writer.put(row_.span().first(count_));
  lists.entry = writer.put(entry_.span().first(count_));
  lists.query = writer.put(query_.span().first(count_));
  if (uses_.predicts_relations) lists.relation = writer.put(relation_.span().first(count_));
  if (uses_.has_weights) lists.times = writer.put_floats(std::span<const float>(times_.span().first(count_)));
  auto& offsets = scratch_[0];
  offsets.assign(queries + 1, 0);
  for (std::size_t k = 0; k < count_; ++k) ++offsets[query_[k] + 1];
  for (std::size_t i = 0; i < queries; ++i) offsets[i + 1] += offsets[i];
  lists.query_offsets = writer.put(offsets);
}

// All rows are candidates: targets by row.
template <Space kSpace>
void PartDraw<kSpace>::put_cells(Writer& writer, TargetLists<kSpace>& lists) {
  lists.ids = writer.put(by_row_.ids());
  lists.by_row = sampling::put_groups(by_row_, writer);
  lists.slots = put_slots(by_row_.ids(), writer);
  if (uses_.has_weights) {
    put_weighted_counts(writer, lists);
  } else {
    auto& counts = scratch_[0];
    counts.clear();
    for (std::size_t u = 0; u < by_row_.size(); ++u)
      counts.push_back(static_cast<std::uint32_t>(by_row_.positions_of(u).size()));
    lists.counts = writer.put_floats(counts);
  }
  for (auto& scratch : scratch_) scratch.clear();
  for (const std::uint32_t position : by_row_.positions()) {
    scratch_[0].push_back(query_[position]);
    scratch_[1].push_back(static_cast<std::uint32_t>(row_[position] % uses_.slot_rows));
    scratch_[2].push_back(entry_[position]);
  }
  lists.cell_query = writer.put(scratch_[0]);
  lists.cell_column = writer.put(scratch_[1]);
  lists.cell_entry = writer.put(scratch_[2]);
}

template <Space kSpace>
void PartDraw<kSpace>::put_weighted_counts(Writer& writer, TargetLists<kSpace>& lists) {
  counts_.clear();
  for (std::size_t u = 0; u < by_row_.size(); ++u) {
    double sum = 0;
    for (const std::uint32_t position : by_row_.positions_of(u)) sum += static_cast<double>(times_[position]);
    counts_.push_back(static_cast<float>(sum));
  }
  lists.counts = writer.put_floats(std::span<const float>(counts_));
}

template <Space kSpace>
void PartDraw<kSpace>::put_sampled(Writer& writer, const TargetLists<kSpace>& targets, SampledLists<kSpace>& lists) {
  const Groups& candidates = batch_.by_candidate();
  lists.rows = writer.put(batch_.candidates());
  auto& first = scratch_[0];
  auto& end = scratch_[1];
  first.assign(count_, 0);
  end.assign(count_, 0);
  for (std::size_t k = 0; k < count_; ++k) {
    const std::size_t u = candidates.lower_bound(row_[k]);
    if (u == candidates.size() || candidates.ids()[u] != row_[k]) continue;
    first[k] = candidates.offsets()[u];
    end[k] = candidates.offsets()[u + 1];
  }
  const auto first_list = writer.put(first);
  const auto end_list = writer.put(end);
  lists.masked = {targets.query, first_list, end_list, writer.put(candidates.positions())};
  auto& rows = scratch_[0];
  rows.clear();
  rows.insert(rows.end(), batch_.candidates().begin(), batch_.candidates().end());
  rows.insert(rows.end(), row_.data(), row_.data() + count_);
  rows.insert(rows.end(), batch_.sources().begin(), batch_.sources().end());
  occurrences_->build(rows, part_.rows());
  lists.occurrence_ids = writer.put(occurrences_->ids());
  lists.by_occurrence = sampling::put_groups(*occurrences_, writer);
}

// ---- a step

namespace {

// Of the lists that are of no part.
std::uint64_t step_words(std::uint64_t queries, std::uint64_t targets, bool has_weights) {
  return queries + 1 + (has_weights ? targets : 0);
}

// The targets of a step are shared out to the parts.
template <Space kSpace>
std::uint64_t words_of(const graph::Shard& shard, const StepSizes& sizes) {
  std::uint64_t words = step_words(sizes.queries, sizes.targets, sizes.has_weights) +
                        exchange::QueryExchangeDraw<kSpace>::words(shard, sizes.by_part);
  for (const PartSizes& part : sizes.own)
    words += PartDraw<kSpace>::words({part.batch.queries, 0, part.batch.candidates}, sizes.queries);
  return words + PartDraw<kSpace>::words({0, sizes.targets, 0}, 0);
}

}  // namespace

template <Space kSpace>
StepDraw<kSpace>::StepDraw(const EngineSetup& setup, execution::Executor<kSpace>& executor, const StepSizes& sizes,
                           exchange::TargetExchange& exchange)
    : shard_(setup.shard),
      exchange_(exchange),
      threads_(setup.threads),
      schedule_(item_schedule(setup)),
      part_queries_(setup.shard.parts.size()),
      part_relations_(setup.shard.parts.size()),
      has_weights_(sizes.has_weights),
      first_target_(setup.pool.allocate<std::uint32_t>(Tag::kBatch, sizes.queries + 1)),
      exchange_words_(exchange::QueryExchangeDraw<kSpace>::words(setup.shard, sizes.by_part)),
      exchange_draw_(setup.shard, sizes.by_part, !sizes.predicts_relations, setup.pool),
      begins_(setup.shard.parts.size()),
      words_(setup.shard.parts.size() + 2),
      ring_(executor, setup.pool, words_of<kSpace>(setup.shard, sizes), setup.shard.parts.size() + 2) {
  if (has_weights_) times_.reserve(sizes.targets);
  for (std::size_t p = 0; p < shard_.parts.size(); ++p) {
    typename PartDraw<kSpace>::Uses uses;
    uses.side = {sizes.drops_relations, sizes.has_core, sizes.makes_all_operators, sizes.has_weights};
    uses.predicts_relations = sizes.predicts_relations;
    uses.has_weights = sizes.has_weights;
    uses.slot_rows = std::max<std::size_t>(1, executor.block_rows(sizes.own[p].rows, kTileRows));
    uses.step_queries = sizes.queries;
    uses.step_targets = sizes.targets;
    uses.index = p;
    parts_.push_back(std::make_unique<PartDraw<kSpace>>(setup, shard_.parts[p], sizes.own[p], uses));
  }
}

template <Space kSpace>
std::uint64_t StepDraw<kSpace>::draw(std::uint32_t epoch, std::uint64_t step, std::uint64_t failed,
                                     StepLists<kSpace>& lists) {
  const std::size_t threads_of_part = parts_.size() == 1 ? threads_ : 1;
  parallel_for(parts_.size(), threads_, [&](std::size_t p) {
    parts_[p]->draw(schedule_, epoch, step, threads_of_part);
    part_queries_[p] = {parts_[p]->batch().size(), parts_[p]->batch().targets()};
  });
  const std::uint64_t first_failed = exchange_.gather(part_queries_, failed);
  find_targets();
  begin_lists(step);
  put(lists);
  ring_.send();
  return first_failed;
}

template <Space kSpace>
void StepDraw<kSpace>::begin_lists(std::uint64_t step) {
  words_.assign({step_words(exchange_.query_count(), exchange_.targets().size(), has_weights_), exchange_words_});
  for (const auto& part : parts_) words_.push_back(PartDraw<kSpace>::words(part->share(), exchange_.query_count()));
  ring_.begin(step, words_);
}

template <Space kSpace>
void StepDraw<kSpace>::put(StepLists<kSpace>& lists) {
  lists.queries = exchange_.query_count();
  lists.targets = exchange_.targets().size();
  lists.sides.resize(parts_.size());
  lists.parts.resize(parts_.size());
  lists.first_target = ring_.writer(0).put(first_target_.span().first(lists.queries + 1));
  if (has_weights_) put_times(lists);
  typename PartDraw<kSpace>::Begin begin;
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    const sampling::QueryBatch& batch = parts_[p]->batch();
    begin.step_query = exchange_.query_begin(shard_.parts[p].id().value());
    begins_[p] = begin;
    part_relations_[p] = batch.by_relation().ids();
    begin.query += batch.size();
    begin.leaf += part_relations_[p].size();
    begin.target += parts_[p]->target_count();
    begin.occurrence += batch.candidates().size() + parts_[p]->target_count() + batch.size();
  }
  parallel_for(parts_.size(), threads_, [&](std::size_t p) {
    parts_[p]->put(begins_[p], lists.queries, ring_.writer(2 + p), lists.sides[p], lists.parts[p]);
  });
  exchange_draw_.put({exchange_, first_target_.span(), part_relations_}, ring_.writer(1), lists.exchange);
}

template <Space kSpace>
void StepDraw<kSpace>::put_times(StepLists<kSpace>& lists) {
  times_.clear();
  for (const exchange::QueryTarget& target : exchange_.targets()) times_.push_back(target.weight);
  lists.times = ring_.writer(0).put_floats(std::span<const float>(times_));
}

// Which entries belong to which query (they are in its order) and, of those of this rank's parts, to which row.
template <Space kSpace>
void StepDraw<kSpace>::find_targets() {
  const auto targets = exchange_.targets();
  const std::uint32_t first_part = shard_.parts.front().id().value();
  std::fill_n(first_target_.data(), exchange_.query_count() + 1, 0U);
  for (auto& part : parts_) part->begin_targets();
  for (std::uint32_t e = 0; e < targets.size(); ++e) {
    ++first_target_[targets[e].query + 1];
    const PartId owner = shard_.manifest.owner(EntityId(targets[e].entity));
    if (owner.value() < first_part || owner.value() >= first_part + parts_.size()) continue;
    const std::uint64_t row = targets[e].entity - shard_.manifest.offsets[owner.index()];
    parts_[owner.value() - first_part]->add_target(static_cast<std::uint32_t>(row), e, targets[e]);
  }
  for (std::size_t i = 0; i < exchange_.query_count(); ++i) first_target_[i + 1] += first_target_[i];
  parallel_for(parts_.size(), threads_, [&](std::size_t p) { parts_[p]->end_targets(); });
}

template class PartDraw<Space::kHost>;
template class PartDraw<Space::kDevice>;
template class StepDraw<Space::kHost>;
template class StepDraw<Space::kDevice>;

}  // namespace tessera::train
