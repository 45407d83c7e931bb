// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/host_grid.hpp"

#include "kernels/cuda/detail/best_rows.hpp"
#include "kernels/cuda/detail/composition.hpp"
#include "kernels/cuda/detail/distances.hpp"
#include "kernels/cuda/detail/gradients.hpp"
#include "kernels/cuda/detail/negative_losses.hpp"
#include "kernels/cuda/detail/ranks.hpp"
#include "kernels/cuda/detail/rows.hpp"
#include "kernels/cuda/detail/scores.hpp"
#include "kernels/cuda/detail/screened_ranks.hpp"
#include "kernels/cuda/detail/softmax.hpp"
#include "kernels/cuda/detail/statistics.hpp"
#include "kernels/cuda/detail/targets.hpp"
#include "kernels/cuda/detail/updates.hpp"

namespace tessera::kernels {
namespace {

using cuda::HostLauncher;

struct HostGrid {
  HostGrid(const char* name, HostLauncher launch)
      : scores(launch),
        gradients(launch),
        softmax(launch),
        rows(launch),
        updates(launch),
        ranks(launch),
        composition(launch),
        penalties(launch),
        targets(launch),
        statistics(launch),
        negative_losses(launch),
        distances(launch),
        best_rows(launch),
        backend{name,      scores,  gradients,  softmax,         rows,      updates,  ranks, composition,
                penalties, targets, statistics, negative_losses, distances, best_rows} {}

  cuda::GridScores<HostLauncher> scores;
  cuda::GridGradients<HostLauncher> gradients;
  cuda::GridSoftmax<HostLauncher> softmax;
  cuda::GridRows<HostLauncher> rows;
  cuda::GridUpdates<HostLauncher> updates;
  cuda::GridRanks<HostLauncher> ranks;
  cuda::GridComposition<HostLauncher> composition;
  cuda::GridPenalties<HostLauncher> penalties;
  cuda::GridTargets<HostLauncher> targets;
  cuda::GridStatistics<HostLauncher> statistics;
  cuda::GridNegativeLosses<HostLauncher> negative_losses;
  cuda::GridDistances<HostLauncher> distances;
  cuda::GridBestRows<HostLauncher> best_rows;
  Backend backend;
};

}  // namespace

const Backend& host_grid_backend(GridOrder order) {
  static const HostGrid forward("host_grid", HostLauncher(GridOrder::kForward));
  static const HostGrid backward("host_grid_backward", HostLauncher(GridOrder::kBackward));
  return order == GridOrder::kForward ? forward.backend : backward.backend;
}

const ScreenedRanks& host_grid_screened_ranks(GridOrder order) {
  static const cuda::GridScreenedRanks<HostLauncher> forward{HostLauncher(GridOrder::kForward)};
  static const cuda::GridScreenedRanks<HostLauncher> backward{HostLauncher(GridOrder::kBackward)};
  return order == GridOrder::kForward ? forward : backward;
}

}  // namespace tessera::kernels
