// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.hpp"
#include "core/job.hpp"
#include "evaluate/evaluator.hpp"
#include "memory/pool.hpp"
#include "predict/searcher.hpp"
#include "train/resident/device_engine.hpp"

#include <optional>
#include <vector>

namespace tessera::cli {

/// Collective. The device of this rank, if the job wants one: before anything is loaded, and before any rank takes
/// memory of it. Throws AgreedError.
std::optional<train::DeviceShare> open_device(Environment& environment, const Job& job);

/// Candidates are compared on the device of `pool`, or on the host when there is none; with the rows that an engine
/// has there, if any.
evaluate::MakeCounts make_counts(std::optional<memory::DevicePool>& pool, const Job& job,
                                 std::vector<kernels::ConstDeviceMatrix> lent_rows = {});
/// Answers are searched there.
predict::MakeBest make_best(std::optional<memory::DevicePool>& pool, const Job& job);

}  // namespace tessera::cli
