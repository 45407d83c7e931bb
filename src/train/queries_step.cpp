// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/queries_step.hpp"

#include "core/error.hpp"
#include "core/parallel.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace tessera::train {
namespace {

using exchange::PartRange;
using exchange::QueryExchange;
using exchange::Statistic;
using kernels::ConstMatrix;
using kernels::Matrix;
using kernels::Similarity;
using memory::Tag;

std::size_t tiles_for(std::size_t count, std::size_t tile) { return (count + tile - 1) / tile; }

}  // namespace

QueryExchange::Merge merge_of(const CandidateLoss& loss) {
  return loss.binary ? kernels::merge_sums : kernels::merge_softmax;
}

kernels::BinaryLoss binary_loss(const CandidateLoss& loss, float scale, std::uint64_t entities) {
  return {scale, loss.smoothing, static_cast<float>(loss.smoothing / static_cast<double>(entities))};
}

QueriesStep::Work::Work(std::uint64_t targets, memory::Pool& pool)
    : local(pool.allocate<std::uint32_t>(Tag::kBatch, targets)),
      entry(pool.allocate<std::uint32_t>(Tag::kBatch, targets)),
      by_target(targets, pool) {}

QueriesStep::QueriesStep(const graph::Shard& shard, model::Parameters& parameters, const CandidateLoss& loss,
                         const Capacity& capacity, std::size_t threads, const kernels::Backend& backend,
                         memory::Pool& pool)
    : shard_(shard),
      parameters_(parameters),
      backend_(backend),
      loss_(loss),
      dim_(parameters.dim()),
      threads_(threads),
      first_part_(shard.parts.front().id().value()),
      first_entry_(pool.allocate<std::uint32_t>(Tag::kBatch, capacity.queries + 1)),
      query_losses_(pool.allocate<double>(Tag::kLogits, capacity.queries)),
      target_weights_(pool.allocate<float>(Tag::kLogits, capacity.targets)) {
  for (std::uint32_t p = 0; p < shard.parts.size(); ++p) {
    const QueryBatch::Capacity& own = capacity.own_parts[p];
    const std::uint32_t rows = shard.parts[p].rows();
    const auto count = static_cast<std::uint32_t>(loss.exact ? rows : own.candidates);
    const std::uint64_t targets = capacity.targets;  // all may be of one part
    Work& work = work_.emplace_back(targets, pool);
    work.first_tile = static_cast<std::uint32_t>(tiles_.size());
    for (std::uint32_t first = 0; first < count; first += kTileRows)
      tiles_.push_back({p, work.tile_count++, first, std::min<std::uint32_t>(kTileRows, count - first)});
    const std::uint64_t cells = capacity.queries * work.tile_count;
    if (loss.keep_scores)
      work.values = pool.allocate<float>(Tag::kLogits, capacity.queries * (count + kGap * work.tile_count));
    work.highest = pool.allocate<float>(Tag::kLogits, cells);
    work.sums = pool.allocate<float>(Tag::kLogits, cells);
    work.factors = pool.allocate<float>(Tag::kLogits, capacity.queries);
    work.part_highest = pool.allocate<float>(Tag::kLogits, capacity.queries);
    work.source_gradients = pool.allocate<float>(Tag::kGradients, own.queries * dim_);
    if (loss.exact) {
      work.candidates = parameters.parts()[p].rows;
      work.held = pool.allocate<float>(Tag::kGradients, std::min<std::uint64_t>(own.queries, rows) * dim_);
    } else {
      if (loss.unbiased)
        work.shift = static_cast<float>(std::log(static_cast<double>(rows) / static_cast<double>(count)));
      work.sampled = pool.allocate<float>(Tag::kHalo, count * dim_);
      work.candidates = {work.sampled.data(), count, dim_, dim_};
      const std::uint64_t occurrences = count + targets + own.queries;
      work.occurrences = pool.allocate<float>(Tag::kGradients, occurrences * dim_);
      work.occurrence_rows = pool.allocate<std::uint32_t>(Tag::kBatch, occurrences);
      work.update.emplace_back(occurrences, dim_, pool);
    }
  }
  target_counts_.resize(work_.size());
  if (loss.relation_weight > 0)
    prediction_ =
        std::make_unique<RelationPrediction>(parameters, work_.size(), capacity.targets, threads, backend, pool);
  std::size_t blocks = 0;
  for (const QueryBatch::Capacity& own : capacity.own_parts) blocks += tiles_for(own.queries, kBlockQueries);
  blocks_.reserve(blocks);
  const std::size_t levels = static_cast<std::size_t>(std::bit_width(shard.parts.size())) + 1;
  for (std::size_t t = 0; t < threads; ++t) {
    Scratch scratch;
    scratch.factors = pool.allocate<float>(Tag::kLogits, capacity.queries);
    scratch.gradients = pool.allocate<float>(Tag::kGradients, kTileRows * dim_);
    scratch.block = pool.allocate<float>(Tag::kGradients, kBlockQueries * dim_);
    scratch.levels = pool.allocate<float>(Tag::kGradients, levels * kBlockQueries * 2 * dim_);
    scratch.highest = pool.allocate<float>(Tag::kLogits, capacity.queries);
    scratch.sums = pool.allocate<float>(Tag::kLogits, capacity.queries);
    scratch.rows = pool.allocate<std::uint32_t>(Tag::kBatch, kTileRows);
    if (!loss.keep_scores) scratch.values = pool.allocate<float>(Tag::kLogits, capacity.queries * (kTileRows + kGap));
    scratch_.push_back(std::move(scratch));
  }
}

