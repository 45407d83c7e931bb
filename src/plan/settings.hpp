// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"
#include "plan/rank_plan.hpp"

#include <optional>
#include <string>
#include <vector>

namespace tessera::plan {

/// A setting that may take less memory, and what it costs.
struct Candidate {
  std::string text;  ///< key=value
  std::string cost;
};

/// The cheapest first.
std::vector<Candidate> settings_to_try(Stage stage, const Job& job);

/// The job with these settings; none when they do not fit it, or do not exist.
std::optional<Job> changed_job(const Job& job, const std::vector<std::string>& settings, std::int32_t ranks);

}  // namespace tessera::plan
