// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/matrix.hpp"

#include <cstdint>
#include <span>

namespace tessera::kernels {

/// How a query vector q and an entity row e give a score; larger is better.
enum class Similarity {
  kDot,         ///< sum_k q[k] e[k]
  kNegativeL1,  ///< -sum_k |q[k] - e[k]|
  kNegativeL2,  ///< -sqrt(sum_k (q[k] - e[k])^2)
};

// Every sum below is one chain of fused multiply-adds (plain adds for L1) in index order, so that a result does not
// depend on tile shapes, positions, threads or vector width. Every call is serial: callers spread tiles over threads.
// Outputs never alias inputs. No call allocates.

/// Scores of query vectors against entity rows.
class Scores {
 public:
  virtual ~Scores() = default;
  /// out[i][j] = similarity(queries[i], rows[j]); queries [b, d], rows [n, d], out [b, n].
  virtual void all_pairs(Similarity similarity, ConstMatrix queries, ConstMatrix rows, Matrix out) const = 0;
  /// out[i] = similarity(queries[i], rows[i]), the same bits as all_pairs gives; both [b, d].
  virtual void pairs(Similarity similarity, ConstMatrix queries, ConstMatrix rows, std::span<float> out) const = 0;
};

/// Products of a weight matrix with the vectors that made it. weights [b, n].
class Gradients {
 public:
  virtual ~Gradients() = default;
  /// out[i] = sum_j weights[i][j] rows[j]; rows [n, d], out [b, d].
  virtual void to_queries(ConstMatrix weights, ConstMatrix rows, Matrix out) const = 0;
  /// out[j] = sum_i weights[i][j] queries[i]; queries [b, d], out [n, d].
  virtual void to_rows(ConstMatrix weights, ConstMatrix queries, Matrix out) const = 0;
  /// As to_rows for the queries factors[i] * queries[i].
  virtual void to_rows_scaled(ConstMatrix weights, std::span<const float> factors, ConstMatrix queries,
                              Matrix out) const = 0;
};

/// What follows from scores, row by row.
class Softmax {
 public:
  virtual ~Softmax() = default;
  /// Softmax cross entropy of one target against n shared candidates.
  /// With z = logits[i][j] + shift (log of how many candidates each stands for) and t = target_scores[i]:
  ///   losses[i] = log(exp(t) + sum_j exp(z_j)) - t,
  ///   logits[i][j] <- scale * exp(z_j) / (exp(t) + sum exp(z)),  target_weights[i] <- scale * (p_target - 1),
  /// all computed stably; a candidate of -infinity counts for nothing. Sums over j run in 16 fixed lanes (j mod 16)
  /// that are then added as a fixed binary tree, whatever the vector width.
  virtual void cross_entropy(Matrix logits, std::span<const float> target_scores, float shift, float scale,
                             std::span<float> losses, std::span<float> target_weights) const = 0;
  /// One tile of a softmax whose tiles are merged later: highest[i] = max_j logits[i][j] (the lowest float when none is
  /// above it), logits[i][j] <- exp(logits[i][j] - highest[i]), sums[i] = their sum in the same 16 lanes.
  virtual void exponentials(Matrix logits, std::span<float> highest, std::span<float> sums) const = 0;
  /// One tile of a binary cross entropy: softplus[i] = sum_j log(1 + exp(logits[i][j])), sums[i] = sum_j logits[i][j],
  /// logits[i][j] <- sigmoid(logits[i][j]) - offset.
  virtual void logistic(Matrix logits, float offset, std::span<float> softplus, std::span<float> sums) const = 0;
};

/// Moving and adding rows.
class Rows {
 public:
  virtual ~Rows() = default;
  /// out[i] = table[indices[i]].
  virtual void gather(ConstMatrix table, std::span<const std::uint32_t> indices, Matrix out) const = 0;
  /// table[indices[i]] = in[i]; indices are distinct.
  virtual void scatter(ConstMatrix in, std::span<const std::uint32_t> indices, Matrix table) const = 0;
  /// out[u] = sum of in[positions[k]] for k = offsets[u] .. offsets[u+1]-1, in that order; an empty segment gives
  /// zeros.
  virtual void sum_segments(ConstMatrix in, std::span<const std::uint32_t> offsets,
                            std::span<const std::uint32_t> positions, Matrix out) const = 0;
};

struct AdagradStep {
  float learning_rate = 0.1F;
  float epsilon = 1e-10F;
};

/// Adam (Kingma and Ba, ICLR 2015) at step t, the corrections of its bias folded in.
struct AdamStep {
  float rate;         ///< learning rate / (1 - beta1^t)
  float root_scale;   ///< 1 / sqrt(1 - beta2^t)
  float mean_gain;    ///< 1 - beta1
  float square_gain;  ///< 1 - beta2
  float epsilon;
};

/// Optimiser updates of distinct rows of a table. gradients[i] belongs to table row indices[i].
class Updates {
 public:
  virtual ~Updates() = default;
  /// state += g^2; row -= learning_rate * g / (sqrt(state) + epsilon); state has the table's shape.
  virtual void adagrad(AdagradStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices, Matrix table,
                       Matrix state) const = 0;
  /// As above with one state per row: state += mean(g^2), the mean summed in 16 fixed lanes.
  virtual void rowwise_adagrad(AdagradStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices,
                               Matrix table, std::span<float> state) const = 0;
  /// m += mean_gain * (g - m); v += square_gain * (g^2 - v); row -= rate * m / (root_scale * sqrt(v) + epsilon).
  /// state [table rows, 2 * dim] holds m, then v. Rows without a gradient keep row and state ("lazy").
  virtual void adam(AdamStep step, ConstMatrix gradients, std::span<const std::uint32_t> indices, Matrix table,
                    Matrix state) const = 0;
  /// row -= learning_rate * g.
  virtual void sgd(float learning_rate, ConstMatrix gradients, std::span<const std::uint32_t> indices,
                   Matrix table) const = 0;
};

/// Ranks: how many candidates score above, and exactly as, the target.
class Ranks {
 public:
  virtual ~Ranks() = default;
  /// n_greater[i] += #{j: similarity(queries[i], rows[j]) > target_scores[i]}, n_equal likewise for ==. Scores have the
  /// bits of Scores::all_pairs; a NaN candidate counts nowhere.
  virtual void count(Similarity similarity, ConstMatrix queries, ConstMatrix rows, std::span<const float> target_scores,
                     std::span<std::uint32_t> n_greater, std::span<std::uint32_t> n_equal) const = 0;
};

/// One implementation of every family; the references live as long as the program.
struct Backend {
  const char* name;
  const Scores& scores;
  const Gradients& gradients;
  const Softmax& softmax;
  const Rows& rows;
  const Updates& updates;
  const Ranks& ranks;
};

/// Serial and obvious; the oracle of the contract tests.
const Backend& reference_backend();
/// SIMD with run-time dispatch (Highway): one binary for AVX2 and AVX-512.
const Backend& cpu_backend();

}  // namespace tessera::kernels
