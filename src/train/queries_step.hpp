// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/query_exchange.hpp"
#include "graph/shard.hpp"
#include "kernels/backend.hpp"
#include "memory/pool.hpp"
#include "model/parameters.hpp"
#include "model/regulariser.hpp"
#include "train/query_batch.hpp"
#include "train/query_side.hpp"
#include "train/relation_prediction.hpp"
#include "train/row_update.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace tessera::train {

/// The loss over candidates when queries are moved.
struct CandidateLoss {
  bool binary = false;      ///< binary cross entropy of every candidate (KvsAll); else softmax cross entropy
  double smoothing = 0;     ///< label smoothing of the binary one
  bool exact = true;        ///< all rows are candidates; else those that the batches sampled
  bool unbiased = true;     ///< a sampled candidate stands for as many rows as it takes to count all
  bool keep_scores = true;  ///< between the passes over the candidates; else they are computed again
  model::Regulariser regulariser;
  float relation_weight = 0;  ///< of relation prediction; 0: off
};

/// Forward and backward of one step on the candidates of this rank's parts, for the queries of all parts. Candidates
/// are cut into tiles of kTileRows; a tile's scores stay in memory as exponentials below the tile's own maximum, so
/// that one exponential per score is computed and the weights of a softmax are a tile's values times a factor per
/// query.
class QueriesStep {
 public:
  static constexpr std::size_t kTileRows = 256;

  struct Capacity {
    std::uint64_t queries;                        ///< of all parts in a step
    std::uint64_t targets;                        ///< of all parts in a step
    std::vector<QueryBatch::Capacity> own_parts;  ///< of each owned part
  };
  QueriesStep(const graph::Shard& shard, model::Parameters& parameters, const CandidateLoss& loss,
              const Capacity& capacity, std::size_t threads, const kernels::Backend& backend, memory::Pool& pool);

  /// Scores all candidates; leaves the statistics of own subtrees and the scores of own targets in the exchange.
  void score(std::span<QueryBatch* const> batches, exchange::QueryExchange& exchange);
  /// From merged statistics to the weights and the losses, added to `losses` [owned parts] for each part's queries.
  /// False, on every rank alike, when a loss is not finite.
  [[nodiscard]] bool find_weights(exchange::QueryExchange& exchange, std::span<const exchange::Statistic> statistics,
                                  std::span<double> losses);
  /// Relation prediction, if it is on, for the targets of this rank's parts; adds to `losses`.
  void predict_relations(const exchange::QueryExchange& exchange, std::span<double> losses);
  /// A part's gradients of all directed relations from it.
  [[nodiscard]] const RelationPrediction* relation_prediction() const { return prediction_.get(); }
  /// Gradients of all queries, summed over each of this rank's subtrees of parts.
  void query_gradients(exchange::QueryExchange& exchange);
  /// Gradients of candidates, and the optimiser on all rows that are no source of a query of this rank.
  void update_candidates(std::span<QueryBatch* const> batches, const exchange::QueryExchange& exchange,
                         const Optimiser& optimiser);
  /// The other rows, now that the query sides know their gradients.
  void update_sources(std::span<QueryBatch* const> batches, std::span<QuerySide* const> sides,
                      const Optimiser& optimiser);
  /// Of this step.
  [[nodiscard]] Penalty penalty() const { return {loss_.regulariser, scale_}; }

 private:
  static constexpr std::size_t kBlockQueries = 512;
  /// Floats between the rows of a tile's values: a cache line, so that a column is not all in a few sets of a cache.
  static constexpr std::size_t kGap = 16;
  struct Tile {
    std::uint32_t part;   // index among the owned
    std::uint32_t index;  // within the part
    std::uint32_t first;  // candidate
    std::uint32_t count;
  };
  struct Block {  // of queries, at a level of the tree over parts
    std::size_t first;
    std::size_t count;
    std::size_t level;
  };
  struct Work {  // of one owned part
    Work(std::uint64_t targets, memory::Pool& pool);
    kernels::ConstMatrix candidates;  // [n, d]: the table, or the sampled rows
    std::uint32_t first_tile = 0;     // into tiles_
    std::uint32_t tile_count = 0;
    float shift = 0;                     // log of how many rows a sampled candidate stands for
    memory::Buffer<float> values;        // [B, n] by tile, with gaps: scores, then exponentials or sigmoids; or empty
    memory::Buffer<float> highest;       // [B, tiles], then exp(highest of tile - highest of part); binary: softplus
    memory::Buffer<float> sums;          // [B, tiles]
    memory::Buffer<float> part_highest;  // [B]
    memory::Buffer<float> factors;       // [B]: of the exponentials below the part's maximum
    // Target entries of this part, in the order of the exchange: their row and index there.
    memory::Buffer<std::uint32_t> local;
    memory::Buffer<std::uint32_t> entry;
    std::size_t target_count = 0;
    exchange::Groups by_target;              // positions in local
    memory::Buffer<float> source_gradients;  // [n, d]
    memory::Buffer<float> held;              // exact: [distinct sources, d], gradients that wait for those
    // Sampled: rows and gradients by occurrence (candidates, targets, sources).
    memory::Buffer<float> sampled;  // [K, d]
    memory::Buffer<float> occurrences;
    memory::Buffer<std::uint32_t> occurrence_rows;
    std::vector<RowUpdate> update;  // one
  };
  struct Scratch {                       // of one thread
    memory::Buffer<float> factors;       // [B]
    memory::Buffer<float> gradients;     // [tile, d]
    memory::Buffer<float> block;         // [block, d]
    memory::Buffer<float> levels;        // [levels, block, 2 d]
    memory::Buffer<float> highest;       // [B]
    memory::Buffer<float> sums;          // [B]
    memory::Buffer<std::uint32_t> rows;  // [tile]
    memory::Buffer<float> values;        // [B, tile] where they are not kept
  };

