// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/best_rows.hpp"
#include "kernels/composition.hpp"
#include "kernels/distances.hpp"
#include "kernels/dropout.hpp"
#include "kernels/matrix.hpp"
#include "kernels/negative_losses.hpp"
#include "kernels/operand.hpp"
#include "kernels/optimiser_steps.hpp"
#include "kernels/screened_ranks.hpp"
#include "kernels/statistics.hpp"
#include "kernels/targets.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera::kernels {

// Every sum below is one chain (README.md) of fused multiply-adds, or of additions for L1, so that a result does not
// depend on tile shapes, positions, threads or vector width. Outputs never alias inputs. No call allocates.
// On the host every call is serial: callers spread tiles over threads. On a device a call is enqueued on the backend's
// stream and returns at once: its arguments must stay as they are until the stream has passed it, and nobody notices an
// index outside of its table, which the host refuses.

/// Scores of query vectors against entity rows.
template <Space kSpace>
class BasicScores {
 public:
  using ConstMatrix = BasicConstMatrix<kSpace>;
  using Matrix = BasicMatrix<kSpace>;
  using Operand = BasicOperand<kSpace>;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  virtual ~BasicScores() = default;
  /// out[i][j] = similarity(queries[i], rows[j]); queries [b, d], rows [n, d], out [b, n].
  virtual void all_pairs(Similarity similarity, Operand queries, Operand rows, Matrix out) const = 0;
  /// out[i] = similarity(queries[i], rows[i]), the same bits as all_pairs gives; both [b, d].
  virtual void pairs(Similarity similarity, ConstMatrix queries, ConstMatrix rows, Vector<float> out) const = 0;
};

/// Products of a weight matrix with the vectors that made it. weights [b, n].
template <Space kSpace>
class BasicGradients {
 public:
  using ConstMatrix = BasicConstMatrix<kSpace>;
  using Matrix = BasicMatrix<kSpace>;
  using Operand = BasicOperand<kSpace>;
  using TiledWeights = BasicTiledWeights<kSpace>;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  virtual ~BasicGradients() = default;
  /// Bytes of the copies that pack() makes of a matrix [rows, cols] and of such tiled weights; 0: it makes none.
  [[nodiscard]] virtual std::uint64_t packed_bytes(std::size_t /*rows*/, std::size_t /*cols*/) const { return 0; }
  [[nodiscard]] virtual std::uint64_t packed_weight_bytes(std::size_t /*rows*/, std::size_t /*cols*/) const {
    return 0;
  }
  /// Converts an operand of several products once. The copy is good until the matrix or the first packed_bytes() of
  /// `memory` change. A product converts operands that nobody packed; the results are the same.
  [[nodiscard]] virtual Operand pack(ConstMatrix matrix, Vector<std::byte> /*memory*/) const { return matrix; }
  [[nodiscard]] virtual TiledWeights pack(TiledWeights weights, Vector<std::byte> /*memory*/) const { return weights; }
  /// Whether tiled products and scores take a table that is not in fp32 as it is stored: Operand::stored().
  [[nodiscard]] virtual bool takes_stored(const BasicConstStoredRows<kSpace>& /*table*/) const { return false; }
  /// out[i] = sum_j weights[i][j] rows[j]; rows [n, d], out [b, d].
  virtual void to_queries(ConstMatrix weights, ConstMatrix rows, Matrix out) const = 0;
  /// out[j] = sum_i weights[i][j] queries[i]; queries [b, d], out [n, d].
  virtual void to_rows(ConstMatrix weights, ConstMatrix queries, Matrix out) const = 0;
  /// out[i] += factors[t][i] * to_queries() of tile t, one tile after the other: a chain is rounded, multiplied, and
  /// the product is rounded before it is added. On the host `scratch` has the shape of out; a device needs none.
  virtual void add_to_queries_tiled(TiledWeights weights, Operand rows, Matrix scratch, Matrix out) const = 0;
  /// The rows of tile t: to_rows() of the weights of the tile and of the queries factors[t][i] * queries[i].
  virtual void to_rows_tiled(TiledWeights weights, Operand queries, Matrix out) const = 0;
};

