// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/device_counts.hpp"

#include "device/stream.hpp"
#include "evaluate/detail/counts_plan.hpp"
#include "evaluate/detail/resident_counts.hpp"

#include <memory>
#include <optional>
#include <utility>

namespace tessera::evaluate {
namespace {

using kernels::Products;
using kernels::Space;

/// Owns what a ResidentCounts works with.
class DeviceCounts final : public detail::CandidateCounts {
 public:
  DeviceCounts(const model::Setup& setup, memory::DevicePool& pool, Products products, std::uint64_t capacity,
               const std::vector<kernels::ConstDeviceMatrix>& lent_rows)
      : work_(pool.device()), place_(pool, work_.view(), work_.view()) {
    const bool is_dot = setup.parameters.scorer().similarity() == kernels::Similarity::kDot;
    detail::CountsSizes sizes{capacity, 0, setup.parameters.dim(), is_dot ? products : Products::kChain,
                              !lent_rows.empty()};
    for (const model::PartTable& part : setup.parameters.parts()) sizes.own_rows += part.rows.rows;
    const detail::CountsPlan plan = detail::plan_counts(sizes, place_.room_bytes());
    workspace_ = place_.allocate<std::byte>(memory::Tag::kEvaluation, detail::workspace_bytes(plan, sizes));
    kernels_ = kernels::make_device_kernels(work_.view(), sizes.products, workspace_.span());
    screened_ = kernels::make_screened_ranks(work_.view());
    detail::CountKernels<Space::kDevice> kernels{&kernels_->backend().ranks};
    if (sizes.products != Products::kChain)
      kernels = {&kernels_->backend().ranks, &kernels_->backend().scores, screened_.get(),
                 kernels::operand_roundoff(sizes.products)};
    counts_.emplace(setup, place_, kernels, plan, capacity, lent_rows);
  }
  void begin() override { counts_->begin(); }
  void start(const detail::QueryBlock& block, std::span<const float> target_scores) override {
    counts_->start(block, target_scores);
  }
  void finish(std::span<std::int64_t> n_greater, std::span<std::int64_t> n_equal) override {
    counts_->finish(n_greater, n_equal);
  }
  [[nodiscard]] model::PairEffort effort() const override { return counts_->effort(); }

 private:
  device::Stream work_;
  memory::Place<Space::kDevice> place_;
  memory::DeviceBuffer<std::byte> workspace_;
  std::unique_ptr<kernels::DeviceKernels> kernels_;
  std::unique_ptr<kernels::BasicScreenedRanks<Space::kDevice>> screened_;
  std::optional<detail::ResidentCounts<Space::kDevice>> counts_;
};

}  // namespace

MakeCounts device_counts(memory::DevicePool& pool, Products products,
                         std::vector<kernels::ConstDeviceMatrix> lent_rows) {
  return [&pool, products, rows = std::move(lent_rows)](const model::Setup& setup, std::uint64_t block_queries) {
    return std::make_unique<DeviceCounts>(setup, pool, products, block_queries, rows);
  };
}

}  // namespace tessera::evaluate
