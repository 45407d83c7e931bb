// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "propagation/training/parameter_list.hpp"

#include "core/error.hpp"
#include "core/random.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace tessera::propagation {
namespace {

/// Exchanges the two axes of every map.
void exchange_axes(const ParameterList::Entry& entry, bool inputs_first, std::span<const float> from,
                   std::span<float> to) {
  const std::size_t block = entry.count / entry.blocks;
  const std::size_t rows = inputs_first ? entry.inputs : block / entry.inputs;
  const std::size_t columns = block / rows;
  for (std::size_t b = 0; b < entry.blocks; ++b)
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < columns; ++c) to[b * block + c * rows + r] = from[b * block + r * columns + c];
}

}  // namespace

std::size_t ParameterList::append(Entry entry) {
  constexpr std::size_t kAlignment = 16;
  entry.offset = (size_ + kAlignment - 1) / kAlignment * kAlignment;
  entry.count = std::accumulate(entry.shape.begin(), entry.shape.end(), std::size_t{1}, std::multiplies<>());
  size_ = entry.offset + entry.count;
  entries_.push_back(std::move(entry));
  return entries_.back().offset;
}

std::size_t ParameterList::add(const std::string& name, std::vector<std::uint64_t> shape, Start start,
                               std::size_t fan_in) {
  return append({name, std::move(shape), 0, 0, 0, 0, start, fan_in});
}

std::size_t ParameterList::add_map(const std::string& name, std::uint64_t outputs, std::uint64_t inputs,
                                   std::size_t blocks) {
  return append({name, {outputs, inputs}, 0, 0, blocks, inputs, Start::kUniform, inputs});
}

void ParameterList::initialise(std::uint64_t seed, std::span<float> values) const {
  for (std::size_t e = 0; e < entries_.size(); ++e) {
    const Entry& entry = entries_[e];
    const RandomStream stream(seed, Purpose::kInit, 0, static_cast<std::uint32_t>(e));
    const double width = entry.fan_in == 0 ? 0 : 1 / std::sqrt(static_cast<double>(entry.fan_in));
    for (std::size_t i = 0; i < entry.count; ++i) {
      float& value = values[entry.offset + i];
      switch (entry.start) {
        case Start::kZero: value = 0; break;
        case Start::kOne: value = 1; break;
        case Start::kNormal: value = static_cast<float>(stream.normals(i / 2)[i % 2]); break;
        case Start::kUniform: value = static_cast<float>((2 * stream.uniform(i) - 1) * width); break;
      }
    }
  }
}

void ParameterList::transpose(std::span<const float> values, std::span<float> transposed) const {
  for (const Entry& entry : entries_)
    if (entry.blocks > 0)
      exchange_axes(entry, true, values.subspan(entry.offset, entry.count),
                    transposed.subspan(entry.offset, entry.count));
}

Tensors ParameterList::tensors(std::span<const float> values) const {
  Tensors out;
  for (const Entry& entry : entries_) {
    const auto own = values.subspan(entry.offset, entry.count);
    Tensor& tensor = out[entry.name];
    tensor.shape = entry.shape;
    tensor.values.assign(own.begin(), own.end());
    if (entry.blocks > 0) exchange_axes(entry, true, own, tensor.values);
  }
  return out;
}

void ParameterList::take(const Tensors& tensors, const std::string& file, std::span<float> values) const {
  for (const Entry& entry : entries_) {
    const auto found = tensors.find(entry.name);
    if (found == tensors.end()) fail(ExitStatus::kBadData, "'{}': tensor '{}' is missing", file, entry.name);
    const Tensor& tensor = found->second;
    if (tensor.shape != entry.shape)
      fail(ExitStatus::kBadData, "'{}': tensor '{}' has the shape [{}], and that of the job is [{}]", file, entry.name,
           fmt::join(tensor.shape, ", "), fmt::join(entry.shape, ", "));
    if (!std::all_of(tensor.values.begin(), tensor.values.end(), [](float value) { return std::isfinite(value); }))
      fail(ExitStatus::kBadData, "'{}': tensor '{}' has numbers that are not finite", file, entry.name);
    const auto own = values.subspan(entry.offset, entry.count);
    if (entry.blocks > 0)
      exchange_axes(entry, false, tensor.values, own);
    else
      std::copy(tensor.values.begin(), tensor.values.end(), own.begin());
  }
  if (tensors.size() == entries_.size()) return;
  for (const auto& tensor : tensors)
    if (std::none_of(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.name == tensor.first; }))
      fail(ExitStatus::kBadData, "'{}': tensor '{}' is no part of the model", file, tensor.first);
}

}  // namespace tessera::propagation
