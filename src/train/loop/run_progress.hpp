// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checkpoint/run_state.hpp"
#include "core/job.hpp"

namespace tessera::train {

/// Before anything is written. Throws Error(kUsage) for an existing run folder without `resume`, and for a job that
/// would make another run of it.
void check_run_folder(const Job& job, bool resume);

/// Counts a validation after state.epoch: the best one, and, at the job's interval alone, those without a better one.
/// Returns whether the learning rate goes down (schedule "plateau").
bool count_validation(checkpoint::RunState& state, const Job& job, double mrr);

}  // namespace tessera::train
