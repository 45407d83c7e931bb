// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/device_kernels.hpp"

#include <cstddef>
#include <cstdint>

namespace tessera::evaluate::detail {

/// What is to be counted on a device.
struct CountsSizes {
  std::uint64_t block_queries = 0;
  std::uint64_t own_rows = 0;
  std::size_t dim = 0;
  kernels::Products products = kernels::Products::kChain;
};

/// How counting is cut to the memory of a place. Results do not depend on it.
struct CountsPlan {
  std::uint64_t queries = 0;      ///< compared at once
  std::uint64_t window_rows = 0;  ///< that are there at once; with all owned rows they are brought only once
  std::uint64_t tile_rows = 0;    ///< that have approximate scores at once; 0: exact scores alone

  /// Pairs of a tile that may be scored again one by one; with more, chains in tiles are no slower.
  [[nodiscard]] std::uint64_t undecided() const { return (queries * tile_rows + 15) / 16; }
};

/// Of the products, for make_device_kernels().
std::uint64_t workspace_bytes(const CountsPlan& plan, const CountsSizes& sizes);
/// Workspace and everything that a ResidentCounts allocates in its place.
std::uint64_t place_bytes(const CountsPlan& plan, const CountsSizes& sizes);

/// The largest pieces that take at most `room_bytes`: all rows at once where that leaves pieces of a useful size, else
/// a window of them. Throws Error(kOverBudget).
CountsPlan plan_counts(const CountsSizes& sizes, std::uint64_t room_bytes);

}  // namespace tessera::evaluate::detail
