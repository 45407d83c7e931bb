// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/device_kernels.hpp"
#include "model/resident_plan.hpp"

#include <cstddef>
#include <cstdint>

namespace tessera::evaluate::detail {

/// What is to be counted on a device.
struct CountsSizes {
  std::uint64_t block_queries = 0;
  std::uint64_t own_rows = 0;
  std::size_t dim = 0;
  kernels::Products products = kernels::Products::kChain;
  bool rows_are_there = false;  ///< lent: they take no memory
};

/// Scores are in memory where they are approximate; exact ones are counted and forgotten.
using CountsPlan = model::ResidentPlan;

/// Pairs of a tile that may be scored again one by one; with more, chains in tiles are no slower.
inline std::uint64_t undecided_pairs(const CountsPlan& plan) { return (plan.queries * plan.tile_rows + 15) / 16; }

/// Of the products, for make_device_kernels().
std::uint64_t workspace_bytes(const CountsPlan& plan, const CountsSizes& sizes);
/// Workspace and everything that a ResidentCounts allocates in its place.
std::uint64_t place_bytes(const CountsPlan& plan, const CountsSizes& sizes);

/// As fit_plan().
CountsPlan plan_counts(const CountsSizes& sizes, std::uint64_t room_bytes);

}  // namespace tessera::evaluate::detail
