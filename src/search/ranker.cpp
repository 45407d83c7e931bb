// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "search/ranker.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <utility>

namespace tessera::search {

using execution::buffer_bytes;
using kernels::Products;
using kernels::Space;
using memory::Tag;

namespace {

constexpr std::uint64_t kHostQueries = 1024;  // queries that a thread compares with a block of rows

/// Pairs of a tile that may be scored again one by one; with more, chains in tiles are no slower.
std::uint64_t undecided_pairs(const Plan& plan) { return (plan.queries * plan.tile_rows + 15) / 16; }

}  // namespace

template <Space kSpace>
RankerOn<kSpace>::RankerOn(const Setup& setup, std::unique_ptr<Executor> executor, const Sizes& sizes, const Plan& plan,
                           std::vector<ConstMatrix> borrowed_rows)
    : comparison_(setup, std::move(executor), sizes, plan, std::move(borrowed_rows)),
      capacity_(sizes.block_queries),
      counts_(
          comparison_.executor().template allocate<std::uint32_t>(Tag::kEvaluation, sizes.workers * 2 * capacity_)) {
  TESSERA_ASSERT(sizes.screens() == (plan.tile_rows > 0), "scores are kept where they are approximate");
  Executor& memory = comparison_.executor();
  if constexpr (Comparison<kSpace>::kCopies) {
    target_copies_ = memory.template allocate<float>(Tag::kEvaluation, capacity_);
    host_counts_ = setup.host.template allocate<std::uint32_t>(Tag::kEvaluation, counts_.size());
  }
  if (!sizes.screens()) return;
  undecided_queries_ = memory.template allocate<std::uint32_t>(Tag::kEvaluation, undecided_pairs(plan));
  undecided_rows_ = memory.template allocate<std::uint32_t>(Tag::kEvaluation, undecided_pairs(plan));
  decided_ = memory.template allocate<std::uint32_t>(Tag::kEvaluation, plan.queries);
  undecided_count_ = memory.template allocate<std::uint32_t>(Tag::kEvaluation, 1);
}

template <Space kSpace>
std::uint64_t RankerOn<kSpace>::bytes(const Sizes& sizes, const Plan& plan) {
  const auto words = [](std::uint64_t count) { return buffer_bytes<kSpace, std::uint32_t>(count); };
  const std::uint64_t exact = Comparison<kSpace>::bytes(sizes, plan) +
                              (Comparison<kSpace>::kCopies ? words(sizes.block_queries) : 0) +
                              words(sizes.workers * 2 * sizes.block_queries);
  return sizes.screens() ? exact + 2 * words(undecided_pairs(plan)) + words(plan.queries) + words(1) : exact;
}

template <Space kSpace>
void RankerOn<kSpace>::start(const kernels::ConstMatrix& queries, std::span<const float> target_scores) {
  TESSERA_ASSERT(queries.rows <= capacity_, "a block above the size that ranking was made for");
  block_ = queries.rows;
  comparison_.executor().clear(counts_.span());
  comparison_.set_queries(queries);
  target_scores_ = comparison_.upload(target_scores, target_copies_);
  comparison_.for_each_tile(
      0, block_, [&](const Queries& some, const Rows& tile, std::size_t worker) { count(some, tile, worker); });
}

template <Space kSpace>
void RankerOn<kSpace>::count(const Queries& queries, const Rows& tile, std::size_t worker) {
  const std::size_t first = 2 * worker * capacity_ + queries.first;
  const std::size_t n = queries.vectors.rows;
  const auto targets = target_scores_.subspan(queries.first, n);
  const auto n_greater = counts_.span().subspan(first, n);
  const auto n_equal = counts_.span().subspan(first + capacity_, n);
  if (!comparison_.screens())
    return comparison_.executor().kernels().ranks.count(comparison_.similarity(), {queries.vectors, tile.rows, targets},
                                                        {n_greater, n_equal});
  const kernels::BasicConstMatrix<kSpace> scores = comparison_.score(queries, tile, worker);
  comparison_.screened().count(
      {queries.vectors, tile.rows, targets}, {scores, queries.norms, tile.norms, comparison_.error_factor()},
      {undecided_queries_.span(), undecided_rows_.span(), decided_.span(), undecided_count_.span()},
      {n_greater, n_equal}, comparison_.cost_memory());
}

template <Space kSpace>
void RankerOn<kSpace>::finish(std::span<std::int64_t> n_greater, std::span<std::int64_t> n_equal) {
  const auto counts = comparison_.download(counts_.span(), host_counts_);
  comparison_.finish();
  for (std::size_t first = 0; first < counts.size(); first += 2 * capacity_)
    for (std::size_t i = 0; i < block_; ++i) {
      n_greater[i] += counts[first + i];
      n_equal[i] += counts[first + capacity_ + i];
    }
}

Plan plan_ranking(const Sizes& sizes, std::uint64_t room_bytes) {
  const auto bytes = [&](const Plan& plan) {
    return RankerOn<Space::kDevice>::bytes(sizes, plan) + executor_bytes(sizes, plan);
  };
  return fit_plan({sizes, sizes.screens(), bytes, "counting candidates", "rank"}, room_bytes);
}

Plan plan_host_ranking(const Sizes& sizes) {
  return {std::clamp<std::uint64_t>(sizes.block_queries, 1, kHostQueries), host_window_rows(sizes), 0};
}

MakeRanker rank_on_host() {
  return [](const Setup& setup, std::uint64_t block_queries) {
    const Sizes sizes = host_sizes(setup, block_queries);
    return std::make_unique<RankerOn<Space::kHost>>(setup, std::make_unique<execution::HostExecutor>(setup.host), sizes,
                                                    plan_host_ranking(sizes), rows_of(setup.parameters));
  };
}

MakeRanker rank_on_device(memory::DevicePool& pool, Products products,
                          std::vector<kernels::ConstDeviceMatrix> borrowed_rows) {
  return [&pool, products, rows = std::move(borrowed_rows)](const Setup& setup, std::uint64_t block_queries) {
    const Sizes sizes = device_sizes(setup, block_queries, products, !rows.empty());
    const Plan plan = plan_ranking(sizes, pool.budget_bytes() - pool.used_bytes());
    return std::make_unique<RankerOn<Space::kDevice>>(setup, make_executor(pool, sizes, plan), sizes, plan, rows);
  };
}

template class RankerOn<Space::kHost>;
template class RankerOn<Space::kDevice>;

}  // namespace tessera::search
