// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "report/run_figures.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera::report {

/// How much better a run is than the first one, query by query.
struct Difference {
  std::size_t second = 0;                              ///< index of the run
  std::optional<evaluate::Comparison> comparison;      ///< none: they cannot be compared
  std::string why_not;                                 ///< in that case
  std::array<std::vector<evaluate::GroupMean>, 3> by;  ///< by groups of the first run, in their order
};

/// Some runs side by side.
struct Report {
  EvaluationOptions options;
  std::uint64_t resamples = 0;  ///< of the differences
  std::vector<RunFigures> runs;
  std::vector<Difference> differences;  ///< of every run but the first
};

inline constexpr std::size_t kMostRuns = 8;

/// Reads the runs and compares them. Throws Error: kUsage for more than kMostRuns, kMissingInput, kBadData.
Report make_report(const std::vector<std::string>& runs, const EvaluationOptions& options, std::uint64_t resamples);

/// One HTML page that needs nothing else: no network, no script.
std::string to_html(const Report& report);

/// The same figures as one JSON object on one line.
std::string to_json(const Report& report);

}  // namespace tessera::report
