// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/propagation.hpp"

#include <cstdint>
#include <random>
#include <vector>

namespace tessera::kernels {

inline constexpr std::size_t kNodes = 53;
inline constexpr std::uint32_t kRelations = 5;
inline const std::vector<std::uint32_t> kSome = {7,  4,  0,  36, 11, 12, 13, 2,  9,  30, 31, 1,  3,  5,
                                                 6,  8,  10, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
                                                 25, 26, 27, 28, 29, 32, 33, 34, 35, 37, 38, 39};

struct Graph {
  std::vector<EdgeLists::Node> nodes{{0, 0}};
  std::vector<EdgeGroup> groups;
  std::vector<std::uint32_t> sources;

  Graph() {
    std::mt19937 draw(3);
    for (std::size_t v = 0; v < kNodes; ++v) {
      for (std::uint32_t r = 0; r < kRelations && v != 4; ++r) {
        const std::uint32_t edges = v == 7 && r == 1 ? 300 : static_cast<std::uint32_t>(draw() % 4);
        if (edges == 0) continue;
        groups.push_back({r, edges});
        for (std::uint32_t e = 0; e < edges; ++e) sources.push_back(static_cast<std::uint32_t>(draw() % kNodes));
      }
      nodes.push_back({groups.size(), sources.size()});
    }
  }
  [[nodiscard]] EdgeLists lists() const { return {nodes, groups, sources}; }
};

template <class Real>
std::vector<Real> normals(std::size_t count, unsigned seed) {
  std::mt19937 draw(seed);
  std::normal_distribution<double> normal;
  std::vector<Real> values(count);
  for (Real& value : values) value = static_cast<Real>(normal(draw));
  return values;
}

/// [inputs, outputs] to [outputs, inputs].
template <class Real>
std::vector<Real> transposed(const std::vector<Real>& matrix, std::size_t inputs) {
  const std::size_t outputs = matrix.size() / inputs;
  std::vector<Real> out(matrix.size());
  for (std::size_t k = 0; k < inputs; ++k)
    for (std::size_t c = 0; c < outputs; ++c) out[c * inputs + k] = matrix[k * outputs + c];
  return out;
}

}  // namespace tessera::kernels
