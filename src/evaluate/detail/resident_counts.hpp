// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/detail/candidate_counts.hpp"
#include "evaluate/detail/counts_plan.hpp"
#include "kernels/backend.hpp"
#include "kernels/screened_ranks.hpp"
#include "memory/place.hpp"
#include "memory/staging.hpp"
#include "model/resident_rows.hpp"
#include "model/setup.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::evaluate::detail {

/// What computes. Without `approximate` every score is exact.
template <kernels::Space kSpace>
struct CountKernels {
  const kernels::BasicRanks<kSpace>* exact = nullptr;
  const kernels::BasicScores<kSpace>* approximate = nullptr;  ///< of dot products
  const kernels::BasicScreenedRanks<kSpace>* screened = nullptr;
  double operand_roundoff = 0;  ///< of approximate
};

/// In one memory space, to which the rows of this rank are brought: all of them once for an evaluation, or, where they
/// do not fit, a window after the other for every block. While a device counts, the host is free.
template <kernels::Space kSpace>
class ResidentCounts final : public CandidateCounts {
 public:
  /// For blocks of up to `capacity` queries. `place`, its memory and what `kernels` names outlive this, as do rows that
  /// are lent, a matrix for every part: nobody changes them from begin() to the last finish().
  ResidentCounts(const model::Setup& setup, memory::Place<kSpace>& place, const CountKernels<kSpace>& kernels,
                 const CountsPlan& plan, std::uint64_t capacity,
                 std::vector<kernels::BasicConstMatrix<kSpace>> lent_rows = {});

  void begin() override;
  void start(const QueryBlock& block, std::span<const float> target_scores) override;
  void finish(std::span<std::int64_t> n_greater, std::span<std::int64_t> n_equal) override;
  [[nodiscard]] model::PairEffort effort() const override { return effort_; }

 private:
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  template <class T>
  using Buffer = typename memory::Place<kSpace>::template Buffer<T>;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  using Window = typename model::ResidentRows<kSpace>::Window;

  [[nodiscard]] bool screens() const { return kernels_.approximate != nullptr; }
  void bring_queries(const QueryBlock& block, std::span<const float> target_scores, std::size_t first,
                     std::size_t count);
  void count_window(std::size_t first_query, std::size_t queries, const Window& window);
  void count_screened(const kernels::BasicRankTile<kSpace>& tile, Vector<const float> row_norms,
                      const kernels::BasicScreenedCounts<kSpace>& counts);

  const model::Setup& setup_;
  memory::Place<kSpace>& place_;
  CountKernels<kSpace> kernels_;
  CountsPlan plan_;
  std::size_t dim_;
  std::uint64_t capacity_;
  std::size_t block_size_ = 0;
  model::PairEffort effort_;

  memory::Staging<kSpace> staging_;
  model::ResidentRows<kSpace> rows_;
  Buffer<float> queries_;            // [plan.queries, dim]
  Buffer<float> target_scores_;      // [plan.queries]
  Buffer<std::uint32_t> n_greater_;  // [capacity]
  Buffer<std::uint32_t> n_equal_;    // [capacity]
  // Of screening.
  float error_factor_ = 0;
  Buffer<float> scores_;       // [plan.queries, tile_rows]
  Buffer<float> query_norms_;  // [plan.queries]
  Buffer<std::uint32_t> undecided_queries_;
  Buffer<std::uint32_t> undecided_rows_;
  Buffer<std::uint32_t> decided_;  // [plan.queries]
  Buffer<std::uint32_t> undecided_count_;
  Buffer<kernels::ScreenEffort> screen_effort_;
  // Of the host.
  memory::Buffer<std::uint32_t> host_counts_;  // n_greater, then n_equal, [capacity] each
  std::array<kernels::ScreenEffort, 1> host_effort_{};
};

extern template class ResidentCounts<kernels::Space::kHost>;
extern template class ResidentCounts<kernels::Space::kDevice>;

}  // namespace tessera::evaluate::detail
