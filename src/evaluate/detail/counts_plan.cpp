// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/detail/counts_plan.hpp"

#include "core/error.hpp"
#include "core/text.hpp"
#include "kernels/screened_ranks.hpp"

#include <algorithm>

namespace tessera::evaluate::detail {
namespace {

constexpr std::uint64_t kMostScores = std::uint64_t{1} << 26U;  // of a tile: 256 MiB
// Smaller pieces do not fill a device; windows of rows are better then.
constexpr std::uint64_t kFewestQueries = 256;
constexpr std::uint64_t kFewestTileRows = 1024;

CountsPlan largest(const CountsSizes& sizes) {
  CountsPlan plan;
  plan.queries = std::max<std::uint64_t>(1, sizes.block_queries);
  plan.window_rows = std::max<std::uint64_t>(1, sizes.own_rows);
  if (sizes.products != kernels::Products::kChain)
    plan.tile_rows = std::min(plan.window_rows, std::max<std::uint64_t>(1, kMostScores / plan.queries));
  return plan;
}

/// Takes half of the tile, else half of the queries; false when neither may be smaller.
bool halve(CountsPlan& plan, std::uint64_t fewest_queries, std::uint64_t fewest_tile_rows) {
  if (plan.tile_rows / 2 >= fewest_tile_rows)
    plan.tile_rows /= 2;
  else if (plan.queries / 2 >= fewest_queries)
    plan.queries /= 2;
  else
    return false;
  return true;
}

}  // namespace

std::uint64_t workspace_bytes(const CountsPlan& plan, const CountsSizes& sizes) {
  return kernels::workspace_bytes(sizes.products, {plan.queries, plan.tile_rows, sizes.dim});
}

std::uint64_t place_bytes(const CountsPlan& plan, const CountsSizes& sizes) {
  const auto buffer = [](std::uint64_t bytes) { return (bytes + 63) / 64 * 64; };
  const auto words = [&](std::uint64_t count) { return buffer(count * sizeof(float)); };
  const std::uint64_t exact = words(plan.window_rows * sizes.dim) + words(plan.queries * sizes.dim) +
                              words(plan.queries) + 2 * words(std::max<std::uint64_t>(1, sizes.block_queries));
  if (plan.tile_rows == 0) return exact;
  return exact + words(plan.queries * plan.tile_rows) + 2 * words(plan.queries) + words(plan.window_rows) +
         2 * words(plan.undecided()) + words(1) + buffer(sizeof(kernels::ScreenEffort)) +
         buffer(workspace_bytes(plan, sizes));
}

CountsPlan plan_counts(const CountsSizes& sizes, std::uint64_t room_bytes) {
  CountsPlan plan = largest(sizes);
  do {
    if (place_bytes(plan, sizes) <= room_bytes) return plan;
  } while (halve(plan, kFewestQueries, kFewestTileRows));
  plan = largest(sizes);
  plan.window_rows = 1;
  while (place_bytes(plan, sizes) > room_bytes / 2 && halve(plan, 1, 1)) {
  }
  const std::uint64_t least = place_bytes(plan, sizes);
  if (least > room_bytes)
    fail(ExitStatus::kOverBudget,
         "counting candidates on the device needs at least {} of its memory, {} are left; raise run.device_memory, or "
         "rank with run.device=cpu",
         text::bytes(least), text::bytes(room_bytes));
  const std::uint64_t row_bytes = (sizes.dim + 1) * sizeof(float);
  const std::uint64_t more = (room_bytes - least) / row_bytes;
  plan.window_rows += more < 64 ? 0 : more - 64;  // buffers begin at multiples of 64 bytes
  plan.window_rows = std::clamp<std::uint64_t>(plan.window_rows, 1, std::max<std::uint64_t>(1, sizes.own_rows));
  plan.tile_rows = std::min(plan.tile_rows, plan.window_rows);
  return plan;
}

}  // namespace tessera::evaluate::detail
