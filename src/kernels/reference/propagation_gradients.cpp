// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/reference/propagation_gradients.hpp"

#include "kernels/propagation_gradients.hpp"

#include <cmath>
#include <vector>

namespace tessera::kernels {
namespace {

class ReferencePropagationGradients final : public PropagationGradients {
 public:
  void update(const LayerWeights& layer, ConstPanels before, std::span<const std::uint32_t> nodes,
              const KeptLayer& kept, Panels after) const override {
    for (std::size_t i = 0; i < nodes.size(); ++i) update_row(layer, before, {i, nodes[i]}, kept, after);
  }
  void update_back(const UpdateBack& of, std::span<const std::uint32_t> nodes) const override {
    reference::update_back(of, nodes);
  }
  void messages_back(const MessagesBack& of, std::span<const std::uint32_t> nodes) const override {
    reference::messages_back(of, nodes);
  }
  void score_back(const ScoreBack& of, std::span<const std::uint32_t> nodes) const override {
    reference::score_back(of, nodes);
  }
  void linear_back(const LinearBack& of) const override { reference::linear_back(of); }

 private:
  struct Place {
    std::size_t row;
    std::uint32_t node;
  };
  static void update_row(const LayerWeights& layer, ConstPanels before, Place place, const KeptLayer& kept,
                         Panels after) {
    using reference::element;
    const std::size_t cols = before.cols;
    const auto width = static_cast<float>(cols);
    std::vector<float> y(layer.linear.bias, layer.linear.bias + cols);
    for (std::size_t c = 0; c < cols; ++c)
      for (std::size_t k = 0; k < 2 * cols; ++k) {
        const float in = k < cols ? element(before, place.node, k) : element(kept.sums, place.row, k - cols);
        y[c] = std::fma(in, layer.linear.matrix[k * cols + c], y[c]);
      }
    const float mean =
        reference::lane_chains<float>(cols, [&](std::size_t c, float lane) { return lane + y[c]; }) / width;
    const float variance =
        reference::lane_chains<float>(
            cols, [&](std::size_t c, float lane) { return std::fma(y[c] - mean, y[c] - mean, lane); }) /
        width;
    const float inverse = 1.0F / std::sqrt(variance + kNormEpsilon);
    kept.inverse[place.row] = inverse;
    for (std::size_t c = 0; c < cols; ++c) {
      const float normal = (y[c] - mean) * inverse;
      element(kept.normal, place.row, c) = normal;
      const float moved = std::fma(normal, layer.scale[c], layer.shift[c]);
      element(after, place.node, c) = (moved < 0 ? 0.0F : moved) + element(before, place.node, c);
    }
  }
};

}  // namespace

const PropagationGradients& reference_propagation_gradients() {
  static const ReferencePropagationGradients instance;
  return instance;
}

}  // namespace tessera::kernels
