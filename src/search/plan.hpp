// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/device_kernels.hpp"
#include "search/setup.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace tessera::search {

/// The sizes of a comparison of queries with all rows of a rank.
struct Sizes {
  std::uint64_t block_queries = 0;  ///< most queries of a block
  std::uint64_t rows = 0;           ///< rows of the rank
  std::size_t dim = 0;
  kernels::Products products = kernels::Products::kChain;  ///< products of the executor; distances do not use them
  bool borrows = false;                                    ///< another object has the rows in the executor's memory
  std::size_t workers = 1;                                 ///< workers of the executor
  /// Whether approximate scores decide what they can.
  [[nodiscard]] bool screens() const { return products != kernels::Products::kChain; }
};

/// On the threads of the host, over the rows where they are in fp32, else over copies.
Sizes host_sizes(const Setup& setup, std::uint64_t block_queries);
/// On a device. Where a model compares by a distance, products are chains.
Sizes device_sizes(const Setup& setup, std::uint64_t block_queries, kernels::Products products, bool borrows);

/// How comparing is cut to the memory of an executor. Results do not depend on it.
struct Plan {
  std::uint64_t queries = 0;      ///< compared at once
  std::uint64_t window_rows = 0;  ///< in the executor's memory at once; when these are all, they are uploaded only once
  std::uint64_t tile_rows = 0;    ///< tile rows with scores in memory at once; 0: none
};

/// The work that a plan fits to the memory of a device.
struct Work {
  Sizes sizes;
  bool has_tiles = true;                            ///< scores are written to memory
  std::function<std::uint64_t(const Plan&)> bytes;  ///< all that a plan takes of the device
  std::string name;                                 ///< for messages: "counting candidates"
  std::string verb;                                 ///< "rank"
};

/// An executor that makes the products of such pieces, and the bytes that it takes of the pool.
std::unique_ptr<execution::DeviceExecutor> make_executor(memory::DevicePool& pool, const Sizes& sizes,
                                                         const Plan& plan);
std::uint64_t executor_bytes(const Sizes& sizes, const Plan& plan);

/// The largest pieces that take at most `room_bytes`: all rows at once where that leaves pieces of a useful size, else
/// a window of them. Throws Error(kOverBudget).
Plan fit_plan(const Work& work, std::uint64_t room_bytes);

/// Rows that the host has in fp32 at once: all where they are borrowed, else some MiB.
std::uint64_t host_window_rows(const Sizes& sizes);

/// Rows that a thread of the host scores at once: they stay in a part of its level-2 cache.
std::size_t cached_rows(std::size_t dim);

/// Collective. The largest halving of `wished` queries, but not below `fewest`, for which bytes(queries) is at most
/// half of what every rank has left.
std::uint64_t fit_block(const Setup& setup, std::uint64_t wished, std::uint64_t fewest,
                        const std::function<std::uint64_t(std::uint64_t)>& bytes);

}  // namespace tessera::search
