// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/cuda/detail/product.hpp"
#include "kernels/cuda/detail/rows.hpp"
#include "kernels/detail/shapes.hpp"

namespace tessera::kernels::cuda {

struct CoefficientElement {
  struct Value {
    float weight;
    float score;
  };
  ConstTable scores;
  Table weights;
  TESSERA_HOST_DEVICE Value load(std::size_t i, std::size_t j) const { return {weights.row(i)[j], scores.row(i)[j]}; }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t j, const Value& value) const {
    weights.row(i)[j] = l2_coefficient(value.weight, value.score);
  }
};

template <Similarity kSimilarity>
struct PairElement {
  struct Value {
    float query;
    float row;
    float gradient;
  };
  const float* weights;
  const float* scores;
  ConstTable queries;
  ConstTable rows;
  Table query_gradients;
  Table row_gradients;
  TESSERA_HOST_DEVICE Value load(std::size_t i, std::size_t c) const {
    return {queries.row(i)[c], rows.row(i)[c], query_gradients.row(i)[c]};
  }
  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t c, const Value& value) const {
    const PairGradient of = pair_gradient<kSimilarity>(weights[i], scores[i], value.query, value.row);
    query_gradients.row(i)[c] = value.gradient + of.query;
    row_gradients.row(i)[c] = of.row;
  }
};

/// The chain of one element of a gradient; the own vector has x there.
struct L1Chain {
  float sum;
  TESSERA_HOST_DEVICE void add(float weight, float other, float x) { sum += weight * sign(other - x); }
  [[nodiscard]] TESSERA_HOST_DEVICE float finish(float /*weight_sum*/, float /*x*/) const { return sum; }
};

struct L2Chain {
  float sum;
  TESSERA_HOST_DEVICE void add(float weight, float other, float /*x*/) { sum = fmaf(weight, other, sum); }
  [[nodiscard]] TESSERA_HOST_DEVICE float finish(float weight_sum, float x) const { return weight_sum * x - sum; }
};

/// out[i][c] = the chain over s of weights.at(i, s) and others[s][c] whose x is own[i][c]. Tiles and phases are those
/// of ProductBody. Beside its chains a thread has the sum of the weights of each of its rows.
template <class Chain, class Weights>
struct DistanceBody {
  static constexpr unsigned kThreads = kTileSide * kTileSide;
  struct Shared {
    float weights[kTileSteps][kTile + 4];
    float others[kTileSteps][kTile + 4];
  };
  struct Registers {
    Chain chains[kEach][kEach];
    float own[kEach][kEach];
    float weight_sums[kEach];
  };

  Weights weights;
  ColumnFactor others;
  ConstTable own;
  Table out;
  ProductShape shape;

  [[nodiscard]] std::size_t blocks() const { return shape.blocks(); }
  TESSERA_HOST_DEVICE unsigned phases() const { return shape.phases(); }

  TESSERA_HOST_DEVICE void run(unsigned phase, At at, Shared& shared, Registers& registers) const {
    const TileStep tile(shape, phase, at);
    if (phase == 0) load_own(tile.thread_row, tile.thread_col, registers);
    if (tile.step >= shape.steps) return store(tile.thread_row, tile.thread_col, registers);
    if (phase % 2 == 1) return add(at.thread, shape.steps - tile.step, shared, registers);
    load_tile(weights, {tile.row, shape.rows, tile.step, shape.steps}, at.thread, shared.weights);
    load_tile(others, {tile.col, shape.cols, tile.step, shape.steps}, at.thread, shared.others);
  }

 private:
  TESSERA_HOST_DEVICE void load_own(std::size_t i, std::size_t j, Registers& registers) const {
    TESSERA_UNROLL
    for (unsigned r = 0; r < kEach; ++r) {
      TESSERA_UNROLL
      for (unsigned c = 0; c < kEach; ++c)
        if (i + r * kTileSide < shape.rows && j + c * kTileSide < shape.cols)
          registers.own[r][c] = own.row(i + r * kTileSide)[j + c * kTileSide];
    }
  }

