// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/reference/propagation_gradients.hpp"
#include "kernels_propagation_support.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tessera::kernels {
namespace {

// Finite differences, of forward functions that are written here once more, in double.

using Doubles = std::vector<double>;

double at(const Doubles& panels, std::size_t rows, std::size_t row, std::size_t c) {
  return panels[(c / kPanelColumns * rows + row) * kPanelColumns + c % kPanelColumns];
}

/// Compares `gradient` with the differences of `value` by each of `numbers`.
void expect_gradient(Doubles& numbers, const Doubles& gradient, const std::function<double()>& value,
                     const std::string& what) {
  constexpr double kStep = 1e-5;
  double size = 0;
  for (const double g : gradient) size = std::max(size, std::abs(g));
  EXPECT_GT(size, 0) << what;
  const std::size_t stride = std::max<std::size_t>(1, numbers.size() / 150);
  for (std::size_t i = 0; i < numbers.size(); i += stride) {
    const double kept = numbers[i];
    const auto by = [&](double step) {
      numbers[i] = kept + step;
      return value();
    };
    // Of fourth order: (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12 h
    const double slope = (8 * (by(kStep) - by(-kStep)) - (by(2 * kStep) - by(-2 * kStep))) / (12 * kStep);
    numbers[i] = kept;
    EXPECT_NEAR(gradient[i], slope, 1e-6 * std::max(std::abs(slope), 0.01 * size)) << what << " " << i;
  }
}

struct Normed {
  Doubles row;
  double inverse;
};

Normed normed(const Doubles& y) {
  double mean = 0;
  for (const double value : y) mean += value / static_cast<double>(y.size());
  double variance = 0;
  for (const double value : y) variance += (value - mean) * (value - mean) / static_cast<double>(y.size());
  Normed out{y, 1 / std::sqrt(variance + static_cast<double>(kNormEpsilon))};
  for (double& value : out.row) value = (value - mean) * out.inverse;
  return out;
}

constexpr std::size_t kWide = 32;
const std::vector<std::uint32_t> kFew = {7, 4, 0, 36, 11};

struct LayerInDouble {
  Doubles matrix = normals<double>(2 * kWide * kWide, 4);
  Doubles bias = normals<double>(kWide, 5);
  Doubles scale = normals<double>(kWide, 6);
  Doubles shift = normals<double>(kWide, 17);
  Doubles before = normals<double>(kNodes * kWide, 2);
  Doubles sums = normals<double>(kFew.size() * kWide, 7);
  Doubles weights = normals<double>(kNodes * kWide, 8);
  Doubles normal = Doubles(kFew.size() * kWide);
  Doubles inverse = Doubles(kFew.size());

