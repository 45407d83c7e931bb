// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/nbfnet.hpp"

#include "core/error.hpp"
#include "propagation/tensor_taker.hpp"

#include <algorithm>
#include <utility>

namespace tessera::propagation {
namespace {

class NbfnetRows final : public RelationRowMaker {
 public:
  explicit NbfnetRows(NbfnetWeights weights) : all_(std::move(weights)), kernels_(kernels::cpu_propagation()) {
    entities_ = {all_.dim, {}, all_.hidden.view(), all_.output.data(), all_.output_bias};
    for (const NbfnetWeights::MessageLayer& layer : all_.layers) entities_.layers.push_back(layer.view());
  }

  [[nodiscard]] std::string name() const override { return kNbfnetName; }
  [[nodiscard]] const EntityWeights& weights() const override { return entities_; }
  [[nodiscard]] std::uint32_t condition_of(std::uint32_t directed) const override { return directed; }
  [[nodiscard]] std::uint64_t worker_bytes() const override { return 0; }
  void take_workers(std::size_t /*count*/, memory::Pool& /*pool*/) override {}

  void make(std::uint32_t condition, std::span<float> out, std::size_t /*worker*/) const override {
    const std::size_t dim = all_.dim;
    float* to = std::copy(all_.queries.begin(), all_.queries.end(), out.data());
    const kernels::ConstMatrix query{all_.queries.data() + condition * dim, 1, dim, dim};
    for (const NbfnetWeights::MessageLayer& layer : all_.layers) {
      std::copy(layer.rows.begin(), layer.rows.end(), to);
      for (std::size_t r = 0; r < all_.relations; ++r, to += dim)
        if (!layer.maps.empty())
          kernels_.linear({layer.maps.data() + r * dim * dim, layer.biases.data() + r * dim, dim, dim}, query, false,
                          {to, 1, dim, dim});
    }
  }

 private:
  NbfnetWeights all_;
  EntityWeights entities_;
  const kernels::Propagation& kernels_;
};

/// Takes pieces of `size` numbers in another order.
std::vector<float> in_order(const std::vector<float>& from, std::span<const std::uint32_t> order, std::size_t size) {
  std::vector<float> out;
  for (const std::uint32_t piece : from.empty() ? std::span<const std::uint32_t>() : order)
    out.insert(out.end(), from.begin() + static_cast<std::ptrdiff_t>(piece * size),
               from.begin() + static_cast<std::ptrdiff_t>((piece + 1) * size));
  return out;
}

}  // namespace

NbfnetWeights take_nbfnet_weights(Tensors tensors, const std::string& file) {
  TensorTaker from(std::move(tensors), file, "NBFNet");
  NbfnetWeights weights;
  const std::vector<std::uint64_t> shape = from.shape("query.weight");
  if (shape.size() != 2 || shape[0] == 0 || shape[0] % 2 != 0)
    from.refuse("tensor 'query.weight' has no row for each relation");
  weights.relations = shape[0];
  weights.dim = shape[1];
  from.require_width(weights.dim);
  weights.queries = from.take("query.weight", shape);
  weights.layers.resize(from.layers("layers"));
  for (std::size_t l = 0; l < weights.layers.size(); ++l) {
    const std::string name = fmt::format("layers.{}", l);
    NbfnetWeights::MessageLayer& layer = weights.layers[l];
    from.take_layer(name, weights.dim, layer);
    if (from.has(name + ".relation.weight")) {
      layer.rows = from.take(name + ".relation.weight", shape);
      continue;
    }
    layer.maps = from.maps(name + ".relation_linear.weight", weights.relations, weights.dim, weights.dim);
    layer.biases = from.take(name + ".relation_linear.bias", {weights.relations * weights.dim});
  }
  weights.hidden = from.linear("mlp.0", 2 * weights.dim, 2 * weights.dim);
  weights.output = from.take("mlp.2.weight", {1, 2 * weights.dim});
  weights.output_bias = from.take("mlp.2.bias", {1}).front();
  from.finish();
  return weights;
}

NbfnetWeights with_relations(const NbfnetWeights& weights, std::span<const std::uint32_t> row_of) {
  std::vector<std::uint32_t> directed(row_of.begin(), row_of.end());
  for (const std::uint32_t row : row_of) directed.push_back(row + static_cast<std::uint32_t>(weights.relations / 2));
  NbfnetWeights out = weights;
  const std::size_t dim = weights.dim;
  out.relations = directed.size();
  out.queries = in_order(weights.queries, directed, dim);
  for (NbfnetWeights::MessageLayer& layer : out.layers) {
    layer.rows = in_order(layer.rows, directed, dim);
    layer.maps = in_order(layer.maps, directed, dim * dim);
    layer.biases = in_order(layer.biases, directed, dim);
  }
  return out;
}

std::unique_ptr<GraphScores> make_nbfnet(NbfnetWeights weights, std::shared_ptr<const MessageGraph> graph,
                                         const execution::HostExecutor& host) {
  return std::make_unique<GraphScores>(std::make_unique<NbfnetRows>(std::move(weights)), std::move(graph), host);
}

}  // namespace tessera::propagation
