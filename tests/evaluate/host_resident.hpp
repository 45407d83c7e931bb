// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/detail/resident_counts.hpp"
#include "evaluate/evaluator.hpp"
#include "kernels/cuda/host_grid.hpp"
#include "support/rounded_scores.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace tessera::test {

/// Counting as on a device, in memory and over kernels of the host.
class HostResident final : public evaluate::detail::CandidateCounts {
 public:
  HostResident(const model::Setup& setup, const evaluate::detail::CountKernels<kernels::Space::kHost>& kernels,
               const evaluate::detail::CountsPlan& plan, std::uint64_t capacity,
               std::vector<kernels::ConstMatrix> lent_rows = {})
      : place_(setup.pool), counts_(setup, place_, kernels, plan, capacity, std::move(lent_rows)) {}
  void begin() override { counts_.begin(); }
  void start(const evaluate::detail::QueryBlock& block, std::span<const float> target_scores) override {
    counts_.start(block, target_scores);
  }
  void finish(std::span<std::int64_t> n_greater, std::span<std::int64_t> n_equal) override {
    counts_.finish(n_greater, n_equal);
  }
  [[nodiscard]] model::PairEffort effort() const override { return counts_.effort(); }

 private:
  memory::Place<kernels::Space::kHost> place_;
  evaluate::detail::ResidentCounts<kernels::Space::kHost> counts_;
};

/// By exact scores of a backend.
inline evaluate::MakeCounts resident(const kernels::Backend& backend, const evaluate::detail::CountsPlan& plan) {
  return [&backend, plan](const model::Setup& setup, std::uint64_t capacity) {
    return std::make_unique<HostResident>(
        setup, evaluate::detail::CountKernels<kernels::Space::kHost>{.exact = &backend.ranks}, plan, capacity);
  };
}

/// By products in bfloat16 first, screened by the kernel bodies of a device.
inline evaluate::MakeCounts screened(kernels::GridOrder order, const evaluate::detail::CountsPlan& plan) {
  return [order, plan](const model::Setup& setup, std::uint64_t capacity) {
    static const RoundedScores rounded;
    const evaluate::detail::CountKernels<kernels::Space::kHost> kernels{
        &kernels::host_grid_backend(order).ranks, &rounded, &kernels::host_grid_screened_ranks(order),
        RoundedScores::kRoundoff};
    return std::make_unique<HostResident>(setup, kernels, plan, capacity);
  };
}

}  // namespace tessera::test
