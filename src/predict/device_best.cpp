// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "predict/device_best.hpp"

#include "device/stream.hpp"
#include "predict/detail/resident_best.hpp"
#include "predict/detail/search_plan.hpp"

#include <memory>
#include <optional>

namespace tessera::predict {
namespace {

using kernels::Products;
using kernels::Space;

/// Owns what a ResidentBest works with.
class DeviceBest final : public detail::OwnBest {
 public:
  DeviceBest(const model::Setup& setup, const detail::SearchNeeds& needs, memory::DevicePool& pool, Products products)
      : work_(pool.device()), place_(pool, work_.view(), work_.view()) {
    const bool is_dot = setup.parameters.scorer().similarity() == kernels::Similarity::kDot;
    const detail::SearchSizes sizes{needs.block_queries,    needs.k,
                                    needs.omit_known,       needs.rows.end().value() - needs.rows.first().value(),
                                    setup.parameters.dim(), is_dot ? products : Products::kChain};
    const detail::SearchPlan plan = detail::plan_search(sizes, place_.room_bytes());
    workspace_ = place_.allocate<std::byte>(memory::Tag::kEvaluation, detail::workspace_bytes(plan, sizes));
    kernels_ = kernels::make_device_kernels(work_.view(), sizes.products, workspace_.span());
    screened_ = kernels::make_screened_ranks(work_.view());
    rows_ = kernels::make_best_rows(work_.view());
    detail::SearchKernels<Space::kDevice> kernels{&kernels_->backend().scores, rows_.get()};
    if (sizes.products != Products::kChain) {
      kernels.screened = screened_.get();
      kernels.operand_roundoff = tessera::kernels::operand_roundoff(sizes.products);
    }
    best_.emplace(setup, needs, place_, kernels, plan);
  }
  void search(const detail::SearchBlock& block, std::span<detail::Candidate> found,
              std::span<std::uint32_t> sizes) override {
    best_->search(block, found, sizes);
  }
  [[nodiscard]] model::PairEffort effort() const override { return best_->effort(); }

 private:
  device::Stream work_;
  memory::Place<Space::kDevice> place_;
  memory::DeviceBuffer<std::byte> workspace_;
  std::unique_ptr<kernels::DeviceKernels> kernels_;
  std::unique_ptr<kernels::BasicScreenedRanks<Space::kDevice>> screened_;
  std::unique_ptr<kernels::BasicBestRows<Space::kDevice>> rows_;
  std::optional<detail::ResidentBest<Space::kDevice>> best_;
};

}  // namespace

MakeBest device_best(memory::DevicePool& pool, Products products) {
  return [&pool, products](const model::Setup& setup, const detail::SearchNeeds& needs) {
    return std::make_unique<DeviceBest>(setup, needs, pool, products);
  };
}

}  // namespace tessera::predict
