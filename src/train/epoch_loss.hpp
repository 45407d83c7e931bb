// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "graph/shard.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::train {

/// The loss of an epoch: sums by owned part, which all ranks add up to the same bits.
class EpochLoss {
 public:
  EpochLoss(comm::Communicator& comm, const graph::Shard& shard);
  void start();
  /// [owned parts]; steps add to it.
  [[nodiscard]] std::span<double> by_part() { return own_; }
  [[nodiscard]] bool is_finite() const;
  /// For progress, not collective: the mean so far of this rank's parts, `terms` being those of all parts.
  [[nodiscard]] double mean_so_far(std::uint64_t terms) const;
  /// Collective. The sum over all parts in the tree over parts, divided by `terms`.
  double mean(std::uint64_t terms);

 private:
  comm::Communicator& comm_;
  std::vector<double> own_;
  std::vector<double> all_;
  std::vector<std::uint64_t> bytes_;  // by rank
};

/// Throws AgreedError(kBadData) that names the step; for all ranks alike.
[[noreturn]] void fail_not_finite(std::uint32_t epoch, std::uint64_t step);

}  // namespace tessera::train
