// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/epoch_loss.hpp"

#include "comm/agreement.hpp"
#include "core/error.hpp"
#include "exchange/tree/part_tree.hpp"

#include <algorithm>

namespace tessera::train {

using execution::Space;
using kernels::LossSum;

template <Space kSpace>
EpochLoss<kSpace>::EpochLoss(comm::Communicator& comm, const graph::Shard& shard, execution::Executor<kSpace>& executor)
    : comm_(comm),
      executor_(executor),
      sums_(executor.template allocate<LossSum>(memory::Tag::kLogits, shard.parts.size())),
      own_(shard.parts.size()),
      own_values_(shard.parts.size()),
      first_part_(shard.placement.first_part(shard.rank).index()),
      parts_(shard.manifest.part_count()) {
  for (std::int32_t r = 0; r < comm.size(); ++r)
    bytes_.push_back(sizeof(double) *
                     (shard.placement.end_part(Rank(r)).value() - shard.placement.first_part(Rank(r)).value()));
}

template <Space kSpace>
void EpochLoss<kSpace>::start(EpochSums& sums) {
  if (sums.losses.empty()) sums.losses.assign(parts_, 0);
  if (sums.losses.size() != parts_)
    throw comm::AgreedError(ExitStatus::kBadData, fmt::format("the epoch was begun with losses of {} parts, not {}",
                                                              sums.losses.size(), parts_));
  for (std::size_t p = 0; p < own_.size(); ++p) own_[p] = {sums.losses[first_part_ + p], LossSum::kNone};
  executor_.upload(std::span<const LossSum>(own_), sums_.span());
  executor_.synchronize();
}

template <Space kSpace>
std::uint64_t EpochLoss<kSpace>::first_failed_step() const {
  std::uint64_t failed = LossSum::kNone;
  if constexpr (kSpace == Space::kHost)
    for (const LossSum& part : sums_.span()) failed = std::min(failed, part.bad_step);
  return failed;
}

template <Space kSpace>
void EpochLoss<kSpace>::download() {
  executor_.synchronize();  // before a copy that waits by itself
  executor_.download(kernels::Vector<kSpace, const LossSum>(sums_.span()), std::span(own_));
  executor_.synchronize();
}

template <Space kSpace>
double EpochLoss<kSpace>::mean_so_far(std::uint64_t terms) const {
  const double own_share = static_cast<double>(own_.size()) / static_cast<double>(parts_);
  double sum = 0;
  for (const LossSum& part : own_) sum += part.sum;
  return sum / (static_cast<double>(terms) * own_share);
}

template <Space kSpace>
void EpochLoss<kSpace>::gather(const Pass& pass, EpochSums& sums) {
  std::uint64_t failed = pass.end_step;
  for (std::size_t p = 0; p < own_.size(); ++p) {
    failed = std::min(failed, own_[p].bad_step);
    own_values_[p] = own_[p].sum;
  }
  const auto first = static_cast<std::uint64_t>(comm_.reduce(static_cast<std::int64_t>(failed), comm::Reduction::kMin));
  if (first < pass.end_step) fail_not_finite(pass, first);
  comm_.all_gather(std::as_bytes(std::span(own_values_)), std::as_writable_bytes(std::span(sums.losses)), bytes_);
}

double mean_loss(const EpochSums& sums) { return exchange::tree_sum(sums.losses) / static_cast<double>(sums.terms); }

void fail_not_finite(const Pass& pass, std::uint64_t step) {
  throw comm::AgreedError(ExitStatus::kBadData,
                          fmt::format("the loss is not a finite number at epoch {}, step {}; lower "
                                      "optimiser.learning_rate or model.init_scale",
                                      pass.epoch + 1, pass.steps_of_epoch + step + 1));
}

template class EpochLoss<Space::kHost>;
template class EpochLoss<Space::kDevice>;

}  // namespace tessera::train
