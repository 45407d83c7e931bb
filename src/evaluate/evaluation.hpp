// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "evaluate/bootstrap.hpp"
#include "evaluate/breakdown.hpp"
#include "evaluate/metrics.hpp"
#include "evaluate/ranking.hpp"
#include "graph/split.hpp"

#include <cstdint>
#include <string>

namespace tessera::evaluate {

/// The results of one evaluation.
struct Evaluation {
  graph::Split split = graph::Split::kTest;
  Options options;
  BootstrapOptions bootstrap;
  std::uint64_t epoch = 0;       ///< epoch of the checkpoint
  std::string candidate_digest;  ///< XXH3-128 of the file of candidates; empty: all entities
  Metrics metrics;
  Interval mrr_interval;
  Groups groups;
  std::string why_not_stored;  ///< on rank 0, of a file that could not be completed
};

}  // namespace tessera::evaluate