  [[nodiscard]] std::size_t block_size() const;
  void find_targets(const exchange::QueryExchange& exchange);
  void gather_sampled(std::span<QueryBatch* const> batches, exchange::QueryExchange& exchange);
  void score_tile(const Tile& tile, exchange::QueryExchange& exchange, Scratch& scratch);
  void read_targets(const Tile& tile, kernels::ConstMatrix scores, exchange::QueryExchange& exchange) const;
  void mask_targets(const Tile& tile, std::size_t first, kernels::Matrix scores,
                    const exchange::QueryExchange& exchange) const;
  void turn_into_values(kernels::Matrix scores, std::span<float> first, std::span<float> second) const;
  void merge_tiles(Work& work, std::size_t first, std::size_t count);
  [[nodiscard]] exchange::Statistic part_statistic(const Work& work, std::size_t query) const;
  [[nodiscard]] exchange::Statistic node_statistic(exchange::PartRange node, std::size_t query) const;
  [[nodiscard]] kernels::BinaryLoss smoothing() const;
  [[nodiscard]] kernels::Matrix value_memory(const Tile& tile, Scratch& scratch) const;
  [[nodiscard]] kernels::ConstMatrix values(const Tile& tile, std::size_t first, std::size_t count,
                                            const exchange::QueryExchange& exchange, Scratch& scratch);
  [[nodiscard]] float factor(const Work& work, std::size_t query, std::uint32_t tile) const;
  void add_subtree(exchange::PartRange node, const Block& block, const exchange::QueryExchange& exchange,
                   Scratch& scratch, kernels::Matrix out);
  void add_part(std::size_t part, const Block& block, const exchange::QueryExchange& exchange, Scratch& scratch,
                kernels::Matrix out);
  void candidate_gradients(const Tile& tile, const exchange::QueryExchange& exchange, kernels::Matrix out,
                           Scratch& scratch);
  void add_target_gradient(std::size_t part, std::span<const std::uint32_t> positions,
                           const exchange::QueryExchange& exchange, const float* row, float* gradient) const;
  void update_tile(const Tile& tile, const QueryBatch& batch, const exchange::QueryExchange& exchange,
                   const Optimiser& optimiser, Scratch& scratch);
  void place_sampled_targets(std::size_t part, const QueryBatch& batch, const exchange::QueryExchange& exchange);
  void update_occurrences(std::span<QueryBatch* const> batches, const Optimiser& optimiser);
  template <class Size, class Body>
  void for_each_block(std::span<QueryBatch* const> batches, const Size& size, const Body& body);

  const graph::Shard& shard_;
  model::Parameters& parameters_;
  const kernels::Backend& backend_;
  CandidateLoss loss_;
  std::size_t dim_;
  std::size_t threads_;
  std::uint32_t first_part_;
  std::span<QueryBatch* const> batches_;  // of this step
  std::size_t batch_ = 0;                 // queries in this step
  float scale_ = 0;                       // of the loss in this step
  std::vector<Work> work_;
  std::vector<Scratch> scratch_;
  std::vector<Tile> tiles_;
  std::unique_ptr<RelationPrediction> prediction_;
  std::vector<std::size_t> target_counts_;                       // by owned part
  std::vector<std::pair<std::uint32_t, std::uint32_t>> blocks_;  // (part, first)
  memory::Buffer<std::uint32_t> first_entry_;                    // [B + 1]: entries are ordered by query
  memory::Buffer<double> query_losses_;                          // [B]
  memory::Buffer<float> target_weights_;                         // by entry
};

/// How statistics of candidates are merged for this loss.
exchange::QueryExchange::Merge merge_of(const CandidateLoss& loss);
/// The binary loss over `entities` candidates, multiplied by `scale`.
kernels::BinaryLoss binary_loss(const CandidateLoss& loss, float scale, std::uint64_t entities);

}  // namespace tessera::train