  TESSERA_HOST_DEVICE void add(unsigned thread, std::size_t left_over, const Shared& shared,
                               Registers& registers) const {
    if (left_over >= kTileSteps) {
      TESSERA_UNROLL
      for (unsigned s = 0; s < kTileSteps; ++s) add_step(thread, s, shared, registers);
    } else {
      for (unsigned s = 0; s < left_over; ++s) add_step(thread, s, shared, registers);
    }
  }

  TESSERA_HOST_DEVICE void add_step(unsigned thread, unsigned s, const Shared& shared, Registers& registers) const {
    TESSERA_UNROLL
    for (unsigned r = 0; r < kEach; ++r) {
      const float weight = shared.weights[s][thread / kTileSide + r * kTileSide];
      registers.weight_sums[r] += weight;
      TESSERA_UNROLL
      for (unsigned c = 0; c < kEach; ++c)
        registers.chains[r][c].add(weight, shared.others[s][thread % kTileSide + c * kTileSide], registers.own[r][c]);
    }
  }

  TESSERA_HOST_DEVICE void store(std::size_t i, std::size_t j, const Registers& registers) const {
    TESSERA_UNROLL
    for (unsigned r = 0; r < kEach; ++r) {
      TESSERA_UNROLL
      for (unsigned c = 0; c < kEach; ++c)
        if (i + r * kTileSide < shape.rows && j + c * kTileSide < shape.cols)
          out.row(i + r * kTileSide)[j + c * kTileSide] =
              registers.chains[r][c].finish(registers.weight_sums[r], registers.own[r][c]);
    }
  }
};

template <class Launcher>
class GridDistances final : public BasicDistances<Launcher::kSpace> {
  using ConstMatrix = BasicConstMatrix<Launcher::kSpace>;
  using Matrix = BasicMatrix<Launcher::kSpace>;
  using WeightedScores = BasicWeightedScores<Launcher::kSpace>;

 public:
  explicit GridDistances(Launcher launch) : launch_(launch) {}

  void to_coefficients(ConstMatrix scores, Matrix weights) const override {
    kernels::detail::check_same_shape(scores, weights);
    launch_elements(launch_, weights.rows, weights.cols, CoefficientElement{ConstTable(scores), Table(weights)});
  }

  void to_queries(Similarity similarity, const WeightedScores& of, Matrix out) const override {
    kernels::detail::check_distance_gradients(similarity, of, of.queries, out);
    launch_gradients(similarity, RowFactor{ConstTable(of.weights)}, of.queries, of.rows, out);
  }

  void to_rows(Similarity similarity, const WeightedScores& of, Matrix out) const override {
    kernels::detail::check_distance_gradients(similarity, of, of.rows, out);
    launch_gradients(similarity, ColumnFactor{ConstTable(of.weights)}, of.rows, of.queries, out);
  }

  void pairs(Similarity similarity, const BasicWeightedPairs<Launcher::kSpace>& of, Matrix query_gradients,
             Matrix row_gradients) const override {
    kernels::detail::check_pair_gradients(of, query_gradients, row_gradients);
    with_similarity(similarity, [&]<Similarity kOf>(std::integral_constant<Similarity, kOf>) {
      launch_elements(launch_, of.rows.rows, of.rows.cols,
                      PairElement<kOf>{of.weights.data(), of.scores.data(), ConstTable(of.queries), ConstTable(of.rows),
                                       Table(query_gradients), Table(row_gradients)});
    });
  }

 private:
  template <class Weights>
  void launch_gradients(Similarity similarity, Weights weights, ConstMatrix own, ConstMatrix others, Matrix out) const {
    if (similarity == Similarity::kNegativeL1) return launch<L1Chain>(weights, own, others, out);
    launch<L2Chain>(weights, own, others, out);
  }

  template <class Chain, class Weights>
  void launch(Weights weights, ConstMatrix own, ConstMatrix others, Matrix out) const {
    const DistanceBody<Chain, Weights> body{
        weights, ColumnFactor{ConstTable(others)}, ConstTable(own), Table(out), {out.rows, out.cols, others.rows}};
    launch_(body.blocks(), body);
  }

  Launcher launch_;
};

}  // namespace tessera::kernels::cuda