/// Losses and weights of all candidates of a query from its row of scores.
template <Space kSpace>
class BasicSoftmax {
 public:
  using Matrix = BasicMatrix<kSpace>;
  virtual ~BasicSoftmax() = default;
  /// Softmax cross entropy of one target against n shared candidates.
  /// With z = logits[i][j] + shift (log of how many candidates each stands for) and t = targets.scores[i] +
  /// targets.priors[i]:
  ///   targets.losses[i] = log(exp(t) + sum_j exp(z_j)) - t,
  ///   logits[i][j] <- scale * exp(z_j) / (exp(t) + sum exp(z)),  targets.weights[i] <- scale * (p_target - 1),
  /// the loss and `scale` multiplied by targets.times[i] where it is given,
  /// all computed stably; a candidate of -infinity counts for nothing. Sums over j run in 16 fixed lanes (j mod 16)
  /// that are then added as a fixed binary tree, whatever the vector width.
  virtual void cross_entropy(Matrix logits, const BasicTargetLosses<kSpace>& targets, float shift,
                             float scale) const = 0;
  /// logits[i][j] += values[j].
  virtual void add_to_columns(Vector<kSpace, const float> values, Matrix logits) const = 0;
  /// A softmax whose tiles of `tile` columns are merged later. For each tile t of a row, maxima[i][t] = its maximum
  /// logit (the lowest float when none is above it), logits[i][j] <- exp(logits[i][j] - maxima[i][t]), sums[i][t] =
  /// their sum in the same 16 lanes. maxima and sums [b, tiles].
  virtual void exponentials(Matrix logits, std::size_t tile, Matrix maxima, Matrix sums) const = 0;
  /// A binary cross entropy likewise. For each tile t of a row, softplus[i][t] = sum_j log(1 + exp(logits[i][j])),
  /// sums[i][t] = sum_j logits[i][j], both in the same lanes; logits[i][j] <- sigmoid(logits[i][j]) - offset.
  virtual void logistic(Matrix logits, std::size_t tile, float offset, Matrix softplus, Matrix sums) const = 0;
};

/// Moving and adding rows.
template <Space kSpace>
class BasicRows {
 public:
  using ConstMatrix = BasicConstMatrix<kSpace>;
  using ConstStoredRows = BasicConstStoredRows<kSpace>;
  using StoredRows = BasicStoredRows<kSpace>;
  using Matrix = BasicMatrix<kSpace>;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  virtual ~BasicRows() = default;
  /// out[i] = table[indices[i]].
  virtual void gather(ConstStoredRows table, Vector<const std::uint32_t> indices, Matrix out) const = 0;
  /// The same rows as they are stored; `out` has the table's format. A hot row comes as an int8 row, rounded to
  /// nearest.
  virtual void take(ConstStoredRows table, Vector<const std::uint32_t> indices, StoredRows out) const = 0;
  /// table[i] = in[i], rounded to nearest, ties to even. Nothing of the row before is read: no row is hot afterwards.
  virtual void encode(ConstMatrix in, StoredRows table) const = 0;
  /// out[i] = table[i].
  virtual void decode(ConstStoredRows table, Matrix out) const = 0;
  /// table[indices[i]] = in[i]; indices are distinct.
  virtual void scatter(ConstMatrix in, Vector<const std::uint32_t> indices, Matrix table) const = 0;
  /// out[u] = sum of in[positions[k]] for k = offsets[u] .. offsets[u+1]-1, in that order; an empty segment gives
  /// zeros.
  virtual void sum_segments(ConstMatrix in, Vector<const std::uint32_t> offsets, Vector<const std::uint32_t> positions,
                            Matrix out) const = 0;
  /// table[to[k]] += in[from[k]]; `to` are distinct, and none of them is read when `in` is the table itself.
  virtual void add(ConstMatrix in, Vector<const std::uint32_t> from, Vector<const std::uint32_t> to,
                   Matrix table) const = 0;
  /// out[i][c] = value.
  virtual void fill(float value, Matrix out) const = 0;
  /// out[u] += in[k - first], one after the other, for those k = offsets[u] .. offsets[u + 1] - 1 that the window `in`
  /// has: first .. first + in.rows - 1. Windows from the first to the last give the bits of one sum.
  virtual void add_segments(ConstMatrix in, std::size_t first, Vector<const std::uint32_t> offsets,
                            Matrix out) const = 0;
  /// rows[i][c] *= the element of the mask in row mask_rows[i], or in row i without mask_rows.
  virtual void drop(const DropoutMask& mask, Vector<const std::uint32_t> mask_rows, Matrix rows) const = 0;
};

/// Optimiser updates of distinct rows of a table. gradients[i] belongs to table row indices[i]. A row that is not in
/// fp32 is read, changed in fp32 and rounded stochastically as it is written; a hot row stays in fp32.
template <Space kSpace>
class BasicUpdates {
 public:
  using ConstMatrix = BasicConstMatrix<kSpace>;
  using StoredRows = BasicStoredRows<kSpace>;
  using StoredState = BasicStoredState<kSpace>;
  using Matrix = BasicMatrix<kSpace>;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  virtual ~BasicUpdates() = default;
  /// state += g^2; row -= learning_rate * g / (sqrt(state) + epsilon); state has the table's shape. A state in 8 bits
  /// is rounded after the row has used the sum.
  virtual void adagrad(AdagradStep step, ConstMatrix gradients, Vector<const std::uint32_t> indices, StoredRows table,
                       StoredState state) const = 0;
  /// The same with one state per row: state += mean(g^2), the mean summed in 16 fixed lanes.
  virtual void rowwise_adagrad(AdagradStep step, ConstMatrix gradients, Vector<const std::uint32_t> indices,
                               StoredRows table, Vector<float> state) const = 0;
  /// m += mean_gain * (g - m); v += square_gain * (g^2 - v); row -= rate * m / (root_scale * sqrt(v) + epsilon).
  /// state [table rows, 2 * dim] holds m, then v. Rows without a gradient keep row and state ("lazy").
  virtual void adam(AdamStep step, ConstMatrix gradients, Vector<const std::uint32_t> indices, StoredRows table,
                    Matrix state) const = 0;
  /// row -= learning_rate * g.
  virtual void sgd(float learning_rate, ConstMatrix gradients, Vector<const std::uint32_t> indices,
                   StoredRows table) const = 0;
};

