// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "foreign/import_ultra.hpp"

#include "core/error.hpp"
#include "foreign/tensor_file.hpp"
#include "propagation/weights.hpp"

#include <span>

namespace tessera::foreign {
namespace {

constexpr std::uint64_t kMostNumbers = std::uint64_t{1} << 24U;  // of one tensor; those of ULTRA are far smaller

propagation::Tensor read_tensor(const std::string& file, const std::string& name) {
  TensorFile tensor(file + ":" + name, 1);
  if (tensor.rows() * tensor.cols() > kMostNumbers)
    fail(ExitStatus::kBadData, "'{}': tensor '{}' has {} numbers; those of ULTRA are smaller", file, name,
         tensor.rows() * tensor.cols());
  propagation::Tensor out{tensor.shape(), std::vector<float>(tensor.rows() * tensor.cols())};
  for (std::uint64_t row = 0; row < tensor.rows(); ++row)
    tensor.read(row, std::span(out.values).subspan(row * tensor.cols(), tensor.cols()));
  return out;
}

}  // namespace

propagation::Tensors read_ultra_tensors(const std::string& file) {
  if (!file.ends_with(".safetensors"))
    fail(ExitStatus::kUsage, "'{}' is no .safetensors file; tools/ultra_weights.py makes one of a checkpoint (.pth)",
         file);
  propagation::Tensors tensors;
  for (const std::string& name : tensor_names(file)) tensors[name] = read_tensor(file, name);
  return tensors;
}

ImportedUltra import_ultra(const std::string& file, const std::filesystem::path& folder) {
  const propagation::Tensors tensors = read_ultra_tensors(file);
  ImportedUltra imported;
  for (const auto& [name, tensor] : tensors) imported.numbers += tensor.values.size();
  imported.dim = propagation::take_weights(tensors, file).dim;
  propagation::write_tensors(folder / propagation::kUltraFile, tensors, std::filesystem::absolute(file).string());
  return imported;
}

}  // namespace tessera::foreign
