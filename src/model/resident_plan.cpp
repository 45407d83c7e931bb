// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/resident_plan.hpp"

#include "core/error.hpp"
#include "core/text.hpp"

#include <algorithm>

namespace tessera::model {
namespace {

constexpr std::uint64_t kMostScores = std::uint64_t{1} << 26U;  // of a tile: 256 MiB
// Smaller pieces do not fill a device; windows of rows are better then.
constexpr std::uint64_t kFewestQueries = 256;
constexpr std::uint64_t kFewestTileRows = 1024;

ResidentPlan largest(const ResidentWork& work) {
  ResidentPlan plan;
  plan.queries = std::max<std::uint64_t>(1, work.queries);
  plan.window_rows = std::max<std::uint64_t>(1, work.rows);
  if (work.has_tiles)
    plan.tile_rows = std::min(plan.window_rows, std::max<std::uint64_t>(1, kMostScores / plan.queries));
  return plan;
}

/// Takes half of the tile, else half of the queries; false when neither may be smaller.
bool halve(ResidentPlan& plan, std::uint64_t fewest_queries, std::uint64_t fewest_tile_rows) {
  if (plan.tile_rows / 2 >= fewest_tile_rows)
    plan.tile_rows /= 2;
  else if (plan.queries / 2 >= fewest_queries)
    plan.queries /= 2;
  else
    return false;
  return true;
}

}  // namespace

ResidentPlan fit_plan(const ResidentWork& work, std::uint64_t room_bytes) {
  ResidentPlan plan = largest(work);
  do {
    if (work.bytes(plan) <= room_bytes) return plan;
  } while (halve(plan, kFewestQueries, kFewestTileRows));
  plan = largest(work);
  plan.window_rows = 1;
  while (work.bytes(plan) > room_bytes / 2 && halve(plan, 1, 1)) {
  }
  const std::uint64_t least = work.bytes(plan);
  if (least > room_bytes)
    fail(ExitStatus::kOverBudget,
         "{} on the device needs at least {} of its memory, {} are left; raise run.device_memory, or {} with "
         "run.device=cpu",
         work.name, text::bytes(least), text::bytes(room_bytes), work.verb);
  const std::uint64_t more = (room_bytes - least) / work.row_bytes;
  plan.window_rows += more < 64 ? 0 : more - 64;  // buffers begin at multiples of 256 bytes
  plan.window_rows = std::clamp<std::uint64_t>(plan.window_rows, 1, std::max<std::uint64_t>(1, work.rows));
  plan.tile_rows = std::min(plan.tile_rows, plan.window_rows);
  return plan;
}

}  // namespace tessera::model
