// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/ultra.hpp"

#include "search/setup.hpp"

#include <algorithm>
#include <utility>

namespace tessera::propagation {
namespace {

using kernels::ConstMatrix;
using kernels::kPanelColumns;
using kernels::Matrix;
using memory::Tag;

class UltraRows final : public RelationRowMaker {
 public:
  UltraRows(UltraWeights weights, const MessageGraph& graph, memory::Pool& pool)
      : all_(std::move(weights)),
        entities_{all_.dim, views(all_.entity_layers), all_.hidden.view(), all_.output.data(), all_.output_bias},
        relation_graph_(propagation::relation_graph(graph, pool)),
        kernels_(kernels::cpu_propagation()),
        network_(kernels_, relation_graph_.edges(), views(all_.relation_layers)) {
    for (const RelationLayer& layer : all_.relation_layers)
      kinds_.push_back({layer.kinds.data(), kMetaRelations, all_.dim, all_.dim});
  }

  [[nodiscard]] std::string name() const override { return kUltraName; }
  [[nodiscard]] const EntityWeights& weights() const override { return entities_; }
  /// The relation itself for both directions, as upstream.
  [[nodiscard]] std::uint32_t condition_of(std::uint32_t directed) const override {
    return directed % static_cast<std::uint32_t>(relation_graph_.node_count() / 2);
  }
  [[nodiscard]] std::uint64_t worker_bytes() const override {
    return Walk::bytes(network_) + search::host_bytes<float>(relation_graph_.node_count() * all_.dim);
  }
  void take_workers(std::size_t count, memory::Pool& pool) override {
    for (std::size_t w = 0; w < count; ++w)
      workers_.push_back(
          {Walk(network_, pool), pool.allocate<float>(Tag::kEvaluation, relation_graph_.node_count() * all_.dim)});
  }

  void make(std::uint32_t condition, std::span<float> out, std::size_t worker) const override {
    const std::size_t dim = all_.dim;
    const std::size_t rows = relation_graph_.node_count();
    Walk& walk = workers_[worker].walk;
    const std::vector<float> ones(dim, 1.0F);
    walk.run(network_, kinds_, condition, ones, nullptr);
    const kernels::ConstPanels states = walk.states();
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t p = 0; p < states.count(); ++p)
        std::copy_n(states.at(p, r), kPanelColumns, out.data() + r * dim + p * kPanelColumns);
    const Matrix projected{workers_[worker].projected.data(), rows, dim, dim};
    for (std::size_t l = 0; l < all_.entity_layers.size(); ++l) {
      const EntityLayer& layer = all_.entity_layers[l];
      kernels_.linear(layer.first.view(), {out.data(), rows, dim, dim}, true, projected);
      kernels_.linear(layer.second.view(), projected, false, {out.data() + (l + 1) * rows * dim, rows, dim, dim});
    }
  }

 private:
  struct Worker {
    Walk walk;
    memory::Buffer<float> projected;  // [2 R, dim]
  };
  template <class L>
  static std::vector<kernels::LayerWeights> views(const std::vector<L>& layers) {
    std::vector<kernels::LayerWeights> all;
    for (const L& layer : layers) all.push_back(layer.view());
    return all;
  }

  UltraWeights all_;
  EntityWeights entities_;
  MessageGraph relation_graph_;
  const kernels::Propagation& kernels_;
  Network network_;
  std::vector<ConstMatrix> kinds_;
  mutable std::vector<Worker> workers_;
};

}  // namespace

std::unique_ptr<GraphScores> make_ultra(UltraWeights weights, std::shared_ptr<const MessageGraph> graph,
                                        const execution::HostExecutor& host) {
  auto rows = std::make_unique<UltraRows>(std::move(weights), *graph, host.pool());
  return std::make_unique<GraphScores>(std::move(rows), std::move(graph), host);
}

}  // namespace tessera::propagation
