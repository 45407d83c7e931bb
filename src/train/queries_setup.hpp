// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/query_exchange.hpp"
#include "train/batch.hpp"
#include "train/engine.hpp"
#include "train/queries_step.hpp"

#include <cstdint>

// What follows from a job when queries are moved, whichever engine moves them.
namespace tessera::train {

/// Items of all parts in steps of job.train.batch_size.
StepSchedule item_schedule(const EngineSetup& setup);
/// Candidates that each part samples in a step; 0: all are candidates.
std::uint64_t sampled_per_part(const Job& job, std::uint32_t parts);
/// Most queries and targets of each part in a step, and of all of them.
exchange::QueryExchange::Capacity exchange_capacity(const EngineSetup& setup, const StepSchedule& schedule);
QueriesStep::Capacity step_capacity(const EngineSetup& setup, const StepSchedule& schedule);
/// The loss of the job, scores being kept.
CandidateLoss candidate_loss(const Job& job);

}  // namespace tessera::train