// ---- scores

void QueriesStep::score(std::span<QueryBatch* const> batches, QueryExchange& exchange) {
  batches_ = batches;
  batch_ = exchange.query_count();
  const double terms = static_cast<double>(loss_.binary ? batch_ : exchange.targets().size());
  scale_ = static_cast<float>(1 / terms);
  find_targets(exchange);
  if (!loss_.exact) gather_sampled(batches, exchange);
  parallel_for(tiles_.size(), threads_,
               [&](std::size_t i, std::size_t worker) { score_tile(tiles_[i], exchange, scratch_[worker]); });
  const auto subtrees = exchange.subtrees();
  const std::size_t size = block_size();
  parallel_for(tiles_for(batch_, size), threads_, [&](std::size_t block) {
    const std::size_t first = block * size;
    const std::size_t count = std::min(size, batch_ - first);
    for (Work& work : work_) merge_tiles(work, first, count);
    for (std::size_t k = 0; k < subtrees.size(); ++k)
      for (std::size_t i = first; i < first + count; ++i) exchange.statistics(k)[i] = node_statistic(subtrees[k], i);
  });
}

// Large blocks read the candidates less often; every thread should have one. No bit depends on it.
std::size_t QueriesStep::block_size() const {
  return std::clamp<std::size_t>((batch_ + threads_ - 1) / threads_, 1, kBlockQueries);
}

// Which entries belong to which query (they are in its order) and, of those of this rank's parts, to which row.
void QueriesStep::find_targets(const QueryExchange& exchange) {
  const auto targets = exchange.targets();
  std::fill_n(first_entry_.data(), batch_ + 1, 0U);
  for (Work& work : work_) work.target_count = 0;
  for (std::uint32_t e = 0; e < targets.size(); ++e) {
    ++first_entry_[targets[e].query + 1];
    const PartId owner = shard_.manifest.owner(EntityId(targets[e].entity));
    if (owner.value() < first_part_ || owner.value() >= first_part_ + work_.size()) continue;
    Work& work = work_[owner.value() - first_part_];
    work.local[work.target_count] =
        static_cast<std::uint32_t>(targets[e].entity - shard_.manifest.offsets[owner.index()]);
    work.entry[work.target_count++] = e;
  }
  for (std::size_t i = 0; i < batch_; ++i) first_entry_[i + 1] += first_entry_[i];
  parallel_for(work_.size(), threads_, [&](std::size_t p) {
    work_[p].by_target.build(work_[p].local.span().first(work_[p].target_count), shard_.parts[p].rows());
  });
}

void QueriesStep::gather_sampled(std::span<QueryBatch* const> batches, QueryExchange& exchange) {
  parallel_for(work_.size(), threads_, [&](std::size_t p) {
    Work& work = work_[p];
    const ConstMatrix table = parameters_.parts()[p].rows;
    backend_.rows.gather(table, batches[p]->candidates(), {work.sampled.data(), work.candidates.rows, dim_, dim_});
    for (std::size_t k = 0; k < work.target_count; ++k) {
      const std::uint32_t e = work.entry[k];
      const ConstMatrix query = exchange.queries().block(exchange.targets()[e].query, 1);
      backend_.scores.pairs(Similarity::kDot, query, table.block(work.local[k], 1),
                            exchange.target_scores().subspan(e, 1));
    }
  });
}

