// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/propagation_gradients.hpp"
#include "memory/pool.hpp"
#include "propagation/levels.hpp"
#include "propagation/network.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::propagation {

/// The functions of a training.
struct TrainingKernels {
  const kernels::Propagation& forward;
  const kernels::PropagationGradients& back;
};

/// A network that is trained: layers, and each one's matrix by outputs.
struct TrainedNetwork {
  TrainingKernels kernels;
  kernels::EdgeLists edges;
  std::vector<kernels::LayerWeights> layers;
  std::vector<const float*> transposed;
  // What the first layer gives where no message comes.
  std::vector<float> far_state;
  std::vector<float> far_normal;
  float far_inverse = 0;

  [[nodiscard]] std::size_t node_count() const { return edges.nodes.size() - 1; }
  [[nodiscard]] std::size_t dim() const { return layers.front().linear.outputs; }
  /// After a change of the weights.
  void make_far();
};

/// Where gradients of a layer go; functions add to them.
struct LayerGradients {
  kernels::LinearGradients linear;
  float* scale = nullptr;
  float* shift = nullptr;
  float* relations = nullptr;  ///< [relations, dim]
};

/// The memory in which one thread runs a query through a network and back. A layer computes those nodes alone from
/// which the wanted ones hear.
class Tape {
 public:
  Tape(std::size_t nodes, std::size_t dim, std::size_t layers, memory::Pool& pool);
  static std::uint64_t bytes(std::size_t nodes, std::size_t dim, std::size_t layers);

  /// Runs a query from `source`, which receives `boundary` [dim] in every layer. `wanted` has distinct nodes.
  void forward(const TrainedNetwork& network, RelationRows relations, std::uint32_t source,
               std::span<const float> boundary, std::span<const std::uint32_t> wanted);
  /// After the last layer, of wanted nodes.
  [[nodiscard]] kernels::ConstPanels states() const { return states_of(layers_); }
  /// Of the same, zeros after forward(): what comes from the scores is added here.
  [[nodiscard]] kernels::Panels state_gradients() const { return panels(state_gradients_); }
  /// Adds to the gradients of layers and to that of the boundary [dim]. `inverse` has for each relation the row of its
  /// inverse.
  void backward(const TrainedNetwork& network, RelationRows inverse, std::span<const LayerGradients> gradients,
                std::span<float> boundary);

 private:
  using Nodes = std::span<const std::uint32_t>;
  [[nodiscard]] kernels::Panels panels(const memory::Buffer<float>& of) const { return {of.data(), nodes_, dim_}; }
  [[nodiscard]] kernels::Panels states_of(std::size_t layer) const {
    return {states_.data() + layer * nodes_ * dim_, nodes_, dim_};
  }
  [[nodiscard]] kernels::KeptLayer kept_of(std::size_t layer) const;
  [[nodiscard]] Nodes nodes_of(std::size_t layer) const;
  void begin_first_layer(const TrainedNetwork& network, std::uint32_t source, std::span<const float> boundary);
  [[nodiscard]] Nodes far_nodes() const;
  void add_boundary(Nodes nodes, std::span<const float> boundary, kernels::Panels sums) const;
  void layer_back(const TrainedNetwork& network, std::size_t layer, const LayerGradients& gradients);
  void send_back(const TrainedNetwork& network, const kernels::ConstMatrix& inverse, Nodes to);
  void far_back(const TrainedNetwork& network, const LayerGradients& gradients);
  void take_row(const memory::Buffer<float>& of, std::uint32_t node, std::span<float> to) const;

  std::size_t nodes_;
  std::size_t dim_;
  std::size_t layers_;
  std::uint32_t source_ = 0;  // of the newest query
  Levels to_wanted_;
  Levels from_source_;
  memory::Buffer<float> states_;   // [layers + 1]
  memory::Buffer<float> sums_;     // [layers]
  memory::Buffer<float> normals_;  // [layers]
  memory::Buffer<float> inverses_;
  memory::Buffer<float> state_gradients_;
  memory::Buffer<float> sum_gradients_;
  memory::Buffer<float> received_;
  memory::Buffer<std::uint32_t> first_;  // nodes of the first layer, those near the source first
  std::size_t near_count_ = 0;
};

}  // namespace tessera::propagation
