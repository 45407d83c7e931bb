// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/rows_exchange.hpp"
#include "exchange/sparse_tree_sum.hpp"
#include "graph/shard.hpp"
#include "kernels/backend.hpp"
#include "memory/pool.hpp"
#include "model/parameters.hpp"
#include "model/regulariser.hpp"
#include "train/batch.hpp"
#include "train/negative_loss.hpp"
#include "train/query_side.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::train {

/// What the loss of a step looks like; the same for every part.
struct Objective {
  NegativeLoss loss;
  model::Regulariser regulariser;
  /// Of a step whose loss is a mean over this many queries.
  [[nodiscard]] Penalty penalty(float scale) const { return {regulariser, scale}; }
};

/// Forward and backward of one step on the parts of this rank: from batches and rows in place to gradients by
/// occurrence, then to sums by distinct row. Work is cut into tiles that do not depend on ranks or threads.
class Step {
 public:
  /// `most_queries` [owned parts]: largest batch of each. `dropout` outlives the object.
  Step(const graph::Shard& shard, const model::Parameters& parameters, const Dropout& dropout,
       std::span<const std::uint64_t> most_queries, std::uint64_t negatives, std::size_t threads,
       const kernels::Backend& backend, memory::Pool& pool);

  /// `batches` [owned parts]; `queries_in_step` over all parts: the loss is their mean. Adds each part's summed losses
  /// to `losses` [owned parts].
  void compute(std::span<Batch* const> batches, const Objective& objective, std::uint64_t queries_in_step,
               std::span<double> losses, exchange::RowsExchange& exchange);
  /// Sums gradients by distinct row into the blocks of the exchange, and by relation into leaves().
  void sum_by_row(std::span<Batch* const> batches, std::size_t slot, const Objective& objective,
                  std::uint64_t queries_in_step, const exchange::RowsExchange& exchange);
  /// Relation gradients of each owned part, for SparseTreeSum.
  [[nodiscard]] std::span<const exchange::SparseRows> leaves() const { return leaves_; }

 private:
  static constexpr std::size_t kTileQueries = 128;
  static constexpr std::size_t kTileNegatives = 128;
  static constexpr std::size_t kTileRelations = 16;
  struct Work {                       // of one part
    QuerySide side;                   // n queries
    memory::Buffer<float> negatives;  // [K, d]
    memory::Buffer<float> weights;    // [n, K]: scores, then softmax weights
    memory::Buffer<float> gradients;  // [2n + K, d] by occurrence
    memory::Buffer<float> losses;     // [n]
  };
  struct Scratch {                  // of one thread
    memory::Buffer<float> targets;  // [tile, d]
    memory::Buffer<float> scores;   // [tile, K], only where the similarity needs them
  };
  struct Task {
    std::uint32_t part;   // index among the owned
    std::uint32_t first;  // query, negative, owner or distinct relation
  };

  void gather_negatives(std::span<Batch* const> batches);
  void query_tile(const Batch& batch, const Task& task, const Objective& objective, float scale, Scratch& scratch);
  void score_tile(const Batch& batch, const Task& task, std::size_t count, const Objective& objective, float scale,
                  Scratch& scratch);
  void negative_tile(const Batch& batch, const Task& task);

  const model::Parameters& parameters_;
  const kernels::Backend& backend_;
  std::size_t dim_;
  std::size_t negatives_;
  std::size_t threads_;
  std::uint32_t part_count_;
  std::vector<Work> work_;
  std::vector<Scratch> scratch_;
  std::vector<Task> tasks_;
  std::vector<float> target_scores_;
  std::vector<float> target_weights_;
  std::vector<exchange::SparseRows> leaves_;
};

}  // namespace tessera::train
