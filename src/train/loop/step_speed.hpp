// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"
#include "execution/device_choice.hpp"
#include "kernels/backend.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace tessera::train {

/// The step that is rehearsed: of `queries` query vectors of `dim` floats against every candidate.
struct StepShape {
  std::size_t queries;
  std::size_t dim;
};

// Candidates per second that a rank gets through in a step of exact softmax: scores, exponentials, gradients of queries
// and rows, Adagrad; on made-up rows, after one round to warm up. Takes about a tenth of a second, and memory of its
// own that is gone afterwards. It is a clock's figure: no two are the same.

/// The part of a run that one rank computes in a step.
struct RankStep {
  std::uint64_t entities;  ///< rows of the rank
  std::uint64_t relations;
  std::int32_t ranks;  ///< of the run
};

/// Seconds that a rank of the host computes in a step of `job`, whose exchange.mode is decided: rehearsed on a made-up
/// graph with fewer entities, where that is enough, and without exchange. Takes about a second.
double host_step_seconds(const Job& job, const RankStep& step, std::size_t threads);

/// On the host, as QueriesEngine spreads tiles over `threads`.
double host_step_speed(const kernels::Backend& backend, std::size_t threads, const StepShape& shape);

/// How many times as fast as cpu_backend() the dot products of `backend` are on one core, for rows of `dim` floats. A
/// clock's figure, too; takes some milliseconds.
double products_gain(const kernels::Backend& backend, std::size_t dim);

/// On the device of `share`, with the products of that name. Throws Error(kOverBudget).
double device_step_speed(const execution::DeviceShare& share, const std::string& products, const StepShape& shape);

}  // namespace tessera::train