Matrix QueriesStep::value_memory(const Tile& tile, Scratch& scratch) const {
  const memory::Buffer<float>& kept = work_[tile.part].values;
  const std::size_t before = tile.first + kGap * std::size_t{tile.index};
  float* data = loss_.keep_scores ? kept.data() + before * batch_ : scratch.values.data();
  return {data, batch_, tile.count, tile.count + kGap};
}

void QueriesStep::score_tile(const Tile& tile, QueryExchange& exchange, Scratch& scratch) {
  Work& work = work_[tile.part];
  const Matrix scores = value_memory(tile, scratch);
  backend_.scores.all_pairs(Similarity::kDot, exchange.queries(), work.candidates.block(tile.first, tile.count),
                            scores);
  if (loss_.exact)
    read_targets(tile, scores, exchange);
  else
    mask_targets(tile, 0, scores, exchange);
  const auto highest = scratch.highest.span().first(batch_);
  const auto sums = scratch.sums.span().first(batch_);
  turn_into_values(scores, highest, sums);
  for (std::size_t i = 0; i < batch_; ++i) {
    work.highest[i * work.tile_count + tile.index] = highest[i];
    work.sums[i * work.tile_count + tile.index] = sums[i];
  }
}

void QueriesStep::turn_into_values(Matrix scores, std::span<float> first, std::span<float> second) const {
  if (loss_.binary)
    backend_.softmax.logistic(scores, std::max<std::size_t>(scores.cols, 1), smoothing().offset,
                              {first.data(), first.size(), 1, 1}, {second.data(), second.size(), 1, 1});
  else
    backend_.softmax.exponentials(scores, scores.cols, {first.data(), first.size(), 1, 1},
                                  {second.data(), second.size(), 1, 1});
}

// Values of queries first .. first + count - 1 in a tile: kept, or computed again to the same bits.
ConstMatrix QueriesStep::values(const Tile& tile, std::size_t first, std::size_t count, const QueryExchange& exchange,
                                Scratch& scratch) {
  const Matrix memory = value_memory(tile, scratch);
  if (loss_.keep_scores) return memory.block(first, count);
  const Matrix scores{memory.data, count, memory.cols, memory.stride};
  backend_.scores.all_pairs(Similarity::kDot, exchange.queries().block(first, count),
                            work_[tile.part].candidates.block(tile.first, tile.count), scores);
  if (!loss_.exact) mask_targets(tile, first, scores, exchange);
  turn_into_values(scores, scratch.highest.span().first(count), scratch.sums.span().first(count));
  return scores;
}

void QueriesStep::read_targets(const Tile& tile, ConstMatrix scores, QueryExchange& exchange) const {
  const Work& work = work_[tile.part];
  const std::size_t end = work.by_target.lower_bound(tile.first + tile.count);
  for (std::size_t u = work.by_target.lower_bound(tile.first); u < end; ++u)
    for (const std::uint32_t position : work.by_target.positions_of(u)) {
      const std::uint32_t e = work.entry[position];
      exchange.target_scores()[e] = scores.row(exchange.targets()[e].query)[work.by_target.ids()[u] - tile.first];
    }
}

// A sampled candidate that is a target of the query does not count against it. `scores` begin with query `first`.
void QueriesStep::mask_targets(const Tile& tile, std::size_t first, Matrix scores,
                               const QueryExchange& exchange) const {
  const Work& work = work_[tile.part];
  const exchange::Groups& candidates = batches_[tile.part]->by_candidate();
  for (std::size_t k = 0; k < work.target_count; ++k) {
    const std::size_t u = candidates.lower_bound(work.local[k]);
    const std::uint32_t query = exchange.targets()[work.entry[k]].query;
    if (u == candidates.size() || candidates.ids()[u] != work.local[k]) continue;
    if (query < first || query >= first + scores.rows) continue;
    for (const std::uint32_t position : candidates.positions_of(u))
      if (position >= tile.first && position < tile.first + tile.count)
        scores.row(query - first)[position - tile.first] = -std::numeric_limits<float>::infinity();
  }
}

