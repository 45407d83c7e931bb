// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/weights.hpp"

#include "core/error.hpp"
#include "propagation/tensor_taker.hpp"
#include "storage/hdf5.hpp"

#include <span>
#include <utility>

namespace tessera::propagation {
namespace {

constexpr std::uint64_t kUltraVersion = 1;
constexpr const char* kGroup = "/tensors";
}  // namespace

UltraWeights take_weights(Tensors tensors, const std::string& file) {
  TensorTaker from(std::move(tensors), file, "ULTRA");
  UltraWeights weights;
  const std::vector<std::uint64_t> width = from.shape("relation_model.layers.0.layer_norm.weight");
  const std::uint64_t dim = width.empty() ? 0 : width.front();
  from.require_width(dim);
  weights.dim = dim;
  weights.relation_layers.resize(from.layers("relation_model.layers"));
  for (std::size_t l = 0; l < weights.relation_layers.size(); ++l) {
    const std::string name = fmt::format("relation_model.layers.{}", l);
    from.take_layer(name, dim, weights.relation_layers[l]);
    weights.relation_layers[l].kinds = from.take(name + ".relation.weight", {kMetaRelations, dim});
  }
  weights.entity_layers.resize(from.layers("entity_model.layers"));
  for (std::size_t l = 0; l < weights.entity_layers.size(); ++l) {
    const std::string name = fmt::format("entity_model.layers.{}", l);
    if (from.has(name + ".relation_linear.weight"))
      from.refuse(
          fmt::format("'{}' makes relation rows from the query, as NBFNet does; these are no weights of ULTRA", name));
    from.take_layer(name, dim, weights.entity_layers[l]);
    weights.entity_layers[l].first = from.linear(name + ".relation_projection.0", dim, dim);
    weights.entity_layers[l].second = from.linear(name + ".relation_projection.2", dim, dim);
  }
  weights.hidden = from.linear("entity_model.mlp.0", 2 * dim, 2 * dim);
  weights.output = from.take("entity_model.mlp.2.weight", {1, 2 * dim});
  weights.output_bias = from.take("entity_model.mlp.2.bias", {1}).front();
  from.finish();
  return weights;
}

void write_tensors(storage::FileWriter& file, const Tensors& tensors) {
  for (const auto& [name, tensor] : tensors)
    file.write(fmt::format("{}/{}", kGroup, name), std::span<const float>(tensor.values), {"weights", "1"},
               tensor.shape);
}

Tensors read_tensors(const storage::FileReader& file) {
  Tensors tensors;
  for (const std::string& name : file.children(kGroup)) {
    const std::string path = fmt::format("{}/{}", kGroup, name);
    tensors[name] = {file.shape(path), file.read<float>(path)};
  }
  return tensors;
}

void write_tensors(const std::filesystem::path& file, const Tensors& tensors, const std::string& origin) {
  storage::FileWriter writer(file, kUltraName, kUltraVersion);
  write_tensors(writer, tensors);
  writer.attribute("/", "origin", origin);
  writer.close();
}

Tensors read_tensors(const std::filesystem::path& file) {
  return read_tensors(storage::FileReader::open_verified(file, kUltraName, kUltraVersion));
}

}  // namespace tessera::propagation
