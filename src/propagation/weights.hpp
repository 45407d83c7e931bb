// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/propagation.hpp"
#include "storage/hdf5.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace tessera::propagation {

/// A tensor as other programs store it.
struct Tensor {
  std::vector<std::uint64_t> shape;
  std::vector<float> values;
};
using Tensors = std::map<std::string, Tensor>;

/// An affine map, transposed for the kernels.
struct Linear {
  std::vector<float> matrix;  ///< [inputs, outputs]
  std::vector<float> bias;
  [[nodiscard]] kernels::LinearWeights view() const {
    return {matrix.data(), bias.data(), matrix.size() / bias.size(), bias.size()};
  }
};

/// A layer: a sum of messages, then relu(norm(linear(state, sum))) + state.
struct Layer {
  Linear linear;
  std::vector<float> scale;
  std::vector<float> shift;
  [[nodiscard]] kernels::LayerWeights view() const { return {linear.view(), scale.data(), shift.data()}; }
};

/// Kinds of edges between relations.
inline constexpr std::size_t kMetaRelations = 4;

struct RelationLayer : Layer {
  std::vector<float> kinds;  ///< [kMetaRelations, dim]
};
/// Makes its relation rows from those of the relation network.
struct EntityLayer : Layer {
  Linear first;
  Linear second;
};

/// The weights of ULTRA (Galkin et al. 2024): a network over relations, and one over entities.
struct UltraWeights {
  std::size_t dim = 0;
  std::vector<RelationLayer> relation_layers;
  std::vector<EntityLayer> entity_layers;
  Linear hidden;              ///< of the score: (state, query) to 2 dim numbers
  std::vector<float> output;  ///< [2 dim]
  float output_bias = 0;
};

/// Takes the tensors of `file` by the names that ULTRA gives them. Throws Error(kBadData) that names the tensor which
/// is missing, has another shape, is not finite or belongs to no weight; variants with other sums of messages are
/// named.
UltraWeights take_weights(Tensors tensors, const std::string& file);

/// The file of the weights in the folder of a model (docs/formats/ultra.md).
inline constexpr const char* kUltraFile = "ultra.h5";
inline constexpr const char* kUltraName = "ultra";  ///< model.name of its job
/// Throws Error(kIo).
void write_tensors(const std::filesystem::path& file, const Tensors& tensors, const std::string& origin);
/// The same within another file, in the group /tensors.
void write_tensors(storage::FileWriter& file, const Tensors& tensors);
Tensors read_tensors(const storage::FileReader& file);
/// Throws Error(kMissingInput), Error(kBadData).
Tensors read_tensors(const std::filesystem::path& file);

}  // namespace tessera::propagation
