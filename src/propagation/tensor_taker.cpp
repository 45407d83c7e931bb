// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/tensor_taker.hpp"

#include "core/error.hpp"

#include <fmt/ranges.h>

#include <cmath>
#include <utility>

namespace tessera::propagation {
namespace {

constexpr std::size_t kPnaSums = 12;  // means, maxima, minima and deviations, three times each

}  // namespace

TensorTaker::TensorTaker(Tensors tensors, std::string file, std::string model)
    : tensors_(std::move(tensors)), file_(std::move(file)), model_(std::move(model)) {}

void TensorTaker::refuse(const std::string& why) const { fail(ExitStatus::kBadData, "'{}': {}", file_, why); }

const std::vector<std::uint64_t>& TensorTaker::shape(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) refuse(fmt::format("tensor '{}' is missing; these are no weights of {}", name, model_));
  return found->second.shape;
}

std::vector<float> TensorTaker::take(const std::string& name, const std::vector<std::uint64_t>& shape) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) refuse(fmt::format("tensor '{}' is missing", name));
  if (found->second.shape != shape)
    refuse(fmt::format("tensor '{}' has the shape [{}], and that of {} is [{}]", name,
                       fmt::join(found->second.shape, ", "), model_, fmt::join(shape, ", ")));
  std::vector<float> values = std::move(found->second.values);
  for (const float value : values)
    if (!std::isfinite(value)) refuse(fmt::format("tensor '{}' has {}", name, value));
  tensors_.erase(found);
  return values;
}

std::vector<float> TensorTaker::maps(const std::string& name, std::size_t count, std::uint64_t inputs,
                                     std::uint64_t outputs) {
  const std::vector<float> rows = take(name, {count * outputs, inputs});
  std::vector<float> maps(rows.size());
  for (std::size_t m = 0; m < rows.size(); m += inputs * outputs)
    for (std::size_t o = 0; o < outputs; ++o)
      for (std::size_t i = 0; i < inputs; ++i) maps[m + i * outputs + o] = rows[m + o * inputs + i];
  return maps;
}

Linear TensorTaker::linear(const std::string& name, std::uint64_t inputs, std::uint64_t outputs) {
  return {maps(name + ".weight", 1, inputs, outputs), take(name + ".bias", {outputs})};
}

void TensorTaker::take_layer(const std::string& name, std::uint64_t dim, Layer& layer) {
  const auto found = tensors_.find(name + ".linear.weight");
  const bool is_pna =
      found != tensors_.end() && found->second.shape.size() == 2 && found->second.shape[1] == (kPnaSums + 1) * dim;
  if (is_pna)
    refuse(fmt::format("'{}' joins messages by PNA; weights are read of the variant that adds them (sum)", name));
  layer.linear = linear(name + ".linear", 2 * dim, dim);
  layer.scale = take(name + ".layer_norm.weight", {dim});
  layer.shift = take(name + ".layer_norm.bias", {dim});
}

void TensorTaker::require_width(std::uint64_t dim) const {
  if (dim == 0 || dim % kernels::kPanelColumns != 0 || dim > kernels::kMostStateColumns)
    refuse(fmt::format("the model is {} wide; widths are multiples of {} up to {}", dim, kernels::kPanelColumns,
                       kernels::kMostStateColumns));
}

std::size_t TensorTaker::layers(const std::string& network) const {
  std::size_t count = 1;
  while (has(fmt::format("{}.{}.linear.weight", network, count))) ++count;
  return count;
}

void TensorTaker::finish() const {
  if (tensors_.empty()) return;
  refuse(fmt::format("tensor '{}'{} no part of {}", tensors_.begin()->first,
                     tensors_.size() == 1 ? " is" : fmt::format(" and {} others are", tensors_.size() - 1), model_));
}

}  // namespace tessera::propagation
