// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/best_rows.hpp"
#include "kernels/screened_ranks.hpp"
#include "memory/place.hpp"
#include "memory/staging.hpp"
#include "model/resident_rows.hpp"
#include "model/setup.hpp"
#include "predict/detail/own_best.hpp"
#include "predict/detail/search_plan.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera::predict::detail {

/// What computes. With `screened`, scores are approximate dot products.
template <kernels::Space kSpace>
struct SearchKernels {
  const kernels::BasicScores<kSpace>* scores = nullptr;
  const kernels::BasicBestRows<kSpace>* best = nullptr;
  const kernels::BasicScreenedRanks<kSpace>* screened = nullptr;  ///< for its norms
  double operand_roundoff = 0;                                    ///< of approximate scores
};

/// In one memory space, to which the rows of this rank are brought: all of them once, or, where they do not fit, a
/// window after the other. Scores of a tile are made there and merged into the best rows so far; those come back.
/// Known answers are left out on the host, among as many more of the best as the graph knows answers.
template <kernels::Space kSpace>
class ResidentBest final : public OwnBest {
 public:
  /// `place`, its memory and what `kernels` names outlive this.
  ResidentBest(const model::Setup& setup, const SearchNeeds& needs, memory::Place<kSpace>& place,
               const SearchKernels<kSpace>& kernels, const SearchPlan& plan);

  void search(const SearchBlock& block, std::span<Candidate> found, std::span<std::uint32_t> sizes) override;
  [[nodiscard]] model::PairEffort effort() const override { return effort_; }

 private:
  using ConstMatrix = kernels::BasicConstMatrix<kSpace>;
  template <class T>
  using Buffer = typename memory::Place<kSpace>::template Buffer<T>;
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  using Window = typename model::ResidentRows<kSpace>::Window;
  /// Queries that are searched at once, and the best rows that each of them keeps.
  struct Batch {
    std::size_t first;
    std::size_t count;
    std::uint64_t keys;
  };

  [[nodiscard]] bool screens() const { return kernels_.screened != nullptr; }
  [[nodiscard]] std::uint64_t keys_wanted(const SearchBlock& block, std::size_t query) const;
  [[nodiscard]] Batch next_batch(const SearchBlock& block, std::size_t first) const;
  void find_keys(const SearchBlock& block, const Batch& batch);
  void scan(const Batch& batch, const Window& window);
  void merge(const Batch& batch, const ConstMatrix& rows, Vector<const float> row_norms, std::uint32_t first_row);
  void fetch_keys(const Batch& batch);
  std::uint32_t take_best(const SearchQuery& query, std::span<kernels::BestKey> keys, std::span<Candidate> found) const;

  const model::Setup& setup_;
  SearchNeeds needs_;
  memory::Place<kSpace>& place_;
  SearchKernels<kSpace> kernels_;
  SearchPlan plan_;
  std::size_t dim_;
  float error_factor_ = 0;
  model::PairEffort effort_;

  memory::Staging<kSpace> staging_;
  model::ResidentRows<kSpace> rows_;
  Buffer<float> queries_;                         // [queries, dim]
  Buffer<float> scores_;                          // [queries, tile_rows]
  std::array<Buffer<kernels::BestKey>, 2> keys_;  // [queries, keys of a batch], those so far in the first
  // Of screening.
  Buffer<float> query_norms_;  // [queries]
  Buffer<kernels::BestKey> listed_;
  Buffer<std::uint32_t> counts_;     // [queries]
  Buffer<std::uint32_t> bars_;       // [queries]
  Buffer<std::uint32_t> overflows_;  // [queries + 1]
  Buffer<kernels::ScreenEffort> screen_effort_;
  // Of the host.
  memory::Buffer<kernels::BestKey> host_keys_;
  std::array<kernels::ScreenEffort, 1> host_effort_{};
};

extern template class ResidentBest<kernels::Space::kHost>;
extern template class ResidentBest<kernels::Space::kDevice>;

}  // namespace tessera::predict::detail
