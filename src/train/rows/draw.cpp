// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/rows/draw.hpp"

#include "core/parallel.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::train {

using exchange::RowDemand;
using exchange::RowRequests;
using execution::Space;

// ---- a part

template <Space kSpace>
RowsPartDraw<kSpace>::RowsPartDraw(const graph::Shard& shard, const RowsSizes& sizes, std::size_t own_part,
                                   std::uint64_t arriving, memory::Pool& pool)
    : manifest_(shard.manifest),
      part_(shard.parts[own_part].id()),
      round_(sizes.round),
      rows_(shard.parts[own_part].rows()),
      side_({sizes.drops_relations, sizes.has_core, sizes.makes_all_operators, sizes.has_weights}, sizes.own[own_part]),
      arriving_(arriving, pool) {
  for (auto& scratch : scratch_) scratch.reserve(sizes.occurrences(own_part) + 1);
  if (round_.places > 0) priors_.reserve(std::max(sizes.own[own_part], sizes.negatives));
}

// Counted as put() puts them.
template <Space kSpace>
std::uint64_t RowsPartDraw<kSpace>::words(const RowsSizes& sizes, std::size_t own_part, std::uint64_t arriving) {
  const std::uint64_t queries = sizes.own[own_part];
  const std::uint64_t priors = sizes.round.places > 0 ? queries + sizes.negatives : 0;
  return sampling::SideDraw<kSpace>::words(queries) + priors + 3 * queries + 2 * sizes.negatives +
         2 * sizes.occurrences(own_part) + 1 + 4 * arriving + 1;
}

template <Space kSpace>
void RowsPartDraw<kSpace>::put(const Drawn& drawn, Writer& writer, const Lists& lists) {
  const sampling::RowBatch& batch = drawn.batch;
  side_.put({batch.position(),
             drawn.own_begin,
             drawn.first_leaf,
             batch.source_rows(),
             batch.relations(),
             {},
             batch.weights(),
             batch.by_relation()},
            writer, lists.side);
  if (!batch.weights().empty()) lists.part.times = lists.side.answers;
  lists.part.targets = writer.put(batch.target_rows());
  lists.part.negatives = writer.put(batch.negative_rows());
  put_priors(batch, writer, lists.part);
  put_masked(batch, writer, lists.part);
  const auto offsets = writer.put(batch.rows().segment_offsets());
  lists.part.by_row = {offsets, writer.put(batch.rows().positions())};
  arriving_.build(drawn.asked, rows_);
  lists.asked = writer.put(drawn.asked);
  lists.part.arriving_ids = writer.put(arriving_.ids());
  lists.part.by_arriving = sampling::put_groups(arriving_, writer);
}

template <Space kSpace>
void RowsPartDraw<kSpace>::put_priors(const sampling::RowBatch& batch, Writer& writer, RowsPartLists<kSpace>& lists) {
  if (round_.places == 0) return;
  const auto put = [&](std::span<const std::uint64_t> entities) {
    priors_.clear();
    for (const std::uint64_t entity : entities)
      priors_.push_back(round_.prior(part_, manifest_.owner(EntityId(entity))));
    return writer.put_floats(std::span<const float>(priors_));
  };
  lists.target_priors = put(batch.target_entities());
  lists.negative_priors = put(batch.negative_entities());
}

// Negatives by distinct row: those of a target's row must not count against its query.
template <Space kSpace>
void RowsPartDraw<kSpace>::put_masked(const sampling::RowBatch& batch, Writer& writer, RowsPartLists<kSpace>& lists) {
  const RowRequests& rows = batch.rows();
  const auto n = static_cast<std::uint32_t>(batch.size());
  auto& columns = scratch_[0];
  auto& begin = scratch_[1];
  columns.clear();
  begin.clear();
  for (std::size_t u = 0; u < rows.entities().size(); ++u) {
    begin.push_back(static_cast<std::uint32_t>(columns.size()));
    for (std::uint32_t k = rows.segment_offsets()[u]; k < rows.segment_offsets()[u + 1]; ++k)
      if (rows.positions()[k] >= 2 * n) columns.push_back(rows.positions()[k] - 2 * n);
  }
  begin.push_back(static_cast<std::uint32_t>(columns.size()));
  lists.masked_columns = writer.put(columns);
  auto& of_queries = scratch_[2];
  for (const std::uint32_t behind : {0U, 1U}) {
    of_queries.clear();
    for (std::uint32_t i = 0; i < n; ++i) of_queries.push_back(begin[rows.distinct()[n + i] + behind]);
    (behind == 0 ? lists.masked_first : lists.masked_end) = writer.put(of_queries);
  }
}

// ---- a step

