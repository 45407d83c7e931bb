// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/thread/thread_communicator.hpp"
#include "evaluate/evaluator.hpp"
#include "support/model_fixture.hpp"

#include <vector>

namespace tessera::test {

/// How an evaluation is run.
struct EvaluateCase {
  std::int32_t ranks = 1;
  std::size_t threads = 1;
  graph::Split split = graph::Split::kTest;
  evaluate::Options options;
  const kernels::Backend* backend = &kernels::reference_backend();
  std::uint64_t budget_bytes = 64U << 20U;
  search::MakeRanker ranker = search::rank_on_host();
};

struct Evaluated {
  evaluate::Metrics metrics;
  std::vector<evaluate::RankedQuery> queries;  ///< in the order of the results
};

/// Evaluates `values` on `stored` and returns what rank 0 saw; throws when another rank saw something else.
Evaluated evaluate_on_ranks(const StoredGraph& stored, const ModelValues& values, const EvaluateCase& how);

}  // namespace tessera::test
