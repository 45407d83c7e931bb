// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/propagation.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace tessera::kernels {
namespace {

using Row = std::array<float, 2 * kMostStateColumns>;
constexpr std::size_t kLanes = 16;

Row row_of(ConstPanels panels, std::size_t row) {
  Row out{};
  for (std::size_t c = 0; c < panels.cols; ++c) out.at(c) = panels.at(c / kPanelColumns, row)[c % kPanelColumns];
  return out;
}

Row map(const LinearWeights& weights, const Row& in) {
  Row out{};
  for (std::size_t c = 0; c < weights.outputs; ++c) {
    float chain = weights.bias[c];
    for (std::size_t k = 0; k < weights.inputs; ++k)
      chain = std::fma(in.at(k), weights.matrix[k * weights.outputs + c], chain);
    out.at(c) = chain;
  }
  return out;
}

float relu(float value) { return value < 0 ? 0.0F : value; }

template <class Term>
float lane_chains(std::size_t count, const Term& add) {
  std::array<float, kLanes> lanes{};
  for (std::size_t i = 0; i < count; ++i) lanes.at(i % kLanes) = add(i, lanes.at(i % kLanes));
  for (std::size_t width = kLanes / 2; width > 0; width /= 2)
    for (std::size_t l = 0; l < width; ++l) lanes.at(l) += lanes.at(l + width);
  return lanes[0];
}

class ReferencePropagation final : public Propagation {
 public:
  void aggregate(const Messages& of, std::span<const std::uint32_t> nodes, Panels sums) const override {
    sum_messages(of, nodes, sums, [&](std::uint32_t source, std::size_t c) {
      return of.states.at(c / kPanelColumns, source)[c % kPanelColumns];
    });
  }

  void aggregate_near(const Messages& of, const NearSources& near, std::span<const std::uint32_t> nodes,
                      Panels sums) const override {
    sum_messages(of, nodes, sums, [&](std::uint32_t source, std::size_t c) {
      if (near.levels[source] <= near.most) return of.states.at(c / kPanelColumns, source)[c % kPanelColumns];
      return near.far_state == nullptr ? 0.0F : near.far_state[c];
    });
  }

  void update(const LayerWeights& layer, ConstPanels sums, std::span<const std::uint32_t> nodes,
              Panels states) const override {
    const std::size_t cols = states.cols;
    const auto width = static_cast<float>(cols);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      Row in = row_of(states, nodes[i]);
      const Row sum = row_of(sums, i);
      std::copy_n(sum.begin(), cols, in.begin() + static_cast<std::ptrdiff_t>(cols));
      const Row y = map(layer.linear, in);
      const float mean = lane_chains(cols, [&](std::size_t c, float lane) { return lane + y.at(c); }) / width;
      const float variance =
          lane_chains(cols, [&](std::size_t c, float lane) { return std::fma(y.at(c) - mean, y.at(c) - mean, lane); }) /
          width;
      const float inverse = 1.0F / std::sqrt(variance + kNormEpsilon);
      for (std::size_t c = 0; c < cols; ++c) {
        float& state = states.at(c / kPanelColumns, nodes[i])[c % kPanelColumns];
        state = relu(std::fma((y.at(c) - mean) * inverse, layer.scale[c], layer.shift[c])) + state;
      }
    }
  }

  void score(const ScoreWeights& weights, ConstPanels states, std::span<const std::uint32_t> nodes,
             std::span<float> scores) const override {
    for (const std::uint32_t node : nodes) {
      const Row hidden = map(weights.hidden, row_of(states, node));
      scores[node] = weights.output_bias + lane_chains(weights.hidden.outputs, [&](std::size_t c, float lane) {
                       return std::fma(relu(hidden.at(c)), weights.output[c], lane);
                     });
    }
  }

  void linear(const LinearWeights& weights, ConstMatrix in, bool with_relu, Matrix out) const override {
    for (std::size_t i = 0; i < in.rows; ++i) {
      Row row{};
      std::copy_n(in.row(i), weights.inputs, row.begin());
      const Row mapped = map(weights, row);
      for (std::size_t c = 0; c < weights.outputs; ++c) out.row(i)[c] = with_relu ? relu(mapped.at(c)) : mapped.at(c);
    }
  }

 private:
  template <class State>
  static void sum_messages(const Messages& of, std::span<const std::uint32_t> nodes, Panels sums, const State& state) {
    for (std::size_t i = 0; i < nodes.size(); ++i)
      for (std::size_t c = 0; c < sums.cols; ++c) {
        std::uint64_t edge = of.edges.nodes[nodes[i]].first_edge;
        double all = 0;
        for (std::uint64_t g = of.edges.nodes[nodes[i]].first_group; g < of.edges.nodes[nodes[i] + 1].first_group;
             ++g) {
          const EdgeGroup& group = of.edges.groups[g];
          double sum = 0;
          for (std::uint32_t k = 0; k < group.edges; ++k)
            sum += static_cast<double>(state(of.edges.sources[edge++], c));
          all = std::fma(static_cast<double>(of.relations.row(group.relation)[c]), sum, all);
        }
        sums.at(c / kPanelColumns, i)[c % kPanelColumns] = static_cast<float>(all);
      }
  }
};

}  // namespace

const Propagation& reference_propagation() {
  static const ReferencePropagation instance;
  return instance;
}

}  // namespace tessera::kernels
