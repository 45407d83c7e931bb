// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/detail/search_plan.hpp"

#include "kernels/best_rows.hpp"

#include <algorithm>

namespace tessera::predict::detail {
namespace {

using kernels::BestKey;
using kernels::Products;

constexpr std::uint64_t kMoreKeys = 1024;                     // of a query whose known answers are left out
constexpr std::uint64_t kMostKeys = std::uint64_t{1} << 24U;  // beyond what k asks for: twice 128 MiB

/// Best rows of one query that the plan counts on.
std::uint64_t keys_of_query(const SearchSizes& sizes) {
  const std::uint64_t wished = sizes.omit_known ? sizes.k + kMoreKeys : sizes.k;
  return std::clamp<std::uint64_t>(wished, 1, std::max<std::uint64_t>(1, sizes.own_rows));
}

/// A query whose list overflows is scored again by chains, which are no slower for more than a sixteenth of a tile.
SearchPlan whole(const model::ResidentPlan& pieces, const SearchSizes& sizes) {
  const std::uint64_t keys = pieces.queries * keys_of_query(sizes);
  const bool screens = sizes.products != Products::kChain;
  return {pieces, keys, screens ? keys + pieces.queries * ((pieces.tile_rows + 15) / 16) : 0};
}

}  // namespace

std::uint64_t workspace_bytes(const SearchPlan& plan, const SearchSizes& sizes) {
  return kernels::workspace_bytes(sizes.products, {plan.pieces.queries, plan.pieces.tile_rows, sizes.dim});
}

std::uint64_t place_bytes(const SearchPlan& plan, const SearchSizes& sizes) {
  const auto words = [](std::uint64_t count) { return model::pool_bytes(count, sizeof(float)); };
  const std::uint64_t queries = plan.pieces.queries;
  const std::uint64_t exact = words(plan.pieces.window_rows * sizes.dim) + words(queries * sizes.dim) +
                              words(queries * plan.pieces.tile_rows) +
                              2 * model::pool_bytes(plan.keys, sizeof(BestKey));
  if (plan.listed == 0) return exact;
  return exact + words(plan.pieces.window_rows) + 3 * words(queries) + words(queries + 1) +
         model::pool_bytes(plan.listed, sizeof(BestKey)) + model::pool_bytes(1, sizeof(kernels::ScreenEffort)) +
         model::pool_bytes(workspace_bytes(plan, sizes), 1);
}

SearchPlan plan_search(const SearchSizes& sizes, std::uint64_t room_bytes) {
  const model::ResidentPlan pieces =
      model::fit_plan({sizes.block_queries, sizes.own_rows, true, (sizes.dim + 1) * sizeof(float),
                       [&](const model::ResidentPlan& tried) { return place_bytes(whole(tried, sizes), sizes); },
                       "searching answers", "answer"},
                      room_bytes);
  SearchPlan plan = whole(pieces, sizes);
  if (sizes.omit_known) {
    const std::uint64_t room = (room_bytes - place_bytes(plan, sizes)) / (4 * sizeof(BestKey));
    plan.keys += std::min({sizes.own_rows, kMostKeys, room});
  }
  return plan;
}

}  // namespace tessera::predict::detail