namespace {

template <Space kSpace>
std::vector<std::uint64_t> words_of(const graph::Shard& shard, const RowsSizes& sizes) {
  const exchange::RowTotals totals = exchange::row_totals(shard, sizes.rows);
  std::vector<std::uint64_t> words{exchange::RelationSumDraw<kSpace>::words(shard, sizes.queries)};
  for (std::size_t p = 0; p < shard.parts.size(); ++p)
    words.push_back(RowsPartDraw<kSpace>::words(sizes, p, totals.arriving_at[p]));
  return words;
}

}  // namespace

template <Space kSpace>
RowsDraw<kSpace>::RowsDraw(const EngineSetup& setup, execution::Executor<kSpace>& executor, const RowsSizes& sizes,
                           const sampling::StepSchedule& schedule)
    : shard_(setup.shard),
      threads_(setup.threads),
      seed_(setup.job.run.seed),
      scope_(sampling::find_scope(setup.job.negatives.scope)),
      schedule_(schedule),
      relations_(setup.comm, shard_, sizes.queries, setup.pool),
      relation_sum_(shard_, sizes.queries, setup.pool),
      begins_(shard_.parts.size()),
      counts_(shard_.manifest.part_count()),
      own_relations_(shard_.parts.size()),
      part_relations_(shard_.parts.size()),
      words_(words_of<kSpace>(shard_, sizes)),
      ring_(executor, setup.pool, std::accumulate(words_.begin(), words_.end(), std::uint64_t{0}), words_.size()) {
  const exchange::RowTotals totals = exchange::row_totals(shard_, sizes.rows);
  for (std::size_t p = 0; p < shard_.parts.size(); ++p) {
    const graph::Part& part = shard_.parts[p];
    orders_.emplace_back(part, sampling::ItemOrder::Sizes{shard_.manifest.figures[part.id().index()].queries, 0, 1},
                         setup.pool);
    parts_.push_back(std::make_unique<RowsPartDraw<kSpace>>(shard_, sizes, p, totals.arriving_at[p], setup.pool));
    for (std::size_t slot = 0; slot < kSlots; ++slot) {
      batches_.at(slot).push_back(std::make_unique<sampling::RowBatch>(
          shard_.manifest, part.id(), sampling::RowBatch::Sizes{sizes.own[p], sizes.negatives, sizes.has_weights},
          setup.pool));
      requests_.at(slot).push_back(&batches_.at(slot).back()->rows());
    }
  }
}

template <Space kSpace>
void RowsDraw<kSpace>::draw(std::uint32_t epoch, std::uint64_t step) {
  auto& batches = batches_[step % kSlots];
  parallel_for(batches.size(), threads_, [&](std::size_t p) {
    const PartId part = shard_.parts[p].id();
    batches[p]->draw(shard_.parts[p], orders_[p],
                     {seed_, epoch, step, schedule_.begin(part, step), schedule_.begin(part, step + 1), scope_});
  });
}

template <Space kSpace>
std::uint64_t RowsDraw<kSpace>::gather_relations(std::uint64_t step, std::uint64_t failed) {
  for (std::uint32_t p = 0; p < counts_.size(); ++p)
    counts_[p] = schedule_.begin(PartId(p), step + 1) - schedule_.begin(PartId(p), step);
  Begin begin;
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    own_relations_[p] = batch(step, p).relations();
    part_relations_[p] = batch(step, p).by_relation().ids();
    begins_[p] = begin;
    begin.query += own_relations_[p].size();
    begin.leaf += part_relations_[p].size();
  }
  return relations_.gather(own_relations_, counts_, failed);
}

template <Space kSpace>
std::uint64_t RowsDraw<kSpace>::put(std::uint64_t step, const RowDemand& demand, std::uint64_t failed,
                                    RowsStepLists<kSpace>& lists) {
  const std::uint64_t first_failed = gather_relations(step, failed);
  ring_.begin(step, words_);
  lists.slot = step % kSlots;
  lists.queries = schedule_.size(step);
  lists.sides.resize(parts_.size());
  lists.parts.resize(parts_.size());
  lists.demand.asked.resize(parts_.size());
  relation_sum_.put({relations_.relations(), relations_.query_begin(), part_relations_}, ring_.writer(0),
                    lists.relations);
  parallel_for(parts_.size(), threads_, [&](std::size_t p) {
    parts_[p]->put({batch(step, p), begins_[p].query, begins_[p].leaf, demand.asked(lists.slot, p)},
                   ring_.writer(1 + p), {lists.sides[p], lists.parts[p], lists.demand.asked[p]});
  });
  ring_.send();
  return first_failed;
}

template class RowsPartDraw<Space::kHost>;
template class RowsPartDraw<Space::kDevice>;
template class RowsDraw<Space::kHost>;
template class RowsDraw<Space::kDevice>;

}  // namespace tessera::train