/// Ranks: how many candidates score above, and exactly as, the target.
template <Space kSpace>
class BasicRanks {
 public:
  virtual ~BasicRanks() = default;
  /// n_greater[i] += #{j: similarity(queries[i], rows[j]) > target_scores[i]}, n_equal likewise for ==. Scores have the
  /// bits of Scores::all_pairs; a NaN candidate counts nowhere.
  virtual void count(Similarity similarity, const BasicRankTile<kSpace>& tile,
                     const BasicRankCounts<kSpace>& counts) const = 0;
};

/// How a backend ranks by products that are not the chain.
template <Space kSpace>
struct BasicScreening {
  const BasicScreenedRanks<kSpace>* ranks = nullptr;  ///< null where all_pairs of kDot has the bits of pairs
  double operand_roundoff = 0;                        ///< for score_error_factor()
};

/// One implementation of every family; the references live as long as the program, or as the owner of a device's
/// backend.
template <Space kSpace>
struct BasicBackend {
  const char* name;
  const BasicScores<kSpace>& scores;
  const BasicGradients<kSpace>& gradients;
  const BasicSoftmax<kSpace>& softmax;
  const BasicRows<kSpace>& rows;
  const BasicUpdates<kSpace>& updates;
  const BasicRanks<kSpace>& ranks;
  const BasicComposition<kSpace>& composition;
  const BasicPenalties<kSpace>& penalties;
  const BasicTargets<kSpace>& targets;
  const BasicStatistics<kSpace>& statistics;
  const BasicNegativeLosses<kSpace>& negative_losses;
  const BasicDistances<kSpace>& distances;
  const BasicBestRows<kSpace>& best_rows;
  BasicScreening<kSpace> screening = {};
};

using Operand = BasicOperand<Space::kHost>;
using Scores = BasicScores<Space::kHost>;
using Gradients = BasicGradients<Space::kHost>;
using Softmax = BasicSoftmax<Space::kHost>;
using Rows = BasicRows<Space::kHost>;
using Updates = BasicUpdates<Space::kHost>;
using Ranks = BasicRanks<Space::kHost>;
using Composition = BasicComposition<Space::kHost>;
using Penalties = BasicPenalties<Space::kHost>;
using Targets = BasicTargets<Space::kHost>;
using Statistics = BasicStatistics<Space::kHost>;
using NegativeLosses = BasicNegativeLosses<Space::kHost>;
using Distances = BasicDistances<Space::kHost>;
using Segments = BasicSegments<Space::kHost>;
using Cells = BasicCells<Space::kHost>;
using Runs = BasicRuns<Space::kHost>;
using WeightedRows = BasicWeightedRows<Space::kHost>;
using WeightedScores = BasicWeightedScores<Space::kHost>;
using WeightedPairs = BasicWeightedPairs<Space::kHost>;
using OperatorQueries = BasicOperatorQueries<Space::kHost>;
using PenalisedRows = BasicPenalisedRows<Space::kHost>;
using TargetLosses = BasicTargetLosses<Space::kHost>;
using QueryTargets = BasicQueryTargets<Space::kHost>;
using TiledWeights = BasicTiledWeights<Space::kHost>;
using Backend = BasicBackend<Space::kHost>;
using DeviceBackend = BasicBackend<Space::kDevice>;  ///< made by kernels/cuda/device_kernels.hpp

/// Serial and obvious; the oracle of the contract tests.
const Backend& reference_backend();
/// SIMD with run-time dispatch (Highway): one binary for AVX2 and AVX-512.
const Backend& cpu_backend();
/// The same, but operands of Gradients and of Scores::all_pairs (kDot) are rounded to bfloat16, to the nearest, ties to
/// even, and subnormal numbers count as 0. Chains stay chains in fp32, so results do not depend on tiles. For
/// processors that has_bfloat16_products() (cpu/targets.hpp) says yes for.
const Backend& cpu_bfloat16_backend();

}  // namespace tessera::kernels
