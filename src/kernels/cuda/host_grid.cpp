// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/host_grid.hpp"

#include "kernels/cuda/detail/gradients.hpp"
#include "kernels/cuda/detail/ranks.hpp"
#include "kernels/cuda/detail/rows.hpp"
#include "kernels/cuda/detail/scores.hpp"
#include "kernels/cuda/detail/softmax.hpp"
#include "kernels/cuda/detail/updates.hpp"

namespace tessera::kernels {

const Backend& host_grid_backend() {
  using cuda::HostLauncher;
  static const cuda::GridScores<HostLauncher> scores{HostLauncher()};
  static const cuda::GridGradients<HostLauncher> gradients{HostLauncher()};
  static const cuda::GridSoftmax<HostLauncher> softmax{HostLauncher()};
  static const cuda::GridRows<HostLauncher> rows{HostLauncher()};
  static const cuda::GridUpdates<HostLauncher> updates{HostLauncher()};
  static const cuda::GridRanks<HostLauncher> ranks{HostLauncher()};
  static const Backend backend{"host_grid", scores, gradients, softmax, rows, updates, ranks};
  return backend;
}

}  // namespace tessera::kernels
