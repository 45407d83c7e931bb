// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/matrix.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera::kernels {

/// Columns of a panel: one cache line.
inline constexpr std::size_t kPanelColumns = 16;
/// Columns of a row of states, at most; they are a multiple of kPanelColumns.
inline constexpr std::size_t kMostStateColumns = 256;
inline constexpr float kNormEpsilon = 1e-5F;

/// Rows of states in panels of 16 columns, one panel after the other: a panel of all rows stays in a cache that whole
/// rows would not fit.
template <class Float>
struct BasicPanels {
  Float* data = nullptr;
  std::size_t rows = 0;  ///< of a panel
  std::size_t cols = 0;
  [[nodiscard]] std::size_t count() const { return cols / kPanelColumns; }
  [[nodiscard]] Float* at(std::size_t panel, std::size_t row) const {
    return data + (panel * rows + row) * kPanelColumns;
  }
  /// The rows from `first`.
  [[nodiscard]] BasicPanels from(std::size_t first) const { return {data + first * kPanelColumns, rows, cols}; }
  // NOLINTNEXTLINE(google-explicit-constructor): a view of const is always allowed
  operator BasicPanels<const Float>() const { return {data, rows, cols}; }
};
using Panels = BasicPanels<float>;
using ConstPanels = BasicPanels<const float>;

/// Consecutive edges of one destination and relation.
struct EdgeGroup {
  std::uint32_t relation;
  std::uint32_t edges;
};

/// The edges of a graph by destination, then by relation, then by source.
struct EdgeLists {
  struct Node {
    std::uint64_t first_group;
    std::uint64_t first_edge;
  };
  std::span<const Node> nodes;  ///< [nodes + 1]
  std::span<const EdgeGroup> groups;
  std::span<const std::uint32_t> sources;  ///< [edges]
};

/// An affine map of rows; the matrix lies as [inputs, outputs].
struct LinearWeights {
  const float* matrix = nullptr;
  const float* bias = nullptr;  ///< [outputs]
  std::size_t inputs = 0;
  std::size_t outputs = 0;
};

struct LayerWeights {
  LinearWeights linear;          ///< of (state, sum of messages)
  const float* scale = nullptr;  ///< of the layer norm
  const float* shift = nullptr;
};

/// Maps a state to a score; what does not depend on the state is in the bias of `hidden`.
struct ScoreWeights {
  LinearWeights hidden;
  const float* output = nullptr;  ///< [hidden.outputs]
  float output_bias = 0;
};

/// Sources whose states are not all alike.
struct NearSources {
  std::span<const std::uint8_t> levels;  ///< by node
  std::uint8_t most = 0;                 ///< nodes up to this level have states of their own
  const float* far_state = nullptr;      ///< the state of all others; null: zeros, from which no message comes
};

/// A message is the product of the state of a source and the row of a relation, element by element.
struct Messages {
  EdgeLists edges;
  ConstMatrix relations;
  ConstPanels states;
};

/// Layers of a network over the edges of a graph. `nodes` lists destinations; row i of `sums` belongs to nodes[i].
///
/// Sums of messages: the states of one relation are added in double, source by source; the sum is multiplied with the
/// row of the relation and added to the sum over relations by one fused operation, in double; the result is rounded
/// once. Sums of fp32 numbers in double are exact unless their sizes differ by more than 2^29 / edges, so nodes with
/// equal neighbourhoods have equal bits in whatever order their edges come.
/// Maps are chains of fused operations that start with the bias; means of a norm run in 16 fixed lanes.
class Propagation {
 public:
  virtual ~Propagation() = default;
  /// sums[i] = the messages to nodes[i].
  virtual void aggregate(const Messages& messages, std::span<const std::uint32_t> nodes, Panels sums) const = 0;
  /// The same bits where far nodes have the far state; reads states of near nodes alone.
  virtual void aggregate_near(const Messages& messages, const NearSources& near, std::span<const std::uint32_t> nodes,
                              Panels sums) const = 0;
  /// states[v] += relu(norm(linear(states[v], sums[i]))), v = nodes[i].
  virtual void update(const LayerWeights& layer, ConstPanels sums, std::span<const std::uint32_t> nodes,
                      Panels states) const = 0;
  /// scores[v] = output_bias + output . relu(hidden(states[v])), v = nodes[i].
  virtual void score(const ScoreWeights& weights, ConstPanels states, std::span<const std::uint32_t> nodes,
                     std::span<float> scores) const = 0;
  /// out[i] = linear(in[i]), negative numbers set to 0 if `relu`. Columns are multiples of kPanelColumns.
  virtual void linear(const LinearWeights& weights, ConstMatrix in, bool relu, Matrix out) const = 0;
};

/// By SIMD, and serial and simple: the same bits.
const Propagation& cpu_propagation();
const Propagation& reference_propagation();

}  // namespace tessera::kernels