// Softmax: highest becomes exp(tile's - part's), and sums belong to the part's maximum. Binary: nothing to do.
void QueriesStep::merge_tiles(Work& work, std::size_t first, std::size_t count) {
  if (loss_.binary) return;
  const std::size_t tiles = work.tile_count;
  const Matrix highest{work.highest.data() + first * tiles, count, tiles, tiles};
  // The kernel's own sums are not needed: they go where the factors will be.
  backend_.softmax.exponentials(highest, std::max<std::size_t>(tiles, 1),
                                {work.part_highest.data() + first, count, 1, 1},
                                {work.factors.data() + first, count, 1, 1});
}

Statistic QueriesStep::part_statistic(const Work& work, std::size_t query) const {
  const std::size_t first = query * work.tile_count;
  if (!loss_.binary)
    return kernels::softmax_of_part(work.highest.data() + first, work.sums.data() + first, work.tile_count,
                                    work.part_highest[query], work.shift);
  return kernels::sums_of_part(work.highest.data() + first, work.sums.data() + first, work.tile_count);
}

Statistic QueriesStep::node_statistic(PartRange node, std::size_t query) const {
  if (node.size() == 1) return part_statistic(work_[node.first - first_part_], query);
  const std::uint32_t middle = exchange::split_point(node);
  return merge_of(loss_)(node_statistic({node.first, middle}, query), node_statistic({middle, node.end}, query));
}

// ---- loss and weights

kernels::BinaryLoss QueriesStep::smoothing() const { return binary_loss(loss_, scale_, shard_.manifest.entity_count); }

bool QueriesStep::find_weights(QueryExchange& exchange, std::span<const Statistic> statistics,
                               std::span<double> losses) {
  bool finite = true;
  for (std::size_t i = 0; i < batch_; ++i) {
    const auto scores = exchange.target_scores().subspan(first_entry_[i], first_entry_[i + 1] - first_entry_[i]);
    const double score_sum = kernels::target_score_sum(scores.data(), scores.size());
    const kernels::LossTerms terms =
        loss_.binary
            ? kernels::loss_terms(smoothing(), statistics[i], score_sum, scores.size())
            : kernels::loss_terms(kernels::SoftmaxLoss{scale_, loss_.exact}, statistics[i], score_sum, scores.size());
    std::fill_n(target_weights_.data() + first_entry_[i], scores.size(), static_cast<float>(terms.target_weight));
    for (Work& work : work_) work.factors[i] = loss_.binary ? scale_ : terms.factor(work.part_highest[i], work.shift);
    query_losses_[i] = terms.loss;
    finite = finite && std::isfinite(terms.loss);
  }
  for (std::size_t p = 0; p < work_.size(); ++p) {
    const std::uint32_t part = first_part_ + static_cast<std::uint32_t>(p);
    const std::size_t first = exchange.query_begin(part);
    losses[p] += kernels::lane_sum<kernels::kLossLanes>(exchange.query_begin(part + 1) - first,
                                                        [&](std::size_t i) { return query_losses_[first + i]; });
  }
  return finite;
}

void QueriesStep::predict_relations(const QueryExchange& exchange, std::span<double> losses) {
  if (!prediction_) return;
  for (std::size_t p = 0; p < work_.size(); ++p) target_counts_[p] = work_[p].target_count;
  prediction_->start(target_counts_);
  parallel_for(work_.size(), threads_, [&](std::size_t p) {
    const auto triples = prediction_->triples(p);
    for (std::size_t k = 0; k < triples.size(); ++k) {
      const exchange::QueryTarget& target = exchange.targets()[work_[p].entry[k]];
      triples[k] = {exchange.sources().row(target.query), parameters_.parts()[p].rows.row(work_[p].local[k]),
                    target.relation};
    }
  });
  prediction_->compute(loss_.relation_weight * scale_, loss_.relation_weight, losses);
}

float QueriesStep::factor(const Work& work, std::size_t query, std::uint32_t tile) const {
  const float of_tile = loss_.binary ? 1.0F : work.highest[query * work.tile_count + tile];
  return of_tile * work.factors[query];
}

}  // namespace tessera::train
