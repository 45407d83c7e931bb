// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/propagation.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera::kernels {

// Views of numbers of any precision: the reference computes in double, too, for tests by finite differences.

/// What a layer keeps for its gradients; row i belongs to nodes[i].
template <class Real>
struct BasicKeptLayer {
  BasicPanels<Real> sums;    ///< of messages
  BasicPanels<Real> normal;  ///< normed rows, before scale and shift
  Real* inverse = nullptr;   ///< 1 / deviation of each row
};

/// Gradients of an affine map, to which a function adds. The matrix lies as [inputs, outputs].
template <class Real>
struct BasicLinearGradients {
  Real* matrix = nullptr;
  Real* bias = nullptr;
};

/// `sum_gradients` and the states have a row for each node.
template <class Real>
struct BasicUpdateBack {
  const Real* transposed = nullptr;  ///< [dim, 2 dim]: the matrix of the layer by outputs
  const Real* scale = nullptr;
  const Real* shift = nullptr;
  BasicPanels<const Real> before;  ///< states before the layer
  BasicKeptLayer<Real> kept;
  BasicPanels<Real> state_gradients;  ///< of the states after the layer; then of those before it, without messages
  BasicPanels<Real> sum_gradients;    ///< of the sums of messages
  BasicLinearGradients<Real> linear;
  Real* scale_gradients = nullptr;
  Real* shift_gradients = nullptr;
};

template <class Real>
struct BasicMessagesBack {
  EdgeLists edges;
  BasicPanels<const Real> states;         ///< of sources
  BasicPanels<const Real> sum_gradients;  ///< of destinations
  Real* relation_gradients = nullptr;     ///< [relations, dim], to which the function adds
};

template <class Real>
struct BasicScoreBack {
  const Real* matrix = nullptr;  ///< of `hidden`: [dim, outputs]
  const Real* bias = nullptr;
  const Real* transposed = nullptr;  ///< [outputs, dim]
  const Real* output = nullptr;
  std::size_t outputs = 0;
  BasicPanels<const Real> states;
  std::span<const Real> score_gradients;  ///< of nodes[i]
  BasicPanels<Real> state_gradients;      ///< to which the function adds
  BasicLinearGradients<Real> hidden;
  Real* output_gradients = nullptr;
  Real* output_bias_gradient = nullptr;
};

/// Rows of consecutive numbers.
template <class Real>
struct BasicLinearBack {
  const Real* transposed = nullptr;  ///< [outputs, inputs]; may be null where `in_gradients` is
  std::size_t inputs = 0;
  std::size_t outputs = 0;
  std::size_t rows = 0;
  const Real* in = nullptr;
  std::size_t in_stride = 0;
  const Real* out = nullptr;  ///< of a map with relu: what it gave, as the gradients lie; null: one without
  const Real* out_gradients = nullptr;
  std::size_t out_stride = 0;
  Real* in_gradients = nullptr;  ///< written; null: not wanted
  std::size_t in_gradient_stride = 0;
  BasicLinearGradients<Real> gradients;
};

using KeptLayer = BasicKeptLayer<float>;
using LinearGradients = BasicLinearGradients<float>;
using UpdateBack = BasicUpdateBack<float>;
using MessagesBack = BasicMessagesBack<float>;
using ScoreBack = BasicScoreBack<float>;
using LinearBack = BasicLinearBack<float>;

/// Gradients of the functions of Propagation. A gradient of a weight is one chain of fused operations over the rows, in
/// their order, that goes on from what is there. A gradient of a row is one chain over outputs that starts with 0.
/// The gradient of a state through messages needs no function of its own: where each edge (v, r, u) has an inverse
/// (u, r', v), Propagation::aggregate gives it, with gradients for states and the row of r for r'.
class PropagationGradients {
 public:
  virtual ~PropagationGradients() = default;
  /// after[v] = before[v] + relu(norm(linear(before[v], kept.sums[i]))), v = nodes[i]: the bits of
  /// Propagation::update. Keeps the normed rows.
  virtual void update(const LayerWeights& layer, ConstPanels before, std::span<const std::uint32_t> nodes,
                      const KeptLayer& kept, Panels after) const = 0;
  /// Its gradients. A node occurs once.
  virtual void update_back(const UpdateBack& of, std::span<const std::uint32_t> nodes) const = 0;
  /// Gradients of relation rows: of each group of edges, sum_gradients[v] * (the sum of its states, as aggregate()
  /// makes it, rounded), v = nodes[i].
  virtual void messages_back(const MessagesBack& of, std::span<const std::uint32_t> nodes) const = 0;
  /// A node may occur several times.
  virtual void score_back(const ScoreBack& of, std::span<const std::uint32_t> nodes) const = 0;
  virtual void linear_back(const LinearBack& of) const = 0;
};

/// By SIMD, and serial and simple: the same bits.
const PropagationGradients& cpu_propagation_gradients();
const PropagationGradients& reference_propagation_gradients();

}  // namespace tessera::kernels
