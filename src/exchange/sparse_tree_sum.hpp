// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "exchange/part_tree.hpp"
#include "graph/shard.hpp"
#include "kernels/matrix.hpp"
#include "memory/pool.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::exchange {

/// Rows of a sparse sum: ids ascending and distinct, row i belongs to ids[i].
struct SparseRows {
  std::span<const std::uint32_t> ids;
  kernels::ConstMatrix rows;
};

/// Sums one sparse set of rows per part over the fixed tree of parts; every rank gets the whole sum, with the same bits
/// on any number of ranks. A rank adds up the complete subtrees that it owns and sends only those.
class SparseTreeSum {
 public:
  /// `leaf_capacity`: most rows of a leaf; `id_bound`: ids are below it. Allocates everything from the pool.
  SparseTreeSum(comm::Communicator& comm, const graph::Placement& placement, std::uint64_t leaf_capacity,
                std::uint64_t id_bound, std::size_t cols, memory::Pool& pool);

  /// Collective. `leaves` are those of this rank's parts in order. `flag` is combined over the ranks by "or" for free.
  /// The result is valid until the next call. Two messages per call (none with one rank).
  SparseRows sum(std::span<const SparseRows> leaves, bool& flag);

 private:
  struct Node {
    std::span<std::uint32_t> ids;
    float* rows = nullptr;
  };
  [[nodiscard]] Node reduce(PartRange node, std::span<const PartRange> known, std::span<const Node> values);
  Node merge(const Node& left, const Node& right);
  Node take(std::size_t rows);
  void gather(std::span<const Node> own, bool& flag);

  comm::Communicator& comm_;
  std::uint32_t parts_;
  std::size_t cols_;
  std::uint32_t first_own_;
  std::vector<std::vector<PartRange>> subtrees_;  // by rank
  std::vector<PartRange> all_subtrees_;
  memory::Buffer<std::uint32_t> ids_;  // scratch of merges, taken front to back
  memory::Buffer<float> rows_;
  std::size_t taken_ = 0;
  memory::Buffer<std::byte> sent_;
  memory::Buffer<std::byte> received_;
  std::vector<std::uint64_t> counts_bytes_;
  std::vector<std::uint32_t> sizes_;  // of every subtree, and the flag of each rank
  std::vector<std::uint32_t> own_sizes_;
  std::vector<Node> leaves_;
  std::vector<PartRange> leaf_ranges_;
  std::vector<Node> own_nodes_;
  std::vector<Node> nodes_;
};

}  // namespace tessera::exchange
