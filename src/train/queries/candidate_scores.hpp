// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/tree/part_tree.hpp"
#include "execution/step_memory.hpp"
#include "train/queries/lists.hpp"
#include "train/queries/loss.hpp"
#include "train/queries/sizes.hpp"
#include "train/query_sides.hpp"
#include "train/tables.hpp"

#include <cstdint>
#include <vector>

namespace tessera::train {

/// Rows first .. first + count - 1 of a step's queries.
struct QueryRange {
  std::size_t first;
  std::size_t count;
};

/// The way forward: from the queries of all parts to weights of this rank's candidates. The scores of a tile of
/// kTileRows candidates stay in memory as exponentials below the tile's own maximum: one exponential per score, and the
/// weights of a softmax are a tile's values times a factor per query. Decision 5.
template <execution::Space kSpace>
class CandidateScores {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  using Lists = StepLists<kSpace>;

  CandidateScores(const StepSetup<kSpace>& setup, const CandidateLoss& loss, const StepSizes& sizes);

  /// Scores of the step's queries [B, dim] against all candidates, and of own targets; target_scores() has room for the
  /// others. The queries stay as they are until the step ends.
  void score(const Lists& lists, ConstMatrix queries);
  [[nodiscard]] Vector<float> target_scores(const Lists& lists) {
    return target_scores_.span().subspan(0, lists.targets);
  }
  /// The statistics of a node of the tree over parts, all of them owned [B].
  void statistics(exchange::PartRange node, Vector<kernels::Statistic> out);
  /// From the statistics over all candidates to weights; losses of own queries are added to losses[owned part].
  void weigh(const Lists& lists, Vector<const kernels::Statistic> all, float scale, std::uint64_t step,
             Vector<kernels::LossSum> losses);

  // The functions below read a step after weigh().
  [[nodiscard]] std::size_t query_count() const { return batch_; }
  /// Queries that suit a block.
  [[nodiscard]] std::size_t query_block() const;
  [[nodiscard]] const kernels::BasicOperand<kSpace>& queries() const { return queries_; }
  [[nodiscard]] std::size_t candidate_count(std::size_t p) const { return parts_[p].rows; }
  /// Candidates of part p that a kernel takes at once.
  [[nodiscard]] std::size_t block_rows(std::size_t p) const { return parts_[p].block; }
  [[nodiscard]] kernels::BasicOperand<kSpace> candidates(std::size_t p, const Block& block) const;
  /// Weights of a block of candidates: kept, or computed again to the same bits, in memory of the worker.
  [[nodiscard]] kernels::BasicTiledWeights<kSpace> weights(std::size_t p, const Block& block, QueryRange queries,
                                                           const Lists& lists) const;
  [[nodiscard]] Vector<const float> target_weights(const Lists& lists) const {
    return Vector<const float>(target_weights_.span()).subspan(0, lists.targets);
  }

  /// Most rows of a list that the steps need: the counting list of StepMemory must be as long.
  [[nodiscard]] static std::uint64_t longest_list(const CandidateLoss& loss, const StepSizes& sizes);

 private:
  struct Part {
    std::size_t rows = 0;  // candidates
    std::size_t tiles = 0;
    std::size_t block = 0;  // candidates that a kernel takes at once
    float shift = 0;        // log of how many rows a sampled candidate stands for
    Matrix gathered;        // [rows, dim] in fp32: sampled ones, or all where is_copied() says so
    Vector<float> values;   // [B, block] by block: scores, then exponentials below the tile's maximum, or sigmoids
    Matrix maxima;          // [B, tiles], then exp(maximum of tile - maximum of part); binary: softplus
    Matrix sums;            // [B, tiles]
    Matrix factors;         // [tiles, B], in the memory of the sums once these are merged
    Matrix part_maxima;     // [B, 1]; binary: none
    Vector<std::byte> packed_rows;
    Vector<std::byte> packed_weights;
    // Where a block has all candidates, a step converts them once, for both products that take them.
    kernels::BasicOperand<kSpace> candidates{ConstMatrix{}};
    kernels::BasicTiledWeights<kSpace> weights{};
  };
  struct Scratch {  // of one worker
    Matrix values;  // [B, block], where scores are not kept
    Matrix maxima;  // [B, tiles of a block]
    Matrix sums;    // [B, tiles of a block], or [B, 1]
    Matrix rows;    // [block, dim] in fp32, where is_converted() says so
  };

  void allocate_part(std::size_t p, const StepSizes& sizes);
  void allocate_scratch();
  /// Sampled candidates, and tables that products cannot take as they are stored: a step copies all candidates, or
  /// converts them block by block.
  [[nodiscard]] bool is_copied(std::size_t p) const;
  [[nodiscard]] bool is_converted(std::size_t p) const;
  [[nodiscard]] bool takes(std::size_t p) const;
  void prepare_candidates(const Lists& lists);
  void score_sampled_targets(const Lists& lists);
  void score_block(std::size_t p, const Block& block, const Lists& lists);
  void make_scores(std::size_t p, const Block& block, QueryRange queries, const Lists& lists, Matrix scores) const;
  void read_targets(std::size_t p, const Block& block, const Lists& lists, ConstMatrix scores);
  void to_values(Matrix scores, Matrix maxima, Matrix sums) const;
  [[nodiscard]] Matrix value_memory(const Part& part, const Block& block, std::size_t queries) const;
  void merge_tiles(const Part& part, QueryRange queries, std::size_t worker);
  void node_statistics(exchange::PartRange node, std::size_t level, QueryRange queries, Vector<kernels::Statistic> out);
  void weigh_queries(const Lists& lists, Vector<const kernels::Statistic> all, float scale, QueryRange queries);

  execution::Executor<kSpace>& executor_;
  execution::StepMemory<kSpace>& memory_;
  Tables<kSpace>& tables_;
  CandidateLoss loss_;
  std::uint64_t entities_;
  std::uint32_t first_part_;
  std::size_t dim_;
  std::size_t capacity_;   // queries
  std::size_t batch_ = 0;  // queries of the step
  std::vector<Part> parts_;
  std::vector<Scratch> scratch_;
  Vector<std::byte> packed_queries_;
  kernels::BasicOperand<kSpace> queries_{ConstMatrix{}};  // queries of the step
  template <class T>
  using Buffer = typename execution::Executor<kSpace>::template Buffer<T>;
  Buffer<kernels::Statistic> level_statistics_;  // [levels, B]
  Buffer<kernels::LossTerms> terms_;             // [B]
  Buffer<float> target_scores_;
  Buffer<float> target_weights_;
};

extern template class CandidateScores<execution::Space::kHost>;
extern template class CandidateScores<execution::Space::kDevice>;

}  // namespace tessera::train
