// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/propagation.hpp"
#include "memory/pool.hpp"
#include "propagation/levels.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::propagation {

/// Layers over the edges of a graph, with one table of relation rows for each.
struct Network {
  const kernels::Propagation* kernels = nullptr;
  kernels::EdgeLists edges;
  std::vector<kernels::LayerWeights> layers;
  std::vector<float> far_state;  ///< of every node without a message in the first layer

  Network(const kernels::Propagation& kernels, kernels::EdgeLists edges, std::vector<kernels::LayerWeights> layers);
  [[nodiscard]] std::size_t node_count() const { return edges.nodes.size() - 1; }
  [[nodiscard]] std::size_t dim() const { return far_state.size(); }
};

/// [layers] of [relations, dim].
using RelationRows = std::span<const kernels::ConstMatrix>;

/// What the layers give without any query, for queries to take over: a query changes nodes that it reaches alone. It
/// saves work and no bit depends on it. Memory: layers - 1 tables of states.
class Unasked {
 public:
  Unasked(const Network& network, memory::Pool& pool);
  static std::uint64_t bytes(const Network& network);
  /// Computes the states on some threads; `sums` has rows of a block for each.
  void run(const Network& network, RelationRows relations, std::size_t threads, memory::Buffer<float>& sums);
  /// After layer 2, 3, ...
  [[nodiscard]] kernels::ConstPanels states(std::size_t layer) const;
  static constexpr std::size_t kBlockNodes = 512;

 private:
  memory::Buffer<float> states_;
  memory::Buffer<std::uint32_t> all_;
  std::size_t nodes_;
  std::size_t dim_;
};

/// The memory in which one thread runs queries through a network.
class Walk {
 public:
  Walk(const Network& network, memory::Pool& pool);
  static std::uint64_t bytes(const Network& network);

  /// Runs one query from its source node: adds `query` [dim] to what the source receives in every layer. Afterwards
  /// changed() have states of their own, and all others those of `unasked`; all are changed when there is none.
  void run(const Network& network, RelationRows relations, std::uint32_t source, std::span<const float> query,
           const Unasked* unasked);
  [[nodiscard]] std::span<const std::uint32_t> changed() const { return changed_; }
  [[nodiscard]] kernels::ConstPanels states() const { return {states_.data(), nodes_, dim_}; }
  /// Share of the work that a query from this source leaves out where there is an Unasked.
  [[nodiscard]] double saved_share(const Network& network, std::uint32_t source);

 private:
  [[nodiscard]] kernels::Panels panels(memory::Buffer<float>& of) const { return {of.data(), nodes_, dim_}; }
  void step(const Network& network, RelationRows relations, std::size_t layer, std::span<const std::uint32_t> nodes);
  void fill(std::span<const std::uint32_t> nodes, const float* state);
  void copy(std::span<const std::uint32_t> nodes, kernels::ConstPanels from);

  std::size_t nodes_;
  std::size_t dim_;
  std::uint32_t source_ = 0;
  std::span<const float> query_;
  memory::Buffer<float> states_;
  memory::Buffer<float> sums_;
  Levels levels_;  // from the source; a layer changes the nodes within so many steps
  memory::Buffer<std::uint32_t> all_;
  std::span<const std::uint32_t> changed_;
};

}  // namespace tessera::propagation
