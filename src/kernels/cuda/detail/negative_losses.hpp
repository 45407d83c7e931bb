// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/cuda/detail/lanes.hpp"
#include "kernels/detail/shapes.hpp"

namespace tessera::kernels::cuda {

/// The rows of a loss, each the work of 16 lanes. All lanes compute the terms of a piece of the row, then the first
/// lane adds them up one after the other. So the sum is the chain of the contract, and the lanes share its costly
/// terms.
struct NegativeRows {
  static constexpr unsigned kPieceColumns = 8 * kLanes;
  struct Pieces {
    double terms[kLaneRows][kPieceColumns];
  };
  Table scores;
  std::size_t rows;
  std::size_t cols;
  const float* target_scores;
  const float* target_times;  // null: once
  float* losses;
  float* target_weights;
  template <Space kSpace>
  NegativeRows(BasicMatrix<kSpace> of, const BasicTargetLosses<kSpace>& targets)
      : scores(of),
        rows(of.rows),
        cols(of.cols),
        target_scores(targets.scores.data()),
        target_times(targets.times.data()),
        losses(targets.losses.data()),
        target_weights(targets.weights.data()) {}

  [[nodiscard]] TESSERA_HOST_DEVICE float times(LaneAt at) const {
    return target_times == nullptr ? 1.0F : target_times[at.row];
  }
  /// The loss of a row: its weights are multiplied by times().
  template <class Loss>
  [[nodiscard]] TESSERA_HOST_DEVICE Loss of_row(Loss of, LaneAt at) const {
    of.scale *= times(at);
    return of;
  }
  [[nodiscard]] TESSERA_HOST_DEVICE unsigned pieces() const {
    return static_cast<unsigned>((cols + kPieceColumns - 1) / kPieceColumns);
  }
  /// terms[j] = term(j) for the columns of a lane; j counts within the piece.
  template <class Term>
  TESSERA_HOST_DEVICE void find_terms(LaneAt at, unsigned piece, Pieces& shared, const Term& term) const {
    float* row = scores.row(at.row) + std::size_t{piece} * kPieceColumns;
    const std::size_t count = columns(piece);
    for (std::size_t j = at.lane; j < count; j += kLanes) shared.terms[at.slot][j] = term(row[j]);
  }
  [[nodiscard]] TESSERA_HOST_DEVICE double add_terms(LaneAt at, unsigned piece, const Pieces& shared,
                                                     double sum) const {
    const std::size_t count = columns(piece);
    for (std::size_t j = 0; j < count; ++j) sum += shared.terms[at.slot][j];
    return sum;
  }

 private:
  [[nodiscard]] TESSERA_HOST_DEVICE std::size_t columns(unsigned piece) const {
    const std::size_t left = cols - std::size_t{piece} * kPieceColumns;
    return left < kPieceColumns ? left : kPieceColumns;
  }
};

/// A piece takes two phases, and the result one more.
struct MarginBody {
  static constexpr unsigned kThreads = kLaneThreads;
  struct Shared {
    NegativeRows::Pieces pieces;
    LaneValues<std::uint32_t> active;
  };
  struct Registers {
    double loss;
    std::uint32_t active;
  };
  NegativeRows in;
  MarginLoss of;

  TESSERA_HOST_DEVICE unsigned phases() const { return 2 * in.pieces() + 1; }
  TESSERA_HOST_DEVICE void run(unsigned phase, At index, Shared& shared, Registers& registers) const {
    const LaneAt at(index);
    if (at.row >= in.rows) return;
    if (phase == 2 * in.pieces()) return finish(at, shared, registers);
    if (phase % 2 == 1) {
      if (at.lane == 0) registers.loss = in.add_terms(at, phase / 2, shared.pieces, registers.loss);
      return;
    }
    const float each = in.of_row(of, at).each(in.cols);
    in.find_terms(at, phase / 2, shared.pieces, [&](float& score) {
      const NegativeTerm term = of.term(score, in.target_scores[at.row], each);
      score = term.weight;
      registers.active += term.counts ? 1 : 0;
      return term.loss;
    });
    shared.active.at[at.slot][at.lane] = registers.active;
  }

