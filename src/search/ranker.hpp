// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/device_kernels.hpp"
#include "memory/pool.hpp"
#include "search/comparison.hpp"
#include "search/row_mask.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace tessera::search {

/// Compares every query of a block with every row that this rank owns. What it counts is that of Ranks::count to the
/// last bit, wherever and however it is done. Nothing here is collective.
class Ranker {
 public:
  virtual ~Ranker() = default;
  /// The parameters may have changed. The cost starts at nothing.
  virtual void begin() = 0;
  /// Starts counting for queries [n, dim] and the scores of their targets, which stay as they are until finish(). While
  /// a device counts, the host is free.
  virtual void start(const kernels::ConstMatrix& queries, std::span<const float> target_scores) = 0;
  /// Adds to n_greater[i], n_equal[i] the owned rows that score above, and level with, the target of query i; the
  /// target's own row is level with itself.
  virtual void finish(std::span<std::int64_t> n_greater, std::span<std::int64_t> n_equal) = 0;
  /// Since begin().
  [[nodiscard]] virtual const Cost& cost() const = 0;
};

/// Makes a ranker for blocks of up to that many queries; the setup outlives it. Throws Error(kOverBudget).
using MakeRanker = std::function<std::unique_ptr<Ranker>(const Setup& setup, std::uint64_t block_queries)>;

/// By the threads of the host, over the rows where they are.
MakeRanker rank_on_host();
/// On the device of `pool`, with what is left of its memory when the ranker is made (Tag::kEvaluation). With any
/// `products` but kChain, dot products are screened. `borrowed_rows` are the rows of every part as a training engine
/// has them there, or none: then they are uploaded. The ranker throws Error(kUsage) in a build without CUDA.
MakeRanker rank_on_device(memory::DevicePool& pool, kernels::Products products,
                          std::vector<kernels::ConstDeviceMatrix> borrowed_rows = {});

/// As rank_on_host(), among some rows only, which are copied (Tag::kEvaluation). `among` outlives the ranker.
MakeRanker rank_on_host_among(const RowMask& among);

/// How a device ranks with `room_bytes` of memory, as fit_plan().
Plan plan_ranking(const Sizes& sizes, std::uint64_t room_bytes);
/// How the host does.
Plan plan_host_ranking(const Sizes& sizes);

/// A ranker over an executor: one for the host and for devices.
template <kernels::Space kSpace>
class RankerOn final : public Ranker {
 public:
  using Executor = execution::Executor<kSpace>;
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  /// The arguments are those of Comparison.
  RankerOn(const Setup& setup, std::unique_ptr<Executor> executor, const Sizes& sizes, const Plan& plan,
           std::vector<ConstMatrix> borrowed_rows);
  /// Bytes of the executor's memory.
  static std::uint64_t bytes(const Sizes& sizes, const Plan& plan);

  void begin() override { comparison_.begin(); }
  void start(const kernels::ConstMatrix& queries, std::span<const float> target_scores) override;
  void finish(std::span<std::int64_t> n_greater, std::span<std::int64_t> n_equal) override;
  [[nodiscard]] const Cost& cost() const override { return comparison_.cost(); }

 private:
  using Queries = typename Comparison<kSpace>::Queries;
  using Rows = typename Comparison<kSpace>::Rows;
  template <class T>
  using Buffer = typename Comparison<kSpace>::template Buffer<T>;
  void count(const Queries& queries, const Rows& tile, std::size_t worker);

  Comparison<kSpace> comparison_;
  std::size_t capacity_;  // queries of a block
  std::size_t block_ = 0;
  Buffer<float> target_copies_;  // [capacity]
  kernels::Vector<kSpace, const float> target_scores_;
  Buffer<std::uint32_t> counts_;  // by worker: n_greater, then n_equal, [capacity] each
  memory::Buffer<std::uint32_t> host_counts_;
  // The buffers below are for screening.
  Buffer<std::uint32_t> undecided_queries_;
  Buffer<std::uint32_t> undecided_rows_;
  Buffer<std::uint32_t> decided_;  // [queries]
  Buffer<std::uint32_t> undecided_count_;
};

extern template class RankerOn<kernels::Space::kHost>;
extern template class RankerOn<kernels::Space::kDevice>;

}  // namespace tessera::search
