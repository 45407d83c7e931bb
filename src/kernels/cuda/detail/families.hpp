// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

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

namespace tessera::kernels::cuda {

/// Every family, made of the kernel bodies that `launch` runs.
template <class Launcher>
struct GridFamilies {
  GridFamilies(const char* name_of, Launcher runs) : name(name_of), launch(runs) {}
  ~GridFamilies() = default;
  GridFamilies(const GridFamilies&) = delete;
  GridFamilies& operator=(const GridFamilies&) = delete;

  const char* name;
  Launcher launch;
  GridScores<Launcher> scores{launch};
  GridGradients<Launcher> gradients{launch};
  GridSoftmax<Launcher> softmax{launch};
  GridRows<Launcher> rows{launch};
  GridUpdates<Launcher> updates{launch};
  GridRanks<Launcher> ranks{launch};
  GridComposition<Launcher> composition{launch};
  GridPenalties<Launcher> penalties{launch};
  GridTargets<Launcher> targets{launch};
  GridStatistics<Launcher> statistics{launch};
  GridNegativeLosses<Launcher> negative_losses{launch};
  GridDistances<Launcher> distances{launch};
  GridBestRows<Launcher> best_rows{launch};
  BasicBackend<Launcher::kSpace> backend{name,       scores,          gradients,   softmax,   rows,
                                         updates,    ranks,           composition, penalties, targets,
                                         statistics, negative_losses, distances,   best_rows};
  GridScreenedRanks<Launcher> screened_ranks{launch};
};

}  // namespace tessera::kernels::cuda
