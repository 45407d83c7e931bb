// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/host_grid.hpp"
#include "search/answerer.hpp"
#include "search/ranker.hpp"
#include "support/rounded_scores.hpp"

#include <memory>
#include <utility>
#include <vector>

// Ranking and answering over the memory and the threads of the host, cut as a test wants it: also as on a device.
namespace tessera::test {

using kernels::Backend;
using kernels::Space;

/// The kernel bodies of a device, with products in bfloat16 that are screened.
inline const Backend& rounded_backend(kernels::GridOrder order) {
  static const RoundedScores rounded;
  static const auto over = [](kernels::GridOrder grid_order) {
    const Backend& grid = kernels::host_grid_backend(grid_order);
    return Backend{
        "rounded",      rounded,          grid.gradients,
        grid.softmax,   grid.rows,        grid.updates,
        grid.ranks,     grid.composition, grid.penalties,
        grid.targets,   grid.statistics,  grid.negative_losses,
        grid.distances, grid.best_rows,   {&kernels::host_grid_screened_ranks(grid_order), RoundedScores::kRoundoff}};
  };
  static const Backend forward = over(kernels::GridOrder::kForward);
  static const Backend backward = over(kernels::GridOrder::kBackward);
  return order == kernels::GridOrder::kForward ? forward : backward;
}

/// What a test ranks or answers with.
struct OnHost {
  const Backend& backend;
  execution::HostThreads threads = execution::HostThreads(1, execution::HostThreads::Cut::kNone);  ///< as on a device
  bool borrows = false;  ///< the rows as they are; else they are uploaded, as to a device

  [[nodiscard]] std::unique_ptr<execution::HostExecutor> executor(const search::Setup& setup) const {
    return std::make_unique<execution::HostExecutor>(setup.host.pool(), backend, threads);
  }
  [[nodiscard]] search::Sizes sizes(const search::Setup& setup, std::uint64_t block_queries) const {
    const auto products = backend.screening.ranks != nullptr ? kernels::Products::kBfloat16 : kernels::Products::kChain;
    search::Sizes sizes = search::device_sizes(setup, block_queries, products, borrows);
    sizes.workers = threads.workers();
    return sizes;
  }
  [[nodiscard]] std::vector<kernels::ConstMatrix> rows(const search::Setup& setup) const {
    return borrows ? search::rows_of(setup.parameters) : std::vector<kernels::ConstMatrix>{};
  }
};

inline search::MakeRanker rank_with(const OnHost& how, const search::Plan& plan) {
  return [how, plan](const search::Setup& setup, std::uint64_t block_queries) {
    return std::make_unique<search::RankerOn<Space::kHost>>(setup, how.executor(setup), how.sizes(setup, block_queries),
                                                            plan, how.rows(setup));
  };
}

inline search::AnswerSizes answer_sizes(const OnHost& how, const search::Setup& setup,
                                        const search::AnswerNeeds& needs) {
  const bool filters = how.backend.best_rows.filters();
  return {how.sizes(setup, needs.block_queries), needs.k, needs.omit_known && !filters, filters};
}

inline search::MakeAnswerer answer_with(const OnHost& how, const search::AnswerPlan& plan) {
  return [how, plan](const search::Setup& setup, const search::AnswerNeeds& needs) {
    return std::make_unique<search::AnswererOn<Space::kHost>>(setup, needs, how.executor(setup),
                                                              answer_sizes(how, setup, needs), plan);
  };
}

}  // namespace tessera::test
