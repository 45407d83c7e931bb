// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "propagation/weights.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tessera::propagation {

/// The names and places of the numbers of a model that is trained; they lie one tensor after the other.
class ParameterList {
 public:
  /// How a tensor lies here. A map is [outputs, inputs] in files and [inputs, outputs] here. Maps of several relations
  /// lie one after the other.
  enum class Kind { kPlain, kMap };
  /// How the numbers of a tensor begin.
  enum class Start { kZero, kOne, kNormal, kUniform };
  struct Entry {
    std::string name;
    std::vector<std::uint64_t> shape;  ///< as in files
    std::size_t offset = 0;
    std::size_t count = 0;
    std::size_t blocks = 0;  ///< maps; 0: not one
    std::size_t inputs = 0;  ///< of a map
    Start start = Start::kZero;
    std::size_t fan_in = 0;  ///< kUniform: between +- 1 / sqrt(fan_in)
  };

  /// These return where the tensor begins.
  std::size_t add(const std::string& name, std::vector<std::uint64_t> shape, Start start, std::size_t fan_in = 0);
  std::size_t add_map(const std::string& name, std::uint64_t outputs, std::uint64_t inputs, std::size_t blocks = 1);

  /// With what lies unused between tensors, which begin at multiples of 16.
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }

  /// Random numbers by seed, tensor and place.
  void initialise(std::uint64_t seed, std::span<float> values) const;
  /// `transposed` = the maps, each at its place, as files have them.
  void transpose(std::span<const float> values, std::span<float> transposed) const;
  [[nodiscard]] Tensors tensors(std::span<const float> values) const;
  /// Takes the tensors of `file`, which are those of the list and no others. Throws Error(kBadData) that names one.
  void take(const Tensors& tensors, const std::string& file, std::span<float> values) const;

 private:
  std::size_t append(Entry entry);
  std::size_t size_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace tessera::propagation
