// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "propagation/weights.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tessera::propagation {

/// Takes tensors out by name; what is left at the end is too much. Everything throws Error(kBadData) that names file
/// and tensor.
class TensorTaker {
 public:
  /// `model` is a name for messages.
  TensorTaker(Tensors tensors, std::string file, std::string model);

  [[nodiscard]] bool has(const std::string& name) const { return tensors_.contains(name); }
  [[nodiscard]] const std::vector<std::uint64_t>& shape(const std::string& name) const;
  std::vector<float> take(const std::string& name, const std::vector<std::uint64_t>& shape);
  /// `count` maps, each [inputs, outputs].
  std::vector<float> maps(const std::string& name, std::size_t count, std::uint64_t inputs, std::uint64_t outputs);
  Linear linear(const std::string& name, std::uint64_t inputs, std::uint64_t outputs);
  void take_layer(const std::string& name, std::uint64_t dim, Layer& layer);
  void require_width(std::uint64_t dim) const;
  /// Layers of "NETWORK.0", "NETWORK.1", ...; at least 1.
  [[nodiscard]] std::size_t layers(const std::string& network) const;
  void finish() const;
  [[noreturn]] void refuse(const std::string& why) const;

 private:
  Tensors tensors_;
  std::string file_;
  std::string model_;
};

}  // namespace tessera::propagation
