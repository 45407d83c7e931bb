// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "execution/step_memory.hpp"
#include "train/queries/lists.hpp"
#include "train/queries/sizes.hpp"
#include "train/query_sides.hpp"
#include "train/tables.hpp"

#include <cstddef>
#include <vector>

namespace tessera::train {

/// The auxiliary loss of Chen et al. (AKBC 2021): cross entropy of the relation of each triple among all directed
/// relations, given source and target. With c(s, t) = d score / d r every logit is c . r', so scores and gradients are
/// matrix products. Only for models whose score is linear in the relation.
template <execution::Space kSpace>
class RelationPrediction {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;

  /// Targets of a part that are worked on at once, which bounds the memory. Gradients of relations are added round by
  /// round, so the number is part of their bits.
  static constexpr std::size_t kRoundTargets = 512;

  /// Throws Error(kUsage) when the model's score is not linear in the relation.
  RelationPrediction(const StepSetup<kSpace>& setup, const StepSizes& sizes);

  /// A step: source rows after dropout [queries of the step, dim], the operators of all directed relations, and what
  /// gradients and losses are multiplied with: a gradient is that of weight * scale * loss, and weight * loss is added
  /// to losses[owned part].
  struct Step {
    ConstMatrix sources;
    ConstMatrix operators;
    float scale;
    float weight;
    std::uint64_t number;
  };
  /// Loss and gradients of all targets of this rank's parts.
  void compute(const StepLists<kSpace>& lists, const Step& step, kernels::Vector<kSpace, kernels::LossSum> losses);

  /// The gradients that the targets of a part give to their sources, and to themselves, in their order [targets, dim].
  [[nodiscard]] ConstMatrix source_gradients(const TargetLists<kSpace>& targets) const {
    return source_gradients_.block(targets.first, targets.count);
  }
  [[nodiscard]] ConstMatrix target_gradients(const TargetLists<kSpace>& targets) const {
    return target_gradients_.block(targets.first, targets.count);
  }
  /// Gradients of all directed relations, part by part [owned parts * relations, gradient dim].
  [[nodiscard]] Matrix relation_gradients() const { return relation_gradients_; }

 private:
  struct Scratch {          // of one worker
    Matrix sources;         // [block, dim]
    Matrix targets;         // [block, dim]
    Matrix mixed;           // [block, operator dim]
    Matrix scores;          // [1, block]
    Matrix target_weights;  // [1, block]
    Matrix added;           // [block of relations, operator dim]
  };
  void compute_round(const StepLists<kSpace>& lists, std::size_t first, const Step& step);
  void compute_targets(std::size_t p, const TargetLists<kSpace>& targets, std::size_t round_first, const Block& block,
                       const Step& step);
  void add_relation_gradients(std::size_t p, std::size_t targets, bool is_first, const Block& relations);

  execution::Executor<kSpace>& executor_;
  execution::StepMemory<kSpace>& memory_;
  const Tables<kSpace>& tables_;
  const model::Scorer& scorer_;
  std::size_t operator_dim_;
  std::size_t relation_count_;
  std::size_t slots_;        // targets of a part in a round
  Matrix contexts_;          // contexts of a round [owned parts * slots, operator dim]: c(s, t)
  Matrix weights_;           // weights of a round [owned parts * slots, relations]
  Matrix losses_;            // [1, targets]
  Matrix source_gradients_;  // [targets, dim], of all owned parts
  Matrix target_gradients_;
  Matrix relation_gradients_;
  std::vector<Scratch> scratch_;
};

extern template class RelationPrediction<execution::Space::kHost>;
extern template class RelationPrediction<execution::Space::kDevice>;

}  // namespace tessera::train
