// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The second half of a step: from weights to gradients of queries and candidates, and the updates.

#include "core/parallel.hpp"
#include "train/queries_step.hpp"

#include <algorithm>
#include <cstring>

namespace tessera::train {
namespace {

using exchange::PartRange;
using exchange::QueryExchange;
using kernels::ConstMatrix;
using kernels::Matrix;

void add_scaled(float factor, const float* from, std::size_t dim, float* to) {
  for (std::size_t k = 0; k < dim; ++k) to[k] += factor * from[k];
}

}  // namespace

void QueriesStep::query_gradients(QueryExchange& exchange) {
  const auto subtrees = exchange.subtrees();
  const std::size_t size = block_size();
  parallel_for((batch_ + size - 1) / size, threads_, [&](std::size_t block, std::size_t worker) {
    const std::size_t first = block * size;
    const std::size_t count = std::min(size, batch_ - first);
    for (std::size_t k = 0; k < subtrees.size(); ++k)
      add_subtree(subtrees[k], {first, count, 0}, exchange, scratch_[worker],
                  exchange.subtree_gradients(k).block(first, count));
  });
}

void QueriesStep::add_subtree(PartRange node, const Block& block, const QueryExchange& exchange, Scratch& scratch,
                              Matrix out) {
  if (node.size() == 1) return add_part(node.first - first_part_, block, exchange, scratch, out);
  const std::uint32_t middle = exchange::split_point(node);
  const Block below{block.first, block.count, block.level + 1};
  const Matrix right{scratch.levels.data() + block.level * kBlockQueries * 2 * dim_, block.count, out.cols, out.cols};
  add_subtree({node.first, middle}, below, exchange, scratch, out);
  add_subtree({middle, node.end}, below, exchange, scratch, right);
  add_scaled(1.0F, right.data, block.count * out.cols, out.data);
}

// Tiles in order, then the targets of the block's queries in this part. With relation prediction the second half of a
// row of `out` is the gradient of the source.
void QueriesStep::add_part(std::size_t part, const Block& block, const QueryExchange& exchange, Scratch& scratch,
                           Matrix out) {
  const Work& work = work_[part];
  const Matrix product{scratch.block.data(), block.count, dim_, dim_};
  std::fill_n(out.data, block.count * out.cols, 0.0F);
  for (std::uint32_t t = 0; t < work.tile_count; ++t) {
    const Tile& tile = tiles_[work.first_tile + t];
    backend_.gradients.to_queries(values(tile, block.first, block.count, exchange, scratch),
                                  work.candidates.block(tile.first, tile.count), product);
    for (std::size_t i = 0; i < block.count; ++i)
      add_scaled(factor(work, block.first + i, t), product.row(i), dim_, out.row(i));
  }
  const std::uint32_t* begin = work.entry.data();
  const std::uint32_t* end = begin + work.target_count;
  const ConstMatrix table = parameters_.parts()[part].rows;
  const std::uint32_t* last = std::lower_bound(begin, end, first_entry_[block.first + block.count]);
  for (const std::uint32_t* e = std::lower_bound(begin, end, first_entry_[block.first]); e != last; ++e) {
    float* to = out.row(exchange.targets()[*e].query - block.first);
    const auto position = static_cast<std::size_t>(e - begin);
    add_scaled(target_weights_[*e], table.row(work.local[position]), dim_, to);
    if (prediction_) add_scaled(1.0F, prediction_->source_gradient(part, position), dim_, to + dim_);
  }
}

// ---- gradients of candidates, updates

void QueriesStep::update_candidates(std::span<QueryBatch* const> batches, const QueryExchange& exchange,
                                    const Optimiser& optimiser) {
  parallel_for(tiles_.size(), threads_, [&](std::size_t i, std::size_t worker) {
    const Tile& tile = tiles_[i];
    if (loss_.exact)
      update_tile(tile, *batches[tile.part], exchange, optimiser, scratch_[worker]);
    else
      candidate_gradients(tile, exchange,
                          {work_[tile.part].occurrences.data() + tile.first * dim_, tile.count, dim_, dim_},
                          scratch_[worker]);
  });
  if (!loss_.exact)
    parallel_for(work_.size(), threads_, [&](std::size_t p) { place_sampled_targets(p, *batches[p], exchange); });
}

// out[j] = sum over queries of value * factor * query.
void QueriesStep::candidate_gradients(const Tile& tile, const QueryExchange& exchange, Matrix out, Scratch& scratch) {
  const Work& work = work_[tile.part];
  const auto factors = scratch.factors.span().first(batch_);
  for (std::size_t i = 0; i < batch_; ++i) factors[i] = factor(work, i, tile.index);
  backend_.gradients.to_rows_scaled(values(tile, 0, batch_, exchange, scratch), factors, exchange.queries(), out);
}

// One row's part of the loss as a target: every entry's query, and the penalty once per entry.
void QueriesStep::add_target_gradient(std::size_t part, std::span<const std::uint32_t> positions,
                                      const QueryExchange& exchange, const float* row, float* gradient) const {
  for (const std::uint32_t position : positions) {
    const std::uint32_t e = work_[part].entry[position];
    add_scaled(target_weights_[e], exchange.queries().row(exchange.targets()[e].query), dim_, gradient);
    if (prediction_) add_scaled(1.0F, prediction_->target_gradient(part, position), dim_, gradient);
  }
  penalty().add_entity(parameters_.scorer(), static_cast<float>(positions.size()), row, dim_, gradient);
}

void QueriesStep::update_tile(const Tile& tile, const QueryBatch& batch, const QueryExchange& exchange,
                              const Optimiser& optimiser, Scratch& scratch) {
  Work& work = work_[tile.part];
  const model::PartTable& table = parameters_.parts()[tile.part];
  const Matrix gradients{scratch.gradients.data(), tile.count, dim_, dim_};
  candidate_gradients(tile, exchange, gradients, scratch);
  const std::uint32_t end = tile.first + tile.count;
  for (std::size_t u = work.by_target.lower_bound(tile.first); u < work.by_target.lower_bound(end); ++u) {
    const std::uint32_t row = work.by_target.ids()[u];
    add_target_gradient(tile.part, work.by_target.positions_of(u), exchange, table.rows.row(row),
                        gradients.row(row - tile.first));
  }
  // Rows that are sources wait for update_sources(); the others move together.
  std::size_t free = 0;
  std::size_t source = batch.by_source().lower_bound(tile.first);
  for (std::uint32_t row = tile.first; row < end; ++row) {
    const float* gradient = gradients.row(row - tile.first);
    const bool waits = source < batch.by_source().size() && batch.by_source().ids()[source] == row;
    float* to = waits ? work.held.data() + source * dim_ : gradients.row(free);
    if (to != gradient) std::memcpy(to, gradient, dim_ * sizeof(float));
    if (waits)
      ++source;
    else
      scratch.rows[free++] = row;
  }
  optimiser.apply(backend_, gradients.block(0, free), scratch.rows.span().first(free), table.rows, table.state);
}

void QueriesStep::place_sampled_targets(std::size_t part, const QueryBatch& batch, const QueryExchange& exchange) {
  Work& work = work_[part];
  const ConstMatrix table = parameters_.parts()[part].rows;
  std::copy(batch.candidates().begin(), batch.candidates().end(), work.occurrence_rows.data());
  for (std::size_t k = 0; k < work.target_count; ++k) {
    const std::size_t at = work.candidates.rows + k;
    float* gradient = work.occurrences.data() + at * dim_;
    const auto position = static_cast<std::uint32_t>(k);
    work.occurrence_rows[at] = work.local[k];
    std::fill_n(gradient, dim_, 0.0F);
    add_target_gradient(part, std::span(&position, 1), exchange, table.row(work.local[k]), gradient);
  }
}

void QueriesStep::update_sources(std::span<QueryBatch* const> batches, std::span<QuerySide* const> sides,
                                 const Optimiser& optimiser) {
  for_each_block(
      batches, [&](const QueryBatch& batch) { return batch.size(); },
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t worker) {
        sides[p]->source_gradients(first, count, penalty(),
                                   {work_[p].source_gradients.data() + first * dim_, count, dim_, dim_}, worker);
      });
  if (!loss_.exact) return update_occurrences(batches, optimiser);
  for_each_block(
      batches, [&](const QueryBatch& batch) { return batch.by_source().size(); },
      [&](std::size_t p, std::size_t first, std::size_t count, std::size_t worker) {
        const exchange::Groups& sources = batches[p]->by_source();
        const model::PartTable& table = parameters_.parts()[p];
        const Matrix sums{scratch_[worker].block.data(), count, dim_, dim_};
        backend_.rows.sum_segments({work_[p].source_gradients.data(), batches[p]->size(), dim_, dim_},
                                   sources.offsets().subspan(first, count + 1), sources.positions(), sums);
        add_scaled(1.0F, work_[p].held.data() + first * dim_, count * dim_, sums.data);
        optimiser.apply(backend_, sums, sources.ids().subspan(first, count), table.rows, table.state);
      });
}

