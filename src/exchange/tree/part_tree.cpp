// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/tree/part_tree.hpp"

#include "core/error.hpp"

#include <bit>

namespace tessera::exchange {
namespace {

void collect(PartRange node, PartRange owned, std::vector<PartRange>& out) {
  if (node.end <= owned.first || node.first >= owned.end) return;
  if (node.first >= owned.first && node.end <= owned.end) {
    out.push_back(node);
    return;
  }
  const std::uint32_t middle = split_point(node);
  collect({node.first, middle}, owned, out);
  collect({middle, node.end}, owned, out);
}

}  // namespace

std::uint32_t split_point(PartRange node) {
  TESSERA_ASSERT(node.size() >= 2, "a leaf of the part tree has no children");
  return node.first + std::bit_ceil(node.size()) / 2;
}

std::vector<PartRange> complete_subtrees(PartRange owned, std::uint32_t parts) {
  std::vector<PartRange> subtrees;
  collect({0, parts}, owned, subtrees);
  return subtrees;
}

RankSubtrees rank_subtrees(const graph::Placement& placement) {
  RankSubtrees subtrees;
  for (std::int32_t r = 0; r < placement.rank_count(); ++r) {
    const PartRange owned{placement.first_part(Rank(r)).value(), placement.end_part(Rank(r)).value()};
    subtrees.first.push_back(subtrees.all.size());
    for (const PartRange subtree : complete_subtrees(owned, placement.part_count())) subtrees.all.push_back(subtree);
  }
  subtrees.first.push_back(subtrees.all.size());
  return subtrees;
}

double tree_sum(std::span<const double> by_part) {
  if (by_part.empty()) return 0;
  if (by_part.size() == 1) return by_part[0];
  const std::uint32_t middle = split_point({0, static_cast<std::uint32_t>(by_part.size())});
  return tree_sum(by_part.first(middle)) + tree_sum(by_part.subspan(middle));
}

}  // namespace tessera::exchange
