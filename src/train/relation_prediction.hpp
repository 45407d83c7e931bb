// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "memory/pool.hpp"
#include "model/parameters.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::train {

/// The auxiliary loss of Chen et al. (AKBC 2021): softmax cross entropy of the relation of a triple among all directed
/// relations, given source and target. For models whose score is linear in the relation row, score = c(s, t) . r, and
/// with w the softmax weights and rho = sum_r w_r r the gradients of s and t are those of the score (s, rho, t).
class RelationPrediction {
 public:
  // A step is computed in rounds of this many triples of every part, which bounds the memory. Gradients of relations
  // are added round by round, so the number is part of their bits.
  static constexpr std::size_t kRoundTriples = 512;

  /// For up to `capacity` triples of `parts` owned parts. Throws Error(kUsage) when the model's score is not linear in
  /// the relation.
  RelationPrediction(const model::Parameters& parameters, std::size_t parts, std::uint64_t capacity,
                     std::size_t threads, const kernels::Backend& backend, memory::Pool& pool);

  /// One triple: source and target rows, and the directed relation.
  struct Triple {
    const float* source;
    const float* target;
    std::uint32_t relation;
  };
  /// Starts a step: part p has counts[p] triples.
  void start(std::span<const std::size_t> counts);
  [[nodiscard]] std::span<Triple> triples(std::size_t part) {
    return triples_.span().subspan(begin_[part], begin_[part + 1] - begin_[part]);
  }
  /// Loss and gradients of all triples; a gradient is that of scale * loss, and loss_weight * loss is added to `losses`
  /// [parts].
  void compute(float scale, float loss_weight, std::span<double> losses);

  /// Gradients of triple i of a part.
  [[nodiscard]] const float* source_gradient(std::size_t part, std::size_t i) const {
    return source_gradients_.data() + (begin_[part] + i) * dim_;
  }
  [[nodiscard]] const float* target_gradient(std::size_t part, std::size_t i) const {
    return target_gradients_.data() + (begin_[part] + i) * dim_;
  }
  /// Gradients of all directed relations from one part's triples [2R, relation_gradient_dim()].
  [[nodiscard]] kernels::Matrix relation_gradients(std::size_t part) const;

 private:
  static constexpr std::size_t kTileTriples = 64;
  static constexpr std::size_t kTileRelations = 64;
  struct Round {  // triples of one part
    std::uint32_t part;
    std::size_t begin;
    std::size_t end;
  };
  struct Task {
    Round round;
    std::size_t at;  // first triple or first relation of a tile
  };
  struct Scratch {                  // of one thread
    memory::Buffer<float> sources;  // [tile, d]
    memory::Buffer<float> targets;  // [tile, d]
    memory::Buffer<float> mixed;    // [tile, operator dim]: rho
    memory::Buffer<float> added;    // [relations of a tile, operator dim]
    memory::Buffer<float> scores;   // [tile]
    memory::Buffer<float> weights;  // [tile]
  };
  /// The next triples of `part` after its first `first` ones.
  [[nodiscard]] Round round_of(std::uint32_t part, std::size_t first) const;
  void compute_round(std::size_t first, float scale);
  void triple_tile(const Round& round, std::size_t first, float scale, Scratch& scratch);
  void relation_tile(const Round& round, std::size_t first, bool writes, Scratch& scratch);

  const model::Parameters& parameters_;
  const kernels::Backend& backend_;
  std::size_t threads_;
  std::size_t dim_;
  std::size_t operator_dim_;
  std::size_t gradient_dim_;  // of a relation
  std::size_t relation_count_;
  std::vector<std::size_t> begin_;  // triples of part p are begin_[p] .. begin_[p + 1] - 1
  std::size_t slots_;               // triples of a part in a round
  memory::Buffer<Triple> triples_;
  memory::Buffer<float> contexts_;  // of a round [parts, slots, operator dim]: c(s, t)
  memory::Buffer<float> weights_;   // of a round [parts, slots, 2R]
  memory::Buffer<float> losses_;    // [T]
  memory::Buffer<float> source_gradients_;
  memory::Buffer<float> target_gradients_;
  memory::Buffer<float> relation_gradients_;  // [parts, 2R, gradient dim]
  memory::Buffer<std::uint32_t> identity_;    // 0, 1, 2, ...
  std::vector<Scratch> scratch_;
  std::vector<Task> tasks_;
};

}  // namespace tessera::train
