// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/network.hpp"

#include "core/parallel.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace tessera::propagation {
namespace {

using kernels::ConstPanels;
using kernels::kPanelColumns;
using kernels::Panels;
using memory::Tag;
using Nodes = std::span<const std::uint32_t>;

constexpr std::size_t kNearLayers = 2;  // in the first two layers the states of most nodes are alike

template <class T>
std::uint64_t pool_bytes(std::uint64_t count) {
  return (count * sizeof(T) / memory::kHostUnitBytes + 1) * memory::kHostUnitBytes;
}

/// What a node has after the first layer when no message reaches it.
std::vector<float> far_state(const kernels::Propagation& kernels, const kernels::LayerWeights& layer) {
  const std::size_t dim = layer.linear.outputs;
  const std::vector<float> sums(dim);
  std::vector<float> state(dim);
  const std::uint32_t node = 0;
  kernels.update(layer, {sums.data(), 1, dim}, std::span(&node, 1), {state.data(), 1, dim});  // one row is its panels
  return state;
}

}  // namespace

Network::Network(const kernels::Propagation& of, kernels::EdgeLists lists, std::vector<kernels::LayerWeights> weights)
    : kernels(&of), edges(lists), layers(std::move(weights)), far_state(propagation::far_state(of, layers.front())) {}

Unasked::Unasked(const Network& network, memory::Pool& pool)
    : states_(
          pool.allocate<float>(Tag::kEvaluation, (network.layers.size() - 1) * network.node_count() * network.dim())),
      all_(pool.allocate<std::uint32_t>(Tag::kEvaluation, network.node_count())),
      nodes_(network.node_count()),
      dim_(network.dim()) {
  std::iota(all_.span().begin(), all_.span().end(), 0U);
}

std::uint64_t Unasked::bytes(const Network& network) {
  return pool_bytes<float>((network.layers.size() - 1) * network.node_count() * network.dim()) +
         pool_bytes<std::uint32_t>(network.node_count());
}

ConstPanels Unasked::states(std::size_t layer) const {
  return {states_.data() + (layer - kNearLayers) * nodes_ * dim_, nodes_, dim_};
}

void Unasked::run(const Network& network, RelationRows relations, std::size_t threads, memory::Buffer<float>& sums) {
  const std::vector<std::uint8_t> levels(nodes_, Levels::kUnreached);
  for (std::size_t layer = kNearLayers; layer <= network.layers.size(); ++layer) {
    const Panels out{states_.data() + (layer - kNearLayers) * nodes_ * dim_, nodes_, dim_};
    const ConstPanels before = layer == kNearLayers ? ConstPanels(out) : states(layer - 1);
    parallel_for((nodes_ + kBlockNodes - 1) / kBlockNodes, threads, [&](std::size_t block, std::size_t worker) {
      const std::size_t first = block * kBlockNodes;
      const Nodes nodes = all_.span().subspan(first, std::min(kBlockNodes, nodes_ - first));
      const Panels own{sums.data() + worker * kBlockNodes * dim_, kBlockNodes, dim_};
      const kernels::Messages messages{network.edges, relations[layer - 1], before};
      if (layer == kNearLayers)
        network.kernels->aggregate_near(messages, {levels, 1, network.far_state.data()}, nodes, own);
      else
        network.kernels->aggregate(messages, nodes, own);
      for (std::size_t p = 0; p < out.count(); ++p) {
        float* const to = out.at(p, first);
        if (layer > kNearLayers)
          std::copy_n(before.at(p, first), nodes.size() * kPanelColumns, to);
        else
          for (std::size_t i = 0; i < nodes.size(); ++i)
            std::copy_n(network.far_state.data() + p * kPanelColumns, kPanelColumns, to + i * kPanelColumns);
      }
      network.kernels->update(network.layers[layer - 1], own, nodes, out);
    });
  }
}

