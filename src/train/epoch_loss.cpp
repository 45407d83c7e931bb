// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/epoch_loss.hpp"

#include "comm/agreement.hpp"
#include "core/error.hpp"
#include "exchange/tree/part_tree.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tessera::train {

EpochLoss::EpochLoss(comm::Communicator& comm, const graph::Shard& shard)
    : comm_(comm), own_(shard.parts.size()), all_(shard.manifest.part_count()) {
  for (std::int32_t r = 0; r < comm.size(); ++r)
    bytes_.push_back(sizeof(double) *
                     (shard.placement.end_part(Rank(r)).value() - shard.placement.first_part(Rank(r)).value()));
}

void EpochLoss::start() { std::fill(own_.begin(), own_.end(), 0.0); }

bool EpochLoss::is_finite() const {
  return std::all_of(own_.begin(), own_.end(), [](double loss) { return std::isfinite(loss); });
}

double EpochLoss::mean_so_far(std::uint64_t terms) const {
  const double own_share = static_cast<double>(own_.size()) / static_cast<double>(all_.size());
  return std::accumulate(own_.begin(), own_.end(), 0.0) / (static_cast<double>(terms) * own_share);
}

double EpochLoss::mean(std::uint64_t terms) {
  comm_.all_gather(std::as_bytes(std::span(own_)), std::as_writable_bytes(std::span(all_)), bytes_);
  return exchange::tree_sum(all_) / static_cast<double>(terms);
}

void fail_not_finite(std::uint32_t epoch, std::uint64_t step) {
  throw comm::AgreedError(ExitStatus::kBadData,
                          fmt::format("the loss is not a finite number at epoch {}, step {}; lower "
                                      "optimiser.learning_rate or model.init_scale",
                                      epoch + 1, step + 1));
}

}  // namespace tessera::train