void QueriesStep::update_occurrences(std::span<QueryBatch* const> batches, const Optimiser& optimiser) {
  parallel_for(work_.size(), threads_, [&](std::size_t p) {
    Work& work = work_[p];
    const std::size_t at = work.candidates.rows + work.target_count;
    const std::size_t count = at + batches[p]->size();
    std::copy(batches[p]->sources().begin(), batches[p]->sources().end(), work.occurrence_rows.data() + at);
    std::memcpy(work.occurrences.data() + at * dim_, work.source_gradients.data(),
                batches[p]->size() * dim_ * sizeof(float));
    work.update.front().apply(backend_, optimiser,
                              {work.occurrence_rows.span().first(count), {work.occurrences.data(), count, dim_, dim_}},
                              parameters_.parts()[p]);
  });
}

template <class Size, class Body>
void QueriesStep::for_each_block(std::span<QueryBatch* const> batches, const Size& size, const Body& body) {
  blocks_.clear();
  for (std::uint32_t p = 0; p < batches.size(); ++p)
    for (std::uint32_t first = 0; first < size(*batches[p]); first += kBlockQueries) blocks_.emplace_back(p, first);
  parallel_for(blocks_.size(), threads_, [&](std::size_t i, std::size_t worker) {
    const auto [p, first] = blocks_[i];
    body(p, first, std::min(kBlockQueries, size(*batches[p]) - first), worker);
  });
}

}  // namespace tessera::train
