// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "core/epoch_sums.hpp"
#include "execution/executor.hpp"
#include "graph/shard.hpp"
#include "train/pass.hpp"

#include <cstdint>
#include <vector>

namespace tessera::train {

/// The loss of an epoch: sums by owned part in the memory of an executor. All ranks add them up to the same bits.
template <execution::Space kSpace>
class EpochLoss {
 public:
  EpochLoss(comm::Communicator& comm, const graph::Shard& shard, execution::Executor<kSpace>& executor);
  /// A pass begins: the sums are those of the epoch so far. Throws AgreedError(kBadData) when they are of other parts.
  void start(EpochSums& sums);
  /// [owned parts]; the kernels of a step add to them.
  [[nodiscard]] kernels::Vector<kSpace, kernels::LossSum> sums() const { return sums_.span(); }
  /// The first step of this rank whose loss is not finite, or LossSum::kNone. A device is not asked: download() waits
  /// for its sums.
  [[nodiscard]] std::uint64_t first_failed_step() const;
  /// Waits for all work, and copies the sums to the host.
  void download();
  /// The mean loss of this rank's parts at the last download, for progress. `terms` counts the terms of all parts.
  [[nodiscard]] double mean_so_far(std::uint64_t terms) const;
  /// Collective, after download(). Puts the sums of all parts into `sums`. Throws AgreedError(kBadData) that names the
  /// first step whose loss is not finite.
  void gather(const Pass& pass, EpochSums& sums);

 private:
  comm::Communicator& comm_;
  execution::Executor<kSpace>& executor_;
  typename execution::Executor<kSpace>::template Buffer<kernels::LossSum> sums_;
  std::vector<kernels::LossSum> own_;  // the sums at the last download
  std::vector<double> own_values_;     // their losses
  std::size_t first_part_;             // of this rank
  std::size_t parts_;                  // of the graph
  std::vector<std::uint64_t> bytes_;   // by rank
};

/// The mean loss of an epoch: the sums of all parts, added up in the tree over parts.
double mean_loss(const EpochSums& sums);

/// Throws AgreedError(kBadData) that names the step; for all ranks alike.
[[noreturn]] void fail_not_finite(const Pass& pass, std::uint64_t step);

extern template class EpochLoss<execution::Space::kHost>;
extern template class EpochLoss<execution::Space::kDevice>;

}  // namespace tessera::train
