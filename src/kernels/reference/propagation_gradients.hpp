// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/propagation_gradients.hpp"

#include <array>
#include <cmath>
#include <vector>

namespace tessera::kernels::reference {

template <class Real>
Real& element(const BasicPanels<Real>& panels, std::size_t row, std::size_t c) {
  return panels.at(c / kPanelColumns, row)[c % kPanelColumns];
}

/// Chains in 16 fixed lanes, added as a tree.
template <class Real, class Term>
Real lane_chains(std::size_t count, const Term& add) {
  std::array<Real, 16> lanes{};
  for (std::size_t i = 0; i < count; ++i) lanes.at(i % lanes.size()) = add(i, lanes.at(i % lanes.size()));
  for (std::size_t width = lanes.size() / 2; width > 0; width /= 2)
    for (std::size_t l = 0; l < width; ++l) lanes.at(l) += lanes.at(l + width);
  return lanes[0];
}

/// The gradients of a map with one row: of its weights, and of the row if `transposed` is there.
template <class Real>
std::vector<Real> map_back(const std::vector<Real>& in, const std::vector<Real>& out_gradient, const Real* transposed,
                           const BasicLinearGradients<Real>& gradients) {
  const std::size_t outputs = out_gradient.size();
  for (std::size_t c = 0; c < outputs; ++c) gradients.bias[c] += out_gradient[c];
  for (std::size_t k = 0; k < in.size(); ++k)
    for (std::size_t c = 0; c < outputs; ++c) {
      Real& gradient = gradients.matrix[k * outputs + c];
      gradient = std::fma(in[k], out_gradient[c], gradient);
    }
  std::vector<Real> in_gradient(in.size());
  for (std::size_t k = 0; k < in.size() && transposed != nullptr; ++k)
    for (std::size_t c = 0; c < outputs; ++c)
      in_gradient[k] = std::fma(out_gradient[c], transposed[c * in.size() + k], in_gradient[k]);
  return in_gradient;
}

/// The gradient of the map's output, from that of relu(norm(output)).
template <class Real>
std::vector<Real> norm_back(const BasicUpdateBack<Real>& of, std::size_t i, std::uint32_t node) {
  const std::size_t cols = of.before.cols;
  const auto width = static_cast<Real>(cols);
  std::vector<Real> scaled(cols);
  const auto normal = [&](std::size_t c) { return element(of.kept.normal, i, c); };
  for (std::size_t c = 0; c < cols; ++c) {
    const bool passes = std::fma(normal(c), of.scale[c], of.shift[c]) > 0;
    const Real passed = passes ? element(of.state_gradients, node, c) : Real(0);
    of.scale_gradients[c] = std::fma(passed, normal(c), of.scale_gradients[c]);
    of.shift_gradients[c] += passed;
    scaled[c] = passed * of.scale[c];
  }
  const Real mean = lane_chains<Real>(cols, [&](std::size_t c, Real lane) { return lane + scaled[c]; }) / width;
  const Real along =
      lane_chains<Real>(cols, [&](std::size_t c, Real lane) { return std::fma(scaled[c], normal(c), lane); }) / width;
  for (std::size_t c = 0; c < cols; ++c) scaled[c] = std::fma(normal(c), -along, scaled[c] - mean) * of.kept.inverse[i];
  return scaled;
}

template <class Real>
void update_back(const BasicUpdateBack<Real>& of, std::span<const std::uint32_t> nodes) {
  const std::size_t cols = of.before.cols;
  std::vector<Real> in(2 * cols);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (std::size_t c = 0; c < cols; ++c) {
      in[c] = element(of.before, nodes[i], c);
      in[cols + c] = element(of.kept.sums, i, c);
    }
    const std::vector<Real> gradient = map_back(in, norm_back(of, i, nodes[i]), of.transposed, of.linear);
    for (std::size_t c = 0; c < cols; ++c) {
      element(of.state_gradients, nodes[i], c) += gradient[c];
      element(of.sum_gradients, nodes[i], c) = gradient[cols + c];
    }
  }
}

template <class Real>
void messages_back(const BasicMessagesBack<Real>& of, std::span<const std::uint32_t> nodes) {
  const std::size_t cols = of.states.cols;
  for (const std::uint32_t v : nodes) {
    std::uint64_t first = of.edges.nodes[v].first_edge;
    for (std::uint64_t g = of.edges.nodes[v].first_group; g < of.edges.nodes[v + 1].first_group; ++g) {
      const EdgeGroup& group = of.edges.groups[g];
      for (std::size_t c = 0; c < cols; ++c) {
        double sum = 0;
        for (std::uint64_t e = first; e < first + group.edges; ++e)
          sum += static_cast<double>(element(of.states, of.edges.sources[e], c));
        Real& gradient = of.relation_gradients[group.relation * cols + c];
        gradient = std::fma(element(of.sum_gradients, v, c), static_cast<Real>(sum), gradient);
      }
      first += group.edges;
    }
  }
}

template <class Real>
void score_back(const BasicScoreBack<Real>& of, std::span<const std::uint32_t> nodes) {
  const std::size_t cols = of.states.cols;
  std::vector<Real> in(cols);
  std::vector<Real> hidden(of.outputs);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Real d = of.score_gradients[i];
    for (std::size_t c = 0; c < cols; ++c) in[c] = element(of.states, nodes[i], c);
    for (std::size_t c = 0; c < of.outputs; ++c) {
      Real chain = of.bias[c];
      for (std::size_t k = 0; k < cols; ++k) chain = std::fma(in[k], of.matrix[k * of.outputs + c], chain);
      of.output_gradients[c] = std::fma(chain > 0 ? chain : Real(0), d, of.output_gradients[c]);
      hidden[c] = chain > 0 ? d * of.output[c] : Real(0);
    }
    *of.output_bias_gradient += d;
    const std::vector<Real> gradient = map_back(in, hidden, of.transposed, of.hidden);
    for (std::size_t c = 0; c < cols; ++c) element(of.state_gradients, nodes[i], c) += gradient[c];
  }
}

template <class Real>
void linear_back(const BasicLinearBack<Real>& of) {
  for (std::size_t i = 0; i < of.rows; ++i) {
    const std::vector<Real> in(of.in + i * of.in_stride, of.in + i * of.in_stride + of.inputs);
    std::vector<Real> out(of.out_gradients + i * of.out_stride, of.out_gradients + i * of.out_stride + of.outputs);
    for (std::size_t c = 0; c < of.outputs && of.out != nullptr; ++c)
      if (!(of.out[i * of.out_stride + c] > 0)) out[c] = 0;
    const std::vector<Real> gradient =
        map_back(in, out, of.in_gradients == nullptr ? nullptr : of.transposed, of.gradients);
    for (std::size_t k = 0; k < of.inputs && of.in_gradients != nullptr; ++k)
      of.in_gradients[i * of.in_gradient_stride + k] = gradient[k];
  }
}

}  // namespace tessera::kernels::reference
