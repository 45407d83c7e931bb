// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "search/plan.hpp"

#include "core/error.hpp"
#include "core/text.hpp"

#include <algorithm>

namespace tessera::search {
namespace {

constexpr std::uint64_t kMostScores = std::uint64_t{1} << 26U;  // scores of a tile: 256 MiB
// Smaller pieces do not fill a device; windows of rows are better then.
constexpr std::uint64_t kFewestQueries = 256;
constexpr std::uint64_t kFewestTileRows = 1024;
constexpr std::uint64_t kHostWindowFloats = std::uint64_t{1} << 23U;  // 32 MiB
constexpr std::size_t kCachedFloats = std::size_t{1} << 16U;

Plan largest(const Work& work) {
  Plan plan;
  plan.queries = std::max<std::uint64_t>(1, work.sizes.block_queries);
  plan.window_rows = std::max<std::uint64_t>(1, work.sizes.rows);
  if (work.has_tiles)
    plan.tile_rows = std::min(plan.window_rows, std::max<std::uint64_t>(1, kMostScores / plan.queries));
  return plan;
}

/// Takes half of the tile, else half of the queries; false when neither may be smaller.
bool halve(Plan& plan, std::uint64_t fewest_queries, std::uint64_t fewest_tile_rows) {
  if (plan.tile_rows / 2 >= fewest_tile_rows)
    plan.tile_rows /= 2;
  else if (plan.queries / 2 >= fewest_queries)
    plan.queries /= 2;
  else
    return false;
  return true;
}

kernels::ProductSizes products_of(const Sizes& sizes, const Plan& plan) {
  return {plan.queries, plan.tile_rows, sizes.dim};
}

}  // namespace

Sizes host_sizes(const Setup& setup, std::uint64_t block_queries) {
  const bool borrows = !setup.parameters.is_in_files() && setup.parameters.parts().front().rows.is_fp32();
  Sizes sizes = device_sizes(setup, block_queries, kernels::Products::kChain, borrows);
  sizes.workers = setup.host.workers();
  return sizes;
}

Sizes device_sizes(const Setup& setup, std::uint64_t block_queries, kernels::Products products, bool borrows) {
  const bool is_dot = setup.parameters.scorer().similarity() == kernels::Similarity::kDot;
  Sizes sizes{block_queries, 0, setup.parameters.dim(), is_dot ? products : kernels::Products::kChain, borrows};
  for (const model::PartTable& part : setup.parameters.parts()) sizes.rows += part.rows.rows;
  return sizes;
}

std::unique_ptr<execution::DeviceExecutor> make_executor(memory::DevicePool& pool, const Sizes& sizes,
                                                         const Plan& plan) {
  return std::make_unique<execution::DeviceExecutor>(
      pool, execution::DeviceExecutor::Options{sizes.products, products_of(sizes, plan)});
}

std::uint64_t executor_bytes(const Sizes& sizes, const Plan& plan) {
  return execution::buffer_bytes<kernels::Space::kDevice, std::byte>(
      kernels::workspace_bytes(sizes.products, products_of(sizes, plan)));
}

Plan fit_plan(const Work& work, std::uint64_t room_bytes) {
  Plan plan = largest(work);
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
  const std::uint64_t more = (room_bytes - least) / ((work.sizes.dim + 1) * sizeof(float));
  plan.window_rows += more < 64 ? 0 : more - 64;  // buffers begin at multiples of 256 bytes
  plan.window_rows = std::clamp<std::uint64_t>(plan.window_rows, 1, std::max<std::uint64_t>(1, work.sizes.rows));
  plan.tile_rows = std::min(plan.tile_rows, plan.window_rows);
  return plan;
}

std::uint64_t host_window_rows(const Sizes& sizes) {
  const std::uint64_t at_once = sizes.borrows ? sizes.rows : std::min(sizes.rows, kHostWindowFloats / sizes.dim);
  return std::max<std::uint64_t>(1, at_once);
}

std::size_t cached_rows(std::size_t dim) { return std::clamp<std::size_t>(kCachedFloats / dim, 64, 1024); }

std::uint64_t fit_block(const Setup& setup, std::uint64_t wished, std::uint64_t fewest,
                        const std::function<std::uint64_t(std::uint64_t)>& bytes) {
  std::uint64_t block = std::max<std::uint64_t>(1, wished);
  const std::uint64_t room = setup.host.room_bytes() / 2;
  while (block > fewest && bytes(block) > room) block /= 2;
  return static_cast<std::uint64_t>(setup.comm.reduce(static_cast<std::int64_t>(block), comm::Reduction::kMin));
}

}  // namespace tessera::search
