// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/part_tree.hpp"
#include "execution/workspace.hpp"
#include "train/optimiser.hpp"
#include "train/penalty.hpp"
#include "train/queries/lists.hpp"
#include "train/queries/loss.hpp"
#include "train/queries/relation_prediction.hpp"
#include "train/queries/sizes.hpp"
#include "train/query_sides.hpp"
#include "train/tables.hpp"

#include <cstdint>
#include <vector>

namespace tessera::train {

/// Forward and backward of a step on the candidates of this rank's parts, for the queries of all parts. The scores of a
/// tile of kTileRows candidates stay in memory as exponentials below the tile's own maximum: one exponential per score,
/// and the weights of a softmax are a tile's values times a factor per query. Decision 5.
template <execution::Space kSpace>
class Candidates {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  using Lists = StepLists<kSpace>;
  using Prediction = RelationPrediction<kSpace>;
  using Executor = execution::Executor<kSpace>;
  using Workspace = execution::Workspace<kSpace>;

  /// Of the parts of `tables`, the first being part `first_part` of `entities` in all. What is named outlives this.
  struct Setup {
    Executor& executor;
    Workspace& workspace;
    Tables<kSpace>& tables;
    const model::Scorer& scorer;
    std::uint32_t first_part;
    std::uint64_t entities;
  };
  Candidates(const Setup& setup, const CandidateLoss& loss, const StepSizes& sizes);

  /// Scores of the step's queries [B, dim] against all candidates, and of own targets; target_scores() has room for the
  /// others. The queries stay as they are until the last update().
  void score(const Lists& lists, ConstMatrix queries);
  [[nodiscard]] Vector<float> target_scores(const Lists& lists) {
    return target_scores_.span().subspan(0, lists.targets);
  }
  /// The statistics of a node of the tree over parts, all of them owned [B].
  void statistics(exchange::PartRange node, Vector<kernels::Statistic> out);
  /// From the statistics over all candidates to weights; losses of own queries are added to losses[owned part].
  void weigh(const Lists& lists, Vector<const kernels::Statistic> all, float scale, std::uint64_t step,
             Vector<kernels::LossSum> losses);
  /// Gradients of all queries over the candidates of a node [B, dim], with prediction [B, 2 dim]: those of sources
  /// beside them.
  void query_gradients(exchange::PartRange node, const Lists& lists, const Prediction* prediction, Matrix out);
  /// Where to put the gradients of own sources of part p [queries, dim].
  [[nodiscard]] Matrix source_gradients(std::size_t p, const Lists& lists) const;
  /// All gradients of the rows of all parts, and the optimiser on them.
  void update(const Lists& lists, const Prediction* prediction, const Penalty& penalty, const Optimiser& optimiser);

  /// Most rows of a list that the steps need: the workspace's counting list must be as long.
  [[nodiscard]] static std::uint64_t longest_list(const CandidateLoss& loss, const StepSizes& sizes);

 private:
  struct Part {
    std::size_t rows = 0;  // candidates
    std::size_t tiles = 0;
    std::size_t block = 0;  // candidates that a kernel takes at once
    float shift = 0;        // log of how many rows a sampled candidate stands for
    Matrix gathered;        // [rows, dim]: sampled ones, or all where products do not take the table as it is stored
    Vector<float> values;   // [B, block] by block: scores, then exponentials below the tile's maximum, or sigmoids
    Matrix maxima;          // [B, tiles], then exp(maximum of tile - maximum of part); binary: softplus
    Matrix sums;            // [B, tiles]
    Matrix factors;         // [tiles, B], in the memory of the sums once these are merged
    Matrix part_maxima;     // [B, 1]; binary: none
    Vector<std::byte> packed_rows;
    Vector<std::byte> packed_weights;
    // Of the step, where a block has all candidates: converted once for both products that take them.
    kernels::BasicOperand<kSpace> candidates{ConstMatrix{}};
    kernels::BasicTiledWeights<kSpace> weights{};
  };
  struct Scratch {                 // of one worker
    Matrix values;                 // [B, block], where scores are not kept
    Matrix maxima;                 // [B, tiles of a block], likewise
    Matrix sums;                   // [B, tiles of a block], or [B, 1]
    Matrix gradients;              // [block of rows, dim]
    Matrix row_sums;               // [block of rows, dim]
    Matrix product;                // [block of queries, dim] on the host
    std::vector<Matrix> subtrees;  // [block of queries, width] by level of the tree
  };
  struct Queries {  // rows first .. first + count - 1 of the step's queries
    std::size_t first;
    std::size_t count;
  };

