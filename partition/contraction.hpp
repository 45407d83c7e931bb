// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/neighbours.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace tessera::partition {

/// A graph in memory whose parallel edges are merged into weights.
class MergedGraph final : public Neighbours {
 public:
  std::vector<std::uint64_t> offsets = {0};  ///< [vertices + 1]
  std::vector<std::uint32_t> neighbours;
  std::vector<std::uint32_t> weights;

  [[nodiscard]] Rows rows() const {
    const std::span<const std::uint64_t> all(offsets);
    return {0, all.first(all.size() - 1), all.subspan(1), neighbours.data(), weights.data()};
  }
  void for_each_block(const std::function<void(const Rows&)>& visit) override { visit(rows()); }
  [[nodiscard]] std::uint64_t bytes() const { return offsets.size() * 8 + neighbours.size() * 8; }
};

/// How vertices are merged.
struct Merging {
  std::span<const std::uint32_t> coarse_of;  ///< [finer vertices]
  std::uint32_t coarse_count;
  std::uint64_t most_bytes;  ///< for the coarser graph
  std::size_t threads;
};

/// Merges vertices of `finer`, which is one block, and drops edges inside a coarser vertex. Null when the coarser graph
/// would take more than the bytes given.
std::shared_ptr<MergedGraph> contract(const Rows& finer, const Merging& merging);

}  // namespace tessera::partition
