// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/detail/prefix_code.hpp"

#include "core/error.hpp"

#include <algorithm>

namespace tessera::storage::detail {
namespace {

struct Item {
  std::uint64_t weight;
  bool is_leaf;
};

// Pairs of neighbours in `items`, with the leaves of the next level between them.
std::vector<Item> next_level(const std::vector<Item>& items, const std::vector<Item>& leaves) {
  std::vector<Item> packages;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2)
    packages.push_back({items[i].weight + items[i + 1].weight, false});
  std::vector<Item> merged(leaves.size() + packages.size());
  std::merge(leaves.begin(), leaves.end(), packages.begin(), packages.end(), merged.begin(),
             [](const Item& a, const Item& b) { return a.weight < b.weight; });
  return merged;
}

}  // namespace

std::vector<std::uint8_t> code_lengths(std::span<const std::uint64_t> weights, unsigned most) {
  TESSERA_ASSERT(weights.size() <= std::size_t{1} << most, "too many symbols for these codes");
  if (weights.size() <= 1) return std::vector<std::uint8_t>(weights.size(), 1);
  std::vector<Item> leaves;
  for (std::size_t i = weights.size(); i-- > 0;) leaves.push_back({weights[i], true});
  std::vector<std::vector<Item>> levels = {leaves};
  while (levels.size() < most) levels.push_back(next_level(levels.back(), leaves));
  std::vector<std::uint8_t> lengths(weights.size(), 0);
  std::size_t taken = 2 * weights.size() - 2;
  for (std::size_t level = levels.size(); level-- > 0;) {
    const auto end = levels[level].begin() + static_cast<std::ptrdiff_t>(taken);
    const auto from_leaves =
        static_cast<std::size_t>(std::count_if(levels[level].begin(), end, [](const Item& i) { return i.is_leaf; }));
    for (std::size_t i = 0; i < from_leaves; ++i) ++lengths[weights.size() - 1 - i];
    taken = 2 * (taken - from_leaves);
  }
  return lengths;
}

}  // namespace tessera::storage::detail
