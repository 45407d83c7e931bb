// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/device_kernels.hpp"
#include "model/resident_plan.hpp"

#include <cstddef>
#include <cstdint>

namespace tessera::predict::detail {

/// What is to be searched on a device.
struct SearchSizes {
  std::uint64_t block_queries = 0;
  std::uint64_t k = 0;
  bool omit_known = false;
  std::uint64_t own_rows = 0;
  std::size_t dim = 0;
  kernels::Products products = kernels::Products::kChain;
};

/// How a search is cut to the memory of a place. Results do not depend on it.
struct SearchPlan {
  model::ResidentPlan pieces;
  std::uint64_t keys = 0;    ///< best rows of all queries that are searched at once
  std::uint64_t listed = 0;  ///< rows of all those queries that may be scored again one by one; 0: none are
};

/// Of the products, for make_device_kernels().
std::uint64_t workspace_bytes(const SearchPlan& plan, const SearchSizes& sizes);
/// Workspace and everything that a ResidentBest allocates in its place.
std::uint64_t place_bytes(const SearchPlan& plan, const SearchSizes& sizes);

/// As model::fit_plan(). Where known answers are left out there is room for many more keys than answers are wanted, up
/// to all rows for one query, if the place has it.
SearchPlan plan_search(const SearchSizes& sizes, std::uint64_t room_bytes);

}  // namespace tessera::predict::detail