  /// The states after the layer, weighted.
  double value() {
    double sum = 0;
    for (std::size_t i = 0; i < kFew.size(); ++i) {
      Doubles y = bias;
      for (std::size_t c = 0; c < kWide; ++c)
        for (std::size_t k = 0; k < kWide; ++k)
          y[c] += at(before, kNodes, kFew[i], k) * matrix[k * kWide + c] +
                  at(sums, kFew.size(), i, k) * matrix[(kWide + k) * kWide + c];
      const Normed norm = normed(y);
      inverse[i] = norm.inverse;
      for (std::size_t c = 0; c < kWide; ++c) {
        normal[(c / kPanelColumns * kFew.size() + i) * kPanelColumns + c % kPanelColumns] = norm.row[c];
        const double moved = std::max(0.0, norm.row[c] * scale[c] + shift[c]);
        sum += at(weights, kNodes, kFew[i], c) * (moved + at(before, kNodes, kFew[i], c));
      }
    }
    return sum;
  }
};

TEST(PropagationSlopesTest, GradientsOfALayerAreItsSlopes) {
  LayerInDouble of;
  (void)of.value();
  Doubles state_gradients = of.weights;
  Doubles sum_gradients(kNodes * kWide);
  Doubles matrix(2 * kWide * kWide);
  Doubles bias(kWide);
  Doubles scale(kWide);
  Doubles shift(kWide);
  const Doubles back = transposed(of.matrix, 2 * kWide);
  reference::update_back<double>(
      {back.data(),
       of.scale.data(),
       of.shift.data(),
       {of.before.data(), kNodes, kWide},
       {{of.sums.data(), kFew.size(), kWide}, {of.normal.data(), kFew.size(), kWide}, of.inverse.data()},
       {state_gradients.data(), kNodes, kWide},
       {sum_gradients.data(), kNodes, kWide},
       {matrix.data(), bias.data()},
       scale.data(),
       shift.data()},
      kFew);
  const auto value = [&] { return of.value(); };
  expect_gradient(of.matrix, matrix, value, "matrix");
  expect_gradient(of.bias, bias, value, "bias");
  expect_gradient(of.scale, scale, value, "scale");
  expect_gradient(of.shift, shift, value, "shift");
  for (std::size_t p = 0; p < kWide / kPanelColumns; ++p)  // of the other nodes nothing goes through the layer
    for (std::uint32_t v = 0; v < kNodes; ++v)
      if (std::find(kFew.begin(), kFew.end(), v) == kFew.end())
        for (std::size_t c = 0; c < kPanelColumns; ++c) state_gradients[(p * kNodes + v) * kPanelColumns + c] = 0;
  expect_gradient(of.before, state_gradients, value, "states before");
  Doubles by_row(kFew.size() * kWide);
  for (std::size_t i = 0; i < kFew.size(); ++i)
    for (std::size_t c = 0; c < kWide; ++c)
      by_row[(c / kPanelColumns * kFew.size() + i) * kPanelColumns + c % kPanelColumns] =
          at(sum_gradients, kNodes, kFew[i], c);
  expect_gradient(of.sums, by_row, value, "sums");
}

TEST(PropagationSlopesTest, GradientsOfRelationRowsAreTheirSlopes) {
  const Graph graph;
  Doubles relations = normals<double>(kRelations * kWide, 1);
  const Doubles states = normals<double>(kNodes * kWide, 2);
  const Doubles weights = normals<double>(kNodes * kWide, 3);
  const auto value = [&] {
    double sum = 0;
    for (const std::uint32_t v : kSome) {
      std::uint64_t edge = graph.nodes[v].first_edge;
      for (std::uint64_t g = graph.nodes[v].first_group; g < graph.nodes[v + 1].first_group; ++g)
        for (std::uint32_t e = 0; e < graph.groups[g].edges; ++e, ++edge)
          for (std::size_t c = 0; c < kWide; ++c)
            sum += at(weights, kNodes, v, c) * relations[graph.groups[g].relation * kWide + c] *
                   at(states, kNodes, graph.sources[edge], c);
    }
    return sum;
  };
  Doubles gradient(kRelations * kWide);
  reference::messages_back<double>(
      {graph.lists(), {states.data(), kNodes, kWide}, {weights.data(), kNodes, kWide}, gradient.data()}, kSome);
  expect_gradient(relations, gradient, value, "relations");
}

TEST(PropagationSlopesTest, GradientsOfAScoreAreItsSlopes) {
  Doubles matrix = normals<double>(2 * kWide * kWide, 4);
  Doubles bias = normals<double>(2 * kWide, 5);
  Doubles output = normals<double>(2 * kWide, 6);
  Doubles output_bias = {0.5};
  Doubles states = normals<double>(kNodes * kWide, 2);
  const std::vector<std::uint32_t> nodes = {7, 4, 7, 0, 36};
  const Doubles weights = normals<double>(nodes.size(), 3);
  const auto value = [&] {
    double sum = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      double score = output_bias[0];
      for (std::size_t c = 0; c < 2 * kWide; ++c) {
        double hidden = bias[c];
        for (std::size_t k = 0; k < kWide; ++k) hidden += at(states, kNodes, nodes[i], k) * matrix[k * 2 * kWide + c];
        score += output[c] * std::max(0.0, hidden);
      }
      sum += weights[i] * score;
    }
    return sum;
  };
  Doubles of_states(kNodes * kWide);
  Doubles of_matrix(matrix.size());
  Doubles of_bias(bias.size());
  Doubles of_output(output.size());
  Doubles of_output_bias(1);
  const Doubles back = transposed(matrix, kWide);
  reference::score_back<double>({matrix.data(),
                                 bias.data(),
                                 back.data(),
                                 output.data(),
                                 2 * kWide,
                                 {states.data(), kNodes, kWide},
                                 weights,
                                 {of_states.data(), kNodes, kWide},
                                 {of_matrix.data(), of_bias.data()},
                                 of_output.data(),
                                 of_output_bias.data()},
                                nodes);
  expect_gradient(states, of_states, value, "states");
  expect_gradient(matrix, of_matrix, value, "matrix");
  expect_gradient(bias, of_bias, value, "bias");
  expect_gradient(output, of_output, value, "output");
  expect_gradient(output_bias, of_output_bias, value, "output bias");
}

TEST(PropagationSlopesTest, GradientsOfAMapAreItsSlopes) {
  constexpr std::size_t kRows = 7;
  Doubles matrix = normals<double>(2 * kWide * kWide, 4);
  Doubles bias = normals<double>(2 * kWide, 5);
  Doubles in = normals<double>(kRows * kWide, 2);
  const Doubles weights = normals<double>(kRows * 2 * kWide, 3);
  Doubles out(kRows * 2 * kWide);
  const auto value = [&](bool with_relu) {
    double sum = 0;
    for (std::size_t i = 0; i < kRows; ++i)
      for (std::size_t c = 0; c < 2 * kWide; ++c) {
        double y = bias[c];
        for (std::size_t k = 0; k < kWide; ++k) y += in[i * kWide + k] * matrix[k * 2 * kWide + c];
        out[i * 2 * kWide + c] = with_relu ? std::max(0.0, y) : y;
        sum += weights[i * 2 * kWide + c] * out[i * 2 * kWide + c];
      }
    return sum;
  };
  const Doubles back = transposed(matrix, kWide);
  for (const bool with_relu : {false, true}) {
    (void)value(with_relu);
    Doubles of_in(in.size());
    Doubles of_matrix(matrix.size());
    Doubles of_bias(bias.size());
    reference::linear_back<double>({back.data(),
                                    kWide,
                                    2 * kWide,
                                    kRows,
                                    in.data(),
                                    kWide,
                                    with_relu ? out.data() : nullptr,
                                    weights.data(),
                                    2 * kWide,
                                    of_in.data(),
                                    kWide,
                                    {of_matrix.data(), of_bias.data()}});
    const auto now = [&] { return value(with_relu); };
    expect_gradient(in, of_in, now, "rows");
    expect_gradient(matrix, of_matrix, now, "matrix");
    expect_gradient(bias, of_bias, now, "bias");
  }
}

}  // namespace
}  // namespace tessera::kernels