Walk::Walk(const Network& network, memory::Pool& pool)
    : nodes_(network.node_count()),
      dim_(network.dim()),
      states_(pool.allocate<float>(Tag::kEvaluation, nodes_ * dim_)),
      sums_(pool.allocate<float>(Tag::kEvaluation, nodes_ * dim_)),
      levels_(nodes_, network.layers.size() + 1, pool),
      all_(pool.allocate<std::uint32_t>(Tag::kEvaluation, nodes_)) {
  std::iota(all_.span().begin(), all_.span().end(), 0U);
}

std::uint64_t Walk::bytes(const Network& network) {
  const std::uint64_t nodes = network.node_count();
  return 2 * pool_bytes<float>(nodes * network.dim()) + Levels::bytes(nodes) + pool_bytes<std::uint32_t>(nodes);
}

double Walk::saved_share(const Network& network, std::uint32_t source) {
  const std::size_t layers = network.layers.size();
  levels_.reach(network.edges, std::span(&source, 1), layers);
  double done = 0;
  for (std::size_t layer = kNearLayers; layer <= layers; ++layer)
    done += static_cast<double>(levels_.within(layer).size());
  const auto all = static_cast<double>(nodes_ * (layers + 1 - kNearLayers));
  return layers < kNearLayers ? 0 : 1 - done / all;
}

void Walk::fill(Nodes nodes, const float* state) {
  const Panels states = panels(states_);
  for (std::size_t p = 0; p < states.count(); ++p)
    for (const std::uint32_t node : nodes) {
      if (state == nullptr)
        std::fill_n(states.at(p, node), kPanelColumns, 0.0F);
      else
        std::copy_n(state + p * kPanelColumns, kPanelColumns, states.at(p, node));
    }
}

void Walk::copy(Nodes nodes, ConstPanels from) {
  const Panels states = panels(states_);
  for (std::size_t p = 0; p < states.count(); ++p)
    for (const std::uint32_t node : nodes) std::copy_n(from.at(p, node), kPanelColumns, states.at(p, node));
}

void Walk::step(const Network& network, RelationRows relations, std::size_t layer, Nodes nodes) {
  const kernels::Messages messages{network.edges, relations[layer - 1], states()};
  const Panels sums = panels(sums_);
  if (layer == 1)
    network.kernels->aggregate_near(messages, {levels_.levels(), 0, nullptr}, nodes, sums);
  else if (layer == kNearLayers)
    network.kernels->aggregate_near(messages, {levels_.levels(), 1, network.far_state.data()}, nodes, sums);
  else
    network.kernels->aggregate(messages, nodes, sums);
  const std::size_t at = nodes.data() == all_.data() ? source_ : 0;  // by level, the source is the first
  for (std::size_t c = 0; c < dim_; ++c) sums.at(c / kPanelColumns, at)[c % kPanelColumns] += query_[c];
  network.kernels->update(network.layers[layer - 1], sums, nodes, panels(states_));
}

void Walk::run(const Network& network, RelationRows relations, std::uint32_t source, std::span<const float> query,
               const Unasked* unasked) {
  const std::size_t layers = network.layers.size();
  source_ = source;
  query_ = query;
  levels_.reach(network.edges, std::span(&source, 1), unasked == nullptr ? 1 : layers + 1);
  if (unasked == nullptr) fill(all_.span(), network.far_state.data());
  fill(levels_.within(1), nullptr);
  const Panels states = panels(states_);
  for (std::size_t c = 0; c < dim_; ++c) states.at(c / kPanelColumns, source)[c % kPanelColumns] = query[c];
  step(network, relations, 1, levels_.within(1));
  if (unasked == nullptr) {
    for (std::size_t layer = kNearLayers; layer <= layers; ++layer) step(network, relations, layer, all_.span());
    changed_ = all_.span();
    return;
  }
  for (std::size_t layer = kNearLayers; layer <= layers; ++layer) {
    if (layer == kNearLayers)
      fill(levels_.between(1, kNearLayers), network.far_state.data());
    else
      copy(levels_.between(layer - 1, layer + 1), unasked->states(layer - 1));
    step(network, relations, layer, levels_.within(layer));
  }
  changed_ = levels_.within(layers);
}

}  // namespace tessera::propagation
