// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/propagation.hpp"
#include "memory/pool.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace tessera::propagation {

/// Nodes by their distance from some nodes. The edges have inverses.
class Levels {
 public:
  static constexpr std::uint8_t kUnreached = std::numeric_limits<std::uint8_t>::max();

  /// For distances up to `most`, which is below kUnreached.
  Levels(std::size_t nodes, std::size_t most, memory::Pool& pool);
  static std::uint64_t bytes(std::size_t nodes);

  /// `from` has distinct nodes; those of each other level ascend.
  void reach(const kernels::EdgeLists& edges, std::span<const std::uint32_t> from, std::size_t most);
  /// By node; kUnreached for those that are farther away.
  [[nodiscard]] std::span<const std::uint8_t> levels() const { return levels_.span(); }
  /// Nodes within so many steps, by level.
  [[nodiscard]] std::span<const std::uint32_t> within(std::size_t steps) const {
    return order_.span().first(ends_[steps]);
  }
  [[nodiscard]] std::span<const std::uint32_t> between(std::size_t steps, std::size_t more) const {
    return order_.span().subspan(ends_[steps], ends_[more] - ends_[steps]);
  }

 private:
  memory::Buffer<std::uint8_t> levels_;
  memory::Buffer<std::uint32_t> order_;
  std::vector<std::size_t> ends_;
};

}  // namespace tessera::propagation