 private:
  TESSERA_HOST_DEVICE void finish(LaneAt at, const Shared& shared, const Registers& registers) const {
    if (at.lane != 0) return;
    in.losses[at.row] = static_cast<float>(registers.loss / static_cast<double>(in.cols)) * in.times(at);
    in.target_weights[at.row] =
        -in.of_row(of, at).each(in.cols) * static_cast<float>(sum_tree(shared.active.at[at.slot]));
  }
};

/// The first phase finds the maximum score. Then each piece takes two phases for its powers and two for its losses.
struct SelfAdversarialBody {
  static constexpr unsigned kThreads = kLaneThreads;
  struct Shared {
    NegativeRows::Pieces pieces;
    LaneValues<float> maxima;
    double totals[kLaneRows];
  };
  struct Registers {
    double sum;
  };
  NegativeRows in;
  SelfAdversarialLoss of;

  TESSERA_HOST_DEVICE unsigned phases() const { return 4 * in.pieces() + 1; }
  TESSERA_HOST_DEVICE void run(unsigned phase, At index, Shared& shared, Registers& registers) const {
    const LaneAt at(index);
    if (at.row >= in.rows) return;
    if (phase == 0) return find_maximum(at, shared);
    const unsigned pieces = in.pieces();
    const bool of_powers = phase - 1 < 2 * pieces;
    const unsigned piece = (phase - 1) / 2 - (of_powers ? 0 : pieces);
    if (phase % 2 == 1) return of_powers ? find_powers(at, piece, shared) : find_losses(at, piece, shared);
    if (at.lane != 0) return;
    if (!of_powers && piece == 0) registers.sum = of.target_loss(in.target_scores[at.row]);
    registers.sum = in.add_terms(at, piece, shared.pieces, registers.sum);
    if (piece + 1 < pieces) return;
    if (of_powers) {
      shared.totals[at.slot] = registers.sum;
    } else {
      in.losses[at.row] = static_cast<float>(registers.sum) * in.times(at);
      in.target_weights[at.row] = in.of_row(of, at).target_weight(in.target_scores[at.row]);
    }
  }

 private:
  TESSERA_HOST_DEVICE void find_maximum(LaneAt at, Shared& shared) const {
    const float* row = in.scores.row(at.row);
    float maximum = -INFINITY;
    for (std::size_t j = at.lane; j < in.cols; j += kLanes) maximum = row[j] > maximum ? row[j] : maximum;
    shared.maxima.at[at.slot][at.lane] = maximum;
  }
  [[nodiscard]] TESSERA_HOST_DEVICE static float reference(LaneAt at, const Shared& shared) {
    float maximum = shared.maxima.at[at.slot][0];
    TESSERA_UNROLL
    for (unsigned l = 1; l < kLanes; ++l) {
      const float other = shared.maxima.at[at.slot][l];
      maximum = other > maximum ? other : maximum;
    }
    return SelfAdversarialLoss::reference(maximum);
  }
  TESSERA_HOST_DEVICE void find_powers(LaneAt at, unsigned piece, Shared& shared) const {
    const float below = reference(at, shared);
    in.find_terms(at, piece, shared.pieces, [&](float score) { return of.power(score, below); });
  }
  TESSERA_HOST_DEVICE void find_losses(LaneAt at, unsigned piece, Shared& shared) const {
    const float below = reference(at, shared);
    const SelfAdversarialLoss of_row = in.of_row(of, at);
    in.find_terms(at, piece, shared.pieces, [&](float& score) {
      const NegativeTerm term = of_row.term(score, below, shared.totals[at.slot]);
      score = term.weight;
      return term.loss;
    });
  }
};

inline MarginBody body_of(const NegativeRows& rows, const MarginLoss& of) { return {rows, of}; }
inline SelfAdversarialBody body_of(const NegativeRows& rows, const SelfAdversarialLoss& of) { return {rows, of}; }

template <class Launcher>
class GridNegativeLosses final : public BasicNegativeLosses<Launcher::kSpace> {
 public:
  explicit GridNegativeLosses(Launcher launch) : launch_(launch) {}

  void weigh(const SampledLoss& loss, BasicMatrix<Launcher::kSpace> scores,
             const BasicTargetLosses<Launcher::kSpace>& targets) const override {
    kernels::detail::check_negatives(scores, targets);
    std::visit(
        [&](const auto& of) { launch_(blocks_of(kLaneRows, scores.rows), body_of(NegativeRows(scores, targets), of)); },
        loss);
  }

 private:
  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