  void allocate_part(std::size_t p, const StepSizes& sizes);
  void allocate_scratch(const StepSizes& sizes);
  [[nodiscard]] bool is_copied(const kernels::BasicConstStoredRows<kSpace>& table) const;
  [[nodiscard]] std::size_t query_block() const;

  void prepare_candidates(const Lists& lists);
  void score_sampled_targets(const Lists& lists);
  void score_block(std::size_t p, const Block& block, const Lists& lists);
  void make_scores(std::size_t p, const Block& block, Queries queries, const Lists& lists, Matrix scores) const;
  void read_targets(std::size_t p, const Block& block, const Lists& lists, ConstMatrix scores);
  void to_values(Matrix scores, Matrix maxima, Matrix sums) const;
  void merge_tiles(const Part& part, Queries queries, std::size_t worker);
  void node_statistics(exchange::PartRange node, std::size_t level, Queries queries, Vector<kernels::Statistic> out);

  [[nodiscard]] Matrix value_memory(const Part& part, const Block& block, std::size_t queries) const;
  [[nodiscard]] kernels::BasicOperand<kSpace> candidates(const Part& part, const Block& block, std::size_t p) const;
  [[nodiscard]] kernels::BasicTiledWeights<kSpace> weights(std::size_t p, const Block& block, Queries queries,
                                                           const Lists& lists) const;
  void weigh_queries(const Lists& lists, Vector<const kernels::Statistic> all, float scale, Queries queries);

  void node_gradients(exchange::PartRange node, const Lists& lists, const Prediction* prediction, const Block& queries,
                      std::size_t level, Matrix out) const;
  void part_gradients(std::size_t p, const Lists& lists, const Prediction* prediction, const Block& queries,
                      Matrix out) const;
  [[nodiscard]] kernels::BasicWeightedRows<kSpace> weighted_queries(const TargetLists<kSpace>& targets,
                                                                    const Prediction* prediction) const;
  void update_block(std::size_t p, const Block& block, const Lists& lists, const Prediction* prediction,
                    const Penalty& penalty, const Optimiser& optimiser);
  void update_sampled(const Lists& lists, const Prediction* prediction, const Penalty& penalty,
                      const Optimiser& optimiser);
  void add_targets(const TargetLists<kSpace>& targets, std::size_t p, ListRange of, const Prediction* prediction,
                   const Penalty& penalty, Matrix out) const;

  Executor& executor_;
  Workspace& workspace_;
  Tables<kSpace>& tables_;
  const model::Scorer& scorer_;
  CandidateLoss loss_;
  std::uint64_t entities_;
  std::uint32_t first_part_;
  std::size_t dim_;
  std::size_t width_;      // of gradients of queries
  std::size_t capacity_;   // queries
  std::size_t batch_ = 0;  // queries of the step
  std::vector<Part> parts_;
  std::vector<Scratch> scratch_;
  Vector<std::byte> packed_queries_;
  kernels::BasicOperand<kSpace> queries_{ConstMatrix{}};  // of the step
  Matrix source_gradients_;                               // exact: [own queries, dim]
  Matrix occurrences_;  // sampled: gradients of candidates, targets and sources, part by part
  typename Executor::template Buffer<kernels::Statistic> level_statistics_;  // [levels, B]
  typename Executor::template Buffer<kernels::LossTerms> terms_;             // [B]
  typename Executor::template Buffer<float> target_scores_;
  typename Executor::template Buffer<float> target_weights_;
};

extern template class Candidates<execution::Space::kHost>;
extern template class Candidates<execution::Space::kDevice>;

}  // namespace tessera::train
