// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "graph/shard.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::exchange {

/// A run of parts [first, end) that is a node of the fixed binary tree over all parts.
struct PartRange {
  std::uint32_t first = 0;
  std::uint32_t end = 0;
  [[nodiscard]] std::uint32_t size() const { return end - first; }
  auto operator<=>(const PartRange&) const = default;
};

/// Where a node splits into its children: the left one takes the largest power of two that leaves something right.
std::uint32_t split_point(PartRange node);

/// The largest nodes of the tree over `parts` parts that lie inside [owned.first, owned.end), ascending.
std::vector<PartRange> complete_subtrees(PartRange owned, std::uint32_t parts);

/// The complete subtrees of every rank: they tile the tree.
struct RankSubtrees {
  std::vector<PartRange> all;      ///< ranks in order
  std::vector<std::size_t> first;  ///< by rank, into `all`; and the end
};
RankSubtrees rank_subtrees(const graph::Placement& placement);

/// Evaluates a node from the values of the nodes in `known`, which tile it: leaf(i) is that of known[i], and
/// merge(left, right) that of a parent. Every rank that evaluates the root does the same operations in the same order.
template <class Value, class Leaf, class Merge>
Value reduce_tree(PartRange node, std::span<const PartRange> known, const Leaf& leaf, const Merge& merge) {
  const auto found = std::find(known.begin(), known.end(), node);
  if (found != known.end()) return leaf(static_cast<std::size_t>(found - known.begin()));
  const std::uint32_t middle = split_point(node);
  const Value left = reduce_tree<Value>({node.first, middle}, known, leaf, merge);
  const Value right = reduce_tree<Value>({middle, node.end}, known, leaf, merge);
  return merge(left, right);
}

/// The sum of one value per part in the order of the tree. Ranks and their parts do not change a bit.
double tree_sum(std::span<const double> by_part);

}  // namespace tessera::exchange
