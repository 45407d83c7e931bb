// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/training/tape.hpp"

#include "core/error.hpp"
#include "search/setup.hpp"

#include <algorithm>
#include <array>

namespace tessera::propagation {
namespace {

using kernels::kPanelColumns;
using kernels::Panels;
using memory::Tag;

void add_piece(const float* __restrict from, float* __restrict to) {
  for (std::size_t c = 0; c < kPanelColumns; ++c) to[c] += from[c];
}

}  // namespace

void TrainedNetwork::make_far() {
  const std::uint32_t node = 0;
  std::vector<float> zeros(dim());
  far_state.resize(dim());
  far_normal.resize(dim());
  const auto one = [&](std::vector<float>& row) { return Panels{row.data(), 1, dim()}; };  // one row is its panels
  kernels.back.update(layers.front(), one(zeros), std::span(&node, 1), {one(zeros), one(far_normal), &far_inverse},
                      one(far_state));
}

Tape::Tape(std::size_t nodes, std::size_t dim, std::size_t layers, memory::Pool& pool)
    : nodes_(nodes),
      dim_(dim),
      layers_(layers),
      to_wanted_(nodes, layers, pool),
      from_source_(nodes, 1, pool),
      states_(pool.allocate<float>(Tag::kGradients, (layers + 1) * nodes * dim)),
      sums_(pool.allocate<float>(Tag::kGradients, layers * nodes * dim)),
      normals_(pool.allocate<float>(Tag::kGradients, layers * nodes * dim)),
      inverses_(pool.allocate<float>(Tag::kGradients, layers * nodes)),
      state_gradients_(pool.allocate<float>(Tag::kGradients, nodes * dim)),
      sum_gradients_(pool.allocate<float>(Tag::kGradients, nodes * dim)),
      received_(pool.allocate<float>(Tag::kGradients, nodes * dim)),
      first_(pool.allocate<std::uint32_t>(Tag::kGradients, nodes)) {}

std::uint64_t Tape::bytes(std::size_t nodes, std::size_t dim, std::size_t layers) {
  const auto table = [&](std::size_t count) { return search::host_bytes<float>(count * nodes * dim); };
  return table(layers + 1) + 2 * table(layers) + 3 * table(1) + search::host_bytes<float>(layers * nodes) +
         search::host_bytes<std::uint32_t>(nodes) + 2 * Levels::bytes(nodes);
}

kernels::KeptLayer Tape::kept_of(std::size_t layer) const {
  const std::size_t first = (layer - 1) * nodes_ * dim_;
  return {{sums_.data() + first, nodes_, dim_},
          {normals_.data() + first, nodes_, dim_},
          inverses_.data() + (layer - 1) * nodes_};
}

/// Those that a layer computes.
Tape::Nodes Tape::nodes_of(std::size_t layer) const {
  return layer == 1 ? first_.span().first(near_count_) : to_wanted_.within(layers_ - layer);
}

void Tape::add_boundary(Nodes nodes, std::span<const float> boundary, Panels sums) const {
  const auto found = std::find(nodes.begin(), nodes.end(), source_);
  if (found == nodes.end()) return;
  const auto row = static_cast<std::size_t>(found - nodes.begin());
  for (std::size_t c = 0; c < dim_; ++c) sums.at(c / kPanelColumns, row)[c % kPanelColumns] += boundary[c];
}

/// Before the first layer the source alone has a state; after it, nodes far from the source have the same.
void Tape::begin_first_layer(const TrainedNetwork& network, std::uint32_t source, std::span<const float> boundary) {
  const Nodes all = to_wanted_.within(layers_ - 1);
  const auto levels = from_source_.levels();
  const auto end = std::copy_if(all.begin(), all.end(), first_.span().begin(),
                                [&](std::uint32_t node) { return levels[node] <= 1; });
  near_count_ = static_cast<std::size_t>(end - first_.span().begin());
  std::copy_if(all.begin(), all.end(), end, [&](std::uint32_t node) { return levels[node] > 1; });
  const Panels before = states_of(0);
  const Panels after = states_of(1);
  for (std::size_t p = 0; p < before.count(); ++p) {
    std::fill_n(before.at(p, source_), kPanelColumns, 0.0F);  // of the query before
    std::copy_n(boundary.data() + p * kPanelColumns, kPanelColumns, before.at(p, source));
    for (const std::uint32_t node : far_nodes())
      std::copy_n(network.far_state.data() + p * kPanelColumns, kPanelColumns, after.at(p, node));
  }
  source_ = source;
}

/// Those to which the first layer gives the far state.
Tape::Nodes Tape::far_nodes() const {
  return first_.span().subspan(near_count_, to_wanted_.within(layers_ - 1).size() - near_count_);
}

void Tape::forward(const TrainedNetwork& network, RelationRows relations, std::uint32_t source,
                   std::span<const float> boundary, Nodes wanted) {
  to_wanted_.reach(network.edges, wanted, layers_ - 1);
  from_source_.reach(network.edges, std::span(&source, 1), 1);
  begin_first_layer(network, source, boundary);
  for (std::size_t layer = 1; layer <= layers_; ++layer) {
    const Nodes nodes = nodes_of(layer);
    const kernels::KeptLayer kept = kept_of(layer);
    network.kernels.forward.aggregate({network.edges, relations[layer - 1], states_of(layer - 1)}, nodes, kept.sums);
    add_boundary(nodes, boundary, kept.sums);
    network.kernels.back.update(network.layers[layer - 1], states_of(layer - 1), nodes, kept, states_of(layer));
  }
  const Panels gradients = state_gradients();
  for (std::size_t p = 0; p < gradients.count(); ++p)
    for (const std::uint32_t node : to_wanted_.within(layers_ - 1))
      std::fill_n(gradients.at(p, node), kPanelColumns, 0.0F);
  std::fill(sum_gradients_.span().begin(), sum_gradients_.span().end(), 0.0F);  // where no layer writes them
}

void Tape::layer_back(const TrainedNetwork& network, std::size_t layer, const LayerGradients& gradients) {
  const kernels::LayerWeights& weights = network.layers[layer - 1];
  const Nodes nodes = nodes_of(layer);
  network.kernels.back.update_back(
      {network.transposed[layer - 1], weights.scale, weights.shift, states_of(layer - 1), kept_of(layer),
       state_gradients(), panels(sum_gradients_), gradients.linear, gradients.scale, gradients.shift},
      nodes);
  network.kernels.back.messages_back({network.edges, states_of(layer - 1), panels(sum_gradients_), gradients.relations},
                                     nodes);
}

/// Adds to the gradients of the states before a layer what comes by messages.
void Tape::send_back(const TrainedNetwork& network, const kernels::ConstMatrix& inverse, Nodes to) {
  const Panels received = panels(received_);
  network.kernels.forward.aggregate({network.edges, inverse, panels(sum_gradients_)}, to, received);
  const Panels gradients = state_gradients();
  for (std::size_t p = 0; p < gradients.count(); ++p)
    for (std::size_t i = 0; i < to.size(); ++i) add_piece(received.at(p, i), gradients.at(p, to[i]));
}

/// The first layer for all nodes that nothing reaches: they have one state, so their gradients are added up first.
void Tape::far_back(const TrainedNetwork& network, const LayerGradients& gradients) {
  const Nodes far = far_nodes();
  if (far.empty()) return;
  std::vector<float> sum(dim_);
  const Panels all = state_gradients();
  for (std::size_t p = 0; p < all.count(); ++p) {
    std::array<double, kPanelColumns> chains{};
    for (const std::uint32_t node : far)
      for (std::size_t c = 0; c < kPanelColumns; ++c) chains[c] += static_cast<double>(all.at(p, node)[c]);
    std::transform(chains.begin(), chains.end(), sum.begin() + static_cast<std::ptrdiff_t>(p * kPanelColumns),
                   [](double chain) { return static_cast<float>(chain); });
  }
  std::vector<float> zeros(dim_);
  std::vector<float> normal = network.far_normal;
  std::vector<float> of_sums(dim_);
  float inverse = network.far_inverse;
  const std::uint32_t node = 0;
  const auto one = [&](std::vector<float>& row) { return Panels{row.data(), 1, dim_}; };
  network.kernels.back.update_back({network.transposed.front(),
                                    network.layers.front().scale,
                                    network.layers.front().shift,
                                    one(zeros),
                                    {one(zeros), one(normal), &inverse},
                                    one(sum),
                                    one(of_sums),
                                    gradients.linear,
                                    gradients.scale,
                                    gradients.shift},
                                   std::span(&node, 1));
}

/// Adds a row of gradients.
void Tape::take_row(const memory::Buffer<float>& of, std::uint32_t node, std::span<float> to) const {
  for (std::size_t c = 0; c < dim_; ++c) to[c] += panels(of).at(c / kPanelColumns, node)[c % kPanelColumns];
}

void Tape::backward(const TrainedNetwork& network, RelationRows inverse, std::span<const LayerGradients> gradients,
                    std::span<float> boundary) {
  for (std::size_t layer = layers_; layer >= 1; --layer) {
    layer_back(network, layer, gradients[layer - 1]);
    if (to_wanted_.levels()[source_] <= layers_ - layer) take_row(sum_gradients_, source_, boundary);
    if (layer > 1) send_back(network, inverse[layer - 1], to_wanted_.within(layers_ - layer + 1));
  }
  far_back(network, gradients.front());
  if (to_wanted_.levels()[source_] > layers_ - 1)  // it has had none yet
    for (std::size_t c = 0; c < dim_; ++c) state_gradients().at(c / kPanelColumns, source_)[c % kPanelColumns] = 0;
  send_back(network, inverse[0], std::span(&source_, 1));
  take_row(state_gradients_, source_, boundary);
}

}  // namespace tessera::propagation
