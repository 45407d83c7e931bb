// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/detail/counts_plan.hpp"

#include "kernels/screened_ranks.hpp"

#include <algorithm>

namespace tessera::evaluate::detail {

using kernels::Products;

std::uint64_t workspace_bytes(const CountsPlan& plan, const CountsSizes& sizes) {
  return kernels::workspace_bytes(sizes.products, {plan.queries, plan.tile_rows, sizes.dim});
}

std::uint64_t place_bytes(const CountsPlan& plan, const CountsSizes& sizes) {
  const auto words = [&](std::uint64_t count) { return model::pool_bytes(count, sizeof(float)); };
  const std::uint64_t rows = sizes.rows_are_there ? 0 : plan.window_rows * sizes.dim;
  const std::uint64_t exact = words(rows) + words(plan.queries * sizes.dim) + words(plan.queries) +
                              2 * words(std::max<std::uint64_t>(1, sizes.block_queries));
  if (plan.tile_rows == 0) return exact;
  return exact + words(plan.queries * plan.tile_rows) + 2 * words(plan.queries) + words(plan.window_rows) +
         2 * words(undecided_pairs(plan)) + words(1) + model::pool_bytes(1, sizeof(kernels::ScreenEffort)) +
         model::pool_bytes(workspace_bytes(plan, sizes), 1);
}

CountsPlan plan_counts(const CountsSizes& sizes, std::uint64_t room_bytes) {
  return model::fit_plan(
      {sizes.block_queries, sizes.own_rows, sizes.products != Products::kChain, (sizes.dim + 1) * sizeof(float),
       [&](const CountsPlan& plan) { return place_bytes(plan, sizes); }, "counting candidates", "rank"},
      room_bytes);
}

}  // namespace tessera::evaluate::detail
