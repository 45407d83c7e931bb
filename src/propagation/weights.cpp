// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/weights.hpp"

#include "core/error.hpp"
#include "storage/hdf5.hpp"

#include <fmt/ranges.h>

#include <cmath>
#include <span>
#include <utility>

namespace tessera::propagation {
namespace {

constexpr std::uint64_t kUltraVersion = 1;
constexpr const char* kGroup = "/tensors";
constexpr std::size_t kPnaSums = 12;  // means, maxima, minima and deviations, three times each

/// Takes tensors out by name; what is left at the end is too much.
class Taker {
 public:
  Taker(Tensors tensors, std::string file) : tensors_(std::move(tensors)), file_(std::move(file)) {}

  [[nodiscard]] bool has(const std::string& name) const { return tensors_.contains(name); }

  std::vector<float> take(const std::string& name, const std::vector<std::uint64_t>& shape) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) refuse(fmt::format("tensor '{}' is missing", name));
    if (found->second.shape != shape)
      refuse(fmt::format("tensor '{}' has the shape [{}], and that of ULTRA is [{}]", name,
                         fmt::join(found->second.shape, ", "), fmt::join(shape, ", ")));
    std::vector<float> values = std::move(found->second.values);
    for (const float value : values)
      if (!std::isfinite(value)) refuse(fmt::format("tensor '{}' has {}", name, value));
    tensors_.erase(found);
    return values;
  }

  Linear linear(const std::string& name, std::uint64_t inputs, std::uint64_t outputs) {
    const std::vector<float> rows = take(name + ".weight", {outputs, inputs});
    Linear linear{std::vector<float>(rows.size()), take(name + ".bias", {outputs})};
    for (std::size_t o = 0; o < outputs; ++o)
      for (std::size_t i = 0; i < inputs; ++i) linear.matrix[i * outputs + o] = rows[o * inputs + i];
    return linear;
  }

  void take_layer(const std::string& name, std::uint64_t dim, Layer& layer) {
    refuse_variants(name, dim);
    layer.linear = linear(name + ".linear", 2 * dim, dim);
    layer.scale = take(name + ".layer_norm.weight", {dim});
    layer.shift = take(name + ".layer_norm.bias", {dim});
  }

  /// The width of the model, by its first tensor.
  [[nodiscard]] std::uint64_t dim() const {
    const std::string name = "relation_model.layers.0.layer_norm.weight";
    if (!has(name)) refuse(fmt::format("tensor '{}' is missing; these are no weights of ULTRA", name));
    const auto& shape = tensors_.at(name).shape;
    const std::uint64_t dim = shape.empty() ? 0 : shape.front();
    if (dim == 0 || dim % kernels::kPanelColumns != 0 || dim > kernels::kMostStateColumns)
      refuse(fmt::format("the model is {} wide; widths are multiples of {} up to {}", dim, kernels::kPanelColumns,
                         kernels::kMostStateColumns));
    return dim;
  }

  [[nodiscard]] std::size_t layers(const std::string& network) const {
    std::size_t count = 1;
    while (has(fmt::format("{}.layers.{}.linear.weight", network, count))) ++count;
    return count;
  }

  void finish() const {
    if (tensors_.empty()) return;
    refuse(fmt::format("tensor '{}'{} no part of ULTRA", tensors_.begin()->first,
                       tensors_.size() == 1 ? " is" : fmt::format(" and {} others are", tensors_.size() - 1)));
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const { fail(ExitStatus::kBadData, "'{}': {}", file_, why); }

  void refuse_variants(const std::string& name, std::uint64_t dim) const {
    const auto linear = tensors_.find(name + ".linear.weight");
    const bool is_pna =
        linear != tensors_.end() && linear->second.shape.size() == 2 && linear->second.shape[1] == (kPnaSums + 1) * dim;
    if (is_pna)
      refuse(fmt::format("'{}' joins messages by PNA; weights are read of the variant that adds them (sum)", name));
    if (has(name + ".relation_linear.weight"))
      refuse(
          fmt::format("'{}' makes relation rows from the query, as NBFNet does; these are no weights of ULTRA", name));
  }

  Tensors tensors_;
  std::string file_;
};

}  // namespace

UltraWeights take_weights(Tensors tensors, const std::string& file) {
  Taker from(std::move(tensors), file);
  UltraWeights weights;
  const std::uint64_t dim = from.dim();
  weights.dim = dim;
  weights.relation_layers.resize(from.layers("relation_model"));
  for (std::size_t l = 0; l < weights.relation_layers.size(); ++l) {
    const std::string name = fmt::format("relation_model.layers.{}", l);
    from.take_layer(name, dim, weights.relation_layers[l]);
    weights.relation_layers[l].kinds = from.take(name + ".relation.weight", {kMetaRelations, dim});
  }
  weights.entity_layers.resize(from.layers("entity_model"));
  for (std::size_t l = 0; l < weights.entity_layers.size(); ++l) {
    const std::string name = fmt::format("entity_model.layers.{}", l);
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

void write_tensors(const std::filesystem::path& file, const Tensors& tensors, const std::string& origin) {
  storage::FileWriter writer(file, kUltraName, kUltraVersion);
  for (const auto& [name, tensor] : tensors)
    writer.write(fmt::format("{}/{}", kGroup, name), std::span<const float>(tensor.values), {"weights", "1"},
                 tensor.shape);
  writer.attribute("/", "origin", origin);
  writer.close();
}

Tensors read_tensors(const std::filesystem::path& file) {
  const auto reader = storage::FileReader::open_verified(file, kUltraName, kUltraVersion);
  Tensors tensors;
  for (const std::string& name : reader.children(kGroup)) {
    const std::string path = fmt::format("{}/{}", kGroup, name);
    tensors[name] = {reader.shape(path), reader.read<float>(path)};
  }
  return tensors;
}

}  // namespace tessera::propagation
