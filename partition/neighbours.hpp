// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/random.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>

namespace tessera::partition {

/// Consecutive vertices and their neighbours, in no particular order.
struct Rows {
  std::uint32_t first = 0;                ///< the vertex of row 0
  std::span<const std::uint64_t> begins;  ///< [rows] into neighbours
  std::span<const std::uint64_t> ends;
  const std::uint32_t* neighbours = nullptr;
  const std::uint32_t* weights = nullptr;  ///< triples of each neighbour; null: a neighbour is repeated instead

  [[nodiscard]] std::span<const std::uint32_t> of(std::uint32_t vertex) const {
    const std::uint32_t row = vertex - first;
    return {neighbours + begins[row], ends[row] - begins[row]};
  }
  [[nodiscard]] const std::uint32_t* weights_of(std::uint32_t vertex) const {
    return weights == nullptr ? nullptr : weights + begins[vertex - first];
  }
  [[nodiscard]] double mean_neighbours() const {
    return begins.empty() ? 0 : static_cast<double>(ends.back()) / static_cast<double>(begins.size());
  }
  /// Brings the first neighbours of a vertex near the CPU.
  void prefetch(std::uint32_t vertex) const { __builtin_prefetch(neighbours + begins[vertex - first]); }
};

/// An undirected graph that is read block by block.
class Neighbours {
 public:
  Neighbours() = default;
  Neighbours(const Neighbours&) = delete;
  Neighbours& operator=(const Neighbours&) = delete;
  virtual ~Neighbours() = default;
  /// Visits all vertices, ascending. A block begins at a multiple of the vertices of a segment.
  virtual void for_each_block(const std::function<void(const Rows&)>& visit) = 0;
};

/// Vertices that choose at the same time: all see the choices of earlier batches, and none sees those of its own. A
/// segment of consecutive vertices is taken apart into batches of every kStride-th vertex, so vertices with adjacent
/// ids are in different batches. Batches depend on the number of vertices and the seed, never on threads or memory.
struct Batch {
  static constexpr std::uint32_t kStride = 16;
  static constexpr std::size_t kSmallGraph = std::size_t{1} << 18U;
  static constexpr std::uint32_t kLargestSegment = std::uint32_t{1} << 20U;

  std::uint32_t first;
  std::uint32_t end;

  [[nodiscard]] std::size_t size() const { return (end - first + kStride - 1) / kStride; }
  [[nodiscard]] std::uint32_t vertex(std::size_t i) const { return first + static_cast<std::uint32_t>(i) * kStride; }

  /// Vertices of a segment. Small graphs, which are soon done, have smaller batches: their answers are better.
  static std::uint32_t segment(std::size_t vertices) {
    const std::size_t segments = vertices < kSmallGraph ? 64 : 16;
    return static_cast<std::uint32_t>(
        std::clamp<std::size_t>((vertices + segments - 1) / segments, kStride, kLargestSegment));
  }
};

/// Calls visit(rows, batch) for all batches of a graph: segment after segment, the batches of each in an order that
/// `random` gives.
template <class Visit>
void for_each_batch(Neighbours& graph, std::size_t vertices, const RandomStream& random, const Visit& visit) {
  const std::uint32_t segment = Batch::segment(vertices);
  const Permutation order(Batch::kStride, random);
  graph.for_each_block([&](const Rows& rows) {
    const auto end = rows.first + static_cast<std::uint32_t>(rows.begins.size());
    for (std::uint64_t first = rows.first; first < end; first += segment) {
      const auto last = static_cast<std::uint32_t>(std::min<std::uint64_t>(first + segment, end));
      for (std::uint32_t j = 0; j < Batch::kStride; ++j)
        if (first + order(j) < last) visit(rows, Batch{static_cast<std::uint32_t>(first + order(j)), last});
    }
  });
}

}  // namespace tessera::partition
